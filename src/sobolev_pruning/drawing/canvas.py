"""From matplotlib to inline SVG in the page's own colours and font, so that it follows the page into the dark."""

import io
import re
import warnings

import numpy as np

from .numbers import error_text, power_of_ten

INK = "#52514e"
GRID = "#d9d8d2"
BLUE = "#1f6fd0"
ORANGE = "#bf4f06"
GREY = "#8f8d86"

_VARIABLES = {INK: "ink-soft", GRID: "line", BLUE: "blue", ORANGE: "orange", GREY: "grey"}
"""Colours that the page's style sheet redefines in the dark."""

FONT_SIZE = 11.5


def canvas(width: float | int, height: float | int, left: int, right: int, top: int, bottom: int):
    """A figure of `width` by `height` pixels with one plain axes inside the given margins; gives both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")  # 72 points to the inch: a point is a pixel
    inside = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(inside, facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(which="both", color=GRID, labelcolor=INK, labelsize=FONT_SIZE, length=3)
    axes.tick_params(which="minor", length=0)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def few_ticks(axis, count: int = 3) -> None:
    """At most `count` intervals between ticks, at round numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 5, 10]))


def log_ticks(axis, lower: float, upper: float, count: int) -> None:
    """About `count` ticks between `lower` and `upper`: at powers of ten, or between them where there are too few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    decades = 10.0 ** np.arange(np.floor(np.log10(lower)), np.ceil(np.log10(upper)) + 1)
    for mantissas in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), np.arange(1.0, 10.0, 0.5)):
        ticks = np.outer(decades, mantissas).ravel()
        ticks = ticks[(ticks >= lower * (1 - 1e-9)) & (ticks <= upper * (1 + 1e-9))]
        if len(ticks) > 1:
            break
    label = _power if len(mantissas) == 1 else error_text
    axis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // count)] if len(ticks) else [lower, upper]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def _power(value: float) -> str:
    return power_of_ten(round(np.log10(value)))


def svg(figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element to stand in a page; `name` is unique there, `description` is read aloud.

    The same figure gives the same text.
    """
    from matplotlib import rc_context

    written = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        # Text is drawn by the browser, which has the letters that matplotlib's font for measuring may lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(written, format="svg", dpi=144, metadata=no_metadata, transparent=True)
    width, height = figure.get_size_inches() * 72
    body = written.getvalue()
    body = body[body.index(">", body.index("<svg")) + 1 : body.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->|<style.*?</style>|<metadata.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="(\w)', rf' id="{name}-\1', body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{name}-", body)
    body = re.sub(r"font-family: [^;\"]*;?", "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable}, {colour})")
    body = re.sub(r"\s*\n\s*", "\n", body)
    return (
        f'<svg class="figure" role="img" aria-label="{_attribute(description)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>'
    )


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
