"""Folding onto the survivors: each removed node as a combination of those that stay, and choosing who stays for it.

`docs/derivations/folding.md` has the derivation, and what was tried.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from ..activations import activate
from ..surrogate import Surrogate, numpy_layers, numpy_skip
from .jets import Jets, activated, affine, columns
from .plan import Plan
from .regression import fitted, stacked
from .subset import marginal_gains, ordered_gains, select
from .surgery import NumpyLayers, silenced


def fold_onto_survivors(surrogate: Surrogate, plan: Plan, inputs: Jets) -> NumpyLayers:
    """Layers of unchanged shapes with removed nodes silenced and the weights behind them fitted anew.

    From the first layer to the last, the pre-activations of the original network are fitted by the nodes of the network
    as already reduced, so that each layer also makes up for the errors of those before it. Layers before the first
    removal stay as they are.
    """
    layers = numpy_layers(surrogate)
    _, targets = _forward(layers, surrogate.activations, inputs)
    folded = silenced(layers, plan)
    survivors = [list(kept) for kept in plan.kept] + [list(range(surrogate.widths[-1]))]
    jets = inputs
    changed = False
    for number, kept in enumerate(survivors[:-1]):
        weight, bias = folded[number]
        jets = activated(affine(jets, weight, bias), surrogate.activations[number])
        changed = changed or len(kept) < surrogate.widths[number + 1]
        if changed:
            rows = survivors[number + 1]
            weight, bias = (array.copy() for array in folded[number + 1])
            weight[np.ix_(rows, kept)], bias[rows] = fitted(
                columns(jets, kept), columns(targets[number + 1], rows), np.eye(len(rows)), weight[np.ix_(rows, kept)]
            )
            folded[number + 1] = weight, bias
    return folded


def choose_survivors(
    surrogate: Surrogate, counts: Sequence[int], inputs: Jets
) -> tuple[tuple[tuple[int, ...], ...], tuple[np.ndarray, ...]]:
    """The `counts[l]` nodes of each hidden layer that carry the others best, and the marginal gain of every node.

    Backwards, from the output: survivors of a layer are selected to carry the pre-activations of the next layer's
    survivors, in the metric of the outputs' sensitivity to them. Then forwards, selected again on the nodes of the
    network as already reduced. A gain is the share by which the squared error of what the next survivors receive would
    rise or fall.
    """
    layers = numpy_layers(surrogate)
    nodes, targets = _forward(layers, surrogate.activations, inputs)
    survivors, metrics = _select_backwards(surrogate, counts, inputs, nodes, targets)
    kept, gains = [], []
    jets, (weight, bias) = inputs, layers[0]
    for number, count in enumerate(counts):
        jets = activated(affine(jets, weight, bias), surrogate.activations[number])
        metric = metrics[number]
        left, right = stacked(jets, columns(targets[number + 1], survivors[number + 1]), metric)
        kept.append(select(left, right @ metric, count))
        gains.append(marginal_gains(left, right @ metric, kept[-1]))
        jets = columns(jets, kept[-1])
        # All nodes of the next layer are candidates still, so all their pre-activations are fitted.
        weight, bias = fitted(
            jets, targets[number + 1], np.eye(layers[number + 1][0].shape[0]), layers[number + 1][0][:, kept[-1]]
        )
    return tuple(map(tuple, kept)), tuple(gains)


def layer_gains(surrogate: Surrogate, inputs: Jets) -> tuple[np.ndarray, ...]:
    """For every node by how much it lowers the squared error in the order of selection, each layer by itself.

    The gains of a layer sum to at most the number of derivative orders fitted, so they compare across layers.
    """
    layers = numpy_layers(surrogate)
    nodes, targets = _forward(layers, surrogate.activations, inputs)
    everyone = [len(bias) for _, bias in layers[:-1]]
    _, metrics = _select_backwards(surrogate, everyone, inputs, nodes, targets)
    gains = []
    for number in range(len(layers) - 1):
        left, right = stacked(nodes[number], targets[number + 1], metrics[number])
        gains.append(ordered_gains(left, right @ metrics[number]))
    return tuple(gains)


def _forward(layers: NumpyLayers, activations: Sequence[str], inputs: Jets) -> tuple[list[Jets], list[Jets]]:
    """Jets of the nodes of each hidden layer, and of the pre-activations of every layer, without a skip of the last:
    that part stays what it is."""
    nodes, before = [], []
    jets = inputs
    for number, (weight, bias) in enumerate(layers):
        before.append(affine(jets, weight, bias))
        if number < len(layers) - 1:
            jets = activated(before[-1], activations[number])
            nodes.append(jets)
    return nodes, before


def _select_backwards(
    surrogate: Surrogate, counts: Sequence[int], inputs: Jets, nodes: list[Jets], targets: list[Jets]
):
    """Survivors of every layer (outputs last), and for each hidden layer the metric on what the next survivors receive.

    The metric is a square root of `mean A' A`, `A` the derivatives of the outputs with respect to those pre-activations
    in the network as reduced behind them. Outputs are in units of their spread, as the last layer gives them.
    """
    layers = numpy_layers(surrogate)
    n, k = targets[-1][0].shape
    survivors = [list(range(k))]
    metrics: list[np.ndarray] = []
    received, skip = targets[-1][0], numpy_skip(surrogate)
    slope = _slope(received if skip is None else received + inputs[0] @ skip.T, surrogate.activations[-1])
    sensitivity = np.eye(k) * slope[:, None]
    for number in reversed(range(len(nodes))):
        metric = _square_root(np.einsum("nki,nkj->ij", sensitivity, sensitivity) / n)
        received = columns(targets[number + 1], survivors[0])
        left, right = stacked(nodes[number], received, metric)
        kept = (
            select(left, right @ metric, counts[number])
            if counts[number] < left.shape[1]
            else list(range(left.shape[1]))
        )
        start = layers[number + 1][0][np.ix_(survivors[0], kept)]
        weight, _ = fitted(columns(nodes[number], kept), received, metric, start)
        slope = _slope(targets[number][0][:, kept], surrogate.activations[number])
        sensitivity = (sensitivity @ weight) * slope[:, None]
        survivors.insert(0, kept)
        metrics.insert(0, metric)
    return survivors, metrics


def _slope(before: np.ndarray, activation: str) -> np.ndarray:
    return np.asarray(activate(jnp.asarray(before), activation, 1))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
