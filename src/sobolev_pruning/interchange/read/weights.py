"""Networks of other frameworks from their weights as arrays: nothing of the framework is needed."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from ..._foundation.arrays import ArrayOrList, float64_array
from ..._foundation.errors import InputError
from ..._foundation.precision import require_float64
from ...surrogate import Dense, Scaling, Surrogate

NamedWeights = list[tuple[str, np.ndarray, np.ndarray]]
"""Of each layer its name in error texts, the weight `(out, in)` and the bias `(out,)`."""


def from_torch_state(state: Mapping[str, ArrayOrList], activation: str | Sequence[str]) -> Surrogate:
    """A PyTorch network of Linear layers as a `Surrogate`, from its `state_dict()`.

    `state` maps names as `"0.weight"` and `"0.bias"` to arrays, or to tensors of the processor; layers follow each
    other in its order. What lies between is not in a state: `activation` is one name for all hidden layers, or one for
    every layer, the output's last ("identity" for none). PyTorch's GELU is "gelu", with `approximate="tanh"`
    "gelu_tanh"; its ReLU "relu", LeakyReLU "leaky_relu(0.01)", SiLU "silu", Hardswish "hard_swish". A network with one
    output becomes scalar.

    Raises `InputError` for what is no weight or bias of a Linear layer, as those of a batch normalisation, whose place
    among the activations a state does not tell, and for layers that do not fit together.

    >>> state = {"0.weight": [[1.0, 2.0], [0.5, -1.0]], "0.bias": [0.0, 1.0], "2.weight": [[1.0, -1.0]]}
    >>> network = from_torch_state(state, "tanh")
    >>> network.widths, round(float(network.value([[0.0, 0.0]])[0]), 6)
    ((2, 2, 1), -0.761594)
    """
    layers: NamedWeights = []
    for name, given in state.items():
        prefix, _, kind = name.rpartition(".")
        array = float64_array(given, name)
        if kind == "weight" and array.ndim == 2:
            layers.append((name, array, np.zeros(len(array))))
        elif kind == "bias" and layers and layers[-1][0].rpartition(".")[0] == prefix:
            layers[-1] = (*layers[-1][:2], array)
        else:
            raise InputError(
                f"{name} has the shape {array.shape}, which is no weight or bias of a Linear layer; "
                "export the network by torch.onnx.export and read it by load_onnx."
            )
    return network_of(layers, activation)


def from_keras_weights(weights: Sequence[ArrayOrList], activation: str | Sequence[str]) -> Surrogate:
    """A Keras network of Dense layers as a `Surrogate`, from its `get_weights()`.

    `weights` are the kernels `(in, out)`, each followed by its bias `(out,)` where it has one. What lies between is not
    among them: `activation` is one name for all hidden layers, or one for every layer, the output's last ("identity"
    for none). Keras' gelu is "gelu", its swish and silu "silu", leaky_relu "leaky_relu(0.2)" in Keras 3. A network with
    one output becomes scalar.

    Raises `InputError` for an array that is neither, and for layers that do not fit together.

    >>> network = from_keras_weights([[[1.0, 0.5], [2.0, -1.0]], [0.0, 1.0], [[1.0], [-1.0]]], "tanh")
    >>> network.widths, round(float(network.value([[0.0, 0.0]])[0]), 6)
    ((2, 2, 1), -0.761594)
    """
    layers: NamedWeights = []
    for number, given in enumerate(weights):
        name, has_bias = f"weights[{number}]", number > 0 and np.ndim(weights[number - 1]) == 1
        array = float64_array(given, name)
        if array.ndim == 2:
            layers.append((name, array.T, np.zeros(array.shape[1])))
        elif array.ndim == 1 and layers and not has_bias:
            layers[-1] = (*layers[-1][:2], array)
        else:
            raise InputError(
                f"{name} has the shape {array.shape}, which is no kernel or bias of a Dense layer; "
                "export the network to ONNX and read it by load_onnx."
            )
    return network_of(layers, activation)


def network_of(layers: NamedWeights, activation: str | Sequence[str]) -> Surrogate:
    """The layers as a network that is not scaled; raises `InputError` naming the first that does not fit."""
    require_float64("A surrogate")
    if not layers:
        raise InputError("There are no layers; give the weights of at least one.")
    expected = layers[0][1].shape[1]
    for name, weight, bias in layers:
        if weight.shape[1] != expected or bias.shape != weight.shape[:1] or 0 in weight.shape:
            raise InputError(
                f"{name} is a layer from {weight.shape[1]} to {weight.shape[0]} with a bias of shape {bias.shape}; "
                f"a layer from {expected} comes next."
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise InputError(f"{name}, or its bias, holds a number that is not finite.")
        expected = weight.shape[0]
    d = layers[0][1].shape[1]
    scaling = Scaling(*(jnp.asarray(part) for part in (np.zeros(d), np.ones(d), np.zeros(expected), np.ones(expected))))
    dense = [Dense(jnp.asarray(weight), jnp.asarray(bias)) for _, weight, bias in layers]
    return Surrogate(dense, scaling, activation, expected == 1)
