"""Error bars of a run's final network."""

import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..evaluation import Evaluator, calibrated
from ..surrogate import ErrorBars, Surrogate
from ..training import error_bars
from .sources import AbstractSource

MOST_PARAMETERS = 1000
"""Of a network whose error bars are made on the way: for a larger one they take a minute, and fill its files."""


def error_bars_of(
    network: Surrogate, samples: Samples, source: AbstractSource, on_box: Evaluator, scaled: bool
) -> ErrorBars | None:
    """From what `network` leaves of `samples`; right in the mean over the test points where the truth is known there.

    None for a network that is too large, or has as many parameters as there are labels.
    """
    if network.n_parameters > MOST_PARAMETERS:
        return None
    order = 0 if samples.dydx is None else 1
    try:
        bars = error_bars(network, samples, order, scaled=scaled and order > 0)
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
