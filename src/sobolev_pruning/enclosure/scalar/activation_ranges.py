"""The exact range of an activation's derivative of order 0 to 4 over an interval.

Between its critical points a derivative is monotone, so its range is the hull of its values at the two endpoints and
at the critical points inside. Values come with a running error bound. Kinks: relu' over an interval with 0 inside or at
its edge is `[0, 1]` and elu'' jumps likewise (Clarke's sets); one order higher there is no bounded set, and the range
is refused: NaN, or `InputError` where the values are known.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..._foundation.errors import InputError
from ...activations import CONTINUOUS_DERIVATIVES, CRITICAL_POINTS
from ..interval import Interval, as_interval
from . import elementary, special
from . import running_error as ball
from .arithmetic import Operand, settle
from .fusion import stacked
from .rounding import largest, roundoff
from .running_error import Ball
from .transcendental import relative_error, tanh_of_point

HIGHEST_ORDER = 4

_CODOMAIN = {
    ("sigmoid", 0): (0.0, 1.0),
    ("sigmoid", 1): (0.0, math.inf),
    ("tanh", 0): (-1.0, 1.0),
    ("tanh", 1): (0.0, 1.0),
    ("softplus", 0): (0.0, math.inf),
    ("softplus", 1): (0.0, 1.0),
    ("softplus", 2): (0.0, math.inf),
    ("elu", 0): (-1.0, math.inf),
    ("elu", 1): (0.0, 1.0),
    ("elu", 2): (0.0, 1.0),
}
# Beyond, every bounded tail is closer to its limit than the smallest normal number allows to tell. Formulas with powers
# of x are not taken there.
_TAIL = {"float64": 720.0, "float32": 92.0}
_WITH_POWERS = ("gelu", "gelu_tanh")


def _sigmoid_derivatives(x: Ball, highest: int) -> list[Ball]:
    """The logistic function s and its derivatives, polynomials in `p = s (1 - s)` and `q = 1 - 2 s`."""
    s, c = ball.logistic_pair(x)
    p, q = s * c, c - s
    formulas = [
        lambda: s,
        lambda: p,
        lambda: p * q,
        lambda: p * (1 - 6 * p),
        lambda: p * q * (1 - 12 * p),
    ]
    return [formula() for formula in formulas[: highest + 1]]


def _sigmoid(x: Ball, order: int) -> Ball:
    return _sigmoid_derivatives(x, order)[order]


def _silu(x: Ball, order: int) -> Ball:
    s = _sigmoid_derivatives(x, order)
    return x * s[0] if order == 0 else order * s[order - 1] + x * s[order]


def _softplus(x: Ball, order: int) -> Ball:
    if order > 0:
        return _sigmoid(x, order - 1)
    logarithm = elementary.log1p(elementary.exp(-jnp.abs(x.value)))
    straight = jnp.maximum(x.value, 0.0)
    return Ball.positive(logarithm, elementary.LOG1P_ERROR + elementary.EXP_ERROR) + Ball.positive(straight, 0.0)


def _tanh(x: Ball, order: int) -> Ball:
    if order == 0:
        value = tanh_of_point(x.value)
        return Ball(value, jnp.abs(value), _units("tanh", x))
    return 2.0 ** (order + 1) * _sigmoid(Ball(2 * x.value, 2 * x.size), order)


def _units(name: str, x: Ball) -> float:
    """Relative error of a function in roundoffs."""
    return relative_error(name, x.value.dtype) / roundoff(x.value.dtype)


def _normal_distribution(x: Ball) -> tuple[Ball, Ball]:
    """The normal distribution function and its density."""
    density = ball.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
    half = 0.5 * special.erfc(x.value * lax.convert_element_type(-math.sqrt(0.5), x.value.dtype))
    # The argument is off by two roundoffs of itself, which moves the value by that times the density.
    return Ball(half, half + jnp.abs(x.value) * density.value, max(_units("erfc", x), 2.2)), density


def _gelu(x: Ball, order: int) -> Ball:
    distribution, density = _normal_distribution(x)
    if order == 0:
        return x * distribution
    if order == 1:
        return distribution + x * density
    square = x * x
    if order == 2:
        return density * (2 - square)
    if order == 3:
        return density * x * (square - 4)
    return density * ((7 - square) * square - 4)


def _gelu_tanh(x: Ball, order: int) -> Ball:
    # f = x g with g = s(v), v = 2 sqrt(2/pi) (x + a x^3), and Faa di Bruno's formula for g.
    a, c = 0.044715, 2 * math.sqrt(2 / math.pi)
    square = x * x
    v = c * (x * (1 + a * square))
    v1, v2, v3 = c * (1 + (3 * a) * square), (6 * a * c) * x, 6 * a * c
    s = _sigmoid_derivatives(v, order)
    g = [
        lambda: s[0],
        lambda: s[1] * v1,
        lambda: s[2] * (v1 * v1) + s[1] * v2,
        lambda: s[3] * (v1 * v1 * v1) + 3 * (s[2] * v1 * v2) + v3 * s[1],
        lambda: s[4] * (v1 * v1 * v1 * v1) + 6 * (s[3] * (v1 * v1) * v2) + s[2] * (3 * (v2 * v2) + (4 * v3) * v1),
    ]
    return x * g[0]() if order == 0 else order * g[order - 1]() + x * g[order]()


def _elu(x: Ball, order: int) -> Ball:
    negative = jnp.minimum(x.value, 0.0)
    left, units = (
        (elementary.expm1(negative), elementary.EXPM1_ERROR)
        if order == 0
        else (elementary.exp(negative), elementary.EXP_ERROR)
    )
    right = x.value if order == 0 else jnp.full_like(x.value, 1.0 if order == 1 else 0.0)
    value = jnp.where(x.value > 0, right, left)
    return Ball(value, jnp.abs(value), units)


def _relu(x: Ball, order: int) -> Ball:
    if order == 0:
        return Ball.positive(jnp.maximum(x.value, 0.0), 0.0)
    return Ball.positive((x.value > 0).astype(x.value.dtype) if order == 1 else jnp.zeros_like(x.value), 0.0)


_FORMULAS = {
    "silu": _silu,
    "softplus": _softplus,
    "tanh": _tanh,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "elu": _elu,
    "relu": _relu,
    "sigmoid": _sigmoid,
}


def point_bounds(x: Array, name: str, order: int) -> tuple[Array, Array]:
    """Bounds of the derivative at points; infinite ones are taken for the limit."""
    if name == "relu":
        exact = _relu(Ball.exact(x), order).value
        return exact, exact
    powers = name in _WITH_POWERS
    tail = _TAIL[jnp.dtype(x.dtype).name] if powers else largest(x.dtype)
    lower, upper = _FORMULAS[name](Ball.exact(jnp.clip(x, -tail, tail)), order).bounds()
    if powers and order == 0:
        # Here the function is x up to less than one roundoff of it.
        far = jnp.minimum(x, largest(x.dtype))
        margin = far * (4 * roundoff(x.dtype))
        lower, upper = jnp.where(x > tail, far - margin, lower), jnp.where(x > tail, far + margin, upper)
    return lower, upper


@functools.partial(jax.jit, static_argnames=("name", "order"), inline=True)
def _range(a: Operand, *, name: str, order: int) -> Interval:
    a = as_interval(a)
    return range_from_ends(a, *point_bounds(stacked(a.lower, a.upper), name, order), name, order)


def range_from_ends(a: Interval, lowest: Array, highest: Array, name: str, order: int) -> Interval:
    """The range over `a` from bounds at its two endpoints, which lie first and last along the first axis."""
    lower, upper = jnp.minimum(lowest[0], lowest[-1]), jnp.maximum(highest[0], highest[-1])
    if CRITICAL_POINTS[name][order]:
        # One more axis for the critical points: few operations, however many there are.
        points, values = np.array(CRITICAL_POINTS[name][order], a.dtype).T.reshape(2, -1, *(1,) * a.ndim)
        near = 4 * roundoff(a.dtype)
        inside = (a.lower[None] <= points + near * abs(points)) & (a.upper[None] >= points - near * abs(points))
        lowest = jnp.where(inside, values - near * abs(values), jnp.inf)
        highest = jnp.where(inside, values + near * abs(values), -jnp.inf)
        lower = jnp.minimum(lower, jnp.min(lowest, axis=0))
        upper = jnp.maximum(upper, jnp.max(highest, axis=0))
    smoothness = CONTINUOUS_DERIVATIVES[name]
    touches = (a.lower <= 0) & (a.upper >= 0)
    if order == smoothness + 1:
        lower, upper = jnp.where(touches, jnp.minimum(lower, 0.0), lower), jnp.where(touches, 1.0, upper)
    codomain = _CODOMAIN.get((name, order))
    if codomain is not None:
        lower, upper = jnp.clip(lower, *codomain), jnp.clip(upper, *codomain)
    if order > smoothness + 1:
        lower, upper = jnp.where(touches, jnp.nan, lower), jnp.where(touches, jnp.nan, upper)
    return settle(lower, upper, a)


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
    if order > CONTINUOUS_DERIVATIVES[name] + 1 and not isinstance(result.lower, jax.core.Tracer):
        refused = jnp.isnan(result.lower)
        if bool(jnp.any(refused & ~as_interval(a).is_nai())):
            raise InputError(
                f"enclose: {name} has no derivative of order {order} at 0, which lies in the range of its argument; "
                "use a smooth activation, a smaller box, or a claim of lower order."
            )
    return result
