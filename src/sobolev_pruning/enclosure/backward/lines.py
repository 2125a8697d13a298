"""Lines below and above an activation over a range of its argument, one pair for any slopes that are asked for.

For a slope m, the line `m z + b` lies below f on [l, u] if b is at most the minimum of `g(z) = f(z) - m z`. On a cell
of a grid of [l, u], g differs from its linear interpolant by at most `h^2/8` times the second derivative of f, or `h/4`
times the spread of its first where the second does not exist, whatever m is; a function made of straight pieces has its
extremes at the ends and at its breakpoints. So bounds of f on the grid, moved by that once, serve every slope, and any
slope is valid: an optimiser may choose it. Derivation: `docs/derivations/backward-relaxations.md`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ...activations import activate, activation
from ..enclose import enclose
from ..interval import Interval
from ..scalar import activation_ranges
from ..scalar.rounding import roundoff, tiny

CELLS = 16


class Touched(NamedTuple):
    """What is known of a function over ranges `(n,)`: bounds on a grid, `(g, n)`, the slopes to start with, `(2, n)`,
    and its flattest and steepest ones.

    `lowest` and `highest` are moved so that every chord of neighbours lies beyond the function. `range` is its range.
    `free`, `(2, n)`, is 1 where another slope than the chord's can help the line below, above.
    """

    places: Array
    lowest: Array
    highest: Array
    first: Array
    flattest: Array
    steepest: Array
    range: Interval
    free: Array


class Line(NamedTuple):
    """`slope z + offset`."""

    slope: Array
    offset: Array


def grid_size(name: str, order: int) -> int:
    """Points that `touch` needs for this derivative of an activation."""
    known = activation(name)
    if known.in_straight_pieces:
        return 2 + (len(known.breakpoints) if order == 0 else 0)
    return CELLS + 1


def touch(z: Interval, name: str, order: int, size: int) -> Touched:
    """The `order`-th derivative (0 or 1) of an activation over `z`, with `size` places, the last ones repeated.

    The derivative with respect to the ends of `z` is that of the function in floats: good enough to choose slopes by.
    """
    known, fixed = activation(name), Interval.unchecked(lax.stop_gradient(z.lower), lax.stop_gradient(z.upper))
    u, dtype = roundoff(z.dtype), z.dtype
    straight = known.in_straight_pieces
    range_ = _followed(_range(fixed, name=name, order=order), z, name, order)
    if straight:
        bends = [jnp.clip(point.place, z.lower, z.upper) for point in known.breakpoints if order == 0]
        places = jnp.stack([z.lower, *bends, z.upper])
    else:
        part = (jnp.arange(CELLS + 1, dtype=dtype) / CELLS)[:, None]
        places = jnp.clip(z.lower[None] + (z.upper - z.lower)[None] * part, z.lower[None], z.upper[None])
        places = jnp.concatenate([z.lower[None], places[1:-1], z.upper[None]])
    fixed_places = lax.stop_gradient(places)
    lowest, highest = activation_ranges.point_bounds(fixed_places, name, order)
    width = fixed.upper - fixed.lower
    if straight:
        # A derivative of straight pieces jumps: only its range says something, and flat lines are taken.
        below = above = jnp.full_like(width, 0.0 if order == 0 else jnp.inf)
    else:
        step = width / CELLS * (1 + 4 * u) + 4 * u * jnp.max(jnp.abs(fixed_places), axis=0) + tiny(dtype)
        below, above = _beside_chords(fixed, step, name, order)
    values = activate(places, name, order)
    margin = 8 * u * (jnp.abs(lowest) + jnp.abs(highest) + jnp.abs(lax.stop_gradient(values))) + tiny(dtype)
    lowest = values + lax.stop_gradient(lowest - values - margin - below[None])
    highest = values + lax.stop_gradient(highest - values + margin + above[None])
    slopes = _slopes(fixed, name, order)
    rise = values[-1] - values[0]
    chord = jnp.where(width > 0, rise / jnp.where(width > 0, z.upper - z.lower, 1.0), 0.0)
    chord = jnp.clip(jnp.where(jnp.isfinite(chord), chord, 0.0), slopes.lower, slopes.upper)
    convex, concave = _bent(fixed, name, order)
    free = jnp.stack([~concave, ~convex]).astype(dtype)
    # Where one line is the chord, the other starts as the tangent in the middle: 0 or 1 for relu.
    tangent = jnp.clip(activate(0.5 * (z.lower + z.upper), name, order + 1), slopes.lower, slopes.upper)
    tangent = jnp.where(jnp.isfinite(tangent) & (convex ^ concave), tangent, chord)
    first = jnp.where(free > 0, tangent[None], chord[None])
    repeat = [0] * (size - len(places))
    places, lowest, highest = (jnp.concatenate([a, a[jnp.array(repeat, int)]]) for a in (places, lowest, highest))
    return Touched(places, lowest, highest, first, slopes.lower, slopes.upper, range_, free)


def line(known: Touched, turn: Array, below: Array) -> Line:
    """For every entry of `below`, `(..., n)`, a line below the function where it is true, else one above.

    The slope runs from the first (`turn` 0) to the steepest (1) and to the flattest (-1) of the function. Where no line
    has finite numbers, the slope is 0 and the offset an end of the range.
    """
    side, u = jnp.where(below, 1.0, -1.0), roundoff(known.places.dtype)
    known = jax.tree.map(lambda a: a.reshape(a.shape[:-1] + (1,) * (below.ndim - 1) + a.shape[-1:]), known)

    def of(pair):
        return jnp.where(below, pair[0], pair[1])

    first, turn = of(known.first), turn * of(known.free)
    slope = first + jnp.maximum(turn, 0) * (known.steepest - first) + jnp.minimum(turn, 0) * (first - known.flattest)
    # Where the first slope is at an end, one side has no length; an optimiser must find its way back from there.
    slope = lax.stop_gradient(slope) + (turn - lax.stop_gradient(turn)) * (known.steepest - known.flattest)
    slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
    # The least of side * (f - slope z), place after place.
    least, size = jnp.full_like(slope, jnp.inf), jnp.zeros_like(slope)
    for place, lowest, highest in zip(known.places, known.lowest, known.highest):
        moved = slope * place
        least = jnp.minimum(least, side * (jnp.where(below, lowest, highest) - moved))
        size = jnp.maximum(size, jnp.abs(lax.stop_gradient(moved)))
    least = least - 4 * u * (size + jnp.abs(lax.stop_gradient(least))) - tiny(slope.dtype)
    usable = jnp.isfinite(least)
    flat = jnp.where(below, known.range.lower, known.range.upper)
    return Line(jnp.where(usable, slope, 0.0), jnp.where(usable, side * jnp.where(usable, least, 0.0), flat))


def _range(z: Interval, name: str, order: int) -> Interval:
    """The exact range of an activation's derivative."""
    if activation(name).is_plain:  # such as sin, whose record lists no extremes: the rule of the function knows them
        return enclose(lambda x: activate(x, name, order))(z)
    return activation_ranges.activation_range(z, name=name, order=order)


def _followed(range_: Interval, z: Interval, name: str, order: int) -> Interval:
    """The same range, with the derivative of the function's values at the ends."""
    ends = activate(jnp.stack([z.lower, z.upper]), name, order)

    def follow(end, value):
        fixed = lax.stop_gradient(value)
        return jnp.where(jnp.isfinite(fixed), (value - fixed) + end, end)  # the difference is 0

    return Interval.unchecked(follow(range_.lower, jnp.min(ends, axis=0)), follow(range_.upper, jnp.max(ends, axis=0)))


def _beside_chords(z: Interval, step: Array, name: str, order: int) -> tuple[Array, Array]:
    """How far the function may lie below and above the chords of a grid of this step."""
    u, smoothness = roundoff(z.dtype), activation(name).smoothness
    if order + 2 <= smoothness + 1:
        second = _range(z, name=name, order=order + 2)
        factor = step * step * (0.125 * (1 + 16 * u))
        return factor * jnp.maximum(second.upper, 0.0), factor * jnp.maximum(-second.lower, 0.0)
    if order + 1 <= smoothness + 1:
        first = _range(z, name=name, order=order + 1)
        beside = step * (first.upper - first.lower) * (0.25 * (1 + 16 * u))
        return beside, beside
    unknown = jnp.full_like(step, jnp.inf)
    return unknown, unknown


def _slopes(z: Interval, name: str, order: int) -> Interval:
    """Slopes worth trying: those of the function itself, where it has any that are bounded."""
    if order + 1 <= activation(name).smoothness + 1:
        return _range(z, name=name, order=order + 1)
    return Interval.unchecked(jnp.zeros_like(z.lower), jnp.zeros_like(z.upper))


def _bent(z: Interval, name: str, order: int) -> tuple[Array, Array]:
    """Where the function is certainly convex, concave over the range: one of the lines is then the chord."""
    known = activation(name)
    if known.in_straight_pieces:
        if order > 0:
            return jnp.ones(z.shape, bool), jnp.ones(z.shape, bool)
        inside = [(z.lower < p.place) & (p.place < z.upper) for p in known.breakpoints]
        rises = [~i if p.right < p.left else jnp.ones_like(i) for p, i in zip(known.breakpoints, inside)]
        falls = [~i if p.right > p.left else jnp.ones_like(i) for p, i in zip(known.breakpoints, inside)]
        true = jnp.ones(z.shape, bool)
        return jnp.all(jnp.stack([true, *rises]), axis=0), jnp.all(jnp.stack([true, *falls]), axis=0)
    if order + 2 > known.smoothness + 1:
        return jnp.zeros(z.shape, bool), jnp.zeros(z.shape, bool)
    second = _range(z, name=name, order=order + 2)
    return second.lower >= 0, second.upper <= 0
