"""Errors on labels of unknown noise: as they are, and as the excess over another network on the same labels."""

from dataclasses import replace

import numpy as np

from .._foundation.samples import Samples
from ..surrogate import Surrogate, matching_samples
from .evaluate import Evaluation, evaluate
from .noise_level import NoiseLevel, noise_level
from .scores import Excess, Scores, spread_squares, stderr_of_sum, worst_of


class ExcessEvaluator:
    """Scores models on noisy `samples` twice: on the labels as they are, noise and all, as `evaluate` does, and by how
    much larger their squared error is than that of `original` on the same labels (`Scores.excess`).

    With labels `y = V + noise`, `E[(y - f)^2] - E[(y - g)^2] = E[(f - V)^2] - E[(g - V)^2]`: what the noise adds to
    either drops out of the difference, pair by pair, so that its standard error is far below that of each. What it
    says is no more than that: how far `original` itself is from the truth it cannot tell. So it is for labels whose
    noise, estimated by `noise_level`, hides what is asked for; where the noise is small beside that, the labels are.
    """

    def __init__(self, original: Surrogate, samples: Samples, noise: NoiseLevel | None = None):
        self.original, self.samples = original, matching_samples(original, samples)
        self.noise = noise_level(original, self.samples) if noise is None else noise
        self._value = original.value(self.samples.x)
        self._gradient = None if self.samples.dydx is None else original.gradient(self.samples.x)

    def __call__(self, model: Surrogate) -> Evaluation:
        """The errors of `model` in value and, where the samples have derivatives, in delta."""
        samples, x, noise = self.samples, self.samples.x, self.noise
        found = evaluate(model, samples)
        value = _with_excess(found.value, model.value(x), self._value, samples.y, noise.value[:, None])
        delta = delta_scaled = None
        if found.delta is not None:
            spread = np.asarray(x).std(axis=0)
            arrays = [np.asarray(array) for array in (model.gradient(x), self._gradient, samples.dydx)]
            delta = _with_excess(found.delta, *arrays, noise.delta)
            scaled = (array * spread for array in arrays)
            delta_scaled = _with_excess(found.delta_scaled, *scaled, noise.delta * spread**2)
        against = "held-out samples"
        return replace(found, value=value, delta=delta, delta_scaled=delta_scaled, against=against)


def _with_excess(scores: Scores, predicted, original, labels, noise) -> Scores:
    """`scores` with the excess, output by output; `noise` `(k, components)`."""
    k = len(noise)
    columns = [np.asarray(array).reshape(len(labels), k, -1) for array in (predicted, original, labels)]
    by_output = (scores,) if scores.by_output is None else scores.by_output
    return worst_of(
        [
            None if found is None else replace(found, excess=_excess(*(array[:, j] for array in columns), noise[j]))
            for j, found in enumerate(by_output)
        ]
    )


def _excess(predicted, original, labels, noise) -> Excess:
    known = ~np.isnan(labels)
    # The difference of the squares, without their cancellation.
    surplus = np.where(known, (predicted - original) * (predicted + original - 2.0 * labels), 0.0)
    total = spread_squares(original[known])
    of_noise = float(np.sum(np.broadcast_to(noise, known.shape), where=known))
    of_labels = spread_squares(labels[known])
    return Excess(
        r2=float(surplus.sum()) / total if total > 0 else None,
        r2_stderr=stderr_of_sum(surplus) / total if total > 0 else 0.0,
        rmse=float(np.sqrt(max(0.0, surplus.sum() / known.sum()))),
        noise=of_noise / int(known.sum()),
        noise_share=of_noise / of_labels if of_labels > 0 else None,
    )
