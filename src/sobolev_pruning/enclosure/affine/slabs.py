"""Pieces of a box between parallel planes, and affine forms that know where they are.

A piece is `x = middle + radius eps`, cut by `lower_k <= directions_k' x <= upper_k`. Each pair of planes gets a symbol
of its own: `n_k' eps = m_k + r_k s_k` with `s_k` in [-1, 1]. So any multiple of `n_k' eps - r_k s_k - m_k`, which is 0
on the piece, may be taken off a form; the best multiple makes the sum of moduli of its linear part least.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..scalar.fusion import computed_once
from ..scalar.rounding import roundoff, summation, tiny, up
from .form import AffineForm


class Slabs(NamedTuple):
    """`lower <= directions @ x <= upper` for all numbers x of a box together: `(r, n)`, `(r,)`, `(r,)`."""

    directions: Array
    lower: Array
    upper: Array


class Planes(NamedTuple):
    """The same in the symbols of the box: `normals @ eps` in `middle +- radius`; `(r, n)`, `(r,)`, `(r,)`."""

    normals: Array
    middle: Array
    radius: Array


def planes_of(slabs: Slabs, middle: Array, radius: Array) -> Planes:
    """`slabs` for the box `middle + radius eps`, every rounding made good by a larger radius of the slab."""
    gamma = summation(middle.shape[0] + 8, middle.dtype)
    normals = slabs.directions * radius[None]
    ends = jnp.abs(slabs.lower) + jnp.abs(slabs.upper)
    size = jnp.abs(slabs.directions) @ (jnp.abs(middle) + radius) + ends
    shift = 0.5 * slabs.lower + 0.5 * slabs.upper
    slack = 4 * gamma * size + 4 * (middle.shape[0] + 4) * tiny(middle.dtype)
    return Planes(normals, shift - slabs.directions @ middle, up(0.5 * (slabs.upper - slabs.lower) + slack))


def between_planes(form: AffineForm, planes: Planes) -> AffineForm:
    """The form with multiples of the planes taken off its linear part, so that its range is least."""
    n = planes.normals.shape[1]
    for k in range(planes.normals.shape[0]):
        form = _between(form, planes.normals[k], planes.middle[k], planes.radius[k], n + k)
    return form


def _between(form: AffineForm, normal: Array, middle: Array, radius: Array, place: int) -> AffineForm:
    n = normal.shape[0]
    normal = normal.reshape(n, *(1,) * form.ndim)
    linear, own = form.polynomial[:n], form.polynomial[place]
    # The sum of moduli is piecewise linear in the multiple: least where a coefficient vanishes.
    multiples = jnp.concatenate([jnp.zeros_like(own)[None], linear / normal, -own[None] / radius])
    multiples = computed_once(jnp.where(jnp.isfinite(multiples), multiples, 0.0))
    left = jnp.sum(jnp.abs(linear[None] - multiples[:, None] * normal[None]), axis=1)
    left = left + jnp.abs(own[None] + multiples * radius)
    # No multiple comes first: it is taken where others are no better.
    best = jnp.argmin(left, axis=0)
    index = np.arange(n + 2).reshape(-1, *(1,) * form.ndim)
    chosen = computed_once(jnp.sum(jnp.where(index == best[None], multiples, 0.0), axis=0))
    taken = chosen[None] * normal
    polynomial = jnp.concatenate(
        [
            linear - taken,
            form.polynomial[n:place],
            (own + chosen * radius)[None],
            form.polynomial[place + 1 :],
        ]
    )
    center = form.center + chosen * middle
    size = jnp.abs(form.center) + jnp.abs(chosen * middle) + jnp.abs(own) + jnp.abs(chosen * radius)
    size = size + jnp.sum(jnp.abs(linear) + jnp.abs(taken), axis=0)
    rounding = 4 * roundoff(form.dtype) * size + 4 * (n + 4) * tiny(form.dtype)
    return AffineForm(
        center, polynomial, form.noise, form.error + rounding, form.range, form.blocks, form.significant, form.linear
    )
