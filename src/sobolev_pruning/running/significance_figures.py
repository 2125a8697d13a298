"""The significance of every node before each round of pruning, layer by layer, with what was removed."""

import numpy as np

from ..drawing.canvas import BLUE, FONT_SIZE, INK, ORANGE, canvas, log_ticks, svg
from ..drawing.numbers import count_text
from ..drawing.panels import Panel
from .records import RemovalRecord, ReportRecord

_LAYER = 40


def significance_panels(record: ReportRecord) -> tuple[Panel, ...]:
    """One panel per round; all share the horizontal axis."""
    scores = [scores[np.isfinite(scores) & (scores > 0)] for round in record.removals for scores in round.scores]
    positive = np.concatenate(scores) if scores else np.zeros(0)
    lower, upper = (positive.min(), positive.max()) if positive.size else (0.1, 1.0)
    margin = max((upper / lower) ** 0.04, 1.2)
    return tuple(_panel(round, (lower / margin, upper * margin)) for round in record.removals)


def _panel(round: RemovalRecord, limits: tuple[float, float]) -> Panel:
    layers = len(round.scores)
    figure, axes = canvas(370, 30 + _LAYER * layers, left=58, right=104, top=4, bottom=26)
    axes.set(xscale="log", xlim=limits, ylim=(layers - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    for layer, (scores, kept) in enumerate(zip(round.scores, round.kept)):
        # Nodes of significance 0, or without a bound, stand at the edge of the logarithmic scale.
        places = np.clip(np.nan_to_num(scores, nan=limits[1], posinf=limits[1]), *limits)
        _ticks(axes, places[kept], layer - 0.36, layer - 0.02, BLUE)
        _ticks(axes, places[~kept], layer + 0.08, layer + 0.36, ORANGE)
        axes.text(
            1.03,
            layer,
            f"{int(kept.sum())} of {len(kept)} kept" if kept.any() else f"all {len(kept)} removed",
            transform=axes.get_yaxis_transform(),
            verticalalignment="center",
            fontsize=FONT_SIZE,
            color=INK,
        )
    axes.set_yticks(range(layers), [f"layer {number}" for number in range(1, layers + 1)])
    axes.tick_params(axis="y", length=0)
    log_ticks(axes.xaxis, *limits, count=5)
    nodes = sum(len(kept) for kept in round.kept)
    staying = sum(int(kept.sum()) for kept in round.kept)
    note = f"{count_text(nodes)} → {count_text(staying)} nodes, by {round.method}"
    description = f"Significance of every node before round {round.round}: {note}."
    return Panel(f"Round {round.round}", svg(figure, f"significance-{round.round}", description), note)


def _ticks(axes, places: np.ndarray, top: float, bottom: float, colour: str) -> None:
    """One short upright line per node, all of them in one path."""
    x = np.repeat(places, 3)
    y = np.tile([top, bottom, np.nan], len(places))
    axes.plot(x, y, color=colour, linewidth=1.1, solid_capstyle="butt")
