"""The network before and after, as layers of nodes."""

from itertools import pairwise

import numpy as np

from ..drawing.canvas import BLUE, FONT_SIZE, GREY, INK, canvas, svg
from ..drawing.numbers import count_text, widths_text
from ..drawing.panels import Panel
from .records import ReportRecord, StageRecord
from .summary import networks

_ROOMY = 16
"""Up to this width a layer is one column of nodes and every weight a line; wider layers are blocks of nodes."""

_MANY = 2000
"""Above so many nodes they are drawn as one picture: as shapes they would weigh more than the rest of the page."""


def network_panels(record: ReportRecord) -> tuple[Panel, ...]:
    """The first network and, where it differs, the final one."""
    way = networks(record)
    if not way:
        return ()
    if way[0].widths == way[-1].widths:
        return (_panel("The network", way[0], "network"),)
    return _panel("Before", way[0], "network-before"), _panel("After", way[-1], "network-after")


def _panel(title: str, stage: StageRecord, name: str) -> Panel:
    widths = stage.widths
    roomy = max(widths) <= _ROOMY
    pitch, gap = (17.0, max(26.0, 330.0 / (len(widths) - 1))) if roomy else (6.0, 30.0)
    rows = max(widths) if roomy else max(16, int(np.ceil(np.sqrt(max(widths)))))
    layers = _place(widths, pitch, gap, rows)
    width, height = max(480.0, layers[-1][:, 0].max() + 60.0), max(pitch * rows, 110.0) + 46.0
    shift = (width - layers[-1][:, 0].max()) / 2
    figure, axes = canvas(width, height, left=0, right=0, top=0, bottom=0)
    axes.set_axis_off()
    middle = (height - 30.0) / 2
    axes.set(xlim=(-shift, width - shift), ylim=(height - middle, -middle))
    for before, after in pairwise(layers):
        (_lines if roomy else _bands)(axes, before, after)
    for number, (nodes, count) in enumerate(zip(layers, widths)):
        outer = number in (0, len(widths) - 1)
        size = 10.0 if roomy else 4.6
        shape, colour = ("s", GREY) if outer else ("o", BLUE)
        axes.plot(*nodes.T, shape, color=colour, markersize=size, markeredgewidth=0, rasterized=sum(widths) > _MANY)
        axes.text(
            nodes[:, 0].mean(), height - middle - 12, count_text(count), ha="center", fontsize=FONT_SIZE + 3, color=INK
        )
    note = f"{widths_text(widths)} · {count_text(stage.n_parameters)} parameters"
    return Panel(title, svg(figure, name, f"{title}: layers of {', '.join(map(str, widths))} nodes."), note)


def _place(widths: tuple[int, ...], pitch: float, gap: float, rows: int) -> list[np.ndarray]:
    """The places `(nodes, 2)` of every layer's nodes: in columns of at most `rows`, centred, layers side by side."""
    layers, left = [], 0.0
    for width in widths:
        columns = -(-width // rows)
        number = np.arange(width)
        column, row = number % columns, number // columns
        height = -(-width // columns)
        layers.append(np.stack([left + pitch * column, pitch * (row - (height - 1) / 2)], axis=1))
        left += pitch * (columns - 1) + gap
    return layers


def _lines(axes, before: np.ndarray, after: np.ndarray) -> None:
    """Every connection, all in one path."""
    a, b = np.repeat(before, len(after), axis=0), np.tile(after, (len(before), 1))
    broken = np.full_like(a, np.nan)
    axes.plot(*np.stack([a, b, broken], axis=1).reshape(-1, 2).T, color=GREY, linewidth=0.8, alpha=0.7)


def _bands(axes, before: np.ndarray, after: np.ndarray) -> None:
    """One band for the many connections between two layers."""
    left, right = before[:, 0].max() + 3.5, after[:, 0].min() - 3.5
    x = [left, right, right, left]
    y = [before[:, 1].min() - 2, after[:, 1].min() - 2, after[:, 1].max() + 2, before[:, 1].max() + 2]
    axes.fill(x, y, color=GREY, alpha=0.28, linewidth=0)
