"""The explorer of a run's final network."""

from collections.abc import Sequence

from .._foundation.errors import InputError
from ..exploring import TrueSlice, explorer_part, page_around
from ..surrogate import ErrorBars, Surrogate
from .records import ErrorRecord, SliceRecord
from .sources import AbstractSource

_MOST_RIVAL_PARAMETERS = 2000
"""Of a network as source that is drawn beside: a larger one makes the page slow and large."""


def explorer_of(
    network: Surrogate,
    bars: ErrorBars | None,
    source: AbstractSource,
    slices: Sequence[SliceRecord],
    errors: Sequence[ErrorRecord],
) -> str | None:
    """The explorer as a part of the report, with the truth along the `slices`, and the network that was the source.

    None where it would be too large for a page, or an input does not vary.
    """
    rival = None
    if source.is_network and source.teacher.n_parameters <= _MOST_RIVAL_PARAMETERS:
        rival = "the network given", source.teacher
    try:
        part = explorer_part(
            network if bars is None else bars,
            box=source.box,
            rival=rival,
            errors=[error.rmse for error in errors],
            truth=("the truth", _true_slices(source, slices)) if slices and slices[0].true_value is not None else None,
        )
        page_around(part, network, "")
    except InputError:
        return None
    return part


def _true_slices(source: AbstractSource, slices: Sequence[SliceRecord]) -> list[TrueSlice]:
    return [
        TrueSlice(
            input=source.inputs.index(one.variable),
            output=0,
            places=tuple(one.places.tolist()),
            value=tuple(one.true_value.tolist()),
            slope=None if one.true_slope is None else tuple(one.true_slope.tolist()),
        )
        for one in slices
    ]
