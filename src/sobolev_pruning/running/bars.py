"""Error bars of a run's final network."""

import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..evaluation import Evaluator, calibrated
from ..surrogate import ErrorBars, Surrogate
from ..training import error_bars, label_noise
from .config import RunConfig, TrainingConfig
from .search_stages import search_samples
from .sources import AbstractSource
from .stages import finetuning_samples

MOST_PARAMETERS = 1000
"""Of a network whose error bars are made on the way: for a larger one they take a minute, and fill its files."""


def error_bars_of(
    network: Surrogate, stage: str, config: RunConfig, source: AbstractSource, samples: Samples, on_box: Evaluator
) -> ErrorBars | None:
    """From what `network`, of the final `stage`, leaves of the samples that it was trained on; right in the mean over
    the test points where the truth is known there.

    None for a network that is too large, or that has used up nearly all its labels.
    """
    if network.n_parameters > MOST_PARAMETERS:
        return None
    labels, training = _trained_on(stage, config, source, samples)
    order = 0 if labels.dydx is None else training.order
    try:
        bars = error_bars(
            network,
            labels,
            order,
            balance=training.balance,
            weight=training.weight,
            scaled=training.scaled,
            noise=label_noise(network, labels, order) if training.noise_rounds else None,
        )
    except InputError:
        return None
    truth = on_box.truth
    if source.reference is None and truth.value_stderr is None:
        return bars  # rows kept apart, with a noise that nobody knows: it would count as the network's error
    known = truth.gradient is not None and not np.isnan(np.asarray(truth.gradient)).any()
    points = Samples(
        on_box.points,
        truth.value,
        truth.gradient if known else None,
        y_stderr=truth.value_stderr,
        dydx_stderr=truth.gradient_stderr if known else None,
    )
    try:
        return calibrated(bars, points)
    except InputError:
        return bars


def _trained_on(
    stage: str, config: RunConfig, source: AbstractSource, samples: Samples
) -> tuple[Samples, TrainingConfig]:
    """The samples of the final stage's training, drawn again where they were drawn for it, and its settings.

    A network that learnt labels of its teacher is held against those of the source, which are what has noise.
    """
    if config.search is not None:
        fresh = stage == "finetuned"
        return search_samples(config, source, samples) if fresh else samples, config.search.training
    way = stage.removeprefix("finetuned-")
    if way == stage:
        return samples, config.oversized.training
    fresh = way == "reference"
    labels = finetuning_samples(config, source, samples) if fresh else samples
    return labels, getattr(config.finetuning, way).training
