"""What a study says, in plain sentences that follow from its figures."""

from collections.abc import Callable, Sequence

from ..drawing.numbers import count_text, error_text
from .paired import against_others
from .records import COMPARED_QUANTITIES, StudyRecord
from .statistics import Setting, best, compared, crossed, differing, settings_of, varying
from .words import FACTOR_TITLES, level_text, listed

_MADE_BY = ("approach", "size")


def study_reading(record: StudyRecord) -> dict[str, list[str]]:
    """Sentences by the question that they answer; questions that the study did not ask are left out."""
    answers = {"Does pruning beat other ways to a network of the same size?": against_others(record)}
    for factor in record.factors:
        if factor not in _MADE_BY:
            settings = varying(record, (factor,))
            found = [*_best_of(record, settings, (factor,)), *_beside_default(record, settings, factor)]
            answers[f"Which {FACTOR_TITLES[factor].lower()}?"] = found
    for crossing in record.crossings:
        settings = crossed(record, crossing)
        factors = differing(settings, crossing.factors)
        if not set(factors) <= set(_MADE_BY):
            titles = listed([FACTOR_TITLES[factor].lower() for factor in factors])
            question = f"Which {titles}, taken together ({crossing.name})?"
            answers[question] = _best_of(record, settings, factors)
    answers["Is the small network as good as the oversized one?"] = _against_oversized(record)
    return {question: sentences for question, sentences in answers.items() if sentences}


def _best_of(record: StudyRecord, settings: Sequence[Setting], factors: Sequence[str]) -> list[str]:
    """The levels of smallest median error in each quantity, beside the default where it is among them."""
    if len(settings) < 2:
        return []
    default = next((setting for setting in settings if setting.name == record.default), None)
    by_name: dict[str, list[str]] = {}
    for quantity in COMPARED_QUANTITIES:
        found = best(settings, quantity)
        if found is not None:
            beside = _beside(found, default, quantity)
            by_name.setdefault(_name(found, factors), []).append(f"{quantity}{beside}")
    sentence = "; ".join(f"“{name}” in {listed(quantities)}" for name, quantities in by_name.items())
    return [f"The smallest median error has {sentence}. {_stakes(settings, lambda setting: _name(setting, factors))}"]


def _beside_default(record: StudyRecord, settings: Sequence[Setting], factor: str) -> list[str]:
    """The levels that are worse, or better, than the default in every seed."""
    default = settings_of(record.cells)[record.default]
    sentences = []
    for verdict in ("better", "worse"):
        clauses = []
        for setting in settings:
            found = {quantity: compared(setting, default, quantity) for quantity in COMPARED_QUANTITIES}
            of_verdict = {name: each.ratio for name, each in found.items() if each and each.verdict == verdict}
            ratios = [f"{name} ({error_text(ratio)})" for name, ratio in of_verdict.items()]
            if ratios:
                clauses.append(f"“{level_text(factor, setting)}” in {listed(ratios)}")
        if clauses:
            sentences.append(f"In every seed {verdict} than the default: {'; '.join(clauses)}.")
    return sentences


def _beside(found: Setting, default: Setting | None, quantity: str) -> str:
    """How the best level stands to the default, in brackets."""
    if default is None:
        return ""
    if found is default:
        return " (the default)"
    duel = compared(found, default, quantity)
    if duel is None or duel.verdict != "better":
        return " (not better than the default in every seed)"
    return f" ({error_text(duel.ratio)} of the default's error)"


def _stakes(settings: Sequence[Setting], name: Callable[[Setting], str]) -> str:
    """How much the choice matters: the largest median error over the smallest."""
    clauses = []
    for quantity in COMPARED_QUANTITIES:
        ordered = sorted((found[1], name(setting)) for setting in settings if (found := setting.spread(quantity)))
        if len(ordered) > 1:
            clauses.append(f"{error_text(ordered[-1][0] / ordered[0][0])} times in {quantity} (“{ordered[-1][1]}”)")
    return f"The worst choice has a larger one: {listed(clauses)}." if clauses else ""


def _against_oversized(record: StudyRecord) -> list[str]:
    oversized = Setting(record.oversized)
    clauses = []
    for setting in sorted(varying(record, ("size",)), key=lambda setting: setting.n_parameters):
        ratios = [(name, compared(setting, oversized, name)) for name in COMPARED_QUANTITIES]
        texts = [f"{error_text(found.ratio)} in {name}" for name, found in ratios if found]
        if texts:
            clauses.append(f"with {count_text(setting.n_parameters)} parameters {listed(texts)}")
    if not clauses:
        return []
    size = count_text(oversized.n_parameters)
    return [
        f"The error of the pruned network over that of the oversized one ({size} parameters): {'; '.join(clauses)}."
    ]


def _name(setting: Setting, factors: Sequence[str]) -> str:
    return ", ".join(level_text(factor, setting) for factor in factors if setting.levels[factor] is not None)
