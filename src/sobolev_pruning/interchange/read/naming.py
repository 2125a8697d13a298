"""Which activation a function is: `factor * act(a t + b) + offset`, told from its normal form alone."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...activations import ACTIVATIONS
from ..expression import Term, in_order
from ..formulas import FORMULAS
from . import pieces, smooth
from .faults import NotFeedForward
from .pieces import Pieces
from .smooth import Atom, Smooth

_ROOT_2 = Fraction(math.sqrt(2.0))
_TANH_SCALE, _TANH_CUBIC = Fraction(math.sqrt(2.0 / math.pi)), Fraction(0.044715)
_FLOAT32 = Fraction(3, 10**7)
"""Relative difference of a product of two numbers rounded to float32."""
_FLOAT64 = Fraction(1, 2**50)
_LONG = 20
"""More terms than this has only the polynomial that we write for gelu."""


@dataclass(frozen=True)
class Named:
    """`factor * activation(slope * t + shift) + offset`."""

    activation: str
    slope: float
    shift: float
    factor: float
    offset: float


def named(function: Pieces, single: bool, makers: Mapping[Fraction, str]) -> Named:
    """What `function` is; `single` for numbers of float32, `makers` names the nodes its breakpoints come from.

    The answer holds for every t, up to what exporters round: the two constants of gelu_tanh, and the place from which
    PyTorch writes t for softplus where its format cannot tell them apart. Raises `NotFeedForward` where `function` is
    none of our activations.
    """
    function = _without_threshold(function, single)
    if len(function.between[0].terms) > _LONG:
        for written in (np.float64, np.float32):
            factor, offset = _multiple(function, _written_gelu(written))
            if factor is not None:
                return _rounded("gelu", Fraction(1), Fraction(0), factor, offset)
    if not function.breaks:
        found = _smooth(function.between[0])
        if found is None:
            raise NotFeedForward(f"the elementwise function before it is none of {', '.join(ACTIVATIONS)}")
        return found
    return _kinked(function, makers)


def _smooth(x: Smooth) -> Named | None:
    if len(x.atoms) != 1:
        return None
    (atom,) = x.atoms
    kind, argument = atom[0], Smooth(atom[1])
    alone = (frozenset(), frozenset([(atom, 1)]))
    if any(exponent or power > 1 or atoms not in alone for power, exponent, atoms in x.coefficients):
        return None
    if kind == "tanh":
        return _tanh(x, atom) or _smooth(smooth.substituted(x, functions={"tanh": _tanh_as_sigmoid}))
    rules = {"sigmoid": _sigmoid, "erf": _gelu, "softplus": _softplus}
    return rules[kind](x, atom, argument) if kind in rules else None


def _tanh_as_sigmoid(x: Smooth) -> Smooth:
    return smooth.number(2) * smooth.sigmoid(x + x) - smooth.number(1)


def _tanh(x: Smooth, atom: Atom) -> Named | None:
    line = Smooth(atom[1]).line
    if line is None or x.part(1, atom) or x.part(1):
        return None
    return _rounded("tanh", *line, x.part(0, atom), x.part(0))


def _sigmoid(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    line, factor, offset = argument.line, x.part(0, atom), x.part(0)
    if line is None:
        return _gelu_tanh(x, atom, argument)
    if not x.part(1, atom):
        if x.part(1):
            return None
        if 2 * offset == -factor:
            return _rounded("tanh", line[0] / 2, line[1] / 2, factor / 2, Fraction(0))
        return _rounded("sigmoid", *line, factor, offset)
    return _times_argument("silu", x, atom, *line)


def _times_argument(name: str, x: Smooth, atom: Atom, slope: Fraction, shift: Fraction) -> Named | None:
    """`w f + offset` with `w = slope t + shift` and f the atom, or `-w (1 - f) + offset`."""
    factor = x.part(1, atom) / slope
    if x.part(0, atom) != factor * shift:
        return None
    if not x.part(1):
        return _rounded(name, slope, shift, factor, x.part(0))
    if x.part(1) == -x.part(1, atom):
        return _rounded(name, -slope, -shift, factor, x.part(0) + factor * shift)
    return None


def _gelu_tanh(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    """`y sigmoid(2 s (y + c y^3))` with `y = a (t + h)`; s and c may be rounded to float32."""
    powers = argument.powers
    if powers is None or max(powers) != 3:
        return None
    cubic = powers[3]
    h = powers.get(2, Fraction(0)) / (3 * cubic)
    centred = smooth.substituted(argument, smooth.VARIABLE - smooth.number(h)).powers
    slope = centred.get(1, Fraction(0)) / (2 * _TANH_SCALE)
    meant = 2 * _TANH_SCALE * _TANH_CUBIC * slope**3
    if set(centred) != {1, 3} or slope <= 0 or abs(cubic - meant) > _FLOAT32 * meant:
        return None
    return _times_argument("gelu_tanh", x, atom, slope, slope * h)


def _gelu(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    """`gelu(+-y) = (sqrt(2) / 2) (+-w + w erf(w))` with `y = sqrt(2) w`."""
    if argument.line is None or not x.part(1, atom):
        return None
    slope, shift = argument.line
    factor = x.part(1, atom) / slope
    side = x.part(1) / x.part(1, atom)
    if x.part(0, atom) != factor * shift or side not in (1, -1):
        return None
    offset = x.part(0) - side * factor * shift
    return _rounded("gelu", side * _ROOT_2 * slope, side * _ROOT_2 * shift, factor * _ROOT_2, offset)


def _softplus(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    factor = x.part(0, atom)
    if argument.line is None or x.part(1, atom):
        return None
    slope, shift = argument.line
    if not x.part(1):
        return _rounded("softplus", slope, shift, factor, x.part(0))
    if x.part(1) == -factor * slope:  # softplus(-w) = softplus(w) - w
        return _rounded("softplus", -slope, -shift, factor, x.part(0) + factor * shift)
    return None


def _kinked(function: Pieces, makers: Mapping[Fraction, str]) -> Named:
    places = _places(function, makers)
    if len(function.breaks) == 1:
        (place,), (left, right), (value,) = function.breaks, function.between, function.at
        if len({pieces.value_at(piece, place) for piece in (left, right, value)}) > 1:
            raise NotFeedForward(f"the elementwise function before it jumps at {places}, and no activation read does")
        found = _relu(left, right) or _elu(left, right) or _elu(right, left)
        if found is not None:
            return found
        if left.line is not None and right.line is not None:
            raise NotFeedForward(
                f"the elementwise function before it has the slopes {float(left.line[0]):g} and "
                f"{float(right.line[0]):g} on the two sides of {places}, and relu, the only activation read that is "
                "like it, has the slope 0 on one"
            )
    raise NotFeedForward(
        f"the elementwise function before it changes at {places}, and none of {', '.join(ACTIVATIONS)} does so; "
        "train it without what cuts there, or take that node out where its input never gets so far"
    )


def _places(function: Pieces, makers: Mapping[Fraction, str]) -> str:
    """The breakpoints and the nodes they come from."""
    by_node: dict[str, list[str]] = {}
    for place in function.breaks:
        by_node.setdefault(makers.get(place, "of this formula"), []).append(f"{float(place):g}")
    return " and ".join(f"{' and '.join(places)} ({node})" for node, places in by_node.items())


def _relu(left: Smooth, right: Smooth) -> Named | None:
    if left.line is None or right.line is None or (left.line[0] != 0) == (right.line[0] != 0):
        return None
    flat, steep = (left, right) if right.line[0] else (right, left)
    slope, shift, offset = steep.line[0], steep.line[1] - flat.line[1], flat.line[1]
    side = 1 if (slope > 0) == (steep is right) else -1
    return _rounded("relu", side * slope, side * shift, Fraction(side), offset)


def _elu(curved: Smooth, straight: Smooth) -> Named | None:
    """`k (e^w - 1) + offset` on the side where `w < 0`, `k w + offset` on the other; they meet, so the side is right
    when w rises towards it."""
    exponents = [exponent for _, exponent, _ in curved.coefficients if exponent]
    if straight.line is None or len(exponents) != 1 or curved.atoms:
        return None
    argument = Smooth(exponents[0])
    factor = curved.part(0, exponent=exponents[0])
    offset = curved.part(0) + factor
    if argument.line is None or not argument.line[0] or curved.part(1) or curved.part(1, exponent=exponents[0]):
        return None
    if straight != smooth.number(factor) * argument + smooth.number(offset):
        return None
    return _rounded("elu", *argument.line, factor, offset)


def _without_threshold(function: Pieces, single: bool) -> Pieces:
    """softplus throughout where a file writes its asymptote from a place on where its format cannot tell them apart."""
    if len(function.breaks) != 1:
        return function
    (place,), (left, right) = function.breaks, function.between
    precision = np.finfo(np.float32 if single else np.float64).eps
    for curved, straight in ((left, right), (right, left)):
        if [kind for kind, _ in curved.atoms] != ["softplus"]:
            continue
        ((_, argument),) = curved.atoms
        factor = smooth.number(curved.part(0, ("softplus", argument)))
        for inner in (Smooth(argument), -Smooth(argument)):  # softplus(w) is near 0, or near w by softplus(-w)
            if inner.line is None or curved - straight != factor * smooth.softplus(inner):
                continue
            there = float(inner.line[0] * place + inner.line[1])
            vanishes = (inner.line[0] < 0) == (straight is right)
            if vanishes and there < 0 and math.log1p(math.exp(there)) <= precision * abs(there):
                return Pieces((curved,))
    return function


def _multiple(function: Pieces, template: Pieces) -> tuple[Fraction | None, Fraction]:
    """`(c, o)` with `function = c * template + o`, c None where it is no such multiple."""
    if function.breaks != template.breaks:
        return None, Fraction(0)
    one, two = function.between[1], template.between[1]
    monomial = next(key for key in two.coefficients if key != smooth.PLAIN)
    factor = one.coefficients.get(monomial, Fraction(0)) / two.coefficients[monomial]
    offset = one.part(0) - factor * two.part(0)
    scaled = pieces.apply(lambda x: smooth.number(factor) * x + smooth.number(offset), template)
    return (factor if scaled == function else None), offset


@functools.cache
def _written_gelu(dtype: type) -> Pieces:
    """gelu as our own writers spell it: a polynomial for its tails, right to the rounding of its numbers."""
    with np.errstate(all="ignore"):
        return interpreted(FORMULAS["gelu"](Term("variable"))[0], lambda c: float(dtype(c)))


def interpreted(term: Term, number: Callable[[float], float] = float) -> Pieces:
    """A formula of ours in normal form, its constants through `number`."""
    words = {
        "variable": lambda: pieces.VARIABLE,
        "add": pieces.add,
        "subtract": pieces.subtract,
        "multiply": pieces.multiply,
        "divide": pieces.divide,
        "negate": lambda x: pieces.subtract(pieces.number(0.0), x),
        "absolute": pieces.absolute,
        "exp": pieces.elementwise(smooth.exp),
        "log": pieces.elementwise(smooth.log),
        "sigmoid": pieces.elementwise(smooth.sigmoid),
        "tanh": pieces.elementwise(smooth.tanh),
        "maximum": pieces.maximum,
        "minimum": pieces.minimum,
        "where_positive": lambda x, a, b: pieces.where(pieces.greater(x, pieces.number(0.0)), a, b),
    }
    found: dict[int, Pieces] = {}
    for step in in_order([term]):
        operands = [found[id(a)] if isinstance(a, Term) else pieces.number(number(a)) for a in step.arguments]
        found[id(step)] = words[step.operation](*operands)
    return found[id(term)]


def _rounded(name: str, slope: Fraction, shift: Fraction, factor: Fraction, offset: Fraction) -> Named | None:
    if not slope or not factor:
        return None
    if abs(slope - 1) <= _FLOAT64 and abs(factor - 1) <= _FLOAT64:
        slope = factor = Fraction(1)  # what is left of sqrt(2) sqrt(1/2)
    return Named(name, float(slope), float(shift), float(factor), float(offset))
