"""A small network for few rows: shapes are compared by cross-validation, as no row can be spared to measure errors."""

import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError
from .._foundation.samples import Samples, digest_of
from .._foundation.versions import with_versions
from ..evaluation import Evaluation
from ..evaluation.scores import Scores, score, worst_of
from ..surrogate import Surrogate, operation_count, parameter_count
from ..training import LevenbergMarquardt, fit
from ..training.stage_store import Stage, StageStore
from .candidates import Candidate
from .search_data import HELD_OUT, LEAST_MEASURED
from .shrink import Shrink, front_of
from .tolerance import Tolerance, measure_of_all

FEW_ROWS = round(2 * LEAST_MEASURED / HELD_OUT)
"""Below so many rows `shrink` cannot hold a part of them out."""

AGAINST = "rows left out in turn (5-fold cross-validation)"
_FOLDS = 5
_HIDDEN = ((1,), (2,), (3,), (4,), (6,), (8,), (2, 2), (3, 3), (4, 4))
_STARTS = 4
_RESAMPLED = 200


def cross_validated(
    samples: Samples,
    *,
    tolerance: Tolerance | None,
    max_parameters: int | None,
    activation: str,
    order: int,
    scaled: bool,
    key: PRNGKey,
    checkpoints: Path | None = None,
) -> Shrink:
    """The smallest of some tiny networks that is within `tolerance`, or without one the best; of those, where it is
    given, that have at most `max_parameters`.

    Every shape is trained five times from random weights, on four fifths of the rows, and its errors are those at the
    fifth that was left out, of all five together; their standard errors are from resampled rows. No network has more
    parameters than there are values and derivatives to learn from. What is given is trained on all rows. A search
    started again with the same arguments and the directory `checkpoints` goes on from there.

    Raises `InputError` where no network is as small as asked.
    """
    d, k = samples.n_inputs, samples.n_outputs
    told = samples.y.size + (0 if order == 0 or samples.dydx is None else int((~np.isnan(samples.dydx)).sum()))
    shapes = [(d, *hidden, k) for hidden in _HIDDEN]
    shapes = [one for one in shapes if parameter_count(one) <= max(told, parameter_count(shapes[0]))]
    if max_parameters is not None:
        shapes = [one for one in shapes if parameter_count(one) <= max_parameters]
        if not shapes:
            raise InputError(
                f"max_parameters is {max_parameters}; the smallest network of this model has "
                f"{parameter_count((d, 1, k))}."
            )
    settings = {"order": order, "scaled": scaled, "starts": _STARTS, "optimiser": LevenbergMarquardt(), "held_out": 0.0}
    parts = np.array_split(np.random.default_rng(0).permutation(len(samples)), _FOLDS)

    def trained(widths: tuple[int, ...], rows: Samples) -> Surrogate:
        start = Surrogate.create(widths, rows, activation, key=key)
        return fit(start, rows, key=key, **settings).surrogate

    def tried(widths: tuple[int, ...]) -> Stage:
        start = time.perf_counter()
        networks = [trained(widths, samples[np.setdiff1d(np.arange(len(samples)), part)]) for part in parts]
        said = _left_out(samples, parts, networks)
        return Stage(trained(widths, samples), said, time.perf_counter() - start)

    fingerprint = f"{settings} {activation} {jax.random.key_data(key)} {digest_of(samples)}"
    store = StageStore(checkpoints, with_versions(fingerprint))
    stages = {widths: store.stage("-".join(map(str, widths)), lambda _, w=widths: tried(w)) for widths in shapes}
    found = {widths: _evaluation(samples, stage.arrays, order) for widths, stage in stages.items()}
    first = found[shapes[0]]
    measure = measure_of_all(first) if tolerance is None else tolerance.measure(first)
    errors = {widths: measure(evaluation) for widths, evaluation in found.items()}
    for each in errors.values():
        measure = measure.after(each)
    compared = tuple(measure.limits) if tolerance is not None and tolerance.relative else ()
    held = [widths for widths in shapes if errors[widths].within(measure.limits, compared)]
    path = tuple(
        Candidate(
            widths,
            tuple(range(d)),
            parameter_count(widths),
            operation_count(widths),
            errors[widths].size,
            errors[widths].stderr,
            {},
            widths in held,
            len(samples),
            stages[widths].seconds,
        )
        for widths in shapes
    )
    if tolerance is None:
        chosen = min(shapes, key=lambda widths: errors[widths].product())
    else:
        chosen = min(held, key=parameter_count, default=None)
    network = None if chosen is None else stages[chosen].surrogate
    inputs = () if network is None else tuple(range(d))
    return Shrink(network, inputs, path, front_of(path), measure.limits, measure.figure, AGAINST, None, False)


def _left_out(samples: Samples, parts: list[np.ndarray], networks: list[Surrogate]) -> dict[str, np.ndarray]:
    """Values and slopes at every row, by the network that was not trained on it."""
    value, gradient = np.empty(samples.y.shape), np.empty((*samples.y.shape, samples.n_inputs))
    for part, network in zip(parts, networks, strict=True):
        value[part] = np.reshape(network.value(samples.x[part]), value[part].shape)
        gradient[part] = np.reshape(network.gradient(samples.x[part]), gradient[part].shape)
    return {"left_out.value": value, "left_out.gradient": gradient}


def _evaluation(samples: Samples, said: dict[str, np.ndarray], order: int) -> Evaluation:
    """The errors of what was said of rows that were left out."""
    k, value = samples.n_outputs, said["left_out.value"]
    gradient = said["left_out.gradient"] if order > 0 and samples.dydx is not None else None
    delta = scaled = None
    if gradient is not None:
        spread = np.asarray(samples.x).std(axis=0)
        delta = _scores(gradient, np.asarray(samples.dydx), k)
        scaled = _scores(gradient * spread, np.asarray(samples.dydx) * spread, k)
    return Evaluation(
        value=_scores(value, np.asarray(samples.y), k),
        delta=delta,
        delta_scaled=scaled,
        gamma=None,
        hessian=None,
        n_points=len(samples),
        against=AGAINST,
    )


def _scores(predicted: np.ndarray, true: np.ndarray, outputs: int) -> Scores:
    """Of every output, with the standard error of its R2 by resampling rows."""
    columns = [array.reshape(len(true), outputs, -1) for array in (predicted, true)]
    return worst_of([_of_output(*(array[:, j] for array in columns)) for j in range(outputs)])


def _of_output(predicted: np.ndarray, true: np.ndarray) -> Scores | None:
    known = ~np.isnan(true)
    if not known.any():
        return None
    found = score(predicted, true, known=known)
    if found.r2 is None:
        return found
    random = np.random.default_rng(0)
    drawn = random.integers(len(true), size=(_RESAMPLED, len(true)))
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(known, (predicted - true) ** 2, 0.0).sum(axis=1)
        about = np.where(known, (true - true[known].mean()) ** 2, 0.0).sum(axis=1)
        shares = squares[drawn].sum(axis=1) / about[drawn].sum(axis=1)
    return replace(found, r2_stderr=float(np.std(shares[np.isfinite(shares)])))
