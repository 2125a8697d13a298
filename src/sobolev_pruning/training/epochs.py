"""Epochs fused on the device: optimiser steps, held-out loss and best weights, without coming back to Python."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from .._foundation.arrays import PRNGKey
from ..reference import AbstractReference
from ..surrogate import Surrogate
from .batches import Batch
from .full_batch import full_loss
from .losses import LossTerms, SobolevLoss
from .optimiser import AbstractOptimiser, Layers, with_layers

MOST_EPOCHS = 64
"""Epochs that one compiled call can run; how many it does run is not compiled in."""


class State(eqx.Module):
    """All that one more epoch depends on; `best` are the layers with the best objective so far."""

    layers: Layers
    optimiser: PyTree
    best: Layers
    best_objective: Float[Array, ""]
    best_epoch: Int[Array, ""]
    epoch: Int[Array, ""]


def start_state(surrogate: Surrogate, optimiser: AbstractOptimiser, loss: SobolevLoss, n: int, held: Batch) -> State:
    """The state before the first epoch over `n` samples: the best weights so far are those to begin with."""
    return State(
        layers=surrogate.layers,
        optimiser=optimiser.init(surrogate.layers, n),
        best=surrogate.layers,
        best_objective=optimiser.objective(held_out_loss(loss, surrogate, held), surrogate.layers, n),
        best_epoch=jnp.asarray(0),
        epoch=jnp.asarray(0),
    )


@eqx.filter_jit
def held_out_loss(loss: SobolevLoss, surrogate: Surrogate, held: Batch) -> Float[Array, ""]:
    """The total loss over the held-out samples."""
    return full_loss(loss, surrogate, held).total


@eqx.filter_jit
def advance(
    state: State,
    n_epochs: Int[Array, ""],
    surrogate: Surrogate,
    optimiser: AbstractOptimiser,
    loss: SobolevLoss,
    data: Batch,
    held: Batch,
    mask: Layers,
    fresh: AbstractReference | None,
    key: PRNGKey,
) -> tuple[State, LossTerms, LossTerms]:
    """Runs `n_epochs` epochs, at most `MOST_EPOCHS`.

    Gives the state, the terms met in each step `(MOST_EPOCHS, steps)`, and the held-out terms after each epoch
    `(MOST_EPOCHS,)`; rows beyond `n_epochs` are 0.
    """

    def one_epoch(state: State) -> tuple[State, tuple[LossTerms, LossTerms]]:
        draw_key, shuffle_key = jax.random.split(jax.random.fold_in(key, state.epoch))
        seen = data if fresh is None else _fresh_batch(fresh, draw_key, data)
        trained, optimiser_state, terms = optimiser.epoch(
            with_layers(surrogate, state.layers), state.optimiser, loss, seen, mask, shuffle_key
        )
        held_terms = full_loss(loss, trained, held)
        objective = optimiser.objective(held_terms.total, trained.layers, len(data))
        better = objective < state.best_objective
        epoch = state.epoch + 1
        state = State(
            layers=trained.layers,
            optimiser=optimiser_state,
            best=jax.tree.map(lambda new, old: jnp.where(better, new, old), trained.layers, state.best),
            best_objective=jnp.where(better, objective, state.best_objective),
            best_epoch=jnp.where(better, epoch, state.best_epoch),
            epoch=epoch,
        )
        return state, (terms, held_terms)

    def run_and_record(i, carry):
        state, records = carry
        state, record = one_epoch(state)
        return state, jax.tree.map(lambda rows, row: rows.at[i].set(row), records, record)

    record = jax.eval_shape(one_epoch, state)[1]
    records = jax.tree.map(lambda row: jnp.zeros((MOST_EPOCHS, *row.shape), row.dtype), record)
    state, (terms, held_terms) = jax.lax.fori_loop(0, n_epochs, run_and_record, (state, records))
    return state, terms, held_terms


def _fresh_batch(reference: AbstractReference, key: PRNGKey, like: Batch) -> Batch:
    x, y, dydx, hvp = reference.draw(key, len(like), like.directions)
    batch = Batch(x, y.reshape(like.y.shape))
    if like.dydx is not None:
        batch = replace(batch, dydx=dydx.reshape(like.dydx.shape))
    # The directions of Hessian-vector products are independent of the inputs, so they can stay.
    return batch if hvp is None else replace(batch, directions=like.directions, hvp=hvp.reshape(like.hvp.shape))
