"""Chains of affine maps and activations, as arrays of one shape, so that programs loop over their layers."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..interval import Interval
from ..scalar.rounding import summation, tiny


class Chain(NamedTuple):
    """`z_l = W_l h_(l-1) + b_l`, `h_l = f_l(z_l)`, l = 1 ... L, h_0 the box, every layer padded to n nodes.

    `weight`, `(L, n, n)`, and `bias`, `(L, n)`, are floats; the real numbers differ from them by at most
    `weight_error` and `bias_error`. Nodes that pad have weights and biases of 0 on both sides.
    """

    weight: Array
    weight_error: Array
    bias: Array
    bias_error: Array

    @property
    def depth(self) -> int:
        return self.weight.shape[0]

    @property
    def width(self) -> int:
        return self.weight.shape[1]


def chain_of(layers: Sequence[tuple[Interval, Interval]]) -> Chain:
    """The chain of these weights `(out, in)` and biases `(out,)`.

    >>> one = Interval.point(np.ones((3, 2))), Interval.point(np.zeros(3))
    >>> chain_of([one, (Interval.point(np.ones((1, 3))), Interval.point(np.zeros(1)))]).weight.shape
    (2, 3, 3)
    """
    n = max(max(weight.shape) for weight, _ in layers)
    weights, biases = zip(*layers)
    padded = [
        [np.pad(np.asarray(part), [(0, n - size) for size in part.shape]) for part in (x.mid(), x.rad())]
        for x in (*weights, *biases)
    ]
    middle, radius = zip(*padded)
    count = len(layers)
    parts = middle[:count], radius[:count], middle[count:], radius[count:]
    return Chain(*(jnp.asarray(np.stack(part)) for part in parts))


def padded(x: Interval, n: int) -> tuple[Array, Array]:
    """Middle and radius of a box, with zeros up to n."""
    extra = (0, n - x.shape[0])
    return jnp.pad(x.mid(), extra), jnp.pad(x.rad(), extra)


def inaccuracy(matrix: Array, error: Array, reach: Array) -> Array:
    """By how much `row @ (M v)` may differ from `(row @ M) v` as computed, per unit of each entry of `row`.

    `M` is within `error` of `matrix`, and `|v| <= reach`; the product `row @ matrix` is computed in floats, and what
    follows uses its result as it is.
    """
    gamma = summation(matrix.shape[-1] + 4, matrix.dtype)
    size = jnp.abs(matrix) * gamma + error + tiny(matrix.dtype)
    return (size @ reach) * (1 + 4 * gamma) + tiny(matrix.dtype)
