"""A model as an affine map of its inputs followed by a function of fewer variables.

A network is `x -> tail(A x + c)` with one variable per node of its first layer; the Gaussian basket is a function of
`w'x` alone. `A` and `c` are real numbers that floats only approximate, so they are given as intervals; the derivatives
in x are made from those of `tail` by the exact operations of the model, inside the program that is enclosed.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import activate
from ..enclosure import Interval
from ..enclosure.decorations import BENT, KINKED
from ..enclosure.registry import user_rules_in
from ..reference import AbstractReference, GaussianBasket
from ..surrogate import Dense, Surrogate


class MappedModel(NamedTuple):
    """`x -> value(A x + c)`, `(d,) -> (k,)`, with `matrix` A, `(m, d)`, and `offset` c, `(m,)`.

    `value`, `gradient`, `hessian` take z, `(m,)`, and give `(k,)`, `(k, d)`, `(k, d, d)`, derivatives in x;
    `curvature(z, v)` the second derivative along v, `(k,)`; `inner_hessian` that in z, `(k, m, m)`.
    `smoothness` is how often the model is continuously differentiable at most; `decoration` is that of its values over
    all inputs, None where it has to be found out over the box.
    """

    matrix: Interval
    offset: Interval
    value: Callable
    gradient: Callable
    hessian: Callable
    curvature: Callable
    inner_hessian: Callable
    smoothness: float
    decoration: int | None = None


def mapped(model: Surrogate | AbstractReference) -> MappedModel:
    """The model's affine map and tail."""
    if isinstance(model, Surrogate):
        return _network(model)
    return _basket(model) if isinstance(model, GaussianBasket) else _reference(model)


def _network(network: Surrogate) -> MappedModel:
    scaling, (first, *rest) = network.scaling, network.layers
    width, skip = len(first.bias), network.layers[-1].skip
    if skip is not None:  # what goes past the hidden layers is more of the first one
        first = Dense(jnp.concatenate([first.weight, skip]), jnp.concatenate([first.bias, jnp.zeros(len(skip))]))

    def tail(z):
        h = z[:width]
        for name, layer in zip(network.activations, rest):
            h = layer.weight @ activate(h, name) + layer.bias
        h = h if skip is None else h + z[width:]
        return scaling.y_shift + scaling.y_scale * activate(h, network.activations[-1])

    def outward(derivatives, axis):
        """Derivatives in z to derivatives in x, along one axis."""
        moved = jnp.moveaxis(derivatives, axis, -1)
        return jnp.moveaxis(
            (moved @ first.weight) / jnp.broadcast_to(scaling.x_scale, (*moved.shape[:-1], first.weight.shape[1])),
            -1,
            axis,
        )

    def hessian(z):
        return outward(outward(jax.jacfwd(jax.jacrev(tail))(z), 2), 1)

    def curvature(z, direction):
        inner = first.weight @ (direction / scaling.x_scale)
        return _along(tail, z, inner)

    matrix, offset = _scaled_in(first.weight, first.bias, scaling.x_shift, scaling.x_scale)
    return MappedModel(
        matrix=matrix,
        offset=offset,
        value=tail,
        gradient=lambda z: outward(jax.jacrev(tail)(z), 1),
        hessian=hessian,
        curvature=curvature,
        inner_hessian=jax.jacfwd(jax.jacrev(tail)),
        smoothness=network.smoothness,
        decoration=_of_activation(network) if not user_rules_in(tail, jnp.zeros(first.bias.shape)) else None,
    )


@jax.jit
def _scaled_in(weight, bias, shift, scale) -> tuple[Interval, Interval]:
    """The first layer on inputs that are not scaled."""
    matrix = Interval.point(weight) / Interval.point(jnp.broadcast_to(scale, weight.shape))
    return matrix, Interval.point(bias) - matrix @ shift


def _of_activation(network: Surrogate) -> int:
    return {0: KINKED, 1: BENT}.get(network.smoothness, 0)


def _basket(basket: GaussianBasket) -> MappedModel:
    # Any point with the same w'x has the same derivatives; the one on the axis of the largest weight is exact in
    # floats.
    weights = np.asarray(basket.weights)
    largest = int(np.argmax(np.abs(weights)))
    axis = jnp.zeros(len(weights)).at[largest].set(1.0)

    def point(z):
        return (z * axis)[None, :]

    return MappedModel(
        matrix=Interval.point(weights[None, :]) / Interval.point(np.full((1, len(weights)), weights[largest])),
        offset=Interval.point(np.zeros(1)),
        value=lambda z: basket.value(point(z)),
        gradient=lambda z: basket.gradient(point(z)),
        hessian=lambda z: basket.hessian(point(z)),
        curvature=lambda z, v: v @ basket.hessian(point(z)) @ v,
        inner_hessian=lambda z: basket.hessian(point(z))[:, largest : largest + 1, largest : largest + 1],
        smoothness=math.inf,
    )


def _reference(model: AbstractReference) -> MappedModel:
    """Any other closed form: no map is known."""
    d = model.n_inputs

    def value(x):
        return jnp.ravel(model.value(x[None, :]))

    def hessian(x):
        return jnp.reshape(model.hessian(x[None, :]), (-1, d, d))

    return MappedModel(
        matrix=Interval.point(np.eye(d)),
        offset=Interval.point(np.zeros(d)),
        value=value,
        gradient=lambda x: jnp.reshape(model.gradient(x[None, :]), (-1, d)),
        hessian=hessian,
        curvature=lambda x, v: _along(value, x, v),
        inner_hessian=hessian,
        smoothness=math.inf,
    )


def _along(function, z, direction):
    def slope(z):
        return jax.jvp(function, (z,), (direction,))[1]

    return jax.jvp(slope, (z,), (direction,))[1]
