"""Best enclosures of functions of one variable by lines and parabolas over the range of x.

With `d = x - center`, `f(x) - slope d - bend d^2` is evaluated on a grid of the range; between grid points it differs
from its linear interpolant by at most `h^2/8` times its second derivative, whose sign says to which side. So the bound
is within a small known distance of the best one for its slope and bend. Among several lines, with slopes between that
of the chord and that of the curve (the chord's is Chebyshev's for convex f), and a parabola, each element takes the one
of least error, that of squaring a form included.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ...activations import HIGHEST_ORDER, activation
from ..interval import Interval
from ..scalar import activation_ranges, arithmetic, powers, transcendental
from ..scalar.fusion import computed_once, stacked
from ..scalar.rounding import largest, roundoff, tiny
from .form import AffineForm, deviation, rounded_error, tight
from .quadratic import product_of_linear, with_quadratic

CELLS = 16
_SLOPES = (0.0, 0.25, 0.5, 0.75)
_STEEPEST = 1.2
"""Of a curve whose second derivative is taken from its values: what a rounded place moves them by."""


class Curve:
    """A function of one variable by its interval rule and that of its second derivative.

    `second` may be None where the second derivative does not exist; then `first` bounds the interpolation error.
    """

    twist: float | None = None

    def __init__(self, rule: Callable, second: Callable | None = None, first: Callable | None = None):
        self.rule, self.second, self.first = rule, second, first

    def at(self, points: Array) -> tuple[Array, Array]:
        """Bounds of the values at points."""
        values = self.rule(Interval.unchecked(points, points))
        return values.lower, values.upper

    def range(self, domain: Interval, lowest: Array, highest: Array) -> Interval:
        """The range over the domain, given bounds on a grid of it."""
        return self.rule(domain)


class ActivationCurve(Curve):
    """A derivative of an activation: its values on the grid serve for its range, too.

    Where the next three derivatives are continuous and fade, and the curve is not steep, `bend` and `twist` are the
    extremes of the second of them and the largest modulus of the third, over all reals.
    """

    def __init__(self, name: str, order: int, highest: int):
        self.name, self.order = name, order
        self.second = self._derivative(order + 2) if order + 2 <= highest else None
        self.first = self._derivative(order + 1)
        self.bend = self.twist = None
        known = activation(name)
        if known.fades and order + 3 <= min(highest, known.smoothness):
            # Both vanish at infinity, where the slope is 0 or 1.
            slopes, seconds, thirds = ([0.0, *(v for _, v in known.extremes[order + k])] for k in (1, 2, 3))
            if max(1.0, *map(abs, slopes)) <= _STEEPEST:
                self.bend = min(seconds) - 1e-12, max(seconds) + 1e-12
                self.twist = max(map(abs, thirds)) + 1e-12

    def _derivative(self, order: int) -> Callable:
        return lambda a: activation_ranges.activation_range(a, name=self.name, order=order)

    def at(self, points):
        return activation_ranges.point_bounds(points, self.name, self.order)

    def range(self, domain, lowest, highest):
        return activation_ranges.range_from_ends(domain, lowest, highest, self.name, self.order)


def apply(x: AffineForm, curve: Curve) -> AffineForm:
    domain = jax.tree.map(computed_once, x.range)
    center, u, smallest = computed_once(x.center), roundoff(x.dtype), tiny(x.dtype)
    squares = x.is_quadratic and curve.second is not None
    size, rest = (deviation(x.linear_part()), x.rest()) if squares else (jnp.zeros_like(center),) * 2
    # (x - center)^2 is the square of the linear part, exactly, up to this much, and half of the square of the rest.
    beyond = (rest * (2 * size + 0.5 * rest)) * (1 + 8 * u)
    slope, bend, offset, error, natural = linearise(domain, center, beyond if squares else None, curve)
    slope = computed_once(slope)
    polynomial, noise = slope[None] * x.polynomial, slope[None] * x.noise
    steepness = jnp.abs(slope)
    magnitude = jnp.abs(offset)
    if squares:
        bend = computed_once(bend)
        constant, quadratic = product_of_linear(x.linear_part(), x.linear_part())
        half_square = 0.5 * rest * rest
        magnitude = magnitude + jnp.abs(bend) * (2 * size * size + half_square)
        offset = offset + bend * (constant + half_square)
        polynomial = with_quadratic(polynomial, bend[None] * quadratic)
    rounding = rounded_error(magnitude, steepness * x.deviation(), x.linear + 8, x.symbols, x.dtype)
    own = (error + steepness * x.error) * (1 + 8 * u) + rounding + 8 * smallest
    # The form was made for the range of x, so its own is hardly ever the better one.
    return tight(AffineForm(offset, polynomial, noise, own, natural, x.blocks, True, x.linear))


def linearise(domain: Interval, center: Array, beyond: Array | None, curve: Curve):
    """`(slope, bend, offset, error, range)` such that for every x of `domain` and d = x - center

        |f(x) - slope d - bend d^2 - offset| <= error.

    `error` then takes in `|bend| beyond`, which is what the square will cost; without `beyond`, `bend` is 0.
    """
    lower, upper = domain.lower, domain.upper
    usable = jnp.isfinite(lower) & jnp.isfinite(upper) & (lower <= upper) & jnp.isfinite(center)
    u = roundoff(domain.dtype)
    width = upper - lower
    steps = jnp.arange(CELLS + 1, dtype=domain.dtype).reshape((-1,) + (1,) * domain.ndim) / CELLS
    # First and last are the endpoints themselves, whatever they are.
    inner = jnp.clip(lower[None] + width[None] * steps, lower[None], upper[None])
    grid = jnp.where(steps == 0, lower[None], jnp.where(steps == 1, upper[None], inner))
    lowest, highest = computed_once(stacked(*curve.at(grid)))
    natural = curve.range(domain, lowest, highest)
    middle = 0.5 * lowest + 0.5 * highest

    chord = (middle[-1] - middle[0]) / width
    half = CELLS // 2
    tangent = (middle[half + 1] - middle[half - 1]) / (grid[half + 1] - grid[half - 1])
    weights = np.array(_SLOPES, domain.dtype).reshape((-1,) + (1,) * domain.ndim)
    slopes = chord[None] + weights * (tangent - chord)[None]
    bends = jnp.zeros_like(slopes)
    if beyond is not None:
        # The parabola through three points, two of them next to the ends: nearly Chebyshev's.
        step = grid[-2] - grid[half]
        bend = (0.5 * middle[-2] + 0.5 * middle[1] - middle[half]) / step / step
        slope = (middle[-2] - middle[1]) / (grid[-2] - grid[1]) + 2 * bend * (center - grid[half])
        slopes, bends = jnp.concatenate([slopes, slope[None]]), jnp.concatenate([bends, bend[None]])
    finite = jnp.isfinite(slopes) & jnp.isfinite(bends)
    slopes, bends = jnp.where(finite, slopes, 0.0), jnp.where(finite, bends, 0.0)
    away = grid - center[None]
    products = (bends[:, None] * away[None] + slopes[:, None]) * away[None]
    size = jnp.max(jnp.abs(grid), axis=0) + jnp.abs(center)
    most = jnp.maximum(jnp.max(jnp.abs(lowest), axis=0), jnp.max(jnp.abs(highest), axis=0))
    # Rounding of the products, of the differences and of what is done with them.
    slack = (8 * u) * ((jnp.abs(slopes) + jnp.abs(bends) * size[None]) * size[None] + most[None])
    slack = slack + 8 * tiny(domain.dtype)
    step = width / CELLS
    # The grid points themselves are rounded.
    step = step * (1 + 4 * u) + 4 * u * size + tiny(domain.dtype)
    if curve.second is None:
        slopes_of_curve = curve.first(domain)
        below = above = (step * (slopes_of_curve.upper - slopes_of_curve.lower) * (0.25 * (1 + 8 * u)))[None]
    else:
        lowest_bend, highest_bend = _second_derivative(domain, grid, lowest, highest, curve)
        factor = (step * step * (0.125 * (1 + 16 * u)))[None]
        below = factor * jnp.maximum(highest_bend[None] - 2 * bends, 0.0)
        above = factor * jnp.maximum(2 * bends - lowest_bend[None], 0.0)
    low = jnp.min(lowest[None] - products, axis=1) - below
    high = jnp.max(highest[None] - products, axis=1) + above
    errors = (0.5 * (high - low)) * (1 + 8 * u) + 2 * slack + 4 * u * (jnp.abs(low) + jnp.abs(high))
    if beyond is not None:
        errors = errors + jnp.abs(bends) * beyond[None]
    best = jnp.argmin(errors, axis=0)
    index = np.arange(slopes.shape[0]).reshape((-1,) + (1,) * domain.ndim)

    def chosen(candidates):
        return jnp.sum(jnp.where(index == best[None], candidates, 0.0), axis=0)

    slope, bend, offset, error = chosen(slopes), chosen(bends), chosen(0.5 * low + 0.5 * high), chosen(errors)
    # Where the curve or its derivative is unbounded: no slope, and the range of the function as it stands.
    flat_middle = jnp.clip(0.5 * natural.lower + 0.5 * natural.upper, -largest(domain.dtype), largest(domain.dtype))
    flat_error = jnp.maximum(natural.upper - flat_middle, flat_middle - natural.lower) * (1 + 4 * u)
    flat_error = flat_error + tiny(domain.dtype)
    flat = ~(usable & (error <= flat_error))
    slope, bend = jnp.where(flat, 0.0, slope), jnp.where(flat, 0.0, bend)
    return slope, bend, jnp.where(flat, flat_middle, offset), jnp.where(flat, flat_error, error), natural


def _second_derivative(domain: Interval, grid, lowest, highest, curve: Curve) -> tuple[Array, Array]:
    """Bounds of the curve's second derivative over the domain."""
    if curve.twist is None:
        second = curve.second(domain)
        return second.lower, second.upper
    # A second difference of step s is the second derivative somewhere in its reach; all others are within `twist` times
    # the distance.
    half = CELLS // 2
    step = 0.5 * (grid[-2] - grid[1])
    u = roundoff(domain.dtype)
    # The points are rounded too, and the slopes are below _STEEPEST.
    size = jnp.abs(highest[half]) + jnp.abs(highest[1]) + jnp.abs(highest[-2]) + jnp.abs(grid[0]) + jnp.abs(grid[-1])
    noise = highest[1] - lowest[1] + highest[-2] - lowest[-2] + 2 * (highest[half] - lowest[half]) + 32 * u * size
    found = (highest[1] + highest[-2] - 2 * highest[half]) / step / step
    slack = curve.twist * (domain.upper - domain.lower) + 2 * noise / step / step
    slack = jnp.where(slack < jnp.inf, slack * (1 + 1e-6), jnp.inf)
    lower, upper = found - slack, found + slack
    known = slack < jnp.inf
    return (
        jnp.where(known, jnp.maximum(lower, curve.bend[0]), curve.bend[0]),
        jnp.where(known, jnp.minimum(upper, curve.bend[1]), curve.bend[1]),
    )


def activation_curve(name: str, order: int) -> Curve | None:
    """The curve of an activation's derivative, or None where not even its next derivative has a bounded range."""
    highest = min(HIGHEST_ORDER, activation(name).smoothness + 1)
    return ActivationCurve(name, order, highest) if order + 1 <= highest else None


def _reciprocal(a):
    return arithmetic.divide(jnp.ones_like(a.lower), a)


def _power(exponent: float):
    def rule(a):
        return powers.power(a, jnp.full(a.shape, exponent, a.dtype))

    return rule


def integer_power_curve(exponent: int) -> Curve:
    factor = float(exponent * (exponent - 1))
    return Curve(
        lambda a: arithmetic.integer_power(a, exponent),
        lambda a: arithmetic.multiply(arithmetic.integer_power(a, exponent - 2), jnp.full(a.shape, factor, a.dtype)),
    )


def power_curve(exponent: float) -> Curve:
    """`x**exponent` for x > 0."""
    factor = exponent * (exponent - 1)
    return Curve(
        _power(exponent),
        # The exponent minus 2 is rounded; a wider power covers it.
        lambda a: arithmetic.multiply(
            powers.power(
                a, Interval.unchecked(*(jnp.full(a.shape, exponent - 2 + s * 1e-12, a.dtype) for s in (-1, 1)))
            ),
            Interval.unchecked(
                jnp.full(a.shape, factor - abs(factor) * 1e-6, a.dtype),
                jnp.full(a.shape, factor + abs(factor) * 1e-6, a.dtype),
            ),
        ),
    )


def _scaled(rule: Callable, factor: float) -> Callable:
    return lambda a: arithmetic.multiply(rule(a), jnp.full(a.shape, factor, a.dtype))


def _erf_second(a: Interval) -> Interval:
    # -4/sqrt(pi) x e^(-x^2)
    bell = transcendental.exp(-arithmetic.square(a))
    product = arithmetic.multiply(a, bell)
    factor = Interval.unchecked(jnp.full(a.shape, -2.2568, a.dtype), jnp.full(a.shape, -2.2567, a.dtype))
    return arithmetic.multiply(product, factor)


def _atan_second(a: Interval) -> Interval:
    # -2 x / (1 + x^2)^2
    base = arithmetic.square(arithmetic.add(arithmetic.square(a), jnp.ones_like(a.lower)))
    return arithmetic.divide(arithmetic.multiply(a, jnp.full(a.shape, -2.0, a.dtype)), base)


def _one_plus(rule: Callable) -> Callable:
    return lambda a: rule(arithmetic.add(a, jnp.ones_like(a.lower)))


_MINUS_SECOND_POWER = _scaled(lambda a: arithmetic.integer_power(a, -2), -1.0)

CURVES: dict[str, Curve] = {
    "reciprocal": Curve(_reciprocal, _scaled(lambda a: arithmetic.integer_power(a, -3), 2.0)),
    "square": Curve(arithmetic.square, lambda a: Interval.unchecked(*(jnp.full(a.shape, 2.0, a.dtype),) * 2)),
    "sqrt": Curve(arithmetic.square_root, _scaled(_power(-1.5), -0.25)),
    "rsqrt": Curve(arithmetic.reciprocal_square_root, _scaled(_power(-2.5), 0.75)),
    "exp": Curve(transcendental.exp, transcendental.exp),
    "expm1": Curve(transcendental.expm1, transcendental.exp),
    "log": Curve(transcendental.log, _MINUS_SECOND_POWER),
    "log1p": Curve(transcendental.log1p, _one_plus(_MINUS_SECOND_POWER)),
    "logistic": activation_curve("sigmoid", 0),
    "tanh": activation_curve("tanh", 0),
    "sin": Curve(transcendental.sin, lambda a: -transcendental.sin(a)),
    "cos": Curve(transcendental.cos, lambda a: -transcendental.cos(a)),
    "sinh": Curve(transcendental.sinh, transcendental.sinh),
    "cosh": Curve(transcendental.cosh, transcendental.cosh),
    "atan": Curve(transcendental.atan, _atan_second),
    "erf": Curve(transcendental.erf, _erf_second),
    "erfc": Curve(transcendental.erfc, lambda a: -_erf_second(a)),
    "relu": activation_curve("relu", 0),
}
"""By the name of the primitive; reciprocal and relu serve division, `max` and `abs`."""
