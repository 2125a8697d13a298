"""The product of two affine forms, with a bound on its quadratic part.

With deviations `dx = x - x0`, `dy = y - y0` the product is `x0 y0 + x0 dy + y0 dx + dx dy`. The first three terms are
affine. In the last, the product of the linear parts is exact where the forms have quadratic rows, and the other parts
are bounded by their sizes. Where they have none, it is bounded through `t dx dy = ((t dx + dy)^2 - (t dx - dy)^2) / 4`:
with P and Q the radii of the two affine forms in the squares, `-Q^2/4 <= t dx dy <= P^2/4`. Where x and y move together
one of them is small; with `t = rad(y)/rad(x)` the bound is never worse than `rad(x) rad(y)`.
"""

import jax.numpy as jnp

from ..interval import Interval
from ..scalar import arithmetic
from ..scalar.fusion import computed_once
from ..scalar.rounding import roundoff, tiny, up
from .form import AffineForm, aligned, deviation, polynomials, rounded_error
from .linear import as_form, common_shape, scale
from .quadratic import product_of_linear, with_quadratic


def multiply(a, b) -> AffineForm:
    if not isinstance(a, AffineForm):
        a, b = b, a
    if not isinstance(b, AffineForm | Interval):
        return scale(a, b)
    shape = common_shape(a, b)
    x, y = as_form(a, shape), as_form(b, shape)
    u, smallest = roundoff(x.dtype), tiny(x.dtype)
    natural = arithmetic.multiply(x.range, y.range)
    (noise_x, noise_y), blocks = aligned([x, y])
    polynomial_x, polynomial_y, linear = polynomials(x, y)
    squares = x.is_quadratic and y.is_quadratic
    constant = quadratic = largest = 0.0
    if squares:
        of_x, of_y = x.linear_part(), y.linear_part()
        size_x, size_y, rest_x, rest_y = deviation(of_x), deviation(of_y), x.rest(), y.rest()
        constant, quadratic = product_of_linear(of_x, of_y)
        largest = 2 * size_x * size_y
        remainder = (size_x * rest_y + rest_x * size_y + rest_x * rest_y) * (1 + 8 * u)
        middle = 0.0
    else:
        rows_x, rows_y = (jnp.concatenate(parts) for parts in ((polynomial_x, noise_x), (polynomial_y, noise_y)))
        lower, upper = _quadratic_part(x, y, rows_x, rows_y)
        middle = 0.5 * lower + 0.5 * upper
        remainder = jnp.maximum(up(upper - middle), up(middle - lower))

    center_x, center_y = computed_once(x.center), computed_once(y.center)
    size_x, size_y = jnp.abs(x.center), jnp.abs(y.center)
    product = x.center * y.center
    center = product + middle + constant
    polynomial = center_x[None] * polynomial_y + center_y[None] * polynomial_x
    if squares:
        polynomial = with_quadratic(polynomial, quadratic)
    noise = center_x[None] * noise_y + center_y[None] * noise_x
    error = size_x * y.error + size_y * x.error + remainder
    spread = size_x * y.deviation() + size_y * x.deviation() + largest
    symbols = polynomial.shape[0] + noise.shape[0]
    magnitude = jnp.abs(product) + jnp.abs(center) + largest
    rounding = rounded_error(magnitude, spread, 4 + linear, symbols, x.dtype)
    error = error * (1 + 8 * u) + rounding + 8 * smallest
    return AffineForm(center, polynomial, noise, error, natural, blocks, True, linear)


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
