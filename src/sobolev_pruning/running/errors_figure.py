"""The errors of all stages at a glance: one panel per quantity, one line per stage, the published figures beside."""

import numpy as np

from ..drawing.canvas import BLUE, FONT_SIZE, GRID, ORANGE, canvas, log_ticks, svg
from ..drawing.numbers import error_text, stage_label
from ..drawing.panels import Panel
from .records import ReportRecord
from .tables import REPORTED_QUANTITIES, measured_quantities

_WIDTH, _LABELS, _LINE = 420, 180, 25


def error_panels(record: ReportRecord) -> tuple[Panel, ...]:
    """Error `1 - R2` of each stage on a logarithmic scale, ours and the published one, for every quantity measured."""
    ours = {q: [_error(stage.evaluation.figures("r2")[q]) for stage in record.stages] for q in REPORTED_QUANTITIES}
    paper = {
        q: [_error(record.published.get(stage.name, {}).get(q)) for stage in record.stages] for q in REPORTED_QUANTITIES
    }
    drawn = [q for q in measured_quantities(record) if np.isfinite(ours[q]).any()]
    if not drawn:
        return ()
    everything = np.array([ours[q] for q in drawn] + [paper[q] for q in drawn])
    lowest, highest = float(np.nanmin(everything)), float(np.nanmax(everything))
    margin = max((highest / lowest) ** 0.05, 1.5)
    limits = lowest / margin, highest * margin
    labels = [_shortened(stage_label(stage.name)) for stage in record.stages]
    return tuple(_panel(q, labels, np.array(ours[q]), np.array(paper[q]), limits) for q in drawn)


def _panel(quantity: str, labels: list[str], ours: np.ndarray, paper: np.ndarray, limits) -> Panel:
    lines = np.arange(len(labels))
    figure, axes = canvas(_WIDTH, 30 + _LINE * len(labels), left=_LABELS, right=14, top=4, bottom=26)
    axes.set(xscale="log", xlim=limits, ylim=(len(labels) - 0.5, -0.5))
    axes.plot(ours, lines, "o", color=BLUE, markersize=8)
    axes.plot(paper, lines, "D", color="none", markeredgecolor=ORANGE, markersize=7, markeredgewidth=1.7)
    axes.set_yticks(lines, labels, parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=FONT_SIZE + 0.5)
    axes.spines["left"].set_color(GRID)
    log_ticks(axes.xaxis, *limits, count=6)
    read = "; ".join(f"{label} {error_text(error)}" for label, error in zip(labels, ours))
    return Panel(quantity.capitalize(), svg(figure, f"error-{quantity}", f"Error of {quantity} by stage: {read}."))


def _shortened(label: str, longest: int = 28) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def _error(r2: float | None) -> float:
    # A perfect score has no place on a logarithmic scale; rounding of float64 bounds it from below anyway.
    return np.nan if r2 is None or not np.isfinite(r2) else max(1.0 - r2, 1e-16)
