"""The tables of the report as rows of ready texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._foundation.entry_names import entry_name
from ..certificates import Range, claim_text
from ..drawing.numbers import (
    MISSING,
    count_text,
    duration_text,
    error_text,
    outward_text,
    r2_text,
    stage_label,
    widths_text,
)
from ..evaluation import Evaluation, Scores
from .records import ReportRecord, StageRecord, Timings
from .summary import calls_until_paid, error_ratio, networks
from .worst import LEVELS

REPORTED_QUANTITIES = ("value", "delta", "gamma", "hessian")
"""What the results are read by, in this order."""

PAPER_WIDTHS = "Layers are ours; the paper’s oversized network is 7–128×6–1, its others have widths of their own."
"""Stands wherever the paper's figures do."""

ALL_QUANTITIES = {
    "value": "value",
    "delta": "delta",
    "delta_scaled": "delta × input spread",
    "gamma": "gamma",
    "hessian": "Hessian",
}


@dataclass(frozen=True)
class ScoreCell:
    """One score: R2, the error `1 - R2`, and where there is one the published R2 with our error over the published."""

    r2: str
    error: str
    published: str | None
    ratio: str | None
    better: bool


@dataclass(frozen=True)
class ResultRow:
    """One stage: its size, one cell per quantity, its time."""

    stage: str
    layers: str
    parameters: str
    cells: tuple[ScoreCell, ...]
    seconds: str


@dataclass(frozen=True)
class StageDetails:
    """One stage: name and texts of `DETAIL_COLUMNS` for every quantity that was measured."""

    stage: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


DETAIL_COLUMNS = ("R²", "1 − R²", "RMSE", "99% of errors below", "Largest error", "R² of the components")


def truths_text(stages: Sequence[StageRecord]) -> str:
    """What the stages are measured against, where that is not a closed form of the model itself."""
    return ", ".join(sorted({stage.evaluation.against for stage in stages} - {"closed form"}))


def measured_quantities(record: ReportRecord) -> tuple[str, ...]:
    """The quantities that at least one stage has a score for."""
    return tuple(
        quantity
        for quantity in REPORTED_QUANTITIES
        if any(getattr(stage.evaluation, quantity) is not None for stage in record.stages)
    )


def result_rows(record: ReportRecord, exposure: bool = False) -> tuple[ResultRow, ...]:
    """R2 of every stage on the test points of the box, beside the published; or on exposure inputs."""
    quantities = measured_quantities(record)
    return tuple(
        ResultRow(
            stage=stage_label(stage.name),
            layers=widths_text(stage.widths),
            parameters=count_text(stage.n_parameters),
            cells=tuple(_cell(record, stage, quantity, exposure) for quantity in quantities),
            seconds=duration_text(stage.seconds),
        )
        for stage in record.stages
    )


def _cell(record: ReportRecord, stage: StageRecord, quantity: str, exposure: bool) -> ScoreCell:
    r2 = (stage.exposure if exposure else stage.evaluation).figures("r2")[quantity]
    published = None if exposure else record.published.get(stage.name, {}).get(quantity)
    ratio = error_ratio(r2, published)
    return ScoreCell(
        r2=r2_text(r2),
        error=MISSING if r2 is None else error_text(1.0 - r2),
        published=None if published is None else r2_text(published),
        ratio=None if ratio is None else error_text(ratio),
        better=ratio is not None and ratio <= 1.0,
    )


def stage_details(record: ReportRecord, exposure: bool = False) -> tuple[StageDetails, ...]:
    """Every figure of every quantity of every stage."""
    return tuple(
        StageDetails(stage_label(stage.name), _detail_rows(stage.exposure if exposure else stage.evaluation))
        for stage in record.stages
    )


def _detail_rows(evaluation: Evaluation) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The figures of every quantity, with several outputs of each of them."""
    several = len(evaluation.outputs) > 1
    rows = []
    for name, label in ALL_QUANTITIES.items():
        for j, output in enumerate(evaluation.outputs):
            if (found := getattr(output, name)) is not None:
                rows.append((f"{label} of output {j}" if several else label, _figures(found)))
    return tuple(rows)


def _figures(scores: Scores) -> tuple[str, ...]:
    components = [r2 for r2 in scores.r2_by_component or () if r2 is not None]
    between = f"{r2_text(min(components))} to {r2_text(max(components))}" if components else MISSING
    return (
        r2_text(scores.r2),
        MISSING if scores.r2 is None else error_text(1.0 - scores.r2),
        *(error_text(figure) for figure in (scores.rmse, scores.p99, scores.max_abs)),
        between,
    )


def size_rows(record: ReportRecord) -> tuple[tuple[str, ...], ...]:
    """Stage, layers, parameters, share of the first network's parameters, seconds of training."""
    way = networks(record)
    first = way[0].n_parameters if way else None
    return tuple(
        (
            stage_label(stage.name),
            widths_text(stage.widths),
            count_text(stage.n_parameters),
            MISSING if not first or stage.widths is None else f"{100 * stage.n_parameters / first:.3g}%",
            duration_text(stage.seconds),
        )
        for stage in record.stages
    )


def call_rows(timings: Timings) -> tuple[tuple[str, ...], ...]:
    """What is called, time of one call, how many times faster than the source, where its time is known."""
    named = [("oversized surrogate", timings.oversized), ("final surrogate", timings.final)]
    if timings.source is not None:
        named.insert(0, (f"source ({timings.source_words})", timings.source))

    def faster(seconds: float) -> str:
        known = timings.source is not None and seconds > 0
        return f"{error_text(timings.source / seconds)} ×" if known else MISSING

    return tuple((name, duration_text(seconds), faster(seconds)) for name, seconds in named)


def payback(timings: Timings) -> str:
    """After how many calls the surrogate has paid for its training, in one sentence."""
    if timings.source is None:
        return f"Training took {duration_text(timings.total)}; what a result of the source costs is not known."
    calls = calls_until_paid(timings)
    if calls is None:
        return "A call of the surrogate takes no less time than the source, so it never pays for its training."
    return (
        f"Sampling and training took {duration_text(timings.total)}; "
        f"the surrogate has paid for that after {count_text(calls)} calls."
    )


def error_columns() -> tuple[str, ...]:
    """Of the table of errors in the units of each output."""
    return ("RMSE", "Relative", *("largest" if level == 1.0 else f"{level:.0%} below" for level in LEVELS))


def error_rows(record: ReportRecord) -> tuple[tuple[str, ...], ...]:
    """Of each output: the root mean square error, the same over that of the output itself, and quantiles."""
    return tuple(
        (
            str(variable),
            error_text(found.rmse),
            f"{100.0 * found.rmse / found.size:.2g}%" if found.size > 0 else MISSING,
            *(error_text(quantile) for quantile in found.quantiles),
        )
        for variable, found in zip(record.outputs, record.errors)
    )


_SHOWN_INPUTS = 8


def worst_tables(record: ReportRecord) -> tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]:
    """Of each output: its name, columns and rows of the points where the network is worst."""
    inputs = tuple(str(variable) for variable in record.inputs[:_SHOWN_INPUTS])
    tables = []
    for variable, found in zip(record.outputs, record.errors):
        rows = tuple(
            (
                error_text(abs(one.found - one.true)),
                f"{one.found:.6g}",
                f"{one.true:.6g}",
                *(f"{number:.4g}" for number in one.point[:_SHOWN_INPUTS]),
            )
            for one in found.worst
        )
        tables.append((str(variable), ("Error", "Network", "Truth", *inputs), rows))
    return tuple(tables)


def peer_rows(record: ReportRecord) -> tuple[tuple[str, ...], ...]:
    """The final network and its peers: R2 and error of values, and the time of training."""
    if not record.peers:
        return ()
    final = networks(record)[-1]
    ours = final.evaluation.value
    size = f"{count_text(final.n_parameters)} parameters"
    rows = [("this network", size, r2_text(ours.r2), error_text(ours.rmse), duration_text(final.seconds))]
    rows += [
        (one.name, one.words, r2_text(one.r2), error_text(one.rmse), duration_text(one.seconds)) for one in record.peers
    ]
    return tuple(rows)


_MOST_ENTRIES = 16


def proof_rows(record: ReportRecord) -> tuple[tuple[str, ...], ...]:
    """Every statement of the certificate: whether it is proved, and the bounds that hold over the whole box; ranges of
    few entries one by one.
    """
    if record.certificate is None:
        return ()
    rows = []
    for answer in record.certificate.answers:
        words, entries = claim_text(answer.claim, record.certificate), len(answer.lower)
        if isinstance(answer.claim, Range) and entries <= _MOST_ENTRIES:
            for index, low, high in zip(np.ndindex(answer.shape), answer.lower, answer.upper, strict=True):
                name = entry_name(index, record.inputs, record.outputs)
                rows.append((name, answer.status, outward_text(low, up=False), outward_text(high, up=True)))
        else:
            ends = outward_text(min(answer.lower), up=False), outward_text(max(answer.upper), up=True)
            rows.append((words, answer.status, *ends))
    return tuple(rows)


_MOST_ROWS = 30


def box_rows(record: ReportRecord) -> tuple[tuple[str, str, str], ...]:
    """The range of each input; of the first ones where there are very many."""
    rows = zip(record.inputs, *record.box)
    return tuple((str(name), f"{low:.6g}", f"{high:.6g}") for name, low, high in list(rows)[:_MOST_ROWS])
