"""How noisy labels are, where nobody says: by what neighbouring samples leave of a network's residuals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._foundation.samples import Samples
from ..surrogate import Surrogate

_NEIGHBOURS = 8
_MOST_ROWS = 16_384
_MOST_QUERIES = 2048
_MOST_NUMBERS = 2**24
"""How many slopes of neighbours are held at once."""


class NoiseLevel(NamedTuple):
    """Estimated variances of the noise in the values, `(k,)`, and in the derivatives, `(k, d)` or None without any."""

    value: Float[np.ndarray, "k"]
    delta: Float[np.ndarray, "k d"] | None


def noise_level(network: Surrogate, samples: Samples) -> NoiseLevel:
    """The noise of the labels of `samples`, with residuals `r = y - f(x)` and `s = dydx - grad f(x)` of `network`.

    What is smooth in the residuals, the network's own error, is nearly the same at two near points; noise is not. With
    `h` the step from a sample to a near one, half the mean square of each of

        r,    r - r',    r - r' - (s + s').h / 2

    (the first one whole) is at least the variance of the noise, plus what is left of the network's error: all of it,
    its first differences, its third ones. So is the value at distance 0 of the last two, taken along a straight line
    over the mean squared distances of the 8 nearest neighbours (the Gamma test, Stefansson, Koncar and Jones 1997). The
    smallest of them is the estimate. For derivatives likewise; besides, noise in them would show in the last difference
    as `|h|^2 / 2` times its variance, inputs in units of their spread.

    Where the samples state standard errors, those are taken instead.
    """
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    stated = [None if e is None else np.asarray(e).reshape(n, k, -1) for e in (samples.y_stderr, samples.dydx_stderr)]
    values = np.asarray(samples.y).reshape(n, k) - np.asarray(network.value(samples.x)).reshape(n, k)
    slopes = None
    if samples.dydx is not None:
        slopes = np.asarray(samples.dydx).reshape(n, k, d) - np.asarray(network.gradient(samples.x)).reshape(n, k, d)
    found = _by_neighbours(np.asarray(samples.x), values, slopes)
    return NoiseLevel(
        found.value if stated[0] is None else np.mean(stated[0] ** 2, axis=(0, 2)),
        found.delta if stated[1] is None else _mean(stated[1] ** 2),
    )


def _by_neighbours(x, values, slopes) -> NoiseLevel:
    value = [np.mean(values**2, axis=0)]
    delta = None if slopes is None else [_mean(slopes**2)]
    wanted = max(1, min(_MOST_QUERIES, _MOST_NUMBERS // (_NEIGHBOURS * values.shape[1] * x.shape[1])))
    rows, others, distances = _neighbours(x / x.std(axis=0), wanted)
    if not others.shape[1]:
        return NoiseLevel(value[0], None if delta is None else delta[0])
    apart = 0.5 * np.mean((values[rows, None] - values[others]) ** 2, axis=0)
    value += [apart[0], _at_distance_0(apart, distances)]
    if slopes is not None:
        step = x[rows, None] - x[others]
        mean_slope = 0.5 * (slopes[rows, None] + slopes[others])
        curved = (values[rows, None] - values[others]) - np.einsum("npkd,npd->npk", mean_slope, step)
        left = 0.5 * _mean(curved**2)
        value += [left[0], _at_distance_0(left, distances)]
        apart = 0.5 * _mean((slopes[rows, None] - slopes[others]) ** 2)
        per_spread = 4.0 * left[0] / max(distances[0], np.finfo(np.float64).tiny)
        delta += [apart[0], _at_distance_0(apart, distances), per_spread[:, None] / x.var(axis=0)]
    return NoiseLevel(_least(value), None if delta is None else _least(delta))


def _neighbours(x, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The wanted number of rows, their nearest others in order, and the mean squared distances to these, by order."""
    from scipy.spatial import cKDTree

    among = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_ROWS)).astype(int))
    rows = among[np.unique(np.linspace(0, len(among) - 1, min(len(among), wanted)).astype(int))]
    count = min(_NEIGHBOURS, len(among) - 1)
    if count < 1:
        return rows, np.zeros((len(rows), 0), int), np.zeros(0)
    distances, found = cKDTree(x[among]).query(x[rows], count + 1)
    # A sample is its own nearest neighbour; of several at one place any may come first.
    own = among[found] == rows[:, None]
    own[~own.any(axis=1), -1] = True
    others = among[found][~own].reshape(len(rows), count)
    return rows, others, np.mean(distances[~own].reshape(len(rows), count) ** 2, axis=0)


def _at_distance_0(squares: Float[np.ndarray, "p ..."], distances: Float[np.ndarray, "p"]):
    """The straight line through `squares` over `distances`, at 0; that through the first where there is one only."""
    centred = distances - distances.mean()
    spread = np.sum(centred**2)
    if spread == 0.0:
        return squares[0]
    with np.errstate(invalid="ignore"):  # infinite where nothing is known
        slope = np.tensordot(centred, squares, 1) / spread
        return squares.mean(axis=0) - slope * distances.mean()


def _mean(entries: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "..."]:
    """The mean over the rows, of what is known of them; infinite where nothing is."""
    known = ~np.isnan(entries)
    total, count = np.sum(entries, axis=0, where=known), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def _least(estimates: list[np.ndarray]) -> np.ndarray:
    return np.maximum(np.fmin.reduce(np.stack(estimates)), 0.0)
