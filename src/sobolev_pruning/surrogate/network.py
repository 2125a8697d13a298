"""The network: any depth, any width per layer, its scaling inside."""

import itertools
import math
from collections.abc import Sequence
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
from ..activations import activate
from ..activations import activation as activation_called
from .saving import save
from .scaling import Scaling

TrainingRange: TypeAlias = tuple[Float[Array, "d"], Float[Array, "d"]]


class Dense(eqx.Module):
    """An affine layer `h -> weight h + bias`."""

    weight: Float[Array, "out in"]
    bias: Float[Array, "out"]


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
    """A feed-forward network `f(x) = y_shift + y_scale * A_L(act(... act(A_1((x - x_shift) / x_scale))))`.

    `A_l` are the affine `layers`, `act` the activation between them, and `scaling` holds the shifts and scales, which
    are not trained and not counted as parameters. One network type serves every stage of the method: surgery builds a
    new one through this constructor. `training_range` holds the smallest and the largest value of every input it was
    trained on last, `(d,)` each, or is None where that is not known. `inputs` and `outputs` are names and units, by
    default `x0`, `x1`, ... and `y`, or `y0`, `y1`, ... of several. Neither changes a value; both travel with the
    network.

    `surrogate(x)` takes one point `(d,)` and gives `()`, or `(k,)` where `scalar_output` is false; it can be
    differentiated, batched and compiled like any JAX function. `.value`, `.gradient`, `.hessian` take batches `(n, d)`.
    """

    layers: tuple[Dense, ...]
    scaling: Scaling
    activation: str = eqx.field(static=True)
    scalar_output: bool = eqx.field(static=True)
    training_range: TrainingRange | None
    inputs: tuple[Variable, ...] = eqx.field(static=True)
    outputs: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(
        self,
        layers: Sequence[Dense],
        scaling: Scaling,
        activation: str,
        scalar_output: bool,
        training_range: TrainingRange | None = None,
        inputs: Sequence[Variable | str] | None = None,
        outputs: Sequence[Variable | str] | None = None,
    ):
        require_float64("A surrogate")
        activation = activation_called(activation).name
        if not layers:
            raise InputError("A surrogate needs at least one layer.")
        expected = scaling.x_shift.shape[0]
        for number, layer in enumerate(layers, start=1):
            if layer.weight.ndim != 2 or layer.weight.shape[1] != expected or layer.weight.shape[0] == 0:
                raise InputError(
                    f"The weight of layer {number} has shape {layer.weight.shape}; it must be (out, {expected})."
                )
            expected = layer.weight.shape[0]
            if layer.bias.shape != (expected,):
                raise InputError(f"The bias of layer {number} has shape {layer.bias.shape}; it must be ({expected},).")
        if scaling.y_shift.shape != (expected,):
            raise InputError(f"The last layer has {expected} outputs, the scaling {scaling.y_shift.shape[0]}.")
        if scalar_output and expected != 1:
            raise InputError(f"A scalar output needs a last layer of width 1, not {expected}.")
        if training_range is not None and any(end.shape != scaling.x_shift.shape for end in training_range):
            raise InputError(f"training_range must be two arrays of {scaling.x_shift.shape[0]} numbers each.")
        self.layers = tuple(layers)
        self.scaling = scaling
        self.activation = activation
        self.scalar_output = scalar_output
        self.training_range = training_range
        self.inputs = as_variables(inputs, numbered_inputs(scaling.x_shift.shape[0]), "inputs")
        self.outputs = as_variables(outputs, numbered_outputs(expected), "outputs")

    @staticmethod
    def create(widths: Sequence[int], samples: Samples, activation: str = "silu", *, key: PRNGKey) -> "Surrogate":
        """A network of the given `widths` (inputs first, outputs last), scaled to the spread of `samples`,
        whose names it takes.

        Weights and biases are those of `random_layers`.

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
        return Surrogate(layers, Scaling.of(samples), activation, samples.is_scalar, *known)

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, nodes of each hidden layer, outputs."""
        return (self.layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in self.layers))

    @property
    def n_parameters(self) -> int:
        """Weights and biases, scaling not counted."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers)

    def __call__(self, x: Float[Array, "d"]) -> Float[Array, "..."]:
        return self.with_node_offsets(x, None)[0]

    def with_node_offsets(
        self, x: Float[Array, "d"], offsets: Sequence[Float[Array, "_"]] | None
    ) -> tuple[Float[Array, "..."], list[Float[Array, "_"]]]:
        """The output and the hidden nodes after activation, when `offsets[l]` is added to those of hidden layer `l`.

        The derivative of the output with respect to `offsets` at 0 is the adjoint of every hidden node.
        """
        scaling = self.scaling
        h = (x - scaling.x_shift) / scaling.x_scale
        nodes = []
        for number, layer in enumerate(self.layers):
            h = layer.weight @ h + layer.bias
            if number < len(self.layers) - 1:
                h = activate(h, self.activation)
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
    """Weight and bias of each layer as NumPy arrays, for code that does surgery or writes files."""
    return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in surrogate.layers]


@eqx.filter_jit
def _hessian_products(surrogate, points, directions):
    gradient = jax.jacrev(surrogate)
    along = jax.vmap(lambda x, v: jax.jvp(gradient, (x,), (v,))[1], (None, 0))
    return jax.vmap(along)(points, directions)
