"""Merging layers away: a layer that is affine, or nearly so, is one matrix with its neighbour."""

from dataclasses import dataclass, replace

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..scoring import BoxLike
from ..surrogate import Dense, Surrogate, numpy_layers
from .jets import Jets, activated, affine, fold_points, input_jets
from .regression import fitted
from .surgery import dense_layers


@dataclass(frozen=True)
class Merge:
    """A hidden layer replaced by its affine fit.

    `layer` counts the hidden layers of the network before from 0. `worst_error`, `(k,)`, is the largest change of each
    output over the points that the fit was made at, `relative_error` the largest of them in units of the outputs'
    spread.
    """

    surrogate: Surrogate
    layer: int
    worst_error: np.ndarray
    relative_error: float


def merge_layer(
    surrogate: Surrogate, layer: int, box: BoxLike | None = None, samples: Samples | ArrayOrList | None = None
) -> Merge:
    """`surrogate` without hidden layer `layer` (from 0): its activations are replaced by an affine function of what
    enters them.

    With `h` the nodes before it, `W_next n + b_next` is fitted by `A h + a` in values and first derivatives over points
    of the box or `samples`, and `(A, a)` becomes the one layer in the place of two: exact algebra, so where the
    activations are affine over the points nothing changes.
    """
    if not 0 <= layer < len(surrogate.layers) - 1:
        raise InputError(f"layer is {layer}; the surrogate has hidden layers 0 to {len(surrogate.layers) - 2}.")
    inputs = input_jets(surrogate, box, samples, order=1)
    layers = numpy_layers(surrogate)
    entering = _entering(surrogate, layer, inputs)
    (weight, bias), (next_weight, next_bias) = layers[layer], layers[layer + 1]
    jets = affine(entering, weight, bias)
    nodes = activated(jets, surrogate.activations[layer])
    # The secant through the cloud of each node is the starting point where the points do not determine the fit.
    slope = _slopes(jets[0], nodes[0])
    merged = fitted(
        entering, affine(nodes, next_weight, next_bias), np.eye(len(next_bias)), next_weight @ (slope[:, None] * weight)
    )
    remaining = dense_layers(surrogate, [*layers[:layer], merged, *layers[layer + 2 :]])
    if len(remaining) == 1 and remaining[0].skip is not None:
        remaining = [Dense(remaining[0].weight + remaining[0].skip, remaining[0].bias)]
    activations = (*surrogate.activations[:layer], *surrogate.activations[layer + 1 :])
    shallower = replace(surrogate, layers=remaining, activations=activations)
    points = fold_points(surrogate, box, samples)
    change = np.asarray(shallower.value(points)) - np.asarray(surrogate.value(points))
    worst = np.abs(change.reshape(len(points), -1)).max(axis=0)
    return Merge(shallower, layer, worst, float((worst / np.asarray(surrogate.scaling.y_scale)).max()))


def merge_affine_layers(
    surrogate: Surrogate,
    tolerance: float,
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
) -> tuple[Surrogate, tuple[Merge, ...]]:
    """Merges away hidden layers while the outputs change by at most `tolerance` times their spread, the least change
    first.

    Gives the network and what was merged, in that order; errors are those of each merge, so that together they change
    the outputs by at most their sum.
    """
    if not 0 <= tolerance < np.inf:
        raise InputError(f"tolerance is {tolerance}; give a number from 0, such as 0.001 of the outputs' spread.")
    done: list[Merge] = []
    left = tolerance
    while len(surrogate.layers) > 1:
        trials = [merge_layer(surrogate, layer, box, samples) for layer in range(len(surrogate.layers) - 1)]
        best = min(trials, key=lambda merge: merge.relative_error)
        if not best.relative_error <= left:
            break
        left -= best.relative_error
        surrogate = best.surrogate
        done.append(best)
    return surrogate, tuple(done)


def _entering(surrogate: Surrogate, layer: int, inputs: Jets) -> Jets:
    jets = inputs
    for (weight, bias), name in zip(numpy_layers(surrogate)[:layer], surrogate.activations):
        jets = activated(affine(jets, weight, bias), name)
    return jets


def _slopes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Least-squares slope of each node against its pre-activation; 0 for one that never varies."""
    before, after = before - before.mean(axis=0), after - after.mean(axis=0)
    variance = np.square(before).sum(axis=0)
    return np.where(variance > 0, (before * after).sum(axis=0) / np.where(variance > 0, variance, 1.0), 0.0)
