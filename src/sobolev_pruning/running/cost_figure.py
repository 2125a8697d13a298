"""Time spent over the number of calls: where the surrogate, training included, overtakes the reference."""

import numpy as np

from ..drawing.canvas import BLUE, GRID, ORANGE, canvas, log_ticks, svg
from ..drawing.numbers import count_text, duration_text
from ..drawing.panels import Panel
from .records import Timings
from .summary import calls_until_paid


def cost_panel(timings: Timings) -> Panel:
    """Seconds spent after n calls, by the source and by the surrogate; training is paid before the first call."""
    paid = calls_until_paid(timings)
    centre = 1e3 if paid is None or paid <= 0 else paid
    calls = np.geomspace(max(centre / 1e3, 1.0), max(centre * 1e3, 1e3), 121)
    source, surrogate = calls * timings.source, timings.total + calls * timings.final
    spent = np.concatenate([source, surrogate])
    limits = max(float(spent.min()) / 1.5, 1e-9), max(float(spent.max()) * 1.5, 1e-6)
    figure, axes = canvas(440, 230, left=46, right=16, top=10, bottom=28)
    axes.set(xscale="log", yscale="log", xlim=(calls[0], calls[-1]), ylim=limits)
    axes.plot(calls, source, color=ORANGE, linewidth=2.2, linestyle=(0, (5, 2)))
    axes.plot(calls, surrogate, color=BLUE, linewidth=2.2)
    if paid is not None and paid > 0:
        axes.axvline(paid, color=GRID, linewidth=1.2)
        axes.plot([paid], [paid * timings.source], "o", color=BLUE, markersize=8)
    log_ticks(axes.xaxis, calls[0], calls[-1], count=6)
    log_ticks(axes.yaxis, *limits, count=5)
    words = "the surrogate never pays" if paid is None else f"the surrogate has paid after {count_text(paid)} calls"
    description = f"Time spent over the number of calls; training took {duration_text(timings.total)}, {words}."
    return Panel("Time spent over the number of calls", svg(figure, "cost", description))
