"""The product of two affine forms, with a bound on its quadratic part that sees their correlation.

With deviations `dx = x - x0`, `dy = y - y0` the product is `x0 y0 + x0 dy + y0 dx + dx dy`. The first three terms are
affine. The last is bounded through `t dx dy = ((t dx + dy)^2 - (t dx - dy)^2) / 4`: with P and Q the radii of the two
affine forms in the squares, `-Q^2/4 <= t dx dy <= P^2/4`. Where x and y move together one of them is small; with
`t = rad(y)/rad(x)` the bound is never worse than `rad(x) rad(y)`.
"""

import jax.numpy as jnp

from . import arithmetic
from .affine_form import AffineForm, aligned, deviation, narrowed, rounded_error
from .affine_linear import as_form, common_shape, scale
from .fusion import computed_once
from .interval import Interval
from .rounding import roundoff, tiny, up


def multiply(a, b) -> AffineForm:
    if not isinstance(a, AffineForm):
        a, b = b, a
    if not isinstance(b, AffineForm | Interval):
        return scale(a, b)
    shape = common_shape(a, b)
    x, y = as_form(a, shape), as_form(b, shape)
    u, smallest = roundoff(x.dtype), tiny(x.dtype)
    natural = arithmetic.multiply(x.range, y.range)
    (of_x, of_y), blocks = aligned([x, y])
    lower, upper = _quadratic_part(x, y, of_x, of_y)
    middle = 0.5 * lower + 0.5 * upper
    remainder = jnp.maximum(up(upper - middle), up(middle - lower))

    center_x, center_y = computed_once(x.center), computed_once(y.center)
    size_x, size_y = jnp.abs(x.center), jnp.abs(y.center)
    product = x.center * y.center
    center = product + middle
    coefficients = center_x[None] * of_y + center_y[None] * of_x
    error = size_x * y.error + size_y * x.error + remainder
    spread = size_x * deviation(of_y) + size_y * deviation(of_x)
    rounding = rounded_error(jnp.abs(product) + jnp.abs(center), spread, 3, of_x.shape[0], x.dtype)
    error = error * (1 + 8 * u) + rounding + 8 * smallest
    return narrowed(center, coefficients, error, natural, blocks, True)


def _quadratic_part(x: AffineForm, y: AffineForm, of_x, of_y):
    """Bounds of `(x - x0)(y - y0)`."""
    u = roundoff(x.dtype)
    radius_x, radius_y = up(deviation(of_x) + x.error), up(deviation(of_y) + y.error)
    t = jnp.clip(radius_y / radius_x, 1e-12, 1e12)
    t = computed_once(jnp.where(t == t, t, 1.0))
    errors = (t * x.error + y.error) * (1 + 8 * u)
    # Three roundings in each of the scaled sums, two more in the square.
    rounding = 4 * u * (t * deviation(of_x) + deviation(of_y)) + 8 * (of_x.shape[0] + 2) * tiny(x.dtype)
    together = deviation(t[None] * of_x + of_y) + errors + rounding
    against = deviation(t[None] * of_x - of_y) + errors + rounding
    inflate = (1 + 16 * u) / (4 * t)
    largest, smallest = together * together * inflate, -(against * against) * inflate
    # What overflowed says nothing.
    smallest = jnp.where(jnp.isfinite(smallest), smallest - tiny(x.dtype), -jnp.inf)
    largest = jnp.where(jnp.isfinite(largest), largest + tiny(x.dtype), jnp.inf)
    return smallest, largest

