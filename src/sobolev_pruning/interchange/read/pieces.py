"""Functions of one variable that are smooth but for finitely many breakpoints, all of it exact."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from . import smooth
from .faults import NotFeedForward
from .smooth import Smooth

MOST_BREAKS = 32


@dataclass(frozen=True)
class Pieces:
    """`between[0]` below the first of the sorted `breaks`, `between[i]` between two, and `at[i]` on each.

    >>> relu = maximum(VARIABLE, number(0.0))
    >>> relu.breaks, relu == where(greater(VARIABLE, number(0.0)), VARIABLE, number(0.0))
    ((Fraction(0, 1),), True)
    """

    between: tuple[Smooth, ...]
    breaks: tuple[Fraction, ...] = ()
    at: tuple[Smooth, ...] = ()

    @property
    def line(self) -> tuple[Fraction, Fraction] | None:
        """`(a, b)` where this is `a t + b` for every t."""
        return None if self.breaks else self.between[0].line


VARIABLE = Pieces((smooth.VARIABLE,))


def number(value: float) -> Pieces:
    """The same number everywhere."""
    return Pieces((smooth.number(value),))


def apply(function: Callable[..., Smooth], *operands: Pieces) -> Pieces:
    """`function` of what each operand is, piece by piece."""
    breaks = sorted({place for operand in operands for place in operand.breaks})
    if len(breaks) > MOST_BREAKS:
        raise NotFeedForward("its elementwise function has too many breakpoints")
    refined = [_refined(operand, breaks) for operand in operands]
    between = [function(*pieces) for pieces in zip(*(operand.between for operand in refined))]
    at = [function(*pieces) for pieces in zip(*(operand.at for operand in refined))]
    return _joined(breaks, between, at)


def elementwise(function: Callable[[Smooth], Smooth]) -> Callable[[Pieces], Pieces]:
    """A smooth function as one of functions in pieces."""
    return lambda x: apply(function, x)


def sign(x: Pieces) -> Pieces:
    """-1, 0 or 1; raises where it cannot be told exactly."""
    breaks, between, at = [], [], []
    for i, piece in enumerate(x.between):
        lower = x.breaks[i - 1] if i > 0 else None
        upper = x.breaks[i] if i < len(x.breaks) else None
        if lower is not None:
            breaks.append(lower)
            at.append(smooth.number(_sign_at(x.at[i - 1], lower)))
        root, left, right = _sign_change(piece)
        inside = root is not None and (lower is None or lower < root) and (upper is None or root < upper)
        if inside:
            between += [smooth.number(left), smooth.number(right)]
            breaks.append(root)
            at.append(smooth.number(0))
        else:
            beyond = root is not None and lower is not None and lower >= root
            between.append(smooth.number(right if beyond else left))
    return _joined(breaks, between, at)


def where(condition: Pieces, then: Pieces, otherwise: Pieces) -> Pieces:
    """`then` where the condition is not 0."""

    def chosen(c: Smooth, one: Smooth, two: Smooth) -> Smooth:
        if c.constant is None:
            raise NotFeedForward("its condition is no comparison")
        return one if c.constant else two

    return apply(chosen, condition, then, otherwise)


def add(x: Pieces, y: Pieces) -> Pieces:
    return apply(lambda one, two: one + two, x, y)


def subtract(x: Pieces, y: Pieces) -> Pieces:
    return apply(lambda one, two: one - two, x, y)


def multiply(x: Pieces, y: Pieces) -> Pieces:
    return apply(lambda one, two: one * two, x, y)


def divide(x: Pieces, y: Pieces) -> Pieces:
    return apply(smooth.quotient, x, y)


def greater(x: Pieces, y: Pieces) -> Pieces:
    return _compared(x, y, lambda s: s > 0)


def greater_or_equal(x: Pieces, y: Pieces) -> Pieces:
    return _compared(x, y, lambda s: s >= 0)


def equal(x: Pieces, y: Pieces) -> Pieces:
    return _compared(x, y, lambda s: s == 0)


def negated(condition: Pieces) -> Pieces:
    """The condition that holds where `condition` does not."""
    return where(condition, number(0.0), number(1.0))


def maximum(x: Pieces, y: Pieces) -> Pieces:
    return where(greater(x, y), x, y)


def minimum(x: Pieces, y: Pieces) -> Pieces:
    return where(greater(x, y), y, x)


def absolute(x: Pieces) -> Pieces:
    return multiply(sign(x), x)


def value_at(x: Smooth, place: Fraction) -> Smooth:
    """`x` at one place, without its variable."""
    return smooth.substituted(x, smooth.number(place))


def _compared(x: Pieces, y: Pieces, holds: Callable[[Fraction], bool]) -> Pieces:
    return apply(lambda s: smooth.number(int(holds(s.constant))), sign(subtract(x, y)))


def _refined(x: Pieces, breaks: list[Fraction]) -> Pieces:
    """`x` with more breakpoints, at which nothing happens."""
    between, at, i = [x.between[0]], [], 0
    for place in breaks:
        if i < len(x.breaks) and x.breaks[i] == place:
            at.append(x.at[i])
            i += 1
        else:
            at.append(x.between[i])
        between.append(x.between[i])
    return Pieces(tuple(between), tuple(breaks), tuple(at))


def _joined(breaks: list[Fraction], between: list[Smooth], at: list[Smooth]) -> Pieces:
    """The function without the breakpoints at which nothing happens."""
    pieces, places, values = [between[0]], [], []
    for place, value, piece in zip(breaks, at, between[1:]):
        if piece == pieces[-1] and (value == piece or value_at(value, place) == value_at(piece, place)):
            continue
        places.append(place)
        values.append(value)
        pieces.append(piece)
    return Pieces(tuple(pieces), tuple(places), tuple(values))


def _sign_at(x: Smooth, place: Fraction) -> int:
    value = value_at(x, place)
    if value.constant is not None:
        return _sign(value.constant)
    return _sign_change(value)[1]


def _sign_change(x: Smooth) -> tuple[Fraction | None, int, int]:
    """The only root of `x`, None where there is none, and the signs on its left and right."""
    line = x.line
    if line is None and all(not power and not atoms for power, _, atoms in x.coefficients) and len(x.terms) == 2:
        ((_, first, _), factor), ((_, second, _), other) = x.terms
        difference = (Smooth(first) - Smooth(second)).line
        if factor == -other and difference is not None:
            line = (factor * difference[0], factor * difference[1])  # e^p - e^q has the sign of p - q
    if line is not None:
        slope, offset = line
        if not slope:
            return None, _sign(offset), _sign(offset)
        return -offset / slope, -_sign(slope), _sign(slope)
    lowest, highest = smooth.limits(x)
    if lowest >= 0 or highest <= 0:
        only = 1 if lowest >= 0 else -1  # the ranges are open: 0 itself is never reached
        return None, only, only
    raise NotFeedForward("it compares, or cuts off, a curved function")


def _sign(x: Fraction) -> int:
    return (x > 0) - (x < 0)
