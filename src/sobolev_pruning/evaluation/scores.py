"""How far an array of predictions is from the truth: one definition, used everywhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError

_CONSTANT = 64.0 * np.finfo(np.float64).eps
"""A truth that varies by no larger part of its size is constant but for the rounding of what computed it."""


@dataclass(frozen=True)
class Excess:
    """By how much larger a network's mean squared error is than that of another one on the same noisy labels.

    - `r2`: that difference over the variance of the other's predictions, so in units of 1 - R2, and its standard error
      `r2_stderr`; below 0 for a better network. None where those predictions never change.
    - `rmse`: its root in units of the quantity, 0 for a better network.
    - `noise`: the estimated variance of the labels' noise, and `noise_share` the same over that of the labels.
    """

    r2: float | None
    r2_stderr: float
    rmse: float
    noise: float
    noise_share: float | None


@dataclass(frozen=True)
class Scores:
    """Errors of one quantity over all entries of the flattened array.

    `r2 = 1 - SS_res / SS_tot` with the grand mean, `rmse`, the 99th percentile `p99` and the maximum `max_abs` of the
    absolute error, and `r2_by_component` for the columns of the array `(n, ...)` one by one (None for a single column).
    R2 is None where the truth never changes, but for rounding.

    With several outputs (`score_by_output`) every figure is that of the worst output, so that what holds for it holds
    for every one; `by_output` has the scores of each about its own mean, None for one whose truth is nowhere known.

    Where the truth is itself an estimate, `noise_rmse` is the root mean square of its standard errors, and what that
    noise adds on average is taken out of `r2` and `rmse`; `p99` and `max_abs` still contain it. `r2_stderr` is the
    standard error of `r2` from that noise and the choice of points. Both are 0 for an exact truth. `excess` compares
    with another network on labels of unknown noise (see `ExcessEvaluator`).
    """

    r2: float | None
    rmse: float
    p99: float
    max_abs: float
    r2_by_component: tuple[float | None, ...] | None
    noise_rmse: float = 0.0
    r2_stderr: float = 0.0
    by_output: "tuple[Scores | None, ...] | None" = None
    excess: Excess | None = None


def score(
    predicted: ArrayOrList, truth: ArrayOrList, stderr: ArrayOrList | None = None, known: ArrayOrList | None = None
) -> Scores:
    """Scores of `predicted` against `truth`, arrays of one shape `(n, ...)`; `stderr` are standard errors of `truth`.

    Where `known` is given, of the same shape, entries that are not known are left out. All entries count as those of
    one output; see `score_by_output`.

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


def score_by_output(
    predicted: ArrayOrList, truth: ArrayOrList, stderr: ArrayOrList | None = None, known: ArrayOrList | None = None
) -> Scores:
    """Scores as `score` gives them, of arrays `(n, k, ...)`, for each of the k outputs about its own mean.

    An output of large size or far from 0 would else hide the errors of the others.

    >>> scores = score_by_output([[0.0, 1000.0], [0.0, 1001.0]], [[-1.0, 1000.0], [1.0, 1001.0]])
    >>> scores.r2, scores.by_output[1].r2
    (0.0, 1.0)
    """
    given = (predicted, truth, stderr, known)
    arrays = [None if array is None else np.asarray(array) for array in given]
    outputs = arrays[1].shape[1]

    def of_output(j: int) -> Scores | None:
        if arrays[3] is not None and not arrays[3][:, j].any():
            return None
        return score(*(None if array is None else array[:, j] for array in arrays))

    if arrays[0].shape != arrays[1].shape:
        raise InputError(
            f"Predictions of shape {arrays[0].shape} cannot be scored against {arrays[1].shape}; shapes must agree."
        )
    return worst_of([of_output(j) for j in range(outputs)])


def worst_of(by_output: "list[Scores | None]") -> Scores:
    """The scores of several outputs as one record, as told in `Scores`; those of a single output stay as they are."""
    if len(by_output) == 1:
        return by_output[0]
    found = [scores for scores in by_output if scores is not None]
    by_r2 = [scores for scores in found if scores.r2 is not None]
    worst = min(by_r2, key=lambda scores: scores.r2, default=None)
    components = [scores.r2_by_component or (scores.r2,) for scores in found]
    largest = {name: max(getattr(scores, name) for scores in found) for name in ("rmse", "p99", "max_abs")}
    return Scores(
        r2=None if worst is None else worst.r2,
        **largest,
        r2_by_component=tuple(r2 for output in components for r2 in output),
        noise_rmse=max(scores.noise_rmse for scores in found),
        r2_stderr=0.0 if worst is None else worst.r2_stderr,
        by_output=tuple(by_output),
    )


def scorer_for(values: ArrayOrList) -> Callable[..., Scores]:
    """What scores a model whose values are of this shape: `(n,)` for one output, `(n, k)` for k."""
    return score if np.ndim(values) == 1 else score_by_output


def stderr_of_sum(entries: np.ndarray) -> float:
    """The standard error of the sum of all `entries`, `(n, ...)`, whose rows are independent."""
    rows = entries.reshape(len(entries), -1).sum(axis=1)
    return float(rows.std() * np.sqrt(len(rows)))


def spread_squares(truth: np.ndarray) -> float:
    """`SS_tot`, the sum of squares of all entries about their mean; 0 where they are constant but for rounding."""
    if not truth.size:
        return 0.0
    total = float(np.sum((truth - truth.mean()) ** 2))
    return total if total > truth.size * (_CONSTANT * np.abs(truth).max()) ** 2 else 0.0


def _total(truth: np.ndarray, noise: np.ndarray) -> float:
    """`SS_tot` of the truth without its noise."""
    return spread_squares(truth) - float(noise.sum())


def _r2(predicted: np.ndarray, truth: np.ndarray, noise: np.ndarray) -> float | None:
    if not truth.size:
        return None
    total = _total(truth, noise)
    residual = max(0.0, np.sum((predicted - truth) ** 2) - noise.sum())
    return float(1.0 - residual / total) if total > 0 else None
