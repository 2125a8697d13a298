"""Taking nodes out: their rows and columns are zeroed, or removed by building the network anew."""

import itertools
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from ..surrogate import Dense, Surrogate, numpy_layers
from .plan import Plan

NumpyLayers = list[tuple[np.ndarray, np.ndarray]]


def rebuilt(surrogate: Surrogate, layers: NumpyLayers) -> Surrogate:
    """A network with these weights and biases, through the constructor, which checks that they fit together."""
    return replace(surrogate, layers=dense_layers(surrogate, layers))


def dense_layers(surrogate: Surrogate, layers: NumpyLayers) -> list[Dense]:
    """These weights and biases as layers, the last with the skip of `surrogate`."""
    *dense, last = (Dense(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in layers)
    return [*dense, replace(last, skip=surrogate.layers[-1].skip)]


def compact(surrogate: Surrogate, plan: Plan) -> Surrogate:
    """`surrogate` without the rows and columns of the nodes that `plan` removes; nothing is folded.

    Of a surrogate that `mask` has silenced by the same plan this is the same function with fewer parameters: what goes
    is zero.
    """
    plan.expect(surrogate)
    layers = numpy_layers(surrogate)
    rows = [*(list(kept) for kept in plan.kept), slice(None)]
    columns = [slice(None), *rows[:-1]]
    return rebuilt(
        surrogate, [(weight[row][:, column], bias[row]) for (weight, bias), row, column in zip(layers, rows, columns)]
    )


def parameter_mask(plan: Plan, surrogate: Surrogate) -> tuple[Dense, ...]:
    """1 where a parameter belongs to surviving nodes only, 0 elsewhere, in the structure of `surrogate.layers`."""
    *masks, last = (Dense(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in _masks(plan))
    skip = surrogate.layers[-1].skip
    return (*masks, last if skip is None else replace(last, skip=jnp.ones_like(skip)))


def _masks(plan: Plan) -> NumpyLayers:
    alive = [np.ones(plan.widths[0]), *(mask.astype(np.float64) for mask in plan.kept_masks), np.ones(plan.widths[-1])]
    return [(np.outer(out, into), out) for into, out in itertools.pairwise(alive)]


def silenced(layers: NumpyLayers, plan: Plan) -> NumpyLayers:
    """`layers` with the rows, biases and columns of removed nodes set to 0."""
    return [(weight * of_weight, bias * of_bias) for (weight, bias), (of_weight, of_bias) in zip(layers, _masks(plan))]
