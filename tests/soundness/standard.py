"""The operations of IEEE 1788 by their definition: the exact range over a box, its ends as balls; None if it is empty.

A function of the standard is the set of values over the part of the box where the point function is defined. Boxes are
pairs of floating numbers, infinite where unbounded; ends that are limits, not values, are given as such.
"""

import math

import flint
import numpy as np
from oracle import ELEMENTARY, ball

LARGEST = float(np.finfo(np.float64).max)
INFINITY = flint.arb.pos_inf()
ZERO, ONE = flint.arb(0), flint.arb(1)
_HALF_TURN = flint.arb.pi() / 2


@np.errstate(over="ignore")
def at_most(value: flint.arb) -> float:
    """The tightest lower bound: the largest float64 number that is not certainly above `value`."""
    if value == -INFINITY or value == INFINITY:
        return float(value)
    assert value.is_finite(), "the oracle knows no value"
    x = float(np.clip(float(value.mid()), -math.inf, LARGEST))
    while ball(x) > value:
        x = float(np.nextafter(x, -math.inf))
    while not ball(np.nextafter(x, math.inf)) > value:
        x = float(np.nextafter(x, math.inf))
    return x


def at_least(value: flint.arb) -> float:
    """The tightest upper bound."""
    return -at_most(-value)


def increasing(function, limits=(-INFINITY, INFINITY), domain=(-math.inf, math.inf), reach=math.inf, closed=False):
    """`function` on the open domain, with its limits at the two ends; beyond `reach` it is constant in float64."""

    def exact(low, high):
        if high < domain[0] or low > domain[1] or (not closed and (high == domain[0] or low == domain[1])):
            return None
        ends = [ball(min(max(x, -reach), reach)) for x in (low, high)]
        lower = limits[0] if low <= domain[0] else function(ends[0])
        return lower, limits[1] if high >= domain[1] else function(ends[1])

    return exact


def decreasing(function, limits, reach=math.inf):
    mirrored = increasing(lambda x: function(-x), limits, reach=reach)
    return lambda low, high: mirrored(-high, -low)


def even(function, reach=math.inf):
    """A function of the modulus that grows with it."""

    def exact(low, high):
        smallest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        largest = max(abs(low), abs(high))
        ends = [INFINITY if math.isinf(x) else function(ball(min(x, reach))) for x in (smallest, largest)]
        return ends[0], ends[1]

    return exact


def wave(function, crest):
    """Sine (`crest` 1/4) or cosine (0): the extrema inside are the points `2 pi (k + crest)` and those half way."""

    def reaches(low, high, offset):
        turn = 2 * flint.arb.pi()
        first = (ball(low) / turn - offset).ceil()
        return bool((first + offset) * turn <= ball(high))

    def exact(low, high):
        if high - low >= 6.3:
            return -ONE, ONE
        ends = [function(ball(low)), function(ball(high))]
        upper = ONE if reaches(low, high, flint.arb(crest)) else ends[0].max(ends[1])
        lower = -ONE if reaches(low, high, flint.arb(crest) + 0.5) else ends[0].min(ends[1])
        return lower, upper

    return exact


def tangent(low, high):
    """All reals where a pole, an odd number of quarter turns, lies inside, or where floats cannot tell."""
    if math.isinf(low) or math.isinf(high) or high - low > 3.14159265358979:
        return -INFINITY, INFINITY
    with flint.ctx.workprec(1300):  # enough for the largest number in turns
        places = [(ball(x) / flint.arb.pi() + 0.5).floor() for x in (low, high)]
        ends = ball(low).tan(), ball(high).tan()
    return ends if places[0] == places[1] else (-INFINITY, INFINITY)


def within_one(function, rises: bool = True):
    """A monotone function of [-1, 1]."""

    def exact(low, high):
        if high < -1 or low > 1:
            return None
        ends = [function(ball(min(max(x, -1.0), 1.0))) for x in (low, high)]
        return tuple(ends) if rises else tuple(ends[::-1])

    return exact


def _product(x: flint.arb, y: flint.arb) -> flint.arb:
    return ZERO if x == 0 or y == 0 else x * y


def _hull(values):
    values = list(values)
    lower, upper = values[0], values[0]
    for value in values[1:]:
        lower, upper = lower.min(value), upper.max(value)
    return lower, upper


def add(a, b):
    return ball(a[0]) + ball(b[0]), ball(a[1]) + ball(b[1])


def subtract(a, b):
    return ball(a[0]) - ball(b[1]), ball(a[1]) - ball(b[0])


def multiply(a, b):
    return _hull(_product(ball(x), ball(y)) for x in a for y in b)


def reciprocal(low, high):
    if low == 0 == high:
        return None
    if low < 0 < high:
        return -INFINITY, INFINITY
    lower = -INFINITY if high == 0 else ZERO if math.isinf(high) else 1 / ball(high)
    return lower, INFINITY if low == 0 else ZERO if math.isinf(low) else 1 / ball(low)


def divide(a, b):
    inverse = reciprocal(*b)
    return None if inverse is None else _hull(_product(ball(x), y) for x in a for y in inverse)


def power(a, b):
    """`x^y` for `x > 0`, for `x < 0` where y is whole, `0^y = 0` for y > 0, and `0^0 = 1`."""
    found = []
    if a[0] <= 0 <= a[1]:
        found += [ZERO] * (b[1] > 0) + [ONE] * (b[0] <= 0 <= b[1])
    if a[1] > 0:
        found += _power_of_positive((max(a[0], 0.0), a[1]), b)
    if a[0] < 0:
        size = (max(-a[1], 0.0), -a[0])
        for odd, sign in ((0, 1), (1, -1)):
            first = 2.0 * math.ceil((b[0] - odd) / 2) + odd if math.isfinite(b[0]) else b[0]
            last = 2.0 * math.floor((b[1] - odd) / 2) + odd if math.isfinite(b[1]) else b[1]
            if first <= last:
                found += [sign * x for x in _power_of_positive(size, (first, last))]
    return _hull(found) if found else None


def _power_of_positive(a, b) -> list:
    """The extremes of `x^y` for `x > 0`."""

    def corner(x, y):
        if y == 0 or x == 1:
            return ONE
        if x == 0 or math.isinf(x):
            return INFINITY if (x > 0) == (y > 0) else ZERO
        if math.isinf(y):
            return INFINITY if (x > 1) == (y > 0) else ZERO
        exponent = (ball(y) * ball(x).log()).max(ball(-1000)).min(ball(1000))
        return exponent.exp()

    return [corner(x, y) for x in a for y in b]


def atan2(y, x):
    """Both ends of the turn where the box meets the cut; corners elsewhere."""
    if y[0] <= 0 <= y[1] and x[0] < 0:
        return -flint.arb.pi(), flint.arb.pi()

    def corner(a, b):
        if math.isinf(a) and math.isinf(b):
            return None
        if math.isinf(a):
            return _HALF_TURN if a > 0 else -_HALF_TURN
        if math.isinf(b):
            return ZERO if b > 0 else (flint.arb.pi() if a > 0 else -flint.arb.pi())
        return ZERO if a == 0 <= b else flint.arb.atan2(ball(a), ball(b))

    return _hull(value for value in (corner(a, b) for a in y for b in x) if value is not None)


def maximum(a, b):
    return ball(max(a[0], b[0])), ball(max(a[1], b[1]))


def minimum(a, b):
    return ball(min(a[0], b[0])), ball(min(a[1], b[1]))


_BOTH = (-ONE, ONE)

UNARY = {
    "neg": decreasing(lambda x: -x, (-INFINITY, INFINITY)),
    "sqr": even(lambda x: x * x),
    "abs": even(lambda x: x),
    "recip": reciprocal,
    "sqrt": increasing(lambda x: x.sqrt(), (ZERO, INFINITY), (0.0, math.inf), closed=True),
    "pown 3": increasing(lambda x: x * x * x),
    "pown 8": even(lambda x: x**8),
    "pown -2": lambda low, high: None if low == 0 == high else _inverse_square(low, high),
    "exp": increasing(ELEMENTARY["exp"], (ZERO, INFINITY), reach=1000),
    "expm1": increasing(ELEMENTARY["expm1"], (-ONE, INFINITY), reach=1000),
    "log": increasing(ELEMENTARY["log"], domain=(0.0, math.inf)),
    "logp1": increasing(ELEMENTARY["log1p"], domain=(-1.0, math.inf)),
    "sin": wave(ELEMENTARY["sin"], 0.25),
    "cos": wave(ELEMENTARY["cos"], 0.0),
    "atan": increasing(ELEMENTARY["atan"], (-_HALF_TURN, _HALF_TURN)),
    "sinh": increasing(ELEMENTARY["sinh"], reach=1000),
    "cosh": even(ELEMENTARY["cosh"], reach=1000),
    "tanh": increasing(ELEMENTARY["tanh"], _BOTH, reach=1000),
    "sign": increasing(lambda x: x.sgn(), _BOTH),
    "ceil": increasing(lambda x: x.ceil()),
    "floor": increasing(lambda x: x.floor()),
    "roundTiesToEven": increasing(lambda x: ball(float(np.rint(float(x))))),
    "rsqrt": lambda low, high: None if high <= 0 else _inverse_root(max(low, 0.0), high),
    "logistic": increasing(ELEMENTARY["logistic"], (ZERO, ONE), reach=1000),
    "erf": increasing(ELEMENTARY["erf"], _BOTH, reach=1000),
    "erfc": decreasing(ELEMENTARY["erfc"], (ZERO, ball(2)), reach=40),
    "erf_inv": increasing(ELEMENTARY["erf_inv"], domain=(-1.0, 1.0)),
    "tan": tangent,
    "asin": within_one(ELEMENTARY["asin"]),
    "acos": within_one(ELEMENTARY["acos"], rises=False),
    "asinh": increasing(ELEMENTARY["asinh"]),
    "acosh": increasing(ELEMENTARY["acosh"], (ZERO, INFINITY), (1.0, math.inf), closed=True),
    "atanh": increasing(ELEMENTARY["atanh"], domain=(-1.0, 1.0)),
    "rootn 3": increasing(ELEMENTARY["cbrt"]),
    "exp2": increasing(ELEMENTARY["exp2"], (ZERO, INFINITY), reach=2000),
}
"""By the name of the standard; the last ones are functions it does not have."""

BINARY = {
    "add": add, "sub": subtract, "mul": multiply, "div": divide, "pow": power, "max": maximum, "min": minimum,
    "atan2": atan2,
}  # fmt: skip


def _inverse_square(low, high):
    smallest, largest = even(lambda x: x * x)(low, high)
    return ZERO if not largest.is_finite() else 1 / largest, INFINITY if smallest == 0 else 1 / smallest


def _inverse_root(low, high):
    return ZERO if math.isinf(high) else ball(high).rsqrt(), INFINITY if low == 0 else ball(low).rsqrt()
