"""Where a network is looked at: the box and the data of one command, and whether the network was trained there."""

from dataclasses import dataclass
from pathlib import Path

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..enclosure import Interval
from ..sampling import read_samples
from ..scoring import as_box
from ..surrogate import Surrogate, outside_training_range
from .boxes import column_names, read_box


@dataclass(frozen=True)
class DataOptions:
    """A data file with the names of its input and output columns, as `boxes.column_names` reads them."""

    path: Path
    x: str = "x*"
    y: str = "y*"


@dataclass(frozen=True)
class Domain:
    """The box, the samples of a data file (None without one), and a sentence for each doubt about them."""

    box: Interval
    samples: Samples | None
    warnings: tuple[str, ...]


def find_domain(surrogate: Surrogate, box: str | None, data: DataOptions | None, columns: str = "x*") -> Domain:
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
    return Domain(found, samples, tuple(dict.fromkeys(warnings)))


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
