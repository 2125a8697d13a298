"""Error bars held against points where the truth is known."""

import numpy as np
from jaxtyping import Float

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..surrogate import ErrorBars, matching_samples

_MOST_NOISE = 0.5
"""Of the squared errors, what may be noise of the labels: of more the difference says nothing."""


def calibrated(bars: ErrorBars, samples: Samples) -> ErrorBars:
    """`bars` with the factors that make them right in the mean square over `samples` that nothing was trained on.

    The square of the factor of an output's value is `mean(error^2 - stderr^2) / mean(bar^2)` over the samples, that of
    its derivatives the same for all slopes, each in units of its input's spread; `stderr` are the standard errors of
    the labels, 0 where they have none. So a bias that the noise of the training labels does not show, because the
    network cannot fit them, is in the bars, too.

    Raises `InputError` where more than half of the squared errors are noise of these labels: such samples tell of
    their own noise, not of the network's error. Slopes that are missing, or that noisy, have the factor of the value.

    >>> import jax
    >>> from sobolev_pruning import LevenbergMarquardt, Surrogate, error_bars, fit
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> samples = basket.sample(jax.random.key(1), 2048)
    >>> start = Surrogate.create([2, 3, 1], samples, key=jax.random.key(2))
    >>> network = fit(start, samples, key=jax.random.key(3), optimiser=LevenbergMarquardt(20)).surrogate
    >>> truth = basket.truth(samples.x[:200], 1)
    >>> bars = calibrated(error_bars(network, samples), Samples(samples.x[:200], truth.value, truth.gradient))
    >>> errors = bars.surrogate.value(samples.x[:200]) - truth.value
    >>> bool(np.isclose(np.mean(errors**2), np.mean(bars.value(samples.x[:200]) ** 2)))
    True
    """
    network = bars.surrogate
    samples = matching_samples(network, samples)
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    value = _factors(network.value(samples.x), samples.y, samples.y_stderr, bars.value(samples.x), (n, k, 1))
    if np.isnan(value).any():
        raise InputError(
            "The labels of the samples are too noisy to calibrate error bars by: give points where the truth is known, "
            "or labels with more paths each."
        )
    derivatives = np.full(k, np.nan)
    if samples.dydx is not None and not samples.missing:
        found, errors = network.gradient(samples.x), bars.gradient(samples.x)
        derivatives = _factors(
            found, samples.dydx, samples.dydx_stderr, errors, (n, k, d), np.asarray(samples.x).std(axis=0)
        )
    return bars.scaled(value, np.where(np.isnan(derivatives), value, derivatives))


def _factors(found, labels, stderr, bars, shape: tuple[int, ...], spreads=1.0) -> Float[np.ndarray, "k"]:
    """One for each output; NaN where the noise of the labels hides the error."""
    found, labels, bars = (np.asarray(array).reshape(shape) * spreads for array in (found, labels, bars))
    noise = np.zeros(shape) if stderr is None else np.asarray(stderr).reshape(shape) * spreads
    squares, noise, predicted = (np.mean(array**2, axis=(0, 2)) for array in (found - labels, noise, bars))
    known = (noise <= _MOST_NOISE * squares) & (predicted > 0)
    ratio = np.divide(squares - noise, predicted, out=np.full(len(squares), np.nan), where=known)
    return np.where(squares == 0, 0.0, np.sqrt(ratio))
