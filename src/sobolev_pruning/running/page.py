"""The report as one self-contained page."""

from ..drawing.numbers import count_text, duration_text, r2_text, stage_label
from ..drawing.templates import render
from .cost_figure import cost_panel
from .errors_figure import error_panels
from .loss_figures import has_second_derivatives, loss_panels
from .network_figures import network_panels
from .prediction_figures import prediction_rows
from .records import ReportRecord
from .search_figure import candidate_columns, candidate_rows, search_panels
from .significance_figures import significance_panels
from .slice_figures import slice_rows
from .summary import calls_until_paid, comparison, headline, networks, verdict
from .tables import (
    DETAIL_COLUMNS,
    PAPER_WIDTHS,
    box_rows,
    call_rows,
    error_columns,
    error_rows,
    measured_quantities,
    payback,
    peer_rows,
    proof_rows,
    result_rows,
    size_rows,
    stage_details,
    truths_text,
    worst_tables,
)

_SHOWN_ROUNDS = 6
"""Rounds of pruning drawn in the open; with more of them those in the middle are folded away."""


def render_report(record: ReportRecord) -> str:
    """The report as HTML that needs no other file and no network: style, figures and tables are inside.

    All texts of the record are escaped. The same record gives the same page.
    """
    rounds = significance_panels(record)
    head, folded, tail = rounds, (), ()
    if len(rounds) > _SHOWN_ROUNDS:
        half = _SHOWN_ROUNDS // 2
        head, folded, tail = rounds[:half], rounds[half:-half], rounds[-half:]
    return render(
        __package__,
        record=record,
        headline=headline(record),
        comparison=comparison(record),
        verdict=verdict(record),
        tiles=_tiles(record),
        slices=slice_rows(record),
        error_columns=error_columns(),
        error_rows=error_rows(record),
        worst=worst_tables(record),
        searched=search_panels(record),
        candidate_columns=candidate_columns(record),
        candidates=() if record.search is None else candidate_rows(record.search),
        peer_rows=peer_rows(record),
        proofs=proof_rows(record),
        box_rows=box_rows(record),
        stages=[(stage_label(stage.name), stage.description) for stage in record.stages],
        quantities=measured_quantities(record),
        results=result_rows(record),
        truths=truths_text(record.stages),
        paper_widths=PAPER_WIDTHS,
        exposure=result_rows(record, exposure=True),
        detail_columns=DETAIL_COLUMNS,
        details=(
            ("Test points in the box", stage_details(record)),
            ("Exposure inputs", stage_details(record, exposure=True)),
        ),
        errors=error_panels(record),
        predictions=prediction_rows(record),
        axis_label=record.stages[0].predictions.axis_label if record.stages else "",
        direction=record.stages[0].predictions.direction if record.stages else "all inputs",
        losses=loss_panels(record),
        second_derivatives=any(has_second_derivatives(stage) for stage in record.stages),
        rounds_head=head,
        rounds_folded=folded,
        rounds_tail=tail,
        network=network_panels(record),
        sizes=size_rows(record),
        calls=call_rows(record.timings),
        payback=payback(record.timings),
        cost=None if record.timings.source is None else cost_panel(record.timings),
    )


def _tiles(record: ReportRecord) -> list[tuple[str, str, str]]:
    """The figures to be read first: label, figure, and what it stands beside."""
    way, timings = networks(record), record.timings
    tiles = []
    if way:
        first, final = way[0], way[-1]
        before = f"from {count_text(first.n_parameters)}" if first is not final else "of one network"
        tiles.append(("Parameters", count_text(final.n_parameters), before))
        published = record.published.get(final.name, {})
        for name in ("value", "delta", "gamma"):
            r2 = final.evaluation.figures("r2")[name]
            if r2 is not None:
                beside = f"paper {r2_text(published[name])}" if name in published else "1 is perfect"
                tiles.append((f"R² of {name}", r2_text(r2), beside))
    if timings.source is None:
        return [*tiles, ("Time of one call", duration_text(timings.final), f"training {duration_text(timings.total)}")]
    calls = calls_until_paid(timings)
    tiles.append(("Time of one call", duration_text(timings.final), f"source {duration_text(timings.source)}"))
    paid = "never" if calls is None else count_text(calls)
    tiles.append(("Calls until paid back", paid, f"training {duration_text(timings.total)}"))
    return tiles
