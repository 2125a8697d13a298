"""What the run comes down to: the stages it starts and ends with, and its result in one sentence."""

from ..drawing.numbers import count_text, error_text, r2_text, stage_label
from ..searching.cross_validation import AGAINST as CROSS_VALIDATION
from .records import ReportRecord, StageRecord, Timings

_MANY_POINTS = 30
"""Fewer than that tell little, so they are counted."""

CONTROLS = ("plain", "scratch", "oracle")
"""Stages to compare with, which are not on the way from the oversized network to the final one."""


def networks(record: ReportRecord) -> list[StageRecord]:
    """The stages on the way from the first network to the final one, in order."""
    return [stage for stage in record.stages if stage.widths is not None and stage.name not in CONTROLS]


def headline(record: ReportRecord) -> str:
    """The result in one sentence: sizes and R2 of the final network."""
    way = networks(record)
    if not way:
        return "No network was trained in this run."
    first, final = way[0], way[-1]
    size = f"{count_text(final.n_parameters)} parameters"
    if first.n_parameters != final.n_parameters:
        size = f"From {count_text(first.n_parameters)} to {size}"
    measured = ", ".join(f"{r2_text(r2)} in {name}" for name, r2 in _r2(final).items())
    return f"{size}, with R² {measured}." if measured else f"{size}."


def verdict(record: ReportRecord) -> tuple[str, ...]:
    """Whether the search reached its goal, by the errors on points never used, in sentences; none without a search."""
    if record.search is None:
        return ()
    cut = ("Time was over before the search was: a smaller network may do.",) if record.search.cut_short else ()
    return (_goal(record), *cut, *_by_cross_validation(record), *_better_peers(record))


def _by_cross_validation(record: ReportRecord) -> tuple[str, ...]:
    """Errors of the final network's shape with their standard errors, where rows were too few for a test to tell."""
    search, final = record.search, networks(record)[-1]
    same = [one for one in search.path if one.widths == final.widths]
    if search.against != CROSS_VALIDATION or search.figure != "r2" or not same:
        return ()
    told = ", ".join(
        f"{r2_text(1.0 - error)} ± {error_text(same[0].stderr[name])} in {error_words(name, record)}"
        for name, error in same[0].errors.items()
    )
    return (f"By cross-validation of {count_text(same[0].pairs)} rows R² is {told} (one standard error).",)


def _better_peers(record: ReportRecord) -> tuple[str, ...]:
    """Tools at hand that have a smaller error in values on the same samples."""
    error = networks(record)[-1].evaluation.value.rmse
    better = [f"a {one.name} of scikit-learn ({error_text(one.rmse)})" for one in record.peers if one.rmse < error]
    if not better:
        return ()
    return (f"In values alone it is no better than {' and '.join(better)}: its error is {error_text(error)}.",)


def _goal(record: ReportRecord) -> str:
    search = record.search
    final = networks(record)[-1]
    size = f"{count_text(final.n_parameters)} parameters"
    if not search.limits:
        return f"The most accurate network found of at most the size that was asked for has {size}."
    if not search.met:
        return (
            f"The tolerance is not met by any network that was tried; the one that is kept, of {size}, is the smallest "
            "about as good as the oversized one."
        )
    said = f"The smallest network found within the tolerance has {size}"
    shares = _shares_of_limits(record, final)
    if not shares:
        return f"{said}."
    worst, name = max(shares)
    n = final.evaluation.n_points
    points = "points" if n >= _MANY_POINTS else f"the {n} points"
    if worst > 1.0:
        return f"{said}, but on {points} never used its error in {name} is {error_text(worst)} times the limit."
    return f"{said}; on {points} never used its errors are at most {error_text(worst)} times their limits."


def error_words(name: str, record: ReportRecord) -> str:
    """What a search calls an error, with the name of its output: "slopes per spread of thrust".

    Outputs are counted in the names of errors, as in "delta_scaled of output 0".
    """
    quantity, _, output = name.partition(" of output ")
    words = {"delta": "slopes", "delta_scaled": "slopes per spread of their input"}.get(quantity, quantity)
    return f"{words} of {record.outputs[int(output)].name}" if output else words


def _shares_of_limits(record: ReportRecord, final: StageRecord) -> list[tuple[float, str]]:
    """Each error of the final network at the test points over its limit, less the standard error of the truth; those
    that the search could see only as an excess over another network are left out.
    """
    search, shares = record.search, []
    hidden = {name for candidate in search.path for name in candidate.on_labels}
    for name, limit in search.limits.items():
        quantity, _, output = name.partition(" of output ")
        scores = getattr(final.evaluation.outputs[int(output)] if output else final.evaluation, quantity)
        if scores is None or name in hidden or limit <= 0:
            continue
        error = getattr(scores, search.figure)
        if search.figure == "r2" and error is not None:
            error = max(0.0, 1.0 - error - scores.r2_stderr)
        if error is not None:
            shares.append((error / limit, error_words(name, record)))
    return shares


def comparison(record: ReportRecord) -> str | None:
    """How the final errors stand to the published ones, in one sentence; None where nothing is published."""
    way = networks(record)
    if not way or not record.published:
        return None
    name = way[-1].name if way[-1].name in record.published else list(record.published)[-1]
    ratios = {
        quantity: ratio
        for quantity, r2 in _r2(way[-1]).items()
        if (ratio := error_ratio(r2, record.published[name].get(quantity))) is not None
    }
    if not ratios:
        return None
    listed = ", ".join(f"{error_text(ratio)} in {quantity}" for quantity, ratio in ratios.items())
    return f"Its error (1 − R²) over that of the paper’s network “{stage_label(name)}” is {listed}; below 1 is better."


def error_ratio(r2: float | None, published: float | None) -> float | None:
    """Our `1 - R2` over the published one; None where either is missing or the published one is 0."""
    if r2 is None or published is None or published >= 1.0:
        return None
    return (1.0 - r2) / (1.0 - published)


def calls_until_paid(timings: Timings) -> float | None:
    """After how many calls the surrogate has paid for its training; None where a call of the source is no dearer, or
    nobody knows what it costs.
    """
    if timings.source is None:
        return None
    saved = timings.source - timings.final
    return timings.total / saved if saved > 0 else None


def _r2(stage: StageRecord) -> dict[str, float]:
    found = stage.evaluation.figures("r2")
    return {name: found[name] for name in ("value", "delta", "gamma") if found[name] is not None}
