"""The network: any depth, any width per layer, its scaling inside."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, PRNGKey, Values, as_points, generator_of
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.variables import Variable, as_variables, numbered_inputs, numbered_outputs
from ..activations import activate, activation
from .saving import save
from .scaling import Scaling

TrainingRange: TypeAlias = tuple[Float[Array, "d"], Float[Array, "d"]]


_FAR = 1e6
"""Where an activation that grows without bounds is large."""


class Dense(eqx.Module):
    """An affine layer `h -> weight h + bias`; the last of a network may add `skip x` of its scaled inputs x."""

    weight: Float[Array, "out in"]
    bias: Float[Array, "out"]
    skip: Float[Array, "out d"] | None = None


def parameter_count(widths: Sequence[int]) -> int:
    """Weights and biases of a network of these widths, inputs and outputs included.

    >>> parameter_count([7, 8, 8, 8, 1])
    217
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(widths))


ACTIVATION_OPERATIONS = 20
"""What an activation counts beside a multiplication: an exponential is a polynomial of some ten terms."""


def operation_count(widths: Sequence[int]) -> int:
    """Operations of one call: a multiplication and an addition for every weight, and `ACTIVATION_OPERATIONS` for every
    hidden node.

    >>> operation_count([7, 8, 8, 8, 1])
    864
    """
    return 2 * sum(a * b for a, b in itertools.pairwise(widths)) + ACTIVATION_OPERATIONS * sum(widths[1:-1])


def initial_spread(fan_in: int, fan_out: int) -> float:
    """Standard deviation of the weights that a layer starts with, `sqrt(2 / (fan_in + fan_out))` (Glorot, Bengio 2010).

    >>> initial_spread(7, 1)
    0.5
    """
    return math.sqrt(2.0 / (fan_in + fan_out))


def random_layers(widths: Sequence[int], key: PRNGKey) -> tuple[Dense, ...]:
    """Weights of `initial_spread`, biases of 0, drawn on the host by NumPy's generator with `key` as its seed."""
    generator = generator_of(key)
    return tuple(
        Dense(
            weight=jnp.asarray(initial_spread(fan_in, fan_out) * generator.standard_normal((fan_out, fan_in))),
            bias=jnp.asarray(np.zeros(fan_out)),
        )
        for fan_in, fan_out in itertools.pairwise(widths)
    )


class Surrogate(eqx.Module):
    """A feed-forward network `f(x) = y_shift + y_scale * act_L(A_L(... act_1(A_1((x - x_shift) / x_scale))))`.

    `A_l` are the affine `layers` and `act_l` their `activations`, of which the last is that of the outputs; one name
    stands for all hidden layers, with outputs as they are ("identity"). The last layer may add a linear term in the
    scaled inputs, its `skip`. `scaling` holds the shifts and scales, which are not trained and not counted as
    parameters. One network type serves every stage of the method: surgery builds a new one through this constructor.
    `training_range` holds the smallest and the largest value of every input it was
    trained on last, `(d,)` each, or is None where that is not known. `inputs` and `outputs` are names and units, by
    default `x0`, `x1`, ... and `y`, or `y0`, `y1`, ... of several. Neither changes a value; both travel with the
    network.

    `surrogate(x)` takes one point `(d,)` and gives `()`, or `(k,)` where `scalar_output` is false; it can be
    differentiated, batched and compiled like any JAX function. `.value`, `.gradient`, `.hessian` take batches `(n, d)`.
    """

    layers: tuple[Dense, ...]
    scaling: Scaling
    activations: tuple[str, ...] = eqx.field(static=True)
    scalar_output: bool = eqx.field(static=True)
    training_range: TrainingRange | None
    inputs: tuple[Variable, ...] = eqx.field(static=True)
    outputs: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(
        self,
        layers: Sequence[Dense],
        scaling: Scaling,
        activations: str | Sequence[str],
        scalar_output: bool,
        training_range: TrainingRange | None = None,
        inputs: Sequence[Variable | str] | None = None,
        outputs: Sequence[Variable | str] | None = None,
    ):
        require_float64("A surrogate")
        if not layers:
            raise InputError("A surrogate needs at least one layer.")
        self.activations = _of_every_layer(activations, len(layers))
        expected = scaling.x_shift.shape[0]
        for number, layer in enumerate(layers, start=1):
            if layer.weight.ndim != 2 or layer.weight.shape[1] != expected or layer.weight.shape[0] == 0:
                raise InputError(
                    f"The weight of layer {number} has shape {layer.weight.shape}; it must be (out, {expected})."
                )
            expected = layer.weight.shape[0]
            if layer.bias.shape != (expected,):
                raise InputError(f"The bias of layer {number} has shape {layer.bias.shape}; it must be ({expected},).")
        _expect_skip(layers, scaling)
        if scaling.y_shift.shape != (expected,):
            raise InputError(f"The last layer has {expected} outputs, the scaling {scaling.y_shift.shape[0]}.")
        if scalar_output and expected != 1:
            raise InputError(f"A scalar output needs a last layer of width 1, not {expected}.")
        if training_range is not None and any(end.shape != scaling.x_shift.shape for end in training_range):
            raise InputError(f"training_range must be two arrays of {scaling.x_shift.shape[0]} numbers each.")
        self.layers = tuple(layers)
        self.scaling = scaling
        self.scalar_output = scalar_output
        self.training_range = training_range
        self.inputs = as_variables(inputs, numbered_inputs(scaling.x_shift.shape[0]), "inputs")
        self.outputs = as_variables(outputs, numbered_outputs(expected), "outputs")

    @staticmethod
    def create(
        widths: Sequence[int], samples: Samples, activation: str | Sequence[str] = "silu", *, key: PRNGKey
    ) -> "Surrogate":
        """A network of the given `widths` (inputs first, outputs last), scaled to the spread of `samples`,
        whose names it takes.

        Weights and biases are those of `random_layers`. `activation` is one name for all hidden layers, or one for
        every layer, the output's last. With one at the outputs these are not shifted, nor scaled where its values are
        bounded, as those of a sigmoid are meant as they are.

        >>> import jax
        >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
        >>> Surrogate.create([1, 8, 8, 1], samples, key=jax.random.key(0)).n_parameters
        97
        """
        widths = [int(width) for width in widths]
        if len(widths) < 2 or min(widths) < 1:
            raise InputError(f"widths is {widths}; give at least inputs and outputs, all of them 1 or more.")
        if (widths[0], widths[-1]) != (samples.n_inputs, samples.n_outputs):
            raise InputError(
                f"widths is {widths}, but the samples have {samples.n_inputs} inputs and {samples.n_outputs} outputs; "
                "make the first and the last width match."
            )
        layers = random_layers(widths, key)
        known = range_of(samples), samples.inputs, samples.outputs
        scaling, activations = Scaling.of(samples), _of_every_layer(activation, len(layers))
        if activations[-1] != "identity":
            k = len(scaling.y_shift)
            scaling = replace(scaling, y_shift=jnp.asarray(np.zeros(k)))
            if activate(jnp.asarray(_FAR), activations[-1]) < 0.1 * _FAR:
                scaling = replace(scaling, y_scale=jnp.asarray(np.ones(k)))
        return Surrogate(layers, scaling, activations, samples.is_scalar, *known)

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, nodes of each hidden layer, outputs."""
        return (self.layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in self.layers))

    @property
    def n_parameters(self) -> int:
        """Weights and biases, scaling not counted."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.layers))

    @property
    def activation(self) -> str:
        """The activations as text: "silu", or what each layer has, as "relu, tanh; outputs sigmoid"."""
        *hidden, last = self.activations
        text = ", ".join(hidden if len(set(hidden)) > 1 else hidden[:1])
        return (
            text or "identity" if last == "identity" else "; ".join(part for part in (text, f"outputs {last}") if part)
        )

    @property
    def smoothness(self) -> float:
        """How often the network is continuously differentiable for sure: as often as the least smooth activation."""
        return min(activation(name).smoothness for name in self.activations)

    def __call__(self, x: Float[Array, "d"]) -> Float[Array, "..."]:
        return self.with_node_offsets(x, None)[0]

    def with_node_offsets(
        self, x: Float[Array, "d"], offsets: Sequence[Float[Array, "_"]] | None
    ) -> tuple[Float[Array, "..."], list[Float[Array, "_"]]]:
        """The output and the hidden nodes after activation, when `offsets[l]` is added to those of hidden layer `l`.

        The derivative of the output with respect to `offsets` at 0 is the adjoint of every hidden node.
        """
        scaling = self.scaling
        h = inputs = (x - scaling.x_shift) / scaling.x_scale
        nodes = []
        for number, (layer, name) in enumerate(zip(self.layers, self.activations)):
            h = layer.weight @ h + layer.bias
            if layer.skip is not None:
                h = h + layer.skip @ inputs
            h = activate(h, name)
            if number < len(self.layers) - 1:
                if offsets is not None:
                    h = h + offsets[number]
                nodes.append(h)
        y = scaling.y_shift + scaling.y_scale * h
        return (y[0] if self.scalar_output else y), nodes

    def value(self, points: ArrayOrList) -> Values:
        """`f` at each of the points `(n, d)`: `(n,)` or `(n, k)`."""
        return _values(self, as_points(points, self.widths[0]))

    def gradient(self, points: ArrayOrList) -> Gradients:
        """First derivatives at each of the points `(n, d)`: `(n, d)` or `(n, k, d)`."""
        return _gradients(self, as_points(points, self.widths[0]))

    def hessian(self, points: ArrayOrList) -> Hessians:
        """Second derivatives at each of the points `(n, d)`: `(n, d, d)` or `(n, k, d, d)`."""
        return _hessians(self, as_points(points, self.widths[0]))

    def nodes(self, points: ArrayOrList) -> list[Float[Array, "n _"]]:
        """The hidden nodes after activation at each of the points, one array per hidden layer."""
        return _nodes(self, as_points(points, self.widths[0]))

    def hessian_products(
        self, points: ArrayOrList, directions: Float[Array, "m d"] | Float[Array, "n m d"]
    ) -> Float[Array, "n m ..."]:
        """The Hessian at each of the points times `directions`, `(m, d)` for all or `(n, m, d)`: `(n, m, d)` or
        `(n, m, k, d)`, at the price of a few gradients each.
        """
        points = as_points(points, self.widths[0])
        return _hessian_products(self, points, jnp.broadcast_to(directions, (len(points), *directions.shape[-2:])))

    def label(
        self, points: ArrayOrList, order: int = 1, directions: Float[Array, "m d"] | Float[Array, "n m d"] | None = None
    ) -> Samples:
        """The network as a teacher: samples of its values, gradients (`order` 1) and Hessian-vector products (2).

        Its labels have no noise and no kinks, unless its activation has. `directions` default to the unit vectors,
        which makes full Hessians.
        """
        points = as_points(points, self.widths[0])
        if order not in (0, 1, 2):
            raise InputError(f"order is {order}; choose 0 (values), 1 (gradients too) or 2 (second derivatives too).")
        gradient = self.gradient(points) if order > 0 else None
        if order < 2:
            return Samples(points, self.value(points), gradient, inputs=self.inputs, outputs=self.outputs)
        directions = jnp.eye(self.widths[0]) if directions is None else jnp.asarray(directions)
        products = self.hessian_products(points, directions)
        directions = jnp.broadcast_to(directions, (len(points), *directions.shape[-2:]))
        arrays = points, self.value(points), gradient, directions, products
        return Samples(*arrays, inputs=self.inputs, outputs=self.outputs)

    def save(self, path: str | Path) -> None:
        """Writes the network as safetensors with its architecture in the header; `sobolev_pruning.load` reads it."""
        save(self, path)


def _of_every_layer(activations: str | Sequence[str], n_layers: int) -> tuple[str, ...]:
    """The names that every layer's activation goes by; raises `InputError` for one that does not exist."""
    if isinstance(activations, str):
        return (activation(activations).name,) * (n_layers - 1) + ("identity",)
    if len(activations) != n_layers:
        raise InputError(
            f"There are {len(activations)} activations for {n_layers} layers; give one name for all hidden layers, or "
            'one for every layer, the output\'s last ("identity" for none).'
        )
    return tuple(activation(name).name for name in activations)


def _expect_skip(layers: Sequence[Dense], scaling: Scaling) -> None:
    *before, last = layers
    if any(layer.skip is not None for layer in before) or (last.skip is not None and not before):
        raise InputError("Only the last of several layers can have a skip from the inputs.")
    if last.skip is not None and last.skip.shape != (last.weight.shape[0], scaling.x_shift.shape[0]):
        raise InputError(
            f"The skip has shape {last.skip.shape}; it must be ({last.weight.shape[0]}, {scaling.x_shift.shape[0]})."
        )


def range_of(samples: Samples) -> TrainingRange:
    """The smallest and the largest value of every input."""
    x = np.asarray(samples.x)
    return jnp.asarray(x.min(axis=0)), jnp.asarray(x.max(axis=0))


def zero_offsets(surrogate: Surrogate) -> list[Float[Array, "_"]]:
    """Offsets of 0 for every hidden layer, to differentiate `with_node_offsets` at."""
    return [jnp.zeros(width) for width in surrogate.widths[1:-1]]


@eqx.filter_jit
def _values(surrogate, points):
    return jax.vmap(surrogate)(points)


@eqx.filter_jit
def _gradients(surrogate, points):
    return jax.vmap(jax.jacrev(surrogate))(points)


@eqx.filter_jit
def _hessians(surrogate, points):
    # In pieces, because forward over reverse keeps d tangents of every node of every point in memory.
    return jax.lax.map(jax.jacfwd(jax.jacrev(surrogate)), points, batch_size=512)


@eqx.filter_jit
def _nodes(surrogate, points):
    return jax.vmap(lambda x: surrogate.with_node_offsets(x, None)[1])(points)


def numpy_layers(surrogate: Surrogate) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of each layer as NumPy arrays, the skip left out, for code that does surgery or writes files."""
    return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in surrogate.layers]


def numpy_skip(surrogate: Surrogate) -> np.ndarray | None:
    """The linear term from the scaled inputs to the outputs, `(k, d)`, before their activation; None where none is."""
    skip = surrogate.layers[-1].skip
    return None if skip is None else np.asarray(skip)


@eqx.filter_jit
def _hessian_products(surrogate, points, directions):
    gradient = jax.jacrev(surrogate)
    along = jax.vmap(lambda x, v: jax.jvp(gradient, (x,), (v,))[1], (None, 0))
    return jax.vmap(along)(points, directions)
