"""How far an array of predictions is from the truth: one definition, used everywhere."""

from dataclasses import dataclass

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Errors of one quantity over all entries of the flattened array.

    `r2 = 1 - SS_res / SS_tot` with the grand mean, `rmse`, the 99th percentile `p99` and the maximum `max_abs` of the
    absolute error, and `r2_by_component` for the columns of the array `(n, ...)` one by one (None for a single column).
    R2 is None where the truth never changes.

    Where the truth is itself an estimate, `noise_rmse` is the root mean square of its standard errors, and what that
    noise adds on average is taken out of `r2` and `rmse`; `p99` and `max_abs` still contain it (None where it would
    hide them altogether). `r2_stderr` is the standard error of `r2` from that noise and the choice of points. Both are
    0 for an exact truth.
    """

    r2: float | None
    rmse: float
    p99: float | None
    max_abs: float | None
    r2_by_component: tuple[float | None, ...] | None
    noise_rmse: float = 0.0
    r2_stderr: float = 0.0


def score(
    predicted: ArrayOrList, truth: ArrayOrList, stderr: ArrayOrList | None = None, known: ArrayOrList | None = None
) -> Scores:
    """Scores of `predicted` against `truth`, arrays of one shape `(n, ...)`; `stderr` are standard errors of `truth`.

    Where `known` is given, of the same shape, entries that are not known are left out.

    >>> score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).max_abs
    1.0
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    noise = np.zeros(truth.shape) if stderr is None else np.square(np.asarray(stderr, np.float64))
    if predicted.shape != truth.shape or noise.shape != truth.shape:
        raise InputError(
            f"Predictions of shape {predicted.shape} cannot be scored against {truth.shape}; shapes must agree."
        )
    known = np.ones(truth.shape, bool) if known is None else np.asarray(known, bool)
    by_component = None
    if truth.size > len(truth):
        columns = (array.reshape(len(truth), -1).T for array in (predicted, truth, noise, known))
        by_component = tuple(_r2(p[k], t[k], n[k]) for p, t, n, k in zip(*columns))
    surplus = np.where(known, np.square(predicted - truth) - noise, 0.0)
    predicted, truth, noise = predicted[known], truth[known], noise[known]
    error = np.abs(predicted - truth)
    total = _total(truth, noise)
    return Scores(
        r2=_r2(predicted, truth, noise),
        rmse=float(np.sqrt(max(0.0, np.mean(error**2) - noise.mean()))),
        p99=float(np.quantile(error, 0.99)),
        max_abs=float(error.max()),
        r2_by_component=by_component,
        noise_rmse=float(np.sqrt(noise.mean())),
        r2_stderr=stderr_of_sum(surplus) / total if stderr is not None and total > 0 else 0.0,
    )


def stderr_of_sum(entries: np.ndarray) -> float:
    """The standard error of the sum of all `entries`, `(n, ...)`, whose rows are independent."""
    rows = entries.reshape(len(entries), -1).sum(axis=1)
    return float(rows.std() * np.sqrt(len(rows)))


def _total(truth: np.ndarray, noise: np.ndarray) -> float:
    """`SS_tot` of the truth without its noise."""
    return float(np.sum((truth - truth.mean()) ** 2) - noise.sum()) if truth.size else 0.0


def _r2(predicted: np.ndarray, truth: np.ndarray, noise: np.ndarray) -> float | None:
    if not truth.size:
        return None
    total = _total(truth, noise)
    residual = max(0.0, np.sum((predicted - truth) ** 2) - noise.sum())
    return float(1.0 - residual / total) if total > 0 else None
