"""Bounds of a whole chain and of its Jacobian, by the best slopes that gradient descent finds."""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._foundation.errors import InputError
from ...activations import activation, is_of_package
from .. import decorations
from ..decorations import UNPROVED
from ..interval import Interval
from ..scalar.rounding import margins_tested, widen_subnormal
from . import bounds
from .bounds import Turns
from .chain import Chain, chain_of

Operand: TypeAlias = Interval | Array | np.ndarray

RATE, DECAY, FORGET_MEAN, FORGET_SQUARE = 0.1, 0.98, 0.9, 0.99
"""Adam's, on slopes between -1 and 1; the rate falls by `DECAY` with every step."""


def enclose_layers(
    layers: Sequence[tuple[Operand, Operand]], activations: Sequence[str], box: Interval, steps: int = 100
) -> tuple[Interval, Interval]:
    """Bounds of a chain of affine maps and activations over a box, and of its Jacobian.

    `layers` are weights `(out, in)` and biases `(out,)`, `activations` the name of the one after each; the box is
    `(d,)`, the results are `(k,)` and `(k, d)`. Every node is bounded by linear functions that are carried back to the
    box (CROWN: Zhang et al. 2018, arXiv 1811.00866), products in the Jacobian by McCormick's planes; their slopes are
    improved in `steps` steps of gradient descent (alpha-CROWN: Xu et al. 2021, arXiv 2011.13824). Unlike there, every
    rounding is bounded, and whatever slopes are found the result holds for every point of the box. At a kink the
    derivative is Clarke's. Derivation: `docs/derivations/backward-relaxations.md`.

    Raises `InputError` for shapes that do not fit.

    >>> half = jnp.array([[1.0], [-1.0]]), jnp.zeros(2)
    >>> value, slope = enclose_layers([half, (jnp.ones((1, 2)), jnp.zeros(1))], ["relu", "identity"],
    ...                               Interval([-1.0], [1.0]), steps=20)  # |x|
    >>> bool(value.contains(jnp.array([0.5])).all()), float(value.upper[0]) < 1.01
    (True, True)
    """
    layers = [tuple(x if isinstance(x, Interval) else Interval.point(x) for x in pair) for pair in layers]
    _check(layers, activations, box, steps)
    chain, names = chain_of(layers), tuple(activation(name).name for name in activations)
    ends = widen_subnormal(jnp.asarray(box.lower, float), jnp.asarray(box.upper, float))
    value, jacobian = _optimised(chain, Interval.unchecked(*ends), names, layers[-1][0].shape[0], steps)
    fine = margins_tested(ends[0]) and all(x.guaranteed for pair in layers for x in pair) and box.guaranteed
    fine = fine and all(is_of_package(activation(name)) for name in names)
    flags = 0 if fine else UNPROVED
    return tuple(Interval.unchecked(x.lower, x.upper, decorations.full(flags, x.shape)) for x in (value, jacobian))


def bounds_of(chain: Chain, along: Chain, names: tuple[str, ...], box: Interval, turns: Turns, outputs: int):
    """Values and the Jacobian of the first `outputs` nodes, ranges of all z, for these slopes.

    `along` is the chain whose first weight ends the Jacobian, where that is not taken with respect to the box.
    """
    found = bounds.values(chain, names, box, turns.values)
    straight = all(activation(name).in_straight_pieces for name in names)
    jacobian = jax.vmap(lambda output: bounds.jacobian(chain, along, found, turns, output, straight))
    value = jax.tree.map(lambda end: end[:outputs], found.output)
    return value, jacobian(jnp.arange(outputs)), found.z


@functools.partial(jax.jit, static_argnames=("names", "outputs", "steps"))
def _optimised(chain: Chain, box: Interval, names: tuple[str, ...], outputs: int, steps: int):
    d = box.shape[0]
    first = bounds.first_turns(chain)
    value, jacobian, z = bounds_of(chain, chain, names, box, first, outputs)
    if steps == 0:
        return value, jax.tree.map(lambda end: end[:, :d], jacobian)
    shape = chain.depth, chain.depth, 2, chain.width, chain.width
    turns = jax.tree.map(lambda turn: jnp.broadcast_to(turn, shape), first)
    of_z, of_jacobian = (x.upper - x.lower for x in (z, jacobian))

    def share(x, width):
        return jnp.sum(jnp.where(width > 0, (x.upper - x.lower) / jnp.where(width > 0, width, 1.0), 0.0))

    def of_values(chosen):
        return share(bounds.values(chain, names, box, chosen["values"]).z, of_z)

    def of_slopes(rest):
        _, found, _ = bounds_of(chain, chain, names, box, turns._replace(**rest), outputs)
        return share(found, of_jacobian)

    turns = turns._replace(**_descended(of_values, {"values": turns.values}, steps, {"values": -1.0}))
    rest = {"slopes": turns.slopes, "mixes": turns.mixes, "beneath": turns.beneath}
    turns = turns._replace(**_descended(of_slopes, rest, steps, {"slopes": -1.0, "mixes": 0.0, "beneath": -1.0}))
    # What holds for the slopes at the start and what holds for those found hold together.
    better_value, better_jacobian, _ = bounds_of(chain, chain, names, box, turns, outputs)
    value, jacobian = (
        Interval.unchecked(jnp.maximum(a.lower, b.lower), jnp.minimum(a.upper, b.upper))
        for a, b in ((value, better_value), (jacobian, better_jacobian))
    )
    return value, jax.tree.map(lambda end: end[:, :d], jacobian)


def _descended(loss, start: dict, steps: int, least: dict) -> dict:
    """Adam's way from `start`, kept between `least` and 1."""

    def step(carry, number):
        x, mean, square = carry
        slope = jax.tree.map(jnp.nan_to_num, jax.grad(loss)(x))
        mean = jax.tree.map(lambda m, g: FORGET_MEAN * m + (1 - FORGET_MEAN) * g, mean, slope)
        square = jax.tree.map(lambda s, g: FORGET_SQUARE * s + (1 - FORGET_SQUARE) * g * g, square, slope)
        rate = RATE * DECAY**number

        def moved(x, m, s, low):
            size = jnp.sqrt(s / (1 - FORGET_SQUARE ** (number + 1)))
            x = x - rate * m / (1 - FORGET_MEAN ** (number + 1)) / jnp.maximum(size, 1e-100)
            return jnp.clip(x, low, 1.0)

        return (jax.tree.map(moved, x, mean, square, least), mean, square), None

    zero = jax.tree.map(jnp.zeros_like, start)
    (found, _, _), _ = jax.lax.scan(step, (start, zero, zero), jnp.arange(steps, dtype=float))
    return found


def _check(layers, activations, box, steps: int) -> None:
    if not layers or len(layers) != len(activations):
        raise InputError(
            f"enclose_layers got {len(layers)} layers and {len(activations)} activations; name one for each "
            'layer ("identity" for none).'
        )
    if not isinstance(box, Interval) or box.ndim != 1 or steps < 0:
        raise InputError("enclose_layers needs a box of shape (d,), as Interval(lower, upper), and steps >= 0.")
    expected = box.shape[0]
    for number, (weight, bias) in enumerate(layers, start=1):
        if weight.ndim != 2 or weight.shape[1] != expected or bias.shape != weight.shape[:1]:
            raise InputError(
                f"enclose_layers: layer {number} has a weight {weight.shape} and a bias {bias.shape} for {expected} "
                "values; give (out, in) and (out,)."
            )
        expected = weight.shape[0]
