"""Bounds of all nodes of a chain, and of its Jacobian, for given slopes: layer after layer, each carried to the box."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..interval import Interval
from ..scalar.rounding import tiny
from . import lines
from .chain import Chain, inaccuracy, padded
from .lines import Touched
from .sweeps import Layers, Rows, back_to_box, both_signs, least, met, natural_map, start


class Turns(NamedTuple):
    """The slopes, as `lines.line` takes them, by target layer, layer, sign of the target, target and node.

    All are `(L, L, 2, n, n)`, or `(L, L, 2, 1, 1)` for what all share. `values` are for bounds of z; for those of the
    adjoints `slopes` are of the activations' derivatives, `mixes` weigh the two planes below and above a product, and
    `beneath` are of the activations where what depends on z is carried on to the box.
    """

    values: Array
    slopes: Array
    mixes: Array
    beneath: Array


def first_turns(chain: Chain) -> Turns:
    """The first slopes, and the mean of both planes."""
    zero = jnp.zeros((chain.depth, chain.depth, 2, 1, 1), chain.weight.dtype)
    return Turns(zero, zero, zero + 0.5, zero)


class Values(NamedTuple):
    """Ranges of z, `(L, n)`, and of the outputs, `(n,)`, with what the sweeps need."""

    z: Interval
    output: Interval
    functions: Touched
    derivatives: Touched
    known: Layers


def values(chain: Chain, names: tuple[str, ...], box: Interval, turns: Array) -> Values:
    """Bounds of every node over a box `(d,)`."""
    depth, n = chain.depth, chain.width
    middle, radius = padded(box, n)
    x = Interval.unchecked(*(jnp.pad(end, (0, n - end.shape[0])) for end in (box.lower, box.upper)))
    function, derivative = _touching(names, 0), _touching(names, 1)
    functions, derivatives = (_empty(touching, depth, n, middle.dtype) for touching in (function, derivative))
    reach = jnp.zeros((depth + 1, n), middle.dtype).at[0].set(_modulus(x))
    known = Layers(reach, jnp.zeros((depth, n), middle.dtype), middle, radius)
    rows = start(both_signs(n, middle.dtype))

    def layer(carry, inputs):
        functions, derivatives, known, h = carry
        number, turn, *parts = inputs
        lower, negative_upper = back_to_box(rows, number, chain, functions, turn, known)
        z = met(natural_map(*parts, h), lower, -negative_upper)
        new, new_derivative = function(number, z), derivative(number, z)
        functions, derivatives = (
            jax.tree.map(lambda all_, one: all_.at[number].set(one), *pair)
            for pair in ((functions, new), (derivatives, new_derivative))
        )
        known = known._replace(
            reach=known.reach.at[number + 1].set(_modulus(new.range)), size=known.size.at[number].set(_modulus(z))
        )
        return (functions, derivatives, known, new.range), z

    inputs = jnp.arange(depth), turns, *chain
    (functions, derivatives, known, output), z = lax.scan(layer, (functions, derivatives, known, x), inputs)
    return Values(z, output, functions, derivatives, known)


def jacobian(chain: Chain, along: Chain, found: Values, turns: Turns, output: Array, straight: bool) -> Interval:
    """Bounds of the derivative of one output, `(n,)`, with respect to what the first weight of `along` multiplies.

    That is the box where `along` is the chain; elsewhere the two differ in their first weights.

    With `straight` the derivatives of the activations are taken by their ranges alone: they jump.
    """
    depth, n, dtype = chain.depth, chain.width, chain.weight.dtype
    s = found.derivatives.range
    one = (jnp.arange(n) == output).astype(dtype)
    across = jnp.swapaxes(along.weight, 1, 2), jnp.swapaxes(along.weight_error, 1, 2)
    rows, eps = start(both_signs(n, dtype)), jnp.finfo(dtype).eps
    zero = jnp.zeros(n, dtype)

    def layer(carry, inputs):
        p_all, p = carry  # adjoints of h, of every layer and of this one
        number, weight, error, slopes, mixes, beneath = inputs
        p_all = jax.tree.map(lambda all_, one: all_.at[number].set(one), p_all, p)
        q = _product(p_all, s)
        natural = natural_map(weight, error, zero, zero, Interval.unchecked(q.lower[number], q.upper[number]))
        lost = jax.vmap(inaccuracy)(*across, _modulus(q))
        p_size, s_size = _modulus(p_all), _modulus(s)

        def step(rows, at):
            level, weight, lost, p, s, mix, derivative, turn, q_size, p_size, s_size, z_size = at
            modulus = jnp.abs(rows.rows)
            flushed = n * tiny(dtype) * (jnp.sum(q_size) + jnp.sum(p_size) + jnp.sum(s_size) + jnp.sum(z_size) + 1)
            c = rows.rows @ weight
            on_p, on_s, constant = (c * a for a in _plane(p, s, mix, c > 0))
            tangent = lines.line(derivative, turn, on_s > 0)
            more, on_z = on_s * tangent.offset, on_s * tangent.slope
            new = Rows(
                on_p,
                rows.constant + jnp.sum(more - constant, axis=-1),
                # The planes' own coefficients are rounded, and so are the products with them.
                rows.lost
                + modulus @ lost
                + jnp.abs(c) @ (32 * eps * p_size * s_size)
                + jnp.abs(on_p) @ (eps * p_size)
                + jnp.abs(on_s) @ (eps * s_size)
                + jnp.abs(on_z) @ (eps * z_size)
                + flushed,
                rows.terms + jnp.sum(jnp.abs(more) + jnp.abs(constant), axis=-1),
            )
            on_z = jnp.where(level >= number, on_z, 0.0)
            return jax.tree.map(lambda a, b: jnp.where(level >= number, a, b), new, rows), on_z

        parts = p_all, s, mixes, found.derivatives, slopes
        at = jnp.arange(depth), across[0], lost, *parts, _modulus(q), p_size, s_size, found.known.size
        ended, fed = lax.scan(step, rows, at)
        # At the outputs the adjoint is a unit vector.
        constant = ended.constant + ended.rows @ one
        terms = ended.terms + jnp.abs(ended.rows) @ one
        carried = Rows(jnp.zeros_like(ended.rows), constant, ended.lost, terms)
        summed = 4 * depth * (n + 4)
        if straight:
            lower, negative_upper = least(carried, found.known.middle, found.known.radius, summed)
        else:
            lower, negative_upper = back_to_box(
                carried, depth - 1, chain, found.functions, beneath, found.known, fed, summed
            )
        return (p_all, met(natural, lower, -negative_upper)), None

    p = Interval.unchecked(one, one)
    p_all = jax.tree.map(lambda a: jnp.zeros((depth, n), dtype), p)
    inputs = jnp.arange(depth), *across, turns.slopes, turns.mixes, turns.beneath
    (_, p), _ = lax.scan(layer, (p_all, p), inputs, reverse=True)
    return p


def _plane(p: Interval, s: Interval, mix: Array, below: Array) -> tuple[Array, Array, Array]:
    """`(a, b, c)` such that `a p + b s - c` is below `p s` where `below` is true, else above, for weights `mix`.

    McCormick's planes, from `(p - p_) (s - s_) >= 0` for both ends of p and s, and weighted means of each two.
    """

    p, s = (jax.tree.map(lambda a: a.reshape((1,) * (below.ndim - 1) + a.shape), x) for x in (p, s))

    def weighted(first, second):
        return first + mix * (second - first)

    s_first, s_second = jnp.where(below, s.lower, s.upper), jnp.where(below, s.upper, s.lower)
    return (
        weighted(s_first, s_second),
        weighted(p.lower, p.upper),
        weighted(s_first * p.lower, s_second * p.upper),
    )


def _product(p: Interval, s: Interval) -> Interval:
    ends = jnp.stack([p.lower * s.lower, p.lower * s.upper, p.upper * s.lower, p.upper * s.upper])
    margin = jnp.finfo(ends.dtype).eps * jnp.max(jnp.abs(ends), axis=0) + tiny(ends.dtype)
    lower, upper = jnp.min(ends, axis=0) - margin, jnp.max(ends, axis=0) + margin
    return Interval.unchecked(jnp.where(jnp.isnan(lower), -jnp.inf, lower), jnp.where(jnp.isnan(upper), jnp.inf, upper))


def _modulus(x: Interval) -> Array:
    return jnp.maximum(jnp.abs(x.lower), jnp.abs(x.upper))


def _touching(names: tuple[str, ...], order: int) -> Callable:
    """`(layer, z) -> Touched`, all layers alike in shape."""
    kinds = sorted(set(names))
    size = max(lines.grid_size(name, order) for name in kinds)
    branches = [lambda z, name=name: lines.touch(z, name, order, size) for name in kinds]
    if len(kinds) == 1:
        return lambda _, z: branches[0](z)
    which = jnp.array([kinds.index(name) for name in names])
    return lambda number, z: lax.switch(which[number], branches, z)


def _empty(touching: Callable, depth: int, n: int, dtype) -> Touched:
    end = jax.ShapeDtypeStruct((n,), dtype)
    shapes = jax.eval_shape(touching, 0, Interval.unchecked(end, end))
    return jax.tree.map(lambda shape: jnp.zeros((depth, *shape.shape), shape.dtype), shapes)
