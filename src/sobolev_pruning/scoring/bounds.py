"""Ranges of hidden nodes and of their adjoints over a box, and the scores that follow from them."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._foundation.compilation import quick_compilation
from .._foundation.errors import InputError
from ..enclosure import Interval, enclose
from .program import Network, OutputScale, with_input_derivatives


class NodeBounds(NamedTuple):
    """Intervals of the m-th input derivatives of nodes, `(width, d, ...)`, and of adjoints, `(k, width, d, ...)`."""

    nodes: list[Interval]
    adjoints: list[Interval]


def enclosed_bounds(network: Network, box: Interval, order: int, method: str, pieces: int) -> tuple[NodeBounds, ...]:
    """Enclosures of nodes and adjoints over `box`, for the input derivatives 0 to `order`."""
    bounds = tuple(NodeBounds(*derivative) for derivative in _enclosing(method, order, pieces)(network, box))
    missing = np.argwhere(np.asarray(_missing(bounds)))
    if missing.size:
        derivative, layer = missing[0]
        raise missing_derivative(layer + 1, derivative)
    return bounds


def missing_derivative(layer: int, order: int) -> InputError:
    """The error where hidden layer `layer`, counted from 1, has a kink that scores of `order` do not bear."""
    return InputError(
        f"Hidden layer {layer} has no derivative of order {order + 1} everywhere in the box "
        "(a kink lies in it); score with a smaller order, or choose a smooth activation."
    )


@jax.jit
def _missing(bounds: tuple[NodeBounds, ...]) -> Bool[Array, "orders l"]:
    """Where a derivative does not exist: its enclosure is NaN, which is not an interval."""
    layers = [zip(found.nodes, found.adjoints) for found in bounds]
    return jnp.array([[(n.is_nai().any() | a.is_nai().any()) for n, a in found] for found in layers])


@functools.cache
def _enclosing(method: str, order: int, pieces: int) -> Callable:
    """The enclosure of `(network, box) -> derivatives`, kept so that it is compiled once per shape of network."""

    # One program for all orders, so that common parts are compiled and evaluated once.
    def program(network, x):
        return with_input_derivatives(network, x, order)

    if method == "split":
        return enclose(program, method="split", pieces=pieces)
    options = quick_compilation() if method == "affine" else None
    return eqx.filter_jit(enclose(program, method=method), compiler_options=options)


def scores(bounds: Sequence[NodeBounds], box: Interval, scale: OutputScale) -> tuple[np.ndarray, ...]:
    """One score per node and hidden layer, for the order `m = len(bounds) - 1`.

    With widths `w` and largest moduli `a` of adjoints over `scale`, inputs measured in half widths of the box:

        m = 0:  max_j  w(n) a_j
        m = 1:  max_jc [w(n) a(d_c n*_j) + w(d_c n) a(n*_j)]
        m = 2:  max_jce [w(n) a(d_ce n*_j) + w(d_c n) a(d_e n*_j) + w(d_e n) a(d_c n*_j) + w(d_ce n) a(n*_j)]

    which is the product rule for `d^m (n*_j dn)`, `n*_j` the adjoint for output j.
    """
    return tuple(jax.device_get(_scores(tuple(bounds), box, scale)))


@jax.jit
def _scores(bounds: tuple[NodeBounds, ...], box: Interval, scale: OutputScale) -> list[Float[Array, "width"]]:
    half = 0.5 * box.wid()
    layers = zip(*(zip(found.nodes, found.adjoints) for found in bounds))
    return [_layer_scores(list(derivatives), half, scale) for derivatives in layers]


def _layer_scores(derivatives: list, half: Float[Array, "d"], scale: OutputScale) -> Float[Array, "width"]:
    widths = [_per_half_width(nodes.wid(), half, order) for order, (nodes, _) in enumerate(derivatives)]
    sizes = [
        _per_half_width(adjoints.mag(), half, order) / scale.reshape(-1, 1, *(1,) * order)
        for order, (_, adjoints) in enumerate(derivatives)
    ]
    order = len(derivatives) - 1
    if order == 0:
        return _product(widths[0][None], sizes[0]).max(axis=0)
    if order == 1:
        total = _product(widths[0][None, :, None], sizes[1]) + _product(widths[1][None], sizes[0][..., None])
        return total.max(axis=(0, 2))
    crossed = _product(widths[1][None, :, :, None], sizes[1][:, :, None, :])
    total = _product(widths[0][None, :, None, None], sizes[2]) + _product(widths[2][None], sizes[0][..., None, None])
    return (total + crossed + crossed.swapaxes(2, 3)).max(axis=(0, 2, 3))


def _per_half_width(array: Array, half: Float[Array, "d"], order: int) -> Array:
    """Derivatives with respect to inputs measured in half widths of the box."""
    for axis in range(order):
        shape = [1] * array.ndim
        shape[array.ndim - order + axis] = half.shape[0]
        array = _product(array, half.reshape(shape))
    return array


def _product(a: Array, b: Array) -> Array:
    """`a b`, with 0 for `0 * inf`: a node that does not vary, or does not matter, has no significance."""
    a, b = jnp.broadcast_arrays(a, b)
    return jnp.where((a == 0) | (b == 0), 0.0, a * b)
