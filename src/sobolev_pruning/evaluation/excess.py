"""Errors on noisy labels, as the excess over another network on the same labels: the noise is common to both."""

import numpy as np

from .._foundation.samples import Samples
from ..surrogate import Surrogate
from .evaluate import Evaluation
from .scores import Scores, stderr_of_sum


class ExcessJudge:
    """Scores models by how much larger their squared error is than that of `original` on the same noisy `samples`.

    With labels `y = V + noise`, `E[(y - f)^2] - E[(y - g)^2] = E[(f - V)^2] - E[(g - V)^2]`: what the noise adds to
    either drops out of the difference, pair by pair, so that its standard error is far below that of each. `1 - r2` of
    the scores is that difference over the spread of the predictions of `original`, below 0 for a better model;
    `r2_stderr` is its standard error. Noise leaves nothing to be said of the largest errors, nor of second derivatives.
    """

    def __init__(self, original: Surrogate, samples: Samples):
        self.original, self.samples = original, samples

    def __call__(self, model: Surrogate) -> Evaluation:
        """The excess errors of `model` in value and, where the samples have derivatives, in delta."""
        samples, x = self.samples, self.samples.x
        delta = delta_scaled = None
        if samples.dydx is not None and not np.isnan(samples.dydx).all():
            predicted, original = (np.asarray(network.gradient(x)) for network in (model, self.original))
            labels, spread = np.asarray(samples.dydx), np.asarray(x).std(axis=0)
            delta = _excess(predicted, original, labels)
            delta_scaled = _excess(predicted * spread, original * spread, labels * spread)
        return Evaluation(
            value=_excess(model.value(x), self.original.value(x), samples.y),
            delta=delta,
            delta_scaled=delta_scaled,
            gamma=None,
            hessian=None,
            n_points=len(samples),
            against="held-out samples, in excess of the start network",
        )


def _excess(predicted, original, labels) -> Scores:
    predicted, original, labels = (np.asarray(array) for array in (predicted, original, labels))
    known = ~np.isnan(labels)
    # The difference of the squares, without their cancellation.
    surplus = np.where(known, (predicted - original) * (predicted + original - 2.0 * labels), 0.0)
    total = float(np.sum(np.square(original - original[known].mean()), where=known))
    return Scores(
        r2=1.0 - float(surplus.sum()) / total if total > 0 else None,
        rmse=float(np.sqrt(max(0.0, surplus.sum() / known.sum()))),
        p99=None,
        max_abs=None,
        r2_by_component=None,
        r2_stderr=stderr_of_sum(surplus) / total if total > 0 else 0.0,
    )
