"""Which parameters of a sparse network are in use, and how they move: dropped where small, grown elsewhere."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._foundation.errors import InputError
from ..surrogate import Dense, Surrogate
from .batches import Batch
from .full_batch import full_loss_and_gradient
from .losses import SobolevLoss
from .optimiser import Layers

Connections = list[np.ndarray]
"""Per layer a mask `(out, in + 1)`, True where a parameter is in use; the last column is the bias, a weight from 1."""


def random_connections(widths: Sequence[int], n_nonzero: int, generator: np.random.Generator) -> Connections:
    """`n_nonzero` parameters in use, at random places, in layers of Erdos-Renyi density.

    A layer with `(in + 1)` inputs and `out` outputs gets a number proportional to `in + 1 + out`, at most all it has,
    so that wide layers are the sparsest (Mocanu et al. 2018).

    Raises `InputError` where the network has fewer parameters, or there are fewer than layers.

    >>> masks = random_connections([7, 32, 32, 1], 100, np.random.default_rng(0))
    >>> [int(mask.sum()) for mask in masks]
    [29, 46, 25]
    """
    shapes = [(n_out, n_in + 1) for n_in, n_out in itertools.pairwise(widths)]
    sizes = np.array([n_out * n_in for n_out, n_in in shapes])
    if not len(shapes) <= n_nonzero <= sizes.sum():
        raise InputError(
            f"{n_nonzero} nonzero parameters were asked for, the network has {sizes.sum()} in {len(shapes)} layers; "
            "ask for at least one in each layer and no more than all."
        )
    counts = _shared_out(n_nonzero, np.array([sum(shape) for shape in shapes]), sizes)
    masks = []
    for shape, size, count in zip(shapes, sizes, counts):
        mask = np.zeros(size, dtype=bool)
        mask[generator.choice(size, count, replace=False)] = True
        masks.append(mask.reshape(shape))
    return masks


def moved(
    connections: Connections,
    layers: Layers,
    share: float,
    growth: Sequence[np.ndarray],
) -> Connections:
    """In every layer a `share` of the connections in use is dropped, those of least magnitude, and as many are grown.

    Grown are, among those not in use before, the ones with the largest `growth`, `(out, in + 1)` per layer: random
    numbers for SET (Mocanu et al. 2018), the magnitude of the loss's gradient for RigL (Evci et al. 2020). The number
    in use stays the same in every layer.
    """
    after = []
    for mask, magnitude, wanted in zip(connections, _joined(layers), growth):
        count = min(int(round(share * mask.sum())), int((~mask).sum()))
        dropped = np.argsort(np.where(mask, np.abs(magnitude), np.inf), axis=None, kind="stable")[:count]
        grown = np.argsort(np.where(mask, np.inf, -np.abs(wanted)), axis=None, kind="stable")[:count]
        new = mask.copy().ravel()
        new[dropped], new[grown] = False, True
        after.append(new.reshape(mask.shape))
    return after


def dense_gradient(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> Connections:
    """The derivative of the loss over `data` in every parameter, also those not in use, in the form of connections."""
    return _joined(_gradient(loss, surrogate, data))


@jax.jit
def _gradient(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> Layers:
    return full_loss_and_gradient(loss, surrogate, data)[1]


def as_mask(connections: Connections) -> Layers:
    """What `fit(mask=)` takes: 1 for parameters in use, 0 elsewhere."""
    return tuple(
        Dense(jnp.asarray(mask[:, :-1], jnp.float64), jnp.asarray(mask[:, -1], jnp.float64)) for mask in connections
    )


def silenced(layers: Layers, connections: Connections) -> Layers:
    """`layers` with all parameters that are not in use set to 0."""
    mask = as_mask(connections)
    return jax.tree.map(lambda parameter, used: jnp.asarray(np.where(used, parameter, 0.0)), layers, mask)


def _joined(layers: Layers) -> list[Float[np.ndarray, "out columns"]]:
    return [np.concatenate([np.asarray(layer.weight), np.asarray(layer.bias)[:, None]], axis=1) for layer in layers]


def _shared_out(total: int, weights: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Whole numbers with the sum `total`, at least 1 and at most `most`, as proportional to `weights` as can be."""
    counts = np.ones(len(weights), dtype=int)
    while counts.sum() < total:
        ratio = np.where(counts < most, counts / weights, np.inf)
        counts[np.argmin(ratio)] += 1
    return counts
