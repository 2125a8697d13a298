"""Smooth functions of one variable in a normal form with exact coefficients.

A function is a sum of terms `c t^i e^p f(q) g(r) ...`: c a rational number, t the variable, p a function again, and
f, g, ... sigmoid, tanh, erf, softplus and so on, of functions again. Sums and products are multiplied out, and
exponentials, reciprocals and logarithms that make a sigmoid or a softplus become one. So silu written as
`t sigmoid(t)` and as `t / (1 + e^-t)` end as one function, whatever the order of the operations: what is equal here is
equal for every real number. Numbers of a file are rational, so nothing is ever rounded.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

from .faults import NotFeedForward

LARGEST_DEGREE = 64
MOST_TERMS = 1024
MOST_BITS = 2**14
DEEPEST = 4
"""A file may ask for anything; what an activation takes is far below these."""

Terms: TypeAlias = frozenset
"""Monomials with their coefficients; the type holds itself, which annotations cannot say."""
Atom: TypeAlias = tuple[str, Terms]
Monomial: TypeAlias = tuple[int, Terms, frozenset]
"""The power of the variable, the exponent of e, and other functions with their arguments, each with its power."""

PLAIN: Monomial = (0, frozenset(), frozenset())


@dataclass(frozen=True)
class Smooth:
    """A sum of terms, each a monomial with its coefficient; none of them is 0.

    >>> t = VARIABLE
    >>> t * sigmoid(t) == t * reciprocal(number(1) + exp(-t))
    True
    """

    terms: Terms

    @cached_property
    def coefficients(self) -> dict[Monomial, Fraction]:
        return dict(self.terms)

    @property
    def constant(self) -> Fraction | None:
        """The number that this is everywhere; None where it is no rational number."""
        if not self.terms:
            return Fraction(0)
        return self.coefficients.get(PLAIN) if len(self.terms) == 1 else None

    @property
    def line(self) -> tuple[Fraction, Fraction] | None:
        """`(a, b)` where this is `a t + b`."""
        powers = self.powers
        return None if powers is None or max(powers, default=0) > 1 else (powers.get(1, Fraction(0)), self.part(0))

    @property
    def powers(self) -> dict[int, Fraction] | None:
        """The coefficients by power where this is a polynomial in t."""
        if any(exponent or atoms for (_, exponent, atoms) in self.coefficients):
            return None
        return {power: factor for (power, _, _), factor in self.coefficients.items()}

    @property
    def atoms(self) -> set[Atom]:
        """The functions in it, exponentials apart."""
        return {atom for (_, _, atoms) in self.coefficients for atom, _ in atoms}

    def part(self, power: int, atom: Atom | None = None, exponent: Terms = frozenset()) -> Fraction:
        """The coefficient of `t^power`, times `atom`, times `e^exponent`."""
        atoms = frozenset() if atom is None else frozenset([(atom, 1)])
        return self.coefficients.get((power, exponent, atoms), Fraction(0))

    def __add__(self, other: "Smooth") -> "Smooth":
        return _collected([*self.terms, *other.terms])

    def __neg__(self) -> "Smooth":
        return Smooth(frozenset((monomial, -factor) for monomial, factor in self.terms))

    def __sub__(self, other: "Smooth") -> "Smooth":
        return self + -other

    def __mul__(self, other: "Smooth") -> "Smooth":
        if len(self.terms) * len(other.terms) > 8 * MOST_TERMS:
            raise NotFeedForward("its elementwise function is too long")
        products = []
        for one, factor in self.terms:
            for two, other_factor in other.terms:
                products += [(monomial, c * factor * other_factor) for monomial, c in _product(one, two)]
        return _collected(products)


def number(value: Fraction | float) -> Smooth:
    """The same number everywhere."""
    value = Fraction(value)
    return Smooth(frozenset([(PLAIN, value)] if value else []))


VARIABLE = Smooth(frozenset([((1, frozenset(), frozenset()), Fraction(1))]))
_ONE = number(1)


def power(base: Smooth, exponent: int) -> Smooth:
    """`base^exponent`, `exponent` at least 0."""
    result = _ONE
    for _ in range(exponent):
        result = result * base
    return result


def exp(x: Smooth) -> Smooth:
    """`e^x`."""
    _depth(x.terms)
    return _exponential(x.terms)


def log(x: Smooth) -> Smooth:
    """The natural logarithm; `log(e^p + e^q) = p + softplus(q - p)`, `log(sigmoid(p)) = -softplus(-p)`."""
    exponents = _pure_exponents(x)
    if exponents is not None and set(exponents.values()) == {Fraction(1)}:
        first, *rest = map(Smooth, exponents)
        if not rest:
            return first
        if len(rest) == 1:
            return first + softplus(rest[0] - first)
    for kind, argument in x.atoms:
        for inner in (Smooth(argument), -Smooth(argument)):
            if kind == "sigmoid" and x == sigmoid(inner):
                return -softplus(-inner)
    return _atom("log", x)


def reciprocal(x: Smooth) -> Smooth:
    """`1 / x`; `1 / (e^p + e^q) = e^-p sigmoid(p - q)`."""
    if not x.terms:
        raise NotFeedForward("it divides by 0")
    exponents = _pure_exponents(x)
    if exponents is not None and len(exponents) <= 2 and len(set(exponents.values())) == 1:
        first, *rest = map(Smooth, exponents)
        part = sigmoid(first - rest[0]) if rest else _ONE
        return number(1 / next(iter(exponents.values()))) * _exponential((-first).terms) * part
    line = x.line
    if line is not None:  # 1 / (a t + b) as a multiple of 1 / (t + b/a)
        return number(1 / line[0]) * _atom("reciprocal", number(1 / line[0]) * x)
    return _atom("reciprocal", x)


def quotient(x: Smooth, y: Smooth) -> Smooth:
    """`x / y`; `(a t + b) / (c t + d)` as a number and a multiple of `1 / (c t + d)`."""
    above, below = x.line, y.line
    if above is None or below is None or not above[0] or not below[0]:
        return x * reciprocal(y)
    whole = number(above[0] / below[0])
    rest = x - whole * y
    return whole + rest * reciprocal(y) if rest.terms else x * reciprocal(y)  # t / t is nothing at 0


def sigmoid(x: Smooth) -> Smooth:
    """`1 / (1 + e^-x)`; `sigmoid(-x) = 1 - sigmoid(x)`."""
    if not x.terms:
        return number(Fraction(1, 2))
    return _ONE - _atom("sigmoid", -x) if _leading(x) < 0 else _atom("sigmoid", x)


def tanh(x: Smooth) -> Smooth:
    """The hyperbolic tangent, an odd function."""
    return _odd("tanh", x)


def sin(x: Smooth) -> Smooth:
    """The sine, an odd function."""
    return _odd("sin", x)


def erf(x: Smooth) -> Smooth:
    """The error function, an odd function."""
    return _odd("erf", x)


def softplus(x: Smooth) -> Smooth:
    """`log(1 + e^x)`; `softplus(-x) = softplus(x) - x`."""
    if not x.terms:
        return _atom("log", number(2))
    return x + _atom("softplus", -x) if _leading(x) < 0 else _atom("softplus", x)


def root(x: Smooth) -> Smooth:
    """The square root."""
    return _atom("root", x)


_FUNCTIONS: dict[str, Callable[[Smooth], Smooth]] = {
    "log": log,
    "reciprocal": reciprocal,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "sin": sin,
    "erf": erf,
    "softplus": softplus,
    "root": root,
}


def substituted(
    x: Smooth, variable: Smooth = VARIABLE, functions: Mapping[str, Callable[[Smooth], Smooth]] = _FUNCTIONS
) -> Smooth:
    """`x` with `variable` for t, and other `functions` for some of those in it."""
    functions = _FUNCTIONS | functions
    total = number(0)
    for (degree, exponent, atoms), factor in x.terms:
        term = number(factor) * power(variable, degree)
        if exponent:
            term = term * exp(substituted(Smooth(exponent), variable, functions))
        for (kind, argument), times in atoms:
            term = term * power(functions[kind](substituted(Smooth(argument), variable, functions)), times)
        total = total + term
    return total


def limits(x: Smooth) -> tuple[Fraction | float, Fraction | float]:
    """Two numbers that `x` lies between wherever t is; infinite where that is not seen at once."""
    lowest: Fraction | float = Fraction(0)
    highest: Fraction | float = Fraction(0)
    for (degree, exponent, atoms), factor in x.terms:
        one, two = (1, 1)
        if degree or len(atoms) > 1 or (atoms and exponent) or any(times > 1 for _, times in atoms):
            one, two = (-math.inf, math.inf)
        elif exponent:
            one, two = (0, math.inf)
        elif atoms:
            one, two = _RANGES.get(next(iter(atoms))[0][0], (-math.inf, math.inf))
        ends = sorted([factor * one, factor * two])
        lowest, highest = lowest + ends[0], highest + ends[1]
    return lowest, highest


_RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1), "softplus": (0, math.inf)}
"""Open at both ends: no end is reached."""


def _collected(terms: list[tuple[Monomial, Fraction]]) -> Smooth:
    total: dict[Monomial, Fraction] = {}
    for monomial, factor in terms:
        total[monomial] = total.get(monomial, Fraction(0)) + factor
    found = frozenset((monomial, factor) for monomial, factor in total.items() if factor)
    large = any(max(c.numerator.bit_length(), c.denominator.bit_length()) > MOST_BITS for _, c in found)
    if len(found) > MOST_TERMS or large:
        raise NotFeedForward("its elementwise function is too long")
    return Smooth(found)


def _product(one: Monomial, two: Monomial) -> list[tuple[Monomial, int]]:
    """Two monomials as one, or as several where `e^w sigmoid(w) = e^w - sigmoid(w)` or `e^-w sigmoid(w) = 1 -
    sigmoid(w)` makes them simpler."""
    powers: dict[Atom, int] = {}
    for atom, times in [*one[2], *two[2]]:
        powers[atom] = powers.get(atom, 0) + times
    degree = one[0] + two[0]
    if degree + sum(powers.values()) > LARGEST_DEGREE:
        raise NotFeedForward("its elementwise function is too long")
    exponent = (Smooth(one[1]) + Smooth(two[1])).terms
    if exponent:
        for (kind, argument), times in powers.items():
            rising, falling = exponent == argument, exponent == (-Smooth(argument)).terms
            if kind == "sigmoid" and (rising or falling):
                fewer = powers | {(kind, argument): times - 1}
                simple = (degree, exponent if rising else frozenset(), _powers(fewer))
                return [(simple, 1), ((degree, frozenset(), _powers(powers)), -1)]
    return [((degree, exponent, _powers(powers)), 1)]


def _powers(powers: dict[Atom, int]) -> frozenset[tuple[Atom, int]]:
    return frozenset((atom, times) for atom, times in powers.items() if times)


def _exponential(exponent: Terms) -> Smooth:
    return Smooth(frozenset([((0, exponent, frozenset()), Fraction(1))]))


def _atom(kind: str, argument: Smooth) -> Smooth:
    _depth(argument.terms)
    return Smooth(frozenset([((0, frozenset(), frozenset([((kind, argument.terms), 1)])), Fraction(1))]))


def _odd(kind: str, x: Smooth) -> Smooth:
    if not x.terms:
        return x
    return -_atom(kind, -x) if _leading(x) < 0 else _atom(kind, x)


def _leading(x: Smooth) -> Fraction:
    """The coefficient of the highest power of t that stands alone, by whose sign x and -x are told apart."""
    alone = [(power, factor) for (power, exponent, atoms), factor in x.terms if not exponent and not atoms]
    return max(alone, default=(0, Fraction(1)))[1]


def _pure_exponents(x: Smooth) -> dict[Terms, Fraction] | None:
    """The coefficients by exponent where `x` is a sum of exponentials."""
    if any(power or atoms for (power, _, atoms) in x.coefficients):
        return None
    return {exponent: factor for (_, exponent, _), factor in x.coefficients.items()} or None


def _depth(terms: Terms) -> int:
    """How deep functions stand in functions."""
    inner = [argument for (_, exponent, atoms), _ in terms for argument in [exponent, *(a[1] for a, _ in atoms)]]
    depth = 1 + max((_depth(argument) for argument in inner if argument), default=0)
    if depth > DEEPEST:
        raise NotFeedForward("its elementwise function is too long")
    return depth
