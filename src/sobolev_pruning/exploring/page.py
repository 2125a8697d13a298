"""The page of an explorer, and the part of it that stands in other pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.variables import expect_same, in_short
from ..drawing.numbers import count_text
from ..drawing.templates import read_beside, render
from ..interchange import javascript
from ..interchange.box import exported_range
from ..surrogate import ErrorBars, Surrogate
from .proved import ProvedParts, proved_parts

MOST_BYTES = 300_000
"""Of a page: it opens at once on a telephone, and goes by mail."""


@dataclass(frozen=True)
class TrueSlice:
    """The truth along one input, the others in the middle of the box: value and slope of an output at `places`."""

    input: int
    output: int
    places: tuple[float, ...]
    value: tuple[float, ...]
    slope: tuple[float, ...] | None


def explorer_page(
    surrogate: Surrogate | ErrorBars,
    title: str,
    *,
    box: Sequence[ArrayOrList] | None = None,
    rival: tuple[str, Surrogate] | None = None,
) -> str:
    """A page of HTML, complete in itself, on which the inputs of `surrogate` are moved by hand.

    It shows the value and every sensitivity at a point of the box, slices along every input, a map over two inputs, and
    what is proved in the part of the box where the point lies; of `ErrorBars` also these. `title` names the network;
    `box` is lower and upper corner of the inputs, by default the surrogate's training range; `rival` is another network
    of the same inputs and outputs with its name, drawn beside it.

    Raises `InputError` where no box is known, where the rival's inputs or outputs differ, and where the page would
    exceed 300 kB.
    """
    network = surrogate.surrogate if isinstance(surrogate, ErrorBars) else surrogate
    return page_around(explorer_part(surrogate, box=box, rival=rival), network, title)


def page_around(part: str, surrogate: Surrogate, title: str) -> str:
    """The page of the explorer `part` of `surrogate` alone; raises `InputError` where it would exceed 300 kB."""
    names = in_short([variable.name for variable in surrogate.outputs], 3)
    layers = "-".join(map(str, surrogate.widths))
    page = render(
        __package__,
        title=title,
        headline=f"{names} of {in_short([variable.name for variable in surrogate.inputs], 6)}",
        lead=f"Network {layers}, activation {surrogate.activation}, {count_text(surrogate.n_parameters)} parameters. "
        "Move an input, drag in a slice or in the map; everything is computed here, on this page.",
        part=part,
        version=version("sobolev-pruning"),
    )
    size = len(page.encode())
    if size > MOST_BYTES:
        raise InputError(
            f"The page of a network with {surrogate.n_parameters} parameters would take {size // 1000} kB, more than "
            f"{MOST_BYTES // 1000}; shrink or prune the network first."
        )
    return page


def explorer_part(
    surrogate: Surrogate | ErrorBars,
    *,
    box: Sequence[ArrayOrList] | None = None,
    rival: tuple[str, Surrogate] | None = None,
    errors: Sequence[float] | None = None,
    truth: tuple[str, Sequence[TrueSlice]] | None = None,
) -> str:
    """The explorer as a part of a page that has the common style: its elements, its style, its script.

    `errors` are measured ones, the root mean square for each output in its unit; `truth` is its name and slices of it.
    """
    written = surrogate
    surrogate = written.surrogate if isinstance(written, ErrorBars) else written
    corners = exported_range(surrogate, box)
    if corners is None:
        raise InputError(
            "The network's training range is not known; give the range to explore by box (--box LOWER:UPPER)."
        )
    lower, upper = map(np.asarray, corners)
    if not (lower < upper).all():
        raise InputError("The box to explore has an input with no width; give each an upper end above its lower.")
    if rival is not None:
        ends = surrogate.widths[0], surrogate.widths[-1]
        if (rival[1].widths[0], rival[1].widths[-1]) != ends:
            raise InputError(
                f"{rival[0]} has {rival[1].widths[0]} inputs and {rival[1].widths[-1]} outputs, the network to explore "
                f"{ends[0]} and {ends[1]}; give a network of the same."
            )
        expect_same(surrogate.inputs, rival[1].inputs, rival[0], "inputs")
        expect_same(surrogate.outputs, rival[1].outputs, rival[0], "outputs")
    proved = proved_parts(surrogate, lower, upper)
    content = {
        "rival": None if rival is None else rival[0],
        "proved": None if proved is None else _as_json(proved),
        "errors": None if errors is None else list(errors),
        "truth": None if truth is None else [vars(one) for one in truth[1]],
    }
    script = [
        f"const network = {_module(written, corners)};",
        f"const rival = {'null' if rival is None else _module(rival[1], corners)};",
        f"const content = {json.dumps(content).replace('<', chr(92) + 'u003c')};",
        read_beside(__package__, "explorer.js"),
    ]
    return render(
        __package__,
        page="part.html.j2",
        own_style=read_beside(__package__, "explorer.css"),
        script="\n".join(script),
        proved=proved is not None,
        error_bars=written is not surrogate,
        rival=None if rival is None else rival[0],
        truth=None if truth is None else truth[0],
    )


def _module(surrogate: Surrogate | ErrorBars, corners: list[list[float]]) -> str:
    text, names = javascript(surrogate, corners)
    return f"(() => {{\n{text}\nreturn {{ {', '.join(names)} }};\n}})()"


def _as_json(parts: ProvedParts) -> dict:
    lower, upper = ({"value": parts.value[end].tolist(), "gradient": parts.gradient[end].tolist()} for end in (0, 1))
    edges = [one.tolist() for one in parts.edges]
    return {"directions": parts.directions.tolist(), "edges": edges, "lower": lower, "upper": upper}
