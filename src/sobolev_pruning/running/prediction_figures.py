"""Predicted against true value, delta and gamma of every stage over one coordinate: the paper's figures."""

import numpy as np

from ..drawing.canvas import GREY, canvas, few_ticks, svg
from ..drawing.numbers import count_text, r2_text, stage_label
from ..drawing.panels import Panel, Row
from .records import Predictions, ReportRecord, StageRecord

_PREDICTED = "#2f80e0"
"""A blue that stands out on white and on black: a picture cannot follow the page into the dark."""

_TITLES = {
    "value": "Value",
    "delta": "Delta: first derivative along a shift of {direction}",
    "gamma": "Gamma: second derivative along the same shift",
}


def prediction_rows(record: ReportRecord) -> tuple[Row, ...]:
    """One row of panels per quantity, one panel per stage; all panels of a row share their vertical axis."""
    if not record.stages:
        return ()
    direction = record.stages[0].predictions.direction
    return tuple(
        Row(
            title.format(direction=direction),
            tuple(_panel(stage, quantity, _limits(record, quantity)) for stage in record.stages),
        )
        for quantity, title in _TITLES.items()
        if any(np.isfinite(_both(stage.predictions, quantity)[1]).any() for stage in record.stages)
    )


def _panel(stage: StageRecord, quantity: str, limits: tuple[float, float]) -> Panel:
    predicted, true = _both(stage.predictions, quantity)
    axis = np.asarray(stage.predictions.axis)
    figure, axes = canvas(190, 150, left=34, right=6, top=6, bottom=22)
    # Thousands of points are drawn as one picture: as vectors they would make the page ten times as heavy.
    axes.plot(axis, true, "o", color=GREY, alpha=0.55, markersize=6.5, markeredgewidth=0, rasterized=True)
    axes.plot(axis, predicted, "o", color=_PREDICTED, markersize=1.7, markeredgewidth=0, rasterized=True)
    axes.set(ylim=limits)
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis)
    label = stage_label(stage.name)
    r2 = stage.evaluation.figures("r2")[quantity]
    outside = int(np.sum(~((predicted >= limits[0]) & (predicted <= limits[1]))))
    note = f"R² {r2_text(r2)}"
    if outside:
        note += f"; {count_text(outside)} points out of view"
    description = f"Predicted and true {quantity} over the {stage.predictions.axis_label}, {label}: {note}."
    return Panel(label, svg(figure, f"prediction-{quantity}-{_slug(stage.name)}", description), note)


def _limits(record: ReportRecord, quantity: str) -> tuple[float, float]:
    """Room for the truth and for nearly all predictions, but never much more than the truth needs."""
    pairs = [_both(stage.predictions, quantity) for stage in record.stages]
    true = np.concatenate([true[np.isfinite(true)] for _, true in pairs])
    predicted = np.concatenate([predicted[np.isfinite(predicted)] for predicted, _ in pairs])
    if true.size == 0:
        return 0.0, 1.0
    span = np.ptp(true) or 1.0
    lowest, highest = np.quantile(predicted, [0.002, 0.998]) if predicted.size else (true.min(), true.max())
    lower = max(min(true.min(), lowest), true.min() - 0.4 * span)
    upper = min(max(true.max(), highest), true.max() + 0.4 * span)
    return float(lower - 0.06 * span), float(upper + 0.06 * span)


def _both(predictions: Predictions, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    predicted, true = getattr(predictions, quantity), getattr(predictions, f"true_{quantity}")
    return np.asarray(predicted, np.float64), np.asarray(true, np.float64)


def _slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
