"""Where a network is looked at: the box and the data of one command, and whether the network was trained there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..enclosure import Interval
from ..sampling import read_samples
from ..scoring import as_box
from ..surrogate import Surrogate
from .boxes import column_names, read_box

_MARGIN = 0.01
"""A box may reach beyond the training range by this part of its width: samples rarely hit the ends of their law."""


@dataclass(frozen=True)
class DataOptions:
    """A data file with the names of its input and output columns, as `boxes.column_names` reads them."""

    path: Path
    x: str = "x*"
    y: str = "y*"


@dataclass(frozen=True)
class Ground:
    """The box, the samples of a data file (None without one), and a sentence for each doubt about them."""

    box: Interval
    samples: Samples | None
    warnings: tuple[str, ...]


def find_ground(surrogate: Surrogate, box: str | None, data: DataOptions | None, columns: str = "x*") -> Ground:
    """The box that was asked for; else the range of the data; else the range that `surrogate` was trained on.

    Raises `InputError` where none of them is known, and where data do not fit the network.
    """
    samples = None if data is None else read_data(surrogate, data)
    if box is not None:
        found = read_box(box, surrogate.widths[0], columns)
    elif samples is not None:
        found = as_box((samples.x.min(axis=0), samples.x.max(axis=0)), surrogate.widths[0])
    elif surrogate.training_range is not None:
        found = as_box(surrogate.training_range, surrogate.widths[0])
    else:
        raise InputError("The file of the network holds no training range; say where to look with --box LOWER:UPPER.")
    warnings = outside_training_range(surrogate, found.lower, found.upper)
    if samples is not None and box is not None:
        warnings += outside_training_range(surrogate, samples.x.min(axis=0), samples.x.max(axis=0))
    return Ground(found, samples, tuple(dict.fromkeys(warnings)))


def read_data(surrogate: Surrogate, data: DataOptions) -> Samples:
    """The samples of a data file; raises `InputError` where they have other inputs or outputs than the network."""
    samples = read_samples(data.path, x=column_names(data.x), y=column_names(data.y)).samples
    for kind, option, found, expected in (
        ("inputs", "--x", samples.n_inputs, surrogate.widths[0]),
        ("outputs", "--y", samples.n_outputs, surrogate.widths[-1]),
    ):
        if found != expected:
            raise InputError(
                f"{data.path} has {found} {kind}, but the network has {expected}; name their columns with {option}."
            )
    return samples


def outside_training_range(surrogate: Surrogate, lower: ArrayOrList, upper: ArrayOrList) -> tuple[str, ...]:
    """One sentence where the box from `lower` to `upper` leaves the range the network was trained on, else none."""
    if surrogate.training_range is None:
        return ()
    lowest, highest = (np.asarray(end) for end in surrogate.training_range)
    low, high = np.asarray(lower), np.asarray(upper)
    margin = _MARGIN * (highest - lowest)
    outside = np.flatnonzero((low < lowest - margin) | (high > highest + margin))
    if not outside.size:
        return ()
    i = int(outside[0])
    others = f" (and {outside.size - 1} more inputs likewise)" if outside.size > 1 else ""
    return (
        f"Input {i} reaches from {low[i]:.4g} to {high[i]:.4g}, but the network was trained from {lowest[i]:.4g} to "
        f"{highest[i]:.4g}{others}; beyond it values are extrapolated.",
    )
