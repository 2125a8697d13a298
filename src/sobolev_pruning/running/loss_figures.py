"""Loss curves of every trained stage: plain training beside Sobolev training, training beside held-out samples."""

import numpy as np

from ..drawing.canvas import BLUE, INK, ORANGE, canvas, few_ticks, log_ticks, svg
from ..drawing.numbers import error_text, stage_label
from ..drawing.panels import Panel
from .records import ReportRecord, StageRecord

_STYLES = {"value": (BLUE, "-"), "derivative": (ORANGE, (0, (5, 2))), "hessian": (INK, (0, (1, 2)))}
"""Colour and line of every term of the loss."""


def loss_panels(record: ReportRecord) -> tuple[Panel, ...]:
    """One panel per stage that has a history; all share the vertical axis, so that they can be compared."""
    trained = [stage for stage in record.stages if stage.history is not None and len(stage.history)]
    losses = np.concatenate([curve for stage in trained for curve in _curves(stage).values()]) if trained else []
    losses = np.asarray(losses)[np.isfinite(losses)]
    if losses.size == 0:
        return ()
    limits = float(losses.min()) / 1.25, float(losses.max()) * 1.25
    return tuple(_panel(number, stage, limits) for number, stage in enumerate(trained))


def is_sobolev(stage: StageRecord) -> bool:
    """Whether derivatives took part in the training: without them their loss is recorded as 0."""
    return bool(np.any(np.asarray(stage.history.train_derivative) > 0))


def has_second_derivatives(stage: StageRecord) -> bool:
    """Whether second derivatives took part in the training."""
    return stage.history is not None and bool(np.any(np.asarray(stage.history.train_hessian) > 0))


def _curves(stage: StageRecord) -> dict[str, np.ndarray]:
    history = stage.history
    names = [f"{part}_{kind}" for kind in _STYLES for part in ("train", "held_out")]
    columns = {name: np.asarray(getattr(history, name), np.float64) for name in names}
    return {name: np.where(column > 0, column, np.nan) for name, column in columns.items() if (column > 0).any()}


def _panel(number: int, stage: StageRecord, limits: tuple[float, float]) -> Panel:
    figure, axes = canvas(340, 190, left=46, right=14, top=8, bottom=26)
    axes.set(yscale="log", ylim=limits)
    curves = _curves(stage)
    marker = "o" if len(stage.history) == 1 else ""
    for name, curve in curves.items():
        held_out = name.startswith("held_out")
        color, linestyle = _STYLES[name.rsplit("_", 1)[1]]
        axes.plot(
            stage.history.step,
            curve,
            color=color,
            linestyle=linestyle,
            linewidth=2.2 if held_out else 1.0,
            alpha=1.0 if held_out else 0.65,
            marker=marker,
        )
    few_ticks(axes.xaxis, 4)
    log_ticks(axes.yaxis, *limits, count=4)
    trained_on = "values and derivatives" if is_sobolev(stage) else "values only"
    label = stage_label(stage.name)
    ends = "; ".join(f"{name.replace('_', ' ')} ends at {error_text(curve[-1])}" for name, curve in curves.items())
    description = f"Loss over optimiser steps, {label}, trained on {trained_on}: {ends}."
    return Panel(label, svg(figure, f"loss-{number}", description), trained_on)
