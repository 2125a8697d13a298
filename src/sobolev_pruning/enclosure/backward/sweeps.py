"""Linear bounds of a chain's nodes, and of its adjoints, carried back to the box layer by layer.

A row of numbers A at a layer stands for the promise `target >= A v + constant`, v the values of that layer. Through an
affine map it becomes `A W`; through an activation, its line below where A is above 0, its line above elsewhere. The
floats A are exact as they stand: what their computation lost is at most `inaccuracy`, per unit of |A|, and is taken off
the constant. Upper bounds are those below the negative, in a second set of rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..interval import Interval
from ..scalar.rounding import summation, tiny
from .chain import Chain, inaccuracy
from .lines import Touched, line


class Layers(NamedTuple):
    """What is known of all layers: `reach`, `(L + 1, n)`, bounds |h|, h_0 the box; `size`, `(L, n)`, bounds |z|;
    `middle` and `radius`, `(n,)`, the box.
    """

    reach: Array
    size: Array
    middle: Array
    radius: Array


class Rows(NamedTuple):
    """`target >= rows v + constant - lost`, and `terms`, the moduli of what was summed to the constant."""

    rows: Array
    constant: Array
    lost: Array
    terms: Array


def start(rows: Array) -> Rows:
    """Rows `(..., m, n)` that are the target themselves."""
    zero = jnp.zeros(rows.shape[:-1], rows.dtype)
    return Rows(rows, zero, zero, zero)


def both_signs(n: int, dtype) -> Array:
    """Rows for every node and its negative, `(2, n, n)`."""
    eye = jnp.eye(n, dtype=dtype)
    return jnp.stack([eye, -eye])


def through_map(found: Rows, weight: Array, bias: Array, lost: Array, reach: Array) -> Rows:
    """Past `v -> weight v + bias`, where |v| <= `reach`; `lost` is per unit of a row, products flushed to 0 apart."""
    modulus = jnp.abs(found.rows)
    flushed = weight.shape[0] * tiny(weight.dtype) * (jnp.sum(reach) + 1)
    return Rows(
        found.rows @ weight,
        found.constant + found.rows @ bias,
        found.lost + modulus @ lost + flushed,
        found.terms + modulus @ jnp.abs(bias),
    )


def through_lines(found: Rows, known: Touched, turn: Array, size: Array, first: Array) -> Rows:
    """Past an activation, by a line for every entry of the rows; `size` bounds its argument.

    Where `first` is true there is no activation.
    """
    between = line(known, turn, found.rows > 0)
    slope, offset = jnp.where(first, 1.0, between.slope), jnp.where(first, 0.0, between.offset)
    rows, terms = found.rows * slope, found.rows * offset
    u = jnp.finfo(rows.dtype).eps
    return Rows(
        rows,
        found.constant + jnp.sum(terms, axis=-1),
        found.lost + (jnp.abs(rows) * u + tiny(rows.dtype)) @ size,
        found.terms + jnp.sum(jnp.abs(terms) + tiny(rows.dtype) / u, axis=-1),
    )


def least(found: Rows, middle: Array, radius: Array, summed: int) -> Array:
    """The lower bound of the target over a box of v, where no constant was a sum of more than `summed` terms."""
    modulus = jnp.abs(found.rows)
    gamma = summation(summed + 2 * middle.shape[0] + 16, middle.dtype)
    terms = found.terms + modulus @ (jnp.abs(middle) + radius)
    slack = (gamma * terms + found.lost) * (1 + 4 * gamma) + summed * tiny(middle.dtype)
    bound = found.rows @ middle - modulus @ radius + found.constant - slack
    bound = bound - 4 * jnp.finfo(bound.dtype).eps * jnp.abs(bound)
    return jnp.where(jnp.isnan(bound), -jnp.inf, bound)


def back_to_box(
    found: Rows,
    last: Array | int,
    chain: Chain,
    functions: Touched,
    turns: Array,
    known: Layers,
    fed: Array | None = None,
    summed: int = 0,
) -> Array:
    """Lower bounds of targets given at z of layer `last`, `(2, m)`, all the way to the box.

    `functions` are the activations of every layer and `turns`, `(L, 2, m, n)` or broadcast to it, choose their lines;
    `fed`, `(L, 2, m, n)`, adds rows at z of each layer, and `summed` counts the terms of the constants so far.
    """
    depth, n = chain.depth, chain.width
    lost = jax.vmap(inaccuracy)(chain.weight, chain.weight_error, known.reach[:-1]) + chain.bias_error
    # What enters a layer: the box as it is, or the activation of the layer before.
    functions, turns = jax.tree.map(lambda a: jnp.roll(a, 1, axis=0), (functions, turns))
    size = jnp.concatenate([known.reach[:1], known.size[:-1]])

    def step(found, layer):
        number, weight, bias, lost, reach, function, turn, size, fed = layer
        if fed is not None:
            found = found._replace(rows=found.rows + fed)
        moved = through_map(found, weight, bias, lost, reach)
        moved = through_lines(moved, function, turn, size, number == 0)
        return jax.tree.map(lambda new, old: jnp.where(number <= last, new, old), moved, found), None

    steps = jnp.arange(depth), chain.weight, chain.bias, lost, known.reach[:-1], functions, turns, size, fed
    found, _ = lax.scan(step, found, steps, reverse=True)
    return least(found, known.middle, known.radius, summed + 4 * depth * (n + 4))


def natural_map(weight: Array, error: Array, bias: Array, bias_error: Array, v: Interval) -> Interval:
    """`(weight +- error) v + (bias +- bias_error)` by the ranges of v alone."""
    middle, radius = 0.5 * v.lower + 0.5 * v.upper, 0.5 * v.upper - 0.5 * v.lower
    reach = jnp.maximum(jnp.abs(v.lower), jnp.abs(v.upper))
    gamma = summation(weight.shape[-1] + 8, weight.dtype)
    slack = inaccuracy(weight, error, reach) + bias_error + 4 * gamma * jnp.abs(bias)
    # Halving may flush to 0, and so may every product.
    smallest = tiny(weight.dtype)
    slack = slack + 4 * (jnp.abs(weight) @ (gamma * reach + smallest)) + (weight.shape[-1] + 4) * smallest
    center, spread = weight @ middle + bias, (jnp.abs(weight) @ radius) * (1 + 2 * gamma) + slack * (1 + 4 * gamma)
    lower, upper = center - spread, center + spread
    # A sum that overflowed is no bound on its far side.
    finite_lower, finite_upper = jnp.isfinite(lower), jnp.isfinite(upper)
    return Interval.unchecked(jnp.where(finite_lower, lower, -jnp.inf), jnp.where(finite_upper, upper, jnp.inf))


def met(a: Interval, lower: Array, upper: Array) -> Interval:
    """The intersection of two bounds of one thing."""
    return Interval.unchecked(jnp.maximum(a.lower, lower), jnp.minimum(a.upper, upper))
