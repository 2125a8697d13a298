"""The one training loop: whole epochs on the device, best weights kept, stopped when the held-out loss no longer improves."""

import hashlib
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError, TrainingDiverged
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..reference import AbstractReference
from ..sampling import check_for_training, split
from ..surrogate import Surrogate
from .adam import Adam
from .batches import Batch
from .checkpoint import Checkpoints
from .full_batch import full_loss
from .history import History
from .losses import Balance, LossTerms, SobolevLoss
from .optimiser import AbstractOptimiser, Layers
from .progress import progress_bar

CALLS = 50
"""Compiled calls per training run: between two of them the host shows progress, saves, and may stop."""

_SECONDS_BETWEEN_CHECKPOINTS = 2.0


@dataclass(frozen=True)
class Fit:
    """What training gave: the `surrogate` with the best held-out loss, and how it got there.

    `stopped_by` is "steps" (all done) or "held-out loss" (no better for `patience` epochs); `best_step` is the step of the
    best weights, `seconds` the wall-clock time with compilation, over all resumed parts.
    """

    surrogate: Surrogate
    history: History
    loss: SobolevLoss
    steps: int
    best_step: int
    best_held_out: float
    stopped_by: Literal["steps", "held-out loss"]
    seconds: float


class _State(eqx.Module):
    """All that one more epoch depends on."""

    surrogate: Surrogate
    optimiser: PyTree
    best: Surrogate
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    epoch: Int[Array, ""]


def fit(
    surrogate: Surrogate,
    samples: Samples,
    order: int = 1,
    *,
    key: PRNGKey,
    optimiser: AbstractOptimiser | None = None,
    balance: Balance = "dimension",
    weight: float = 1.0,
    held_out: float | Samples = 0.125,
    patience: int | None = None,
    fresh: AbstractReference | None = None,
    mask: Layers | None = None,
    progress: str | None = None,
    checkpoints: Path | None = None,
) -> Fit:
    """Trains `surrogate` on `samples` by the Sobolev loss of the given `order` (0: values, 1: first derivatives too).

    - `optimiser`: `Adam(...)` (default) or `LBFGS(...)`.
    - `balance`, `weight`: how values and derivatives are weighed, see `SobolevLoss.of`.
    - `held_out`: the fraction of `samples` kept apart, or samples of its own; its loss chooses the weights that are returned.
    - `patience`: stop after so many epochs without a better held-out loss; None trains to the end.
    - `fresh`: a reference model to draw new training samples from in every epoch, as many as `samples` has for training;
      `samples` then gives the spreads and the held-out part.
    - `mask`: 1 for parameters to be trained, 0 for those to be left alone, in the structure of `surrogate.layers`.
    - `progress`: a label; shows a bar with losses and time left.
    - `checkpoints`: a directory to keep the state in; a run started again with the same arguments goes on from there and ends
      with the same bits.

    Raises `TrainingDiverged` with the step and the likely cause where a loss stops being finite, and `InputError` where samples
    and surrogate do not fit.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(1), 512)
    >>> start = Surrogate.create([2, 4, 1], samples, key=jax.random.key(2))
    >>> result = fit(start, samples, key=jax.random.key(3), optimiser=Adam(steps=200))
    >>> bool(result.history.held_out_total[-1] < result.history.held_out_total[0])
    True
    """
    require_float64("fit")
    optimiser = Adam() if optimiser is None else optimiser
    _check_fit(surrogate, samples)
    check_for_training(samples)
    split_key, epoch_key = jax.random.split(key)
    training, held = (samples, held_out) if isinstance(held_out, Samples) else split(samples, held_out, split_key)
    loss = SobolevLoss.of(training, order, balance, weight)
    data, held = Batch.of(training, order), Batch.of(held, order)
    mask = jax.tree.map(jnp.ones_like, surrogate.layers) if mask is None else mask
    epochs = optimiser.epochs(len(data))
    epochs_per_call = -(-epochs // CALLS)

    start = time.perf_counter()
    state = _State(
        surrogate=surrogate,
        optimiser=optimiser.init(surrogate.layers, len(data)),
        best=surrogate,
        best_loss=jnp.asarray(jnp.inf),
        best_epoch=jnp.asarray(0),
        epoch=jnp.asarray(0),
    )
    history, seconds_before = History.empty(), 0.0
    store = None
    if checkpoints is not None:
        store = Checkpoints(checkpoints, _fingerprint(state, data, held, loss, mask, key, optimiser))
        found = store.latest((state, history.columns(), np.zeros(())))
        if found is not None:
            state, columns, elapsed = found[1]
            history, seconds_before = History(**jax.tree.map(np.asarray, columns)), float(elapsed)
    last_saved = time.perf_counter()
    stopped_by: Literal["steps", "held-out loss"] = "steps"
    steps_per_epoch = optimiser.steps_per_epoch(len(data))

    with progress_bar(progress, epochs * steps_per_epoch) if progress else nullcontext(_silent) as show:
        while int(state.epoch) < epochs:
            n_epochs = min(epochs_per_call, epochs - int(state.epoch))
            state, terms, held_terms = _advance(state, loss, data, held, mask, epoch_key, optimiser, fresh, n_epochs)
            rows = _history_rows(len(history), steps_per_epoch, terms, held_terms)
            _check_finite(terms.total, held_terms.total, len(history) * steps_per_epoch, optimiser)
            history = history.extended(rows)
            show(history)
            if patience is not None and int(state.epoch) - int(state.best_epoch) >= patience:
                stopped_by = "held-out loss"
                break
            if store is not None and time.perf_counter() - last_saved > _SECONDS_BETWEEN_CHECKPOINTS:
                elapsed = np.asarray(seconds_before + time.perf_counter() - start)
                store.save(int(state.epoch), (state, history.columns(), elapsed))
                last_saved = time.perf_counter()

    return Fit(
        surrogate=state.best,
        history=history,
        loss=loss,
        steps=len(history) * steps_per_epoch,
        best_step=int(state.best_epoch) * steps_per_epoch,
        best_held_out=float(state.best_loss),
        stopped_by=stopped_by,
        seconds=seconds_before + time.perf_counter() - start,
    )


@eqx.filter_jit
def _advance(state, loss, data, held, mask, key, optimiser, fresh, n_epochs):
    """Runs `n_epochs` epochs; gives the state, the terms of every step `(epochs, steps)`, and the held-out terms `(epochs,)`."""

    def one_epoch(state: _State, _):
        draw_key, shuffle_key = jax.random.split(jax.random.fold_in(key, state.epoch))
        seen = data if fresh is None else _fresh_batch(fresh, draw_key, data)
        surrogate, optimiser_state, terms = optimiser.epoch(
            state.surrogate, state.optimiser, loss, seen, mask, shuffle_key
        )
        held_terms = full_loss(loss, surrogate, held)
        better = held_terms.total < state.best_loss
        epoch = state.epoch + 1
        state = _State(
            surrogate=surrogate,
            optimiser=optimiser_state,
            best=jax.tree.map(lambda new, old: jnp.where(better, new, old), surrogate, state.best),
            best_loss=jnp.where(better, held_terms.total, state.best_loss),
            best_epoch=jnp.where(better, epoch, state.best_epoch),
            epoch=epoch,
        )
        return state, (terms, held_terms)

    state, (terms, held_terms) = jax.lax.scan(one_epoch, state, length=n_epochs)
    return state, terms, held_terms


def _fresh_batch(reference: AbstractReference, key: PRNGKey, like: Batch) -> Batch:
    x, y, dydx = reference.draw(key, len(like))
    return Batch.from_arrays(x, y, None if like.dydx is None else dydx)


def _history_rows(epochs_before: int, steps_per_epoch: int, terms: LossTerms, held: LossTerms) -> History:
    n = terms.total.shape[0]
    means = [np.asarray(jnp.mean(term, axis=1)) for term in (terms.total, terms.value, terms.derivative)]
    step = (epochs_before + 1 + np.arange(n)) * steps_per_epoch
    return History(step, *means, *(np.asarray(term) for term in (held.total, held.value, held.derivative)))


def _check_finite(steps, held, steps_before: int, optimiser: AbstractOptimiser) -> None:
    losses = np.concatenate([np.asarray(steps).ravel(), np.asarray(held)])
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        step = steps_before + min(int(bad[0]), steps.size - 1) + 1
        raise TrainingDiverged(
            f"Training diverged at step {step}: the loss became {losses[bad[0]]}; {optimiser.advice()}."
        )


def _check_fit(surrogate: Surrogate, samples: Samples) -> None:
    expected = (samples.n_inputs, samples.n_outputs)
    if (surrogate.widths[0], surrogate.widths[-1]) != expected:
        raise InputError(
            f"The surrogate has {surrogate.widths[0]} inputs and {surrogate.widths[-1]} outputs, the samples have "
            f"{expected[0]} and {expected[1]}; train it on samples of its own model."
        )


def _fingerprint(*parts: PyTree) -> str:
    """A digest of the arrays and settings that determine a training run."""
    digest = hashlib.sha256()
    for part in parts:
        arrays, rest = eqx.partition(part, eqx.is_array)
        digest.update(repr(jax.tree.structure(rest)).encode())
        for leaf in jax.tree.leaves(arrays):
            plain = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            digest.update(np.asarray(plain).tobytes())
    return digest.hexdigest()


def _silent(history: History) -> None:
    """Shows nothing."""


ShowProgress = Callable[[History], None]
