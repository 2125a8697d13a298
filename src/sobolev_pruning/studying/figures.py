"""Drawings of a study: errors over size for every approach, and the levels of a factor below one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..drawing.canvas import BLUE, FONT_SIZE, GREY, GRID, INK, ORANGE, canvas, log_ticks, svg
from ..drawing.numbers import count_text, error_text
from ..drawing.panels import Panel
from .records import COMPARED_QUANTITIES, StudyRecord
from .statistics import Setting, all_errors, front, settings_of, varying
from .words import approach_text, level_text, listed

STYLES = {
    "pruning": (BLUE, "o", "-"),
    "scratch": (ORANGE, "D", (0, (5, 2))),
    "scratch-restarts": (ORANGE, "s", "-"),
    "growing": (INK, "^", (0, (5, 2))),
    "set": (GREY, "v", (0, (1, 2))),
    "rigl": (GREY, "P", "-"),
}
"""Colour, marker and line of every approach."""

_WIDTH, _LABELS, _LINE = 420, 180, 25
_BEYOND = 10.0
"""The fronts show errors up to so many times the larger one of the oversized network and the front."""

_APART = 1.035
"""Markers of different approaches at the same size stand beside one another, by this factor."""


@dataclass(frozen=True)
class Key:
    """One entry of a legend: an `<svg>` element and what it stands for."""

    svg: str
    text: str


def front_panels(record: StudyRecord) -> tuple[Panel, ...]:
    """Error over the number of parameters, one panel per quantity, one line per approach, bars from the smallest to
    the largest error over the seeds; behind them the front of all settings of the study.
    """
    settings = varying(record, ("approach", "size"))
    everything = list(settings_of(record.cells).values())
    return tuple(_front(record, quantity, settings, everything) for quantity in COMPARED_QUANTITIES)


def _front(record: StudyRecord, quantity: str, settings: list[Setting], everything: list[Setting]) -> Panel:
    steps = front(everything, quantity)
    oversized = Setting(record.oversized).spread(quantity)
    medians = [error for _, error in steps] + ([oversized[1]] if oversized else [])
    limits = _limits([*settings, Setting(record.oversized)], quantity, _BEYOND * max(medians, default=1.0))
    sizes = [setting.n_parameters for setting in everything]
    figure, axes = canvas(_WIDTH, 330, left=52, right=14, top=8, bottom=28)
    ends = min(sizes) / 1.35, max(sizes) * 1.35
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=limits)
    if steps:
        x, y = zip(*steps, (ends[1], steps[-1][1]))
        axes.step(x, y, where="post", color=GRID, linewidth=5, solid_capstyle="butt")
    if oversized:
        axes.axhline(oversized[1], color=INK, linewidth=1, linestyle=(0, (1, 3)))
    found = approaches(record)
    words = []
    for number, approach in enumerate(found):
        line = [setting for setting in settings if setting.levels["approach"] == approach and setting.spread(quantity)]
        line.sort(key=lambda setting: setting.n_parameters)
        if not line:
            continue
        x = np.array([setting.n_parameters for setting in line]) * _APART ** (number - (len(found) - 1) / 2)
        spreads = np.array([setting.spread(quantity) for setting in line])
        low, middle, high = np.clip(spreads, *limits).T
        colour, marker, style = STYLES[approach]
        axes.vlines(x, low, high, color=colour, linewidth=1.2)
        axes.plot(x, middle, color=colour, marker=marker, linestyle=style, linewidth=1.4, markersize=6)
        places = [f"{error_text(error)} at {count_text(one.n_parameters)}" for (_, error, _), one in zip(spreads, line)]
        words.append(f"{approach_text(approach)}: {listed(places)}")
    marks = sorted({setting.n_parameters for setting in settings})
    axes.set_xticks(marks, [count_text(mark) for mark in marks])
    axes.set_xticks([], minor=True)
    log_ticks(axes.yaxis, *limits, count=6)
    description = f"Median error of {quantity} over the number of parameters. {'; '.join(words)}."
    return Panel(quantity.capitalize(), svg(figure, f"front-{quantity}", description))


def approaches(record: StudyRecord) -> list[str]:
    """The approaches that the study took, in the order of their styles."""
    found = {setting.levels["approach"] for setting in varying(record, ("approach", "size"))}
    return [approach for approach in STYLES if approach in found]


def approach_keys(record: StudyRecord) -> tuple[Key, ...]:
    """The legend of the fronts."""
    keys = []
    for approach in approaches(record):
        colour, marker, style = STYLES[approach]
        figure, axes = canvas(34, 16, left=0, right=0, top=0, bottom=0)
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.plot([0, 1], [0.5, 0.5], color=colour, linestyle=style, linewidth=1.4)
        axes.plot([0.5], [0.5], color=colour, marker=marker, markersize=6)
        keys.append(Key(svg(figure, f"key-{approach}", approach_text(approach)), approach_text(approach)))
    return tuple(keys)


def factor_panels(record: StudyRecord, factor: str) -> tuple[Panel, ...]:
    """The levels of a factor, all others at their default: median error as a dot, all seeds as a bar."""
    settings = varying(record, (factor,))
    if len(settings) < 2:
        return ()
    return tuple(_levels(record, factor, quantity, settings) for quantity in COMPARED_QUANTITIES)


def _levels(record: StudyRecord, factor: str, quantity: str, settings: list[Setting]) -> Panel:
    limits = _limits(settings, quantity)
    labels = [level_text(factor, setting) for setting in settings]
    lines = np.arange(len(labels))
    figure, axes = canvas(_WIDTH, 30 + _LINE * len(labels), left=_LABELS, right=28, top=4, bottom=26)
    axes.set(xscale="log", xlim=limits, ylim=(len(labels) - 0.5, -0.5))
    words = []
    for line, label, setting in zip(lines, labels, settings):
        spread = setting.spread(quantity)
        if spread is None:
            continue
        low, middle, high = np.clip(spread, *limits)
        colour = ORANGE if setting.name == record.default else BLUE
        axes.plot([low, high], [line, line], color=colour, linewidth=1.6)
        axes.plot([middle], [line], "D" if colour == ORANGE else "o", color=colour, markersize=7)
        words.append(f"{label} {error_text(spread[1])}")
    axes.set_yticks(lines, labels, parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=FONT_SIZE + 0.5)
    axes.spines["left"].set_color(GRID)
    log_ticks(axes.xaxis, *limits, count=6)
    description = f"Median error of {quantity}: {'; '.join(words)}."
    return Panel(quantity.capitalize(), svg(figure, f"factor-{factor}-{quantity}", description))


def _limits(settings: Sequence[Setting], quantity: str, most: float = 10.0) -> tuple[float, float]:
    """A logarithmic axis that holds all errors up to `most`; errors beyond stand at its end."""
    errors = np.array(all_errors(settings, quantity) or [1e-3, 1.0])
    lowest, highest = float(errors.min()), min(float(errors.max()), most)
    margin = max((highest / lowest) ** 0.05, 1.5)
    return lowest / margin, highest * margin
