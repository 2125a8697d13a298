"""The one training loop: fused epochs, best weights kept, stopped when the held-out loss no longer improves."""

import hashlib
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._foundation.arrays import PRNGKey
from .._foundation.errors import DoubtfulSamples, InputError, TrainingDiverged
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.variables import named_first
from ..reference import AbstractReference
from ..sampling import check_for_training, doubts_about, split
from ..storage import Checkpoints
from ..surrogate import Surrogate, matching_samples, range_of
from .batches import Batch
from .choice import suitable_optimiser
from .epochs import MOST_EPOCHS, advance, held_out_loss, start_state
from .history import History
from .label_noise import LabelNoise
from .losses import Balance, LossTerms, SobolevLoss, Weight
from .optimiser import AbstractOptimiser, Layers, with_layers
from .progress import progress_bar
from .starts import best_start

CALLS = 50
"""Compiled calls per training run: between two of them the host shows progress, saves, and may stop."""

_SECONDS_BETWEEN_CHECKPOINTS = 2.0


@dataclass(frozen=True)
class Fit:
    """What training gave: the `surrogate` with the best held-out loss, and how it got there.

    `best_held_out` is that loss and `objective` what chose it: the same, times the optimiser's prior where it has one.
    `stopped_by` is "steps" (all done) or "held-out loss" (no better for `patience` epochs); `best_step` is the step
    of the best weights, `seconds` the wall-clock time with compilation, over all resumed parts.
    """

    surrogate: Surrogate
    history: History
    loss: SobolevLoss
    steps: int
    best_step: int
    best_held_out: float
    objective: float
    stopped_by: Literal["steps", "held-out loss"]
    seconds: float


def fit(
    surrogate: Surrogate,
    samples: Samples,
    order: int = 1,
    *,
    key: PRNGKey,
    optimiser: AbstractOptimiser | None = None,
    balance: Balance = "dimension",
    weight: Weight = 1.0,
    scaled: bool = False,
    weigh_by_stderr: bool = False,
    noise: LabelNoise | None = None,
    held_out: float | Samples = 0.125,
    patience: int | None = None,
    fresh: AbstractReference | None = None,
    starts: int = 1,
    mask: Layers | None = None,
    progress: str | None = None,
    checkpoints: Path | None = None,
) -> Fit:
    """Trains `surrogate` on `samples` by the Sobolev loss of the given `order`: 0 values, 1 first derivatives too, 2
    also Hessian-vector products along the directions of the samples.

    - `optimiser`: `Adam(...)`, `LBFGS(...)` or `LevenbergMarquardt(...)`; by default the one that suits the numbers of
      parameters and samples (see `suitable_optimiser`).
    - `balance`, `weight`: how values and derivatives are weighed, see `SobolevLoss.of`.
    - `scaled`: derivatives count in units of the spreads of their inputs, as `evaluate` has them in `delta_scaled`; for
      inputs of mixed units, among which the one of the smallest unit else has the largest derivatives and all the say.
    - `weigh_by_stderr`: labels count less the larger their standard errors are, see `Batch.of`; for samples that carry
      some. Labels stated as missing are left out in any case.
    - `noise`: the covariance of the labels' noise, from `label_noise`, by which they are weighed instead of by
      `balance`, `weight` and `scaled`; for noisy labels that are all there is.
    - `held_out`: the fraction of `samples` kept apart, or samples of its own; its loss chooses the weights that are
      returned. 0 keeps none apart and lets the training loss choose: for many more samples than parameters, whose
      held-out loss is noise by the time that it matters.
    - `patience`: stop after so many epochs without a better held-out loss, looked at every 50th part of the run; None
      trains to the end.
    - `fresh`: a reference model to draw new training samples from in every epoch, as many as `samples` has for
      training; `samples` then gives the spreads and the held-out part.
    - `starts`: every optimiser finds the nearest valley, and small networks have several. With 2 or more, that many
      starts (the given weights, and random ones) are first trained on a part of the samples; the best goes on.
    - `mask`: 1 for parameters to be trained, 0 for those to be left alone, in the structure of `surrogate.layers`.
    - `progress`: a label; shows a bar with losses and time left.
    - `checkpoints`: a directory to keep the state in; a run started again with the same arguments goes on from there
      and ends with the same bits.

    The network keeps its names of inputs and outputs, or takes those of the samples where nobody named its own.

    Warns (`DoubtfulSamples`) where the samples look wrong: slopes that the values contradict, jumps, two clumps (see
    `sampling.doubts_about`).

    Raises `TrainingDiverged` with the step and the likely cause where a loss stops being finite, and `InputError`
    where samples and surrogate do not fit.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(1), 512)
    >>> start = Surrogate.create([2, 4, 1], samples, key=jax.random.key(2))
    >>> result = fit(start, samples, key=jax.random.key(3))
    >>> bool(result.history.held_out_total[-1] < result.history.held_out_total[0])
    True
    """
    require_float64("fit")
    if optimiser is None:
        optimiser = suitable_optimiser(surrogate.n_parameters, fixed_data=fresh is None, n_samples=len(samples))
    samples = matching_samples(surrogate, samples)
    inputs, outputs = (named_first(getattr(surrogate, of), getattr(samples, of)) for of in ("inputs", "outputs"))
    surrogate = replace(surrogate, inputs=inputs, outputs=outputs)
    check_for_training(samples)
    for sentence in doubts_about(samples if order > 0 else replace(samples, dydx=None, dydx_stderr=None)).warnings:
        warnings.warn(sentence, DoubtfulSamples, stacklevel=2)
    split_key, epoch_key = jax.random.split(key)
    training, held = _parts(samples, held_out, split_key)
    held = matching_samples(surrogate, held, "held_out")
    _check_fresh(fresh, optimiser, training)
    _check_counts(patience, starts)
    mask = jax.tree.map(jnp.ones_like, surrogate.layers) if mask is None else _checked_mask(mask, surrogate.layers)
    _check_noise(noise, order, weigh_by_stderr, fresh, training)
    loss = SobolevLoss.of(training, order, balance, weight, scaled, noise)
    for needed, name in ((1, "dydx"), (2, "hvp")):
        if order >= needed and getattr(held, name) is None:
            raise InputError(f"order is {order}, but held_out has no {name}; give it, or train with a smaller order.")
    if weigh_by_stderr and training.y_stderr is None:
        raise InputError(
            "weigh_by_stderr=True, but the samples have no y_stderr; sample with paths=2 or more, or leave it out."
        )
    if starts > 1:

        def train(network: Surrogate, part: Samples, number: int) -> Fit:
            return fit(
                network,
                part,
                order,
                key=epoch_key,
                optimiser=optimiser,
                balance=balance,
                weight=weight,
                scaled=scaled,
                weigh_by_stderr=weigh_by_stderr,
                noise=noise,
                held_out=0 if held is training else held,
                patience=patience,
                mask=mask,
                progress=f"{progress}, start {number + 1}/{starts}" if progress else None,
            )

        surrogate = best_start(surrogate, training, starts, mask, jax.random.fold_in(key, 1), train)
    data, held = (Batch.of(part, order, weigh_by_stderr, noise) for part in (training, held))
    epochs, steps_per_epoch = optimiser.epochs(len(data)), optimiser.steps_per_epoch(len(data))
    epochs_per_call = min(MOST_EPOCHS, -(-epochs // CALLS))
    # As arrays the numbers among the settings are not compiled in.
    settings = jax.tree.map(jnp.asarray, optimiser)

    start = time.perf_counter()
    state = start_state(surrogate, optimiser, loss, len(data), held)
    history, seconds_before = History.empty(), 0.0
    store = None
    if checkpoints is not None:
        what = (surrogate, data, held, loss, mask, epoch_key, optimiser, fresh, patience)
        store = Checkpoints(checkpoints, _fingerprint(what))
        found = store.latest((state, history.columns(), np.zeros(())))
        if found is not None:
            state, columns, elapsed = found[1]
            history, seconds_before = History(**jax.tree.map(np.asarray, columns)), float(elapsed)
    last_saved = time.perf_counter()
    stopped_by: Literal["steps", "held-out loss"] = "steps"

    with progress_bar(progress, epochs * steps_per_epoch) if progress else nullcontext(_silent) as show:
        while len(history) < epochs:
            n_epochs = min(epochs_per_call, epochs - len(history))
            state, *terms = advance(
                state, jnp.asarray(n_epochs), surrogate, settings, loss, data, held, mask, fresh, epoch_key
            )
            train_terms, held_terms = _first_rows(terms, n_epochs)
            _check_finite(train_terms.total, held_terms.total, len(history) * steps_per_epoch, optimiser)
            history = history.extended(_history_rows(len(history), steps_per_epoch, train_terms, held_terms))
            show(history)
            if patience is not None and len(history) - int(state.best_epoch) >= patience:
                stopped_by = "held-out loss"
                break
            if store is not None and time.perf_counter() - last_saved > _SECONDS_BETWEEN_CHECKPOINTS:
                elapsed = np.asarray(seconds_before + time.perf_counter() - start)
                store.save(len(history), (state, history.columns(), elapsed))
                last_saved = time.perf_counter()

    return Fit(
        surrogate=replace(with_layers(surrogate, state.best), training_range=range_of(samples)),
        history=history,
        loss=loss,
        steps=len(history) * steps_per_epoch,
        best_step=int(state.best_epoch) * steps_per_epoch,
        best_held_out=float(held_out_loss(loss, with_layers(surrogate, state.best), held)),
        objective=float(state.best_objective),
        stopped_by=stopped_by,
        seconds=seconds_before + time.perf_counter() - start,
    )


def _parts(samples: Samples, held_out: float | Samples, key: PRNGKey) -> tuple[Samples, Samples]:
    if isinstance(held_out, Samples):
        return samples, held_out
    return (samples, samples) if held_out == 0 else split(samples, held_out, key)


def _first_rows(terms: PyTree, n: int) -> PyTree:
    return jax.tree.map(lambda rows: np.asarray(rows)[:n], terms)


def _history_rows(epochs_before: int, steps_per_epoch: int, terms: LossTerms, held: LossTerms) -> History:
    n = terms.total.shape[0]
    means = [term.mean(axis=1) for term in (terms.total, terms.value, terms.derivative, terms.hessian)]
    step = (epochs_before + 1 + np.arange(n)) * steps_per_epoch
    return History(step, *means, held.total, held.value, held.derivative, held.hessian)


def _check_finite(steps, held, steps_before: int, optimiser: AbstractOptimiser) -> None:
    # An epoch's held-out loss comes after its steps.
    losses = np.concatenate([steps, held[:, None]], axis=1)
    bad = np.argwhere(~np.isfinite(losses))
    if bad.size:
        epoch, place = bad[0]
        step = steps_before + epoch * steps.shape[1] + min(place + 1, steps.shape[1])
        raise TrainingDiverged(
            f"Training diverged at step {step}: the loss became {losses[epoch, place]}; {optimiser.advice()}."
        )


def _check_fresh(fresh: AbstractReference | None, optimiser: AbstractOptimiser, samples: Samples) -> None:
    if fresh is None:
        return
    if fresh.n_inputs != samples.n_inputs:
        raise InputError(
            f"fresh draws {fresh.n_inputs} inputs, the samples have {samples.n_inputs}; give samples of the same model."
        )
    outputs = fresh.n_outputs
    if outputs != samples.n_outputs:
        raise InputError(
            f"fresh draws {outputs} outputs, the samples have {samples.n_outputs}; give samples of the same model."
        )
    if optimiser.needs_fixed_data:
        raise InputError(
            f"{type(optimiser).__name__} compares the losses of successive epochs, so it cannot use fresh samples; "
            "draw them all beforehand, or choose Adam or LevenbergMarquardt."
        )


def _check_noise(
    noise: LabelNoise | None,
    order: int,
    weigh_by_stderr: bool,
    fresh: AbstractReference | None,
    training: Samples,
) -> None:
    if noise is None:
        return
    if weigh_by_stderr or fresh is not None:
        raise InputError("noise weighs the labels of fixed samples by itself; leave weigh_by_stderr and fresh out.")
    directions = training.directions.shape[1] if order > 1 and training.directions is not None else 0
    labels = 1 + training.n_inputs * ((order > 0) + directions)
    expected = (training.n_outputs, labels)
    given = (noise.whitening.shape[0], noise.whitening.shape[-1])
    if given != expected:
        raise InputError(
            f"noise is for {given[0]} outputs with {given[1]} labels each, and order {order} has other labels; "
            "estimate it by label_noise with these samples and the same order."
        )


def _check_counts(patience: int | None, starts: int) -> None:
    if patience is not None and patience < 1:
        raise InputError(f"patience is {patience}; give a number of epochs, 1 or more, or None.")
    if starts < 1:
        raise InputError(f"starts is {starts}; give 1 for the given weights alone, or more to try others too.")


def _checked_mask(mask: Layers, layers: Layers) -> Layers:
    if jax.tree.map(jnp.shape, mask) != jax.tree.map(jnp.shape, layers):
        raise InputError("mask does not have the shapes of surrogate.layers; make it from them with jax.tree.map.")
    return jax.tree.map(lambda m: jnp.asarray(m, jnp.float64), mask)


def _fingerprint(what: PyTree) -> str:
    """A digest of the arrays and settings that determine a training run."""
    digest = hashlib.sha256(repr(jax.tree.structure(what)).encode())
    for leaf in jax.tree.leaves(what):
        if eqx.is_array(leaf):
            plain = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            digest.update(f"{plain.dtype}{plain.shape}".encode())
            digest.update(np.asarray(plain).tobytes())
        else:
            digest.update(repr(leaf).encode())
    return digest.hexdigest()


def _silent(history: History) -> None:
    """Shows nothing."""
