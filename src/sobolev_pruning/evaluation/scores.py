"""How far an array of predictions is from the truth: one definition, used everywhere."""

from dataclasses import dataclass

import numpy as np

from .._foundation.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Errors of one quantity over all entries of the flattened array.

    `r2 = 1 - SS_res / SS_tot` with the grand mean, `rmse`, the 99th percentile `p99` and the maximum `max_abs` of the
    absolute error, and `r2_by_component` for the columns of the array `(n, ...)` one by one (None for a single column).
    R2 is None where the truth never changes.
    """

    r2: float | None
    rmse: float
    p99: float
    max_abs: float
    r2_by_component: tuple[float | None, ...] | None


def score(predicted, truth) -> Scores:
    """Scores of `predicted` against `truth`, arrays of one shape `(n, ...)`.

    >>> score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).max_abs
    1.0
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if predicted.shape != truth.shape:
        raise InputError(
            f"Predictions of shape {predicted.shape} cannot be scored against {truth.shape}; shapes must agree."
        )
    error = np.abs(predicted - truth)
    columns = truth.reshape(len(truth), -1)
    by_component = None
    if columns.shape[1] > 1:
        predicted_columns = predicted.reshape(len(truth), -1)
        by_component = tuple(_r2(predicted_columns[:, c], columns[:, c]) for c in range(columns.shape[1]))
    return Scores(
        r2=_r2(predicted, truth),
        rmse=float(np.sqrt(np.mean(error**2))),
        p99=float(np.quantile(error, 0.99)),
        max_abs=float(error.max()),
        r2_by_component=by_component,
    )


def _r2(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    total = np.sum((truth - truth.mean()) ** 2)
    return float(1.0 - np.sum((predicted - truth) ** 2) / total) if total > 0 else None
