"""The tables of the report as rows of ready texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..drawing.numbers import MISSING, count_text, duration_text, error_text, r2_text, stage_label, widths_text
from ..evaluation import Evaluation, Scores
from .records import ReportRecord, StageRecord, Timings
from .summary import calls_until_paid, error_ratio, networks

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
