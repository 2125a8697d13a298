"""Slices through the box as drawings: value above, slope below, one column per input."""

import numpy as np

from ..drawing.canvas import BLUE, GREY, canvas, few_ticks, svg
from ..drawing.panels import Panel, Row
from .records import ReportRecord, SliceRecord


def slice_rows(record: ReportRecord) -> tuple[Row, ...]:
    """A row of values and one of slopes, a panel for each input."""
    if not record.slices:
        return ()
    output = str(record.outputs[0])
    titles = {"value": output, "slope": f"slope of {record.outputs[0].name} in the input of the axis"}
    return tuple(
        Row(title, tuple(_panel(one, what, output) for one in record.slices)) for what, title in titles.items()
    )


def _panel(one: SliceRecord, what: str, output: str) -> Panel:
    found = one.value if what == "value" else one.slope
    true = one.true_value if what == "value" else one.true_slope
    figure, axes = canvas(236, 168, left=62, right=8, top=6, bottom=38)
    if true is not None:
        axes.plot(one.places, true, color=GREY, linewidth=5.0, alpha=0.6)
    axes.plot(one.places, found, color=BLUE, linewidth=1.6)
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis)
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:.5g}")
    axes.set_xlabel(str(one.variable), fontsize=10, labelpad=2)
    name = what if what == "value" else f"d{output}/d{one.variable.name}"
    description = f"The {name} along {one.variable} through the middle of the box"
    if true is not None:
        description += f"; it differs from the truth by {np.nanmax(np.abs(found - true)):.3g} at most"
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in one.variable.name)
    return Panel(one.variable.name, svg(figure, f"slice-{what}-{slug}", f"{description}."))
