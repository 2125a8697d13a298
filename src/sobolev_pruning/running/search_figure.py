"""The networks of a search: error against size, with the limit."""

import numpy as np

from ..drawing.canvas import BLUE, GREY, ORANGE, canvas, log_ticks, svg
from ..drawing.numbers import count_text, error_text, widths_text
from ..drawing.panels import Panel
from .records import ReportRecord, SearchRecord
from .summary import error_words

_FLOOR = 1e-16


def search_panels(record: ReportRecord) -> tuple[Panel, ...]:
    """One panel per limited error, or per error that was measured; every network tried is a dot."""
    search = record.search
    if search is None or not search.path:
        return ()
    return tuple(_panel(search, name, error_words(name, record)) for name in search.path[0].errors)


def _panel(search: SearchRecord, name: str, title: str) -> Panel:
    sizes = np.array([candidate.n_parameters for candidate in search.path], np.float64)
    errors = np.array([max(candidate.errors[name], _FLOOR) for candidate in search.path])
    held = np.array([candidate.accepted for candidate in search.path])
    limit = search.limits.get(name)
    everything = np.append(errors, errors if limit is None else max(limit, _FLOOR))
    ends = float(everything.min()) / 1.6, float(everything.max()) * 1.6
    widths = float(sizes.min()) / 1.3, float(sizes.max()) * 1.3
    figure, axes = canvas(380, 240, left=52, right=12, top=8, bottom=40)
    axes.set(xscale="log", yscale="log", xlim=widths, ylim=ends)
    axes.plot(sizes[~held], errors[~held], "o", color="none", markeredgecolor=GREY, markersize=6, markeredgewidth=1.4)
    axes.plot(sizes[held], errors[held], "o", color=BLUE, markersize=7)
    if limit is not None:
        axes.axhline(max(limit, _FLOOR), color=ORANGE, linewidth=1.6, linestyle=(0, (5, 2)))
    axes.set_xlabel("parameters", fontsize=10, labelpad=2)
    log_ticks(axes.xaxis, *widths, count=5)
    log_ticks(axes.yaxis, *ends, count=5)
    what = "1 − R²" if search.figure == "r2" else search.figure
    note = f"{what}" if limit is None else f"{what}; limit {error_text(limit)}"
    words = f"Error of {title} against size of {len(search.path)} networks: {note}."
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return Panel(title[:1].upper() + title[1:], svg(figure, f"search-{slug}", words), note)


def candidate_columns(record: ReportRecord) -> tuple[str, ...]:
    """Of the table of networks tried."""
    if record.search is None or not record.search.path:
        return ()
    return (
        "Layers",
        "Parameters",
        "Samples",
        *(error_words(name, record) for name in record.search.path[0].errors),
        "Limits",
    )


def candidate_rows(search: SearchRecord) -> tuple[tuple[str, ...], ...]:
    """Of every network tried: layers, parameters, samples, an error for each name, and whether it held."""
    return tuple(
        (
            widths_text(one.widths),
            count_text(one.n_parameters),
            count_text(one.pairs),
            *(error_text(error) for error in one.errors.values()),
            "within" if one.accepted else "–",
        )
        for one in search.path
    )
