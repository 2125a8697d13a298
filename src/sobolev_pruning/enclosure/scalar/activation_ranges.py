"""The exact range of an activation's derivative of order 0 to 4 over an interval.

Between its critical points a derivative is monotone, so its range is the hull of its values at the two endpoints and
at the critical points inside. Values come with a running error bound, from the formula of the activation's record.
Kinks: relu' over an interval with 0 inside or at its edge is `[0, 1]`, and so between both limits at every breakpoint
(Clarke's sets); one order higher there is no bounded set, and the range is refused: NaN, or `InputError` where the
values are known.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..._foundation.errors import InputError
from ...activations import HIGHEST_ORDER, AbstractFunctions, Rescaled, activation
from ..interval import Interval, as_interval
from . import arithmetic, elementary, special
from . import running_error as ball
from .arithmetic import Operand, settle
from .fusion import stacked
from .rounding import largest, roundoff
from .running_error import Ball
from .transcendental import relative_error, tanh_of_point

# Beyond, every bounded tail is closer to its limit than the smallest normal number allows to tell.
_TAIL = {"float64": 720.0, "float32": 92.0}


class BallFunctions(AbstractFunctions):
    """Of values with a bound on their own error."""

    def sigmoid(self, x):
        return ball.logistic_pair(x)

    def sigmoid_tails(self, x):
        return ball.logistic_pair(x)

    def tanh(self, x):
        twice = Ball(2 * x.value, 2 * x.size, x.units)
        s, c = ball.logistic_pair(twice)
        value = tanh_of_point(x.value)
        return _lipschitz(x, value, _units("tanh", x)), 4.0 * (s * c)

    def softplus(self, x):
        logarithm = elementary.log1p(elementary.exp(-jnp.abs(x.value)))
        value = logarithm + jnp.maximum(x.value, 0.0)
        return _lipschitz(x, value, elementary.LOG1P_ERROR + elementary.EXP_ERROR + 1)

    def exp(self, x):
        return ball.exp(x)

    def expm1(self, x):
        # An error d of x moves the value by less than e^(x+d) d; 3 is above e^1.
        value, felt = elementary.expm1(x.value), 0.0 if x.units == 0 else 3.0 * x.size * elementary.exp(x.value)
        return Ball(value, jnp.abs(value) + felt, max(elementary.EXPM1_ERROR, x.units))

    def normal(self, x):
        density = ball.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        half = 0.5 * special.erfc(x.value * lax.convert_element_type(-math.sqrt(0.5), x.value.dtype))
        # The argument is off by two roundoffs of itself, which moves the value by that times the density.
        size = half + jnp.abs(x.value) * density.value
        units = max(_units("erfc", x), 2.2)
        return (Ball(half, size, units) if x.units == 0 else Ball(half, size + x.size, max(units, x.units))), density

    def sin(self, x):
        value = lax.sin(x.value)
        return Ball(value, jnp.abs(value) + x.size, max(_units("sin", x), x.units))

    def cos(self, x):
        value = lax.cos(x.value)
        return Ball(value, jnp.abs(value) + x.size, max(_units("cos", x), x.units))

    def reciprocal(self, x):
        value = 1 / x.value
        if x.size is x.value:
            return Ball.positive(value, x.units + 2)
        relative = x.size / jnp.abs(x.value)
        usable = x.units * roundoff(x.value.dtype) * relative < 0.5
        return Ball(value, jnp.where(usable, 2 * jnp.abs(value) * relative, jnp.inf), x.units + 2)

    def absolute(self, x):
        value = jnp.abs(x.value)
        return Ball(value, value if x.units == 0 else x.size, x.units)

    def maximum(self, x, bound):
        return _cut(x, jnp.maximum(x.value, bound), bound)

    def minimum(self, x, bound):
        return _cut(x, jnp.minimum(x.value, bound), bound)

    def where_above(self, x, place, then, otherwise):
        if x.units:
            raise InputError("where_above compares the variable itself; write the activation with x as it came.")
        # The largest number of the type that is not above the place: no number lies between.
        dtype = np.dtype(x.value.dtype)
        rounded = dtype.type(place)
        rounded = np.nextafter(rounded, dtype.type(-np.inf)) if float(rounded) > place else rounded
        cases = [case if isinstance(case, Ball) else self.constant(x, case) for case in (then, otherwise)]
        value, size = (jnp.where(x.value > rounded, *parts) for parts in zip(*((c.value, c.size) for c in cases)))
        return Ball(value, size, max(case.units for case in cases))

    def constant(self, x, value):
        return Ball(jnp.full_like(x.value, value), jnp.full_like(x.value, abs(value)), _roundings(value, x))


BALL = BallFunctions()


def _lipschitz(x: Ball, value: Array, units: float) -> Ball:
    """A function of x whose slope is at most 1."""
    if x.units == 0:
        return Ball(value, jnp.abs(value), units)
    return Ball(value, jnp.abs(value) + x.size, max(units, x.units))


def _cut(x: Ball, value: Array, bound: float) -> Ball:
    units = max(x.units, _roundings(bound, x))
    return Ball(value, jnp.abs(value) if units == 0 else x.size + abs(bound), units)


def _roundings(number: float, x: Ball) -> float:
    """0 where the type of `x` holds the number as it is, else 1."""
    return float(float(np.dtype(x.value.dtype).type(number)) != number)


def _units(name: str, x: Ball) -> float:
    """Relative error of a function in roundoffs."""
    return relative_error(name, x.value.dtype) / roundoff(x.value.dtype)


def point_bounds(x: Array, name: str, order: int) -> tuple[Array, Array]:
    """Bounds of the derivative at points; infinite ones are taken for the limit."""
    known = activation(name)
    if known.rescaled is not None:
        found = _range_of_rescaled(Interval.unchecked(x, x), known.rescaled, order)
        return found.lower, found.upper
    if known.is_exact:
        exact = known.derivative(Ball.exact(x), order, BALL).value
        return exact, exact
    powers = known.is_steep_in_powers
    tail = _TAIL[jnp.dtype(x.dtype).name] if powers else largest(x.dtype)
    lower, upper = known.derivative(Ball.exact(jnp.clip(x, -tail, tail)), order, BALL).bounds()
    # What overflows says nothing, even of its sign.
    lower, upper = jnp.where(jnp.isnan(lower), -jnp.inf, lower), jnp.where(jnp.isnan(upper), jnp.inf, upper)
    if powers and order == 0:
        # Here the function is x up to less than one roundoff of it.
        far = jnp.minimum(x, largest(x.dtype))
        margin = far * (4 * roundoff(x.dtype))
        lower, upper = jnp.where(x > tail, far - margin, lower), jnp.where(x > tail, far + margin, upper)
    return lower, upper


def _range_of_rescaled(a: Interval, rescaled: Rescaled, order: int) -> Interval:
    inner = arithmetic.multiply(a, jnp.full(a.shape, rescaled.slope, a.dtype))
    found = _range(inner, name=rescaled.base.name, order=order)
    # The factor is rounded, in float32 even as a single number.
    factor = rescaled.factor * rescaled.slope**order
    near = 4 * roundoff(a.dtype) * abs(factor)
    factors = Interval.unchecked(*(jnp.full(a.shape, factor + side * near, a.dtype) for side in (-1, 1)))
    return arithmetic.multiply(found, factors)


@functools.partial(jax.jit, static_argnames=("name", "order"), inline=True)
def _range(a: Operand, *, name: str, order: int) -> Interval:
    a = as_interval(a)
    return range_from_ends(a, *point_bounds(stacked(a.lower, a.upper), name, order), name, order)


def range_from_ends(a: Interval, lowest: Array, highest: Array, name: str, order: int) -> Interval:
    """The range over `a` from bounds at its two endpoints, which lie first and last along the first axis."""
    known = activation(name)
    lower, upper = jnp.minimum(lowest[0], lowest[-1]), jnp.maximum(highest[0], highest[-1])
    near = 4 * roundoff(a.dtype)
    if known.extremes[order]:
        # One more axis for the critical points: few operations, however many there are.
        points, values = np.array(known.extremes[order], a.dtype).T.reshape(2, -1, *(1,) * a.ndim)
        inside = (a.lower[None] <= points + near * abs(points)) & (a.upper[None] >= points - near * abs(points))
        lowest = jnp.where(inside, values - near * abs(values), jnp.inf)
        highest = jnp.where(inside, values + near * abs(values), -jnp.inf)
        lower = jnp.minimum(lower, jnp.min(lowest, axis=0))
        upper = jnp.maximum(upper, jnp.max(highest, axis=0))
    if order == known.smoothness + 1:
        for point in known.breakpoints:
            ends = sorted(side + sign * near * abs(side) for side in (point.left, point.right) for sign in (-1, 1))
            touched = touches(a, point.place)
            lower = jnp.where(touched, jnp.minimum(lower, ends[0]), lower)
            upper = jnp.where(touched, jnp.maximum(upper, ends[-1]), upper)
    codomain = known.codomain.get(order)
    if codomain is not None:
        lower, upper = jnp.clip(lower, *codomain), jnp.clip(upper, *codomain)
    if order > known.smoothness + 1:
        for point in known.breakpoints:
            touched = touches(a, point.place)
            lower, upper = jnp.where(touched, jnp.nan, lower), jnp.where(touched, jnp.nan, upper)
    return settle(lower, upper, a)


def touches(a: Interval, place: float) -> Array:
    """Whether `place` lies in `a`, or next to it where the type of `a` does not hold it."""
    rounded = np.dtype(a.dtype).type(place)
    if float(rounded) == place:
        return (a.lower <= rounded) & (a.upper >= rounded)
    return (a.lower <= np.nextafter(rounded, np.inf)) & (a.upper >= np.nextafter(rounded, -np.inf))


def activation_range(a: Operand, *, name: str, order: int) -> Interval:
    """The range over `a` of the `order`-th derivative of the activation `name`.

    Raises `InputError` for an order above 4, and where the derivative does not exist somewhere in `a` (relu'' or elu'''
    over an interval that contains 0). Under `jit`, where the values are not known, such a range is NaN.
    """
    if order > HIGHEST_ORDER:
        raise InputError(
            f"enclose: derivative {order} of the activation {name} has no enclosure; orders 0 to {HIGHEST_ORDER} have."
        )
    result = _range(a, name=name, order=order)
    known = activation(name)
    if order > known.smoothness + 1 and not isinstance(result.lower, jax.core.Tracer):
        refused = jnp.isnan(result.lower)
        if bool(jnp.any(refused & ~as_interval(a).is_nai())):
            places = " and ".join(f"{point.place:g}" for point in known.breakpoints)
            raise InputError(
                f"enclose: {name} has no derivative of order {order} at {places}, which lies in the range of its "
                "argument; use a smooth activation, a smaller box, or a claim of lower order."
            )
    return result
