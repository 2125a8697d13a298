"""Derivatives of a mean by differences of its values with common random numbers, for what has no pathwise ones."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .pathwise import value_and_jacobian

STEP = 0.05
"""Step of the differences for first derivatives, as a part of the box's width; they reach two steps to either side."""

GAMMA_STEP = 0.1
"""The same for gamma, whose noise grows as the inverse of the cube of the step where paths jump."""

_NODES = np.arange(-2.0, 3.0)


class Stencil(NamedTuple):
    """Where to call a function around a point, and the sums of the results that make its derivatives there.

    `offsets` `(e, d)`; the sums over e of `weights` `(e, q)` times the results are the q first derivatives, or gamma,
    and with `halved` the same with half the step: their difference tells how far the first are off.
    """

    offsets: Float[Array, "e d"]
    weights: Float[Array, "e q"]
    halved: Float[Array, "e q"]


def gradient_stencil(x: Float[Array, "d"], lower: Float[Array, "d"], upper: Float[Array, "d"]) -> Stencil:
    """Five points along every input, right to fourth order; inside the box wherever `x` is."""
    lines = jax.vmap(lambda u: _line(x, u, lower, upper, 1))(STEP * jnp.diag(upper - lower))
    offsets, weights, halved = lines
    d = x.size
    every = jnp.eye(d)[:, None, :]  # the points of a line serve the derivative along it alone
    weights, halved = ((each[:, :, None] * every).reshape(-1, d) for each in (weights, halved))
    return Stencil(offsets.reshape(-1, d), weights, halved)


def line_stencil(x, u: Float[Array, "d"], lower: Float[Array, "d"], upper: Float[Array, "d"]):
    """Steps `(10,)` along `u`, and the weights of the five-point first derivative in units of `u`, whole and halved."""
    offsets, weights, halved = _line(x, STEP * u, lower, upper, 1)
    place = jnp.argmax(jnp.abs(u))
    size = jnp.sum(jnp.abs(u))
    return offsets[:, place] / u[place], size * weights, size * halved


def gamma_stencil(x, direction: Float[Array, "d"], lower: Float[Array, "d"], upper: Float[Array, "d"]) -> Stencil:
    """Five points along `direction`; inside the box where it is wide enough there."""
    step = GAMMA_STEP / jnp.max(jnp.abs(direction) / (upper - lower))
    offsets, weights, halved = _line(x, step * direction, lower, upper, 2)
    return Stencil(offsets, weights[:, None] / step**2, halved[:, None] / step**2)


def _line(x, u, lower, upper, order: int):
    """Offsets along `u` and weights for the derivative of the given order in units of `u`, with the half step too.

    Weights of first derivatives along an axis come per unit of that input, of others per unit of `u`.
    """
    shift = _shift(x, u, lower, upper)
    whole = _NODES + shift
    weights = _weights(whole, order)
    if order == 1:
        weights = weights / jnp.sum(jnp.abs(u))
    half = 0.5 * whole
    none = jnp.zeros(5)
    offsets = jnp.concatenate([whole, half])[:, None] * u[None, :]
    return offsets, jnp.concatenate([weights, none]), jnp.concatenate([none, 2.0**order * weights])


def _shift(x, u, lower, upper) -> Float[Array, ""]:
    """By how many steps the five points are moved along `u` to stay in the box; 0 where `x` itself is not inside."""
    speed = jnp.where(u != 0, u, 1.0)
    ends = jnp.stack([(lower - x) / speed, (upper - x) / speed])
    first = jnp.max(jnp.where(u != 0, jnp.min(ends, axis=0), -jnp.inf))
    last = jnp.min(jnp.where(u != 0, jnp.max(ends, axis=0), jnp.inf))
    fits = (first <= 0.0) & (last >= 0.0) & (last - first >= 4.0)
    return jnp.where(fits, jnp.clip(0.0, first + 2.0, last - 2.0), 0.0)


def _weights(nodes: Float[Array, "5"], order: int) -> Float[Array, "5"]:
    """Weights exact for polynomials of degree 4: the sums of `nodes^m` are 0 but for `m = order`."""
    powers = nodes[None, :] ** jnp.arange(5.0)[:, None]
    wanted = jnp.zeros(5).at[order].set(float(order))  # 1! = 1 and 2! = 2
    return jnp.linalg.solve(powers, wanted)


def differences(label, x: Float[Array, "d"], stencil: Stencil) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The derivatives of `label` at `x` on one path, with a last axis of length q, and how far half the step moves
    them.
    """
    # One call after the other: all at once would hold the whole path of each.
    results = jax.lax.map(lambda offset: label(x + offset), stencil.offsets)
    whole = jnp.tensordot(results, stencil.weights, (0, 0))
    return whole, whole - jnp.tensordot(results, stencil.halved, (0, 0))


def with_truncation(
    stderr: Float[Array, "n ..."], moved: Float[Array, "n ..."], moved_stderr: Float[Array, "n ..."]
) -> Float[Array, "n ..."]:
    """Standard errors with the part of the step's own error that shows over its noise, in the mean over the points."""
    shown = jnp.maximum(0.0, jnp.mean(moved**2 - moved_stderr**2, axis=0, keepdims=True))
    return jnp.sqrt(stderr**2 + shown)


@eqx.filter_jit
def missing_mass(reference, points: Float[Array, "n d"], key, paths: int):
    """Per point the mean over paths of differences less pathwise derivatives, its standard error, and how far half the
    step moves it: `(n, ..., d)` each.
    """
    lower, upper = reference.box

    def one_path(x, z, stencil):
        def label(point):
            return reference.label(point, z)

        slopes, moved = differences(label, x, stencil)
        return slopes - value_and_jacobian(label, x)[1], moved

    def one_point(numbered):
        number, x = numbered
        z = reference.noise(jax.random.fold_in(key, number), paths)
        stencil = gradient_stencil(x, lower, upper)
        # In blocks, as the noise of all paths and what each computes need not fit into memory.
        off, moved = jax.lax.map(lambda noise: one_path(x, noise, stencil), z, batch_size=1024)
        return jnp.mean(off, axis=0), jnp.std(off, axis=0, ddof=1) / np.sqrt(paths), jnp.mean(moved, axis=0)

    return jax.lax.map(one_point, (jnp.arange(len(points)), points))
