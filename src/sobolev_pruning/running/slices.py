"""Value and slope of the final network along every input through the middle of the box, beside the truth."""

import jax.numpy as jnp
import numpy as np

from ..surrogate import Surrogate
from .records import SliceRecord
from .sources import AbstractSource

_PLACES = 41
_ESTIMATED_PLACES = 17
"""Where every truth is the mean of many paths."""

_MOST = 6
"""Inputs that are shown: those along which the value changes most."""


def slices_of(network: Surrogate, source: AbstractSource) -> tuple[SliceRecord, ...]:
    """A slice for each of up to six inputs, the most important first; of the first output where there are several.

    The truth stands beside where it can be asked anywhere; with its standard error where it is an estimate.
    """
    lower, upper = source.box
    middle = 0.5 * (lower + upper)
    count = _ESTIMATED_PLACES if source.reference is not None and source.estimated else _PLACES
    along = [np.linspace(low, high, count) for low, high in zip(lower, upper)]
    points = [_moved(middle, c, places) for c, places in enumerate(along)]
    swings = [float(np.ptp(_first(network.value(each)))) for each in points]
    shown = sorted(np.argsort(swings)[::-1][:_MOST].tolist(), key=lambda c: -swings[c])
    return tuple(_slice(network, source, c, along[c], points[c]) for c in shown)


def _slice(network: Surrogate, source: AbstractSource, c: int, places: np.ndarray, points: np.ndarray) -> SliceRecord:
    truth = None if source.reference is None else source.reference.truth(jnp.asarray(points), 1)
    known = truth is not None and truth.gradient is not None
    return SliceRecord(
        variable=source.inputs[c],
        places=places,
        value=_first(network.value(points)),
        slope=_first(np.asarray(network.gradient(points))[..., c]),
        true_value=None if truth is None else _first(truth.value),
        true_slope=_first(np.asarray(truth.gradient)[..., c]) if known else None,
        value_stderr=None if truth is None or truth.value_stderr is None else _first(truth.value_stderr),
    )


def _moved(middle: np.ndarray, c: int, places: np.ndarray) -> np.ndarray:
    points = np.tile(middle, (len(places), 1))
    points[:, c] = places
    return points


def _first(array) -> np.ndarray:
    array = np.asarray(array)
    return array if array.ndim == 1 else array[:, 0]
