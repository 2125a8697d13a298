"""Where a network is looked at: the box and the data of one command, and whether the network was trained there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from .._foundation.variables import Variable, are_named, expect_same
from ..enclosure import Interval
from ..sampling import read_samples
from ..scoring import as_box
from ..surrogate import Surrogate, outside_training_range
from .boxes import columns_of, read_box


@dataclass(frozen=True)
class DataOptions:
    """A data file with the names of its input and output columns, as `boxes.columns_of` reads them; by default those of
    the network.
    """

    path: Path
    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class Domain:
    """The box, the samples of a data file (None without one), and a sentence for each doubt about them."""

    box: Interval
    samples: Samples | None
    warnings: tuple[str, ...]


def find_domain(surrogate: Surrogate, box: str | None, data: DataOptions | None, columns: str | None = None) -> Domain:
    """The box that was asked for; else the range of the data; else the range that `surrogate` was trained on.

    Raises `InputError` where none of them is known, and where data do not fit the network.
    """
    samples = None if data is None else read_data(surrogate, data)
    if box is not None:
        found = read_box(box, surrogate, columns)
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
    """The samples of a data file, with the network's names for the columns that were asked for in its order.

    Raises `InputError` where they have other inputs or outputs than the network, or the same in another order.
    """
    x = columns_of(data.path, data.x, surrogate.inputs, "x*")
    y = columns_of(data.path, data.y, surrogate.outputs, "y*")
    samples = read_samples(data.path, x=x, y=y).samples
    for kind, option, found, expected in (
        ("inputs", "--x", samples.n_inputs, surrogate.widths[0]),
        ("outputs", "--y", samples.n_outputs, surrogate.widths[-1]),
    ):
        if found != expected:
            raise InputError(
                f"{data.path} has {found} {kind}, but the network has {expected}; name their columns with {option}."
            )
    inputs = _named_as(surrogate.inputs, samples.inputs, asked=data.x is not None)
    outputs = _named_as(surrogate.outputs, samples.outputs, asked=data.y is not None)
    expect_same(surrogate.inputs, inputs, str(data.path), "inputs")
    expect_same(surrogate.outputs, outputs, str(data.path), "outputs")
    return replace(samples, inputs=inputs, outputs=outputs)


def _named_as(own: Sequence[Variable], found: Sequence[Variable], asked: bool) -> tuple[Variable, ...]:
    """What columns are called: by the network's `own` names where others were asked for as those."""
    names = [{variable.name for variable in variables} for variables in (own, found)]
    return tuple(own) if asked and are_named(own) and names[0] != names[1] else tuple(found)
