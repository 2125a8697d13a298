"""The explorer of a network in a file."""

from pathlib import Path

from .._foundation.files import expect_place, write_result
from ..exploring import explorer_page
from ..interchange import read_network
from ..surrogate import find_error_bars
from .domain import find_domain


def explore(
    model: str | Path,
    out: str | Path,
    *,
    box: str | None = None,
    against: str | Path | None = None,
    columns: str | None = None,
) -> tuple[str, ...]:
    """Writes the explorer of the network in the file `model` to `out`, a page of HTML; warnings are given back.

    Error bars that the file holds are on the page, too.

    `box`, as `read_box` takes it, is the range to explore, by default the one that the network was trained on;
    `against` is the file of a second network of the same inputs and outputs.
    """
    expect_place(out)
    surrogate = read_network(model)
    domain = find_domain(surrogate, box, None, columns)
    rival = None if against is None else (Path(against).name, read_network(against))
    corners = domain.box.lower, domain.box.upper
    bars = None if Path(model).suffix == ".onnx" else find_error_bars(model)
    write_result(out, explorer_page(bars or surrogate, Path(model).name, box=corners, rival=rival))
    return domain.warnings
