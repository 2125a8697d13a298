"""What ranges and adjoints are at least: extremes found at points, at corners, and by local ascent from them."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import Points
from ..enclosure import Interval
from .bounds import NodeBounds
from .program import Network, with_input_derivatives

UNIFORM_POINTS = 100_000
MOST_CORNERS = 2**12
ASCENT_STEPS = 20
_BATCH = 256


def sampled_bounds(network: Network, box: Interval, order: int, points: int = UNIFORM_POINTS) -> tuple[NodeBounds, ...]:
    """The hull of nodes and adjoints over `points` uniform points and the corners of `box`, for orders 0 to `order`.

    All corners are taken where there are at most `MOST_CORNERS` of them, else as many drawn at random. For order 0 each
    extreme is then followed uphill: sign-gradient steps projected onto the box, halved where they fail. Every bound is
    attained at some point, so it lies inside the true range.
    """
    candidates = jnp.concatenate([_uniform(box, points), _corners(box)])
    lower, upper, lowest, highest = _extremes(network, _in_batches(candidates), order)
    if order == 0:
        flat = [jnp.concatenate([array.reshape(-1) for array in jax.tree.leaves(ends)]) for ends in (lowest, highest)]
        ascended = [_ascend(network, candidates[where], sign, box) for where, sign in ((flat[0], -1.0), (flat[1], 1.0))]
        lower = jax.tree.map(jnp.minimum, lower, _unflatten(lower, -ascended[0]))
        upper = jax.tree.map(jnp.maximum, upper, _unflatten(upper, ascended[1]))
    return tuple(
        NodeBounds(*(jax.tree.map(Interval.unchecked, low, high) for low, high in zip(*ends)))
        for ends in zip(lower, upper)
    )


def _uniform(box: Interval, n: int) -> Points:
    d = box.lower.shape[0]
    return jax.random.uniform(jax.random.key(0), (n, d), jnp.float64, box.lower[None], box.upper[None])


def _corners(box: Interval) -> Points:
    lower, upper = np.asarray(box.lower), np.asarray(box.upper)
    d = lower.size
    if 2**d <= MOST_CORNERS:
        chosen = np.array(list(itertools.product((False, True), repeat=d)))
    else:
        chosen = np.random.default_rng(0).random((MOST_CORNERS, d)) < 0.5
    return jnp.asarray(np.where(chosen, upper, lower))


def _in_batches(points: Points) -> Float[Array, "batches size d"]:
    n, d = points.shape
    size = min(_BATCH, n)
    # Filled up with repetitions, which change no extreme.
    rows = np.minimum(np.arange(-(-n // size) * size), n - 1)
    return points[rows].reshape(-1, size, d)


@eqx.filter_jit
def _extremes(network, batches, order):
    """Smallest and largest entries over all points, and the rows where they stand."""

    def at_batch(points):
        return jax.vmap(lambda x: with_input_derivatives(network, x, order))(points)

    size = batches.shape[1]
    shapes = jax.eval_shape(at_batch, batches[0])
    start = jax.tree.map(
        lambda s: (
            jnp.full(s.shape[1:], jnp.inf),
            jnp.full(s.shape[1:], -jnp.inf),
            *(jnp.zeros(s.shape[1:], int),) * 2,
        ),
        shapes,
    )

    def step(carry, batch):
        number, points = batch

        def update(found, values):
            lower, upper, lowest, highest = found
            low, high = values.min(axis=0), values.max(axis=0)
            lowest = jnp.where(low < lower, number * size + values.argmin(axis=0), lowest)
            highest = jnp.where(high > upper, number * size + values.argmax(axis=0), highest)
            return jnp.minimum(lower, low), jnp.maximum(upper, high), lowest, highest

        values = at_batch(points)
        return jax.tree.map(update, carry, values, is_leaf=lambda leaf: type(leaf) is tuple and len(leaf) == 4), None

    found, _ = jax.lax.scan(step, start, (jnp.arange(batches.shape[0]), batches))
    return jax.tree.transpose(jax.tree.structure(shapes), jax.tree.structure((0,) * 4), found)


@eqx.filter_jit
def _ascend(network, starts, sign, box):
    """The largest `sign * quantity` found uphill from `starts[i]` for the i-th of all nodes and adjoints."""
    half = 0.5 * (box.upper - box.lower)

    def climb(start_and_index):
        start, index = start_and_index

        def quantity(x):
            values = jax.tree.leaves(with_input_derivatives(network, x, 0))
            return sign * jnp.concatenate([value.reshape(-1) for value in values])[index]

        def step(_, state):
            x, best, gradient, length = state
            trial = jnp.clip(x + length * half * jnp.sign(gradient), box.lower, box.upper)
            value, slope = jax.value_and_grad(quantity)(trial)
            better = value > best
            x, gradient = jnp.where(better, trial, x), jnp.where(better, slope, gradient)
            return x, jnp.where(better, value, best), gradient, jnp.where(better, length, 0.5 * length)

        best, gradient = jax.value_and_grad(quantity)(start)
        return jax.lax.fori_loop(0, ASCENT_STEPS, step, (start, best, gradient, jnp.asarray(0.1)))[1]

    indices = jnp.arange(starts.shape[0])
    return jax.lax.map(climb, (starts, indices), batch_size=_BATCH)


def _unflatten(tree, flat):
    leaves, structure = jax.tree.flatten(tree)
    ends = np.cumsum([leaf.size for leaf in leaves])
    return jax.tree.unflatten(
        structure, [part.reshape(leaf.shape) for part, leaf in zip(jnp.split(flat, ends[:-1]), leaves)]
    )
