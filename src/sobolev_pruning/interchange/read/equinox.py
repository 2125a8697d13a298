"""Networks of Equinox: their functions are known by their programs."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._foundation.arrays import float64_array
from ..._foundation.errors import InputError
from ..._foundation.precision import require_float64
from ...surrogate import Surrogate
from .weights import NamedWeights, network_of

_FUNCTIONS: dict[str, tuple[Callable, ...]] = {
    "identity": (lambda x: x,),
    "silu": (jax.nn.silu, lambda x: x * jax.nn.sigmoid(x)),
    "softplus": (jax.nn.softplus,),
    "tanh": (jnp.tanh, jax.nn.tanh),
    "gelu": (functools.partial(jax.nn.gelu, approximate=False),),
    "gelu_tanh": (jax.nn.gelu,),
    "elu": (jax.nn.elu,),
    "relu": (jax.nn.relu, lambda x: jnp.maximum(x, 0)),
    "sigmoid": (jax.nn.sigmoid,),
    "leaky_relu(0.01)": (jax.nn.leaky_relu,),
    "selu": (jax.nn.selu,),
    "mish": (jax.nn.mish,),
    "hard_swish": (jax.nn.hard_swish,),
    "relu6": (jax.nn.relu6,),
    "softsign": (jax.nn.soft_sign,),
    "sin": (jnp.sin,),
    "exp": (jnp.exp,),
}


def from_equinox(model: eqx.Module) -> Surrogate:
    """An Equinox network as a `Surrogate`, float64: `eqx.nn.MLP`, `eqx.nn.Linear`, or an `eqx.nn.Sequential` of Linear,
    Lambda, Identity and Dropout.

    Activations are known by their programs, which must be those of the functions of `jax.nn` to the letter, wherever
    they come from: `lambda x: jax.nn.relu(x)` is relu. `jax.nn.gelu` is gelu_tanh, as JAX approximates by default. A
    network with one output becomes scalar.

    Raises `InputError` for other modules and functions, naming where they stand.

    >>> import equinox as eqx, jax
    >>> model = eqx.nn.MLP(2, 1, width_size=4, depth=2, activation=jax.nn.tanh, key=jax.random.key(0))
    >>> network = from_equinox(model)
    >>> network.widths, network.activation
    ((2, 4, 4, 1), 'tanh')
    """
    require_float64("from_equinox")
    parts = _parts(model)
    layers: NamedWeights = []
    activations: list[str] = []
    for where, part in parts:
        if isinstance(part, eqx.nn.Linear):
            weight = float64_array(part.weight, f"{where}.weight")
            bias = np.zeros(len(weight)) if part.bias is None else float64_array(part.bias, f"{where}.bias")
            layers.append((where, weight, bias))
            activations.append("identity")
        elif isinstance(part, eqx.nn.Identity | eqx.nn.Dropout):
            continue
        else:
            name = _name_of(part.fn if isinstance(part, eqx.nn.Lambda) else part, where)
            if name != "identity" and (not layers or activations[-1] != "identity"):
                raise InputError(f"{where} is an activation where a Linear layer should stand before it; add one.")
            if name != "identity":
                activations[-1] = name
    return network_of(layers, activations)


def _parts(model: eqx.Module) -> list[tuple[str, object]]:
    """Layers and functions in their order, each with where it stands."""
    if isinstance(model, eqx.nn.Linear):
        return [("the model", model)]
    if isinstance(model, eqx.nn.Sequential):
        return [(f"layers[{number}]", part) for number, part in enumerate(model.layers)]
    if not isinstance(model, eqx.nn.MLP):
        raise InputError(f"The model is a {type(model).__name__}; give an eqx.nn.MLP, Linear or Sequential of them.")
    *hidden, last = model.layers
    parts: list[tuple[str, object]] = []
    for number, layer in enumerate(hidden):
        parts += [(f"layers[{number}]", layer), ("activation", model.activation)]
    return [*parts, (f"layers[{len(hidden)}]", last), ("final_activation", model.final_activation)]


def _name_of(function: object, where: str) -> str:
    if callable(function) and not isinstance(function, eqx.Module):
        try:
            program = str(jax.make_jaxpr(function)(0.5))
        except Exception:  # whatever a function of the user's own does with a number
            program = None
        for name, candidates in _FUNCTIONS.items():
            if program in [str(jax.make_jaxpr(candidate)(0.5)) for candidate in candidates]:
                return name
    kind = type(function).__name__ if isinstance(function, eqx.Module) else "function"
    raise InputError(
        f"{where} is a {kind} that is not known; those that are, by their functions of jax.nn, are "
        f"{', '.join(_FUNCTIONS)}. Build a Surrogate of its weights by from_keras_weights or by hand."
    )
