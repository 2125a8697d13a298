"""Best affine enclosures of functions of one variable: `f(x) = slope x + offset +- error` over the range of x.

On a grid of the range `f - slope x` is evaluated; between grid points it differs from its linear interpolant by at most
`h^2/8` times the second derivative, whose sign says to which side. So the bound is within a small known distance of the
best one for its slope: with 16 cells, 1/128 of the error itself for a parabola. Among several slopes between that of
the chord and that of the curve each element takes the one of least error (the chord's is Chebyshev's for convex f).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._foundation.activations import CONTINUOUS_DERIVATIVES
from . import activation_ranges, arithmetic, transcendental
from .affine_form import AffineForm, narrowed, rounded_error
from .contraction import midpoint_radius
from .fusion import computed_once
from .interval import Interval
from .rounding import roundoff, tiny

CELLS = 16
_SLOPES = (0.0, 0.25, 0.5, 0.75)


class Curve:
    """A function of one variable by its interval rule and that of its second derivative.

    `second` may be None where the second derivative does not exist; then `first` bounds the interpolation error.
    """

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
    """A derivative of an activation: its values on the grid serve for its range, too."""

    def __init__(self, name: str, order: int, highest: int):
        self.name, self.order = name, order
        self.second = self._derivative(order + 2) if order + 2 <= highest else None
        self.first = self._derivative(order + 1)

    def _derivative(self, order: int) -> Callable:
        return lambda a: activation_ranges.activation_range(a, name=self.name, order=order)

    def at(self, points):
        return activation_ranges.point_bounds(points, self.name, self.order)

    def range(self, domain, lowest, highest):
        return activation_ranges.range_from_ends(domain, lowest, highest, self.name, self.order)


def apply(x: AffineForm, curve: Curve) -> AffineForm:
    slope, offset, error, natural = linearise(jax.tree.map(computed_once, x.range), curve)
    slope = computed_once(slope)
    u = roundoff(x.dtype)
    center = slope * x.center + offset
    coefficients = slope[None] * x.coefficients
    size = jnp.abs(slope)
    spread = size * x.deviation()
    rounding = rounded_error(jnp.abs(slope * x.center) + jnp.abs(center), spread, 2, coefficients.shape[0], x.dtype)
    own = (error + size * x.error) * (1 + 8 * u) + rounding
    return narrowed(center, coefficients, own, natural, x.blocks, True)


def linearise(domain: Interval, curve: Curve):
    """`(slope, offset, error, range)` with `|f(x) - slope x - offset| <= error` for every x of `domain`."""
    lower, upper = domain.lower, domain.upper
    usable = jnp.isfinite(lower) & jnp.isfinite(upper) & (lower <= upper)
    u = roundoff(domain.dtype)
    width = upper - lower
    steps = jnp.arange(CELLS + 1, dtype=domain.dtype).reshape((-1,) + (1,) * domain.ndim) / CELLS
    # First and last are the endpoints themselves, whatever they are.
    inner = jnp.clip(lower[None] + width[None] * steps, lower[None], upper[None])
    grid = jnp.where(steps == 0, lower[None], jnp.where(steps == 1, upper[None], inner))
    lowest, highest = computed_once(jnp.stack(curve.at(grid)))
    natural = curve.range(domain, lowest, highest)
    middle = 0.5 * lowest + 0.5 * highest

    chord = (middle[-1] - middle[0]) / width
    half = CELLS // 2
    tangent = (middle[half + 1] - middle[half - 1]) / (grid[half + 1] - grid[half - 1])
    weights = np.array(_SLOPES, domain.dtype).reshape((-1,) + (1,) * domain.ndim)
    slopes = chord[None] + weights * (tangent - chord)[None]
    slopes = jnp.where(jnp.isfinite(slopes), slopes, 0.0)
    products = slopes[:, None] * grid[None]
    size = jnp.max(jnp.abs(grid), axis=0)
    most = jnp.maximum(jnp.max(jnp.abs(lowest), axis=0), jnp.max(jnp.abs(highest), axis=0))
    # Rounding of the products, of the differences and of what is done with them.
    slack = 4 * u * (jnp.abs(slopes) * size[None] + most[None]) + 8 * tiny(domain.dtype)
    below, above = _interpolation_error(domain, width / CELLS, size, curve)
    low = jnp.min(lowest[None] - products, axis=1) - below[None]
    high = jnp.max(highest[None] - products, axis=1) + above[None]
    errors = (0.5 * (high - low)) * (1 + 8 * u) + 2 * slack + 4 * u * (jnp.abs(low) + jnp.abs(high))
    best = jnp.argmin(errors, axis=0)

    def chosen(candidates):
        return jnp.sum(jnp.where(weights_index == best[None], candidates, 0.0), axis=0)

    weights_index = np.arange(len(_SLOPES)).reshape(weights.shape)
    slope, offset, error = chosen(slopes), chosen(0.5 * low + 0.5 * high), chosen(errors)
    # Where the curve or its derivative is unbounded: no slope, and the range of the function as it stands.
    flat_middle, flat_error = midpoint_radius(natural)
    flat = ~(usable & (error <= flat_error))
    slope, offset = jnp.where(flat, 0.0, slope), jnp.where(flat, flat_middle, offset)
    return slope, offset, jnp.where(flat, flat_error, error), natural


def _interpolation_error(domain: Interval, step, size, curve: Curve):
    """How far the curve can lie below and above its linear interpolant on the grid."""
    u = roundoff(domain.dtype)
    # The grid points themselves are rounded.
    step = step * (1 + 4 * u) + 4 * u * size + tiny(domain.dtype)
    if curve.second is not None:
        bend = curve.second(domain)
        factor = step * step * (0.125 * (1 + 8 * u))
        return factor * jnp.maximum(bend.upper, 0.0), factor * jnp.maximum(-bend.lower, 0.0)
    slope = curve.first(domain)
    error = step * (slope.upper - slope.lower) * (0.25 * (1 + 8 * u))
    return error, error


def activation_curve(name: str, order: int) -> Curve | None:
    """The curve of an activation's derivative, or None where not even its next derivative has a bounded range."""
    highest = min(activation_ranges.HIGHEST_ORDER, CONTINUOUS_DERIVATIVES[name] + 1)
    return ActivationCurve(name, order, highest) if order + 1 <= highest else None


def _reciprocal(a):
    return arithmetic.divide(jnp.ones_like(a.lower), a)


def _power(exponent: float):
    def rule(a):
        return transcendental.power(a, jnp.full(a.shape, exponent, a.dtype))

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
            transcendental.power(
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
