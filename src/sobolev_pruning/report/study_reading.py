"""What a study says, in plain sentences that follow from its figures."""

from collections.abc import Callable, Sequence

from .numbers import count_text, error_text
from .study_records import QUANTITIES, StudyRecord
from .study_statistics import Comparison, Setting, best, compared, crossed, differing, settings_of, varying
from .study_words import FACTOR_TITLES, level_text, listed

PRUNING = "pruning"
_MADE_BY = ("approach", "size")
_RIVALS = {
    "scratch": "one training from scratch",
    "scratch-restarts": "the best of several trainings from scratch",
    "growing": "networks grown from small",
    "set": "sparse training by SET",
    "rigl": "sparse training by RigL",
}
_VERDICTS = {"better": "better", "worse": "worse", "undecided": "neither better nor worse in all seeds"}
_EXPLAIN = "In brackets: the error of the pruned network over the other's, as a median over the seeds."


def study_headline(record: StudyRecord) -> str:
    """How often pruning beats training from scratch, in one sentence."""
    rows = duels(record)
    clauses = []
    for rival, words in (
        ("scratch", "as small ones trained from scratch once"),
        ("scratch-restarts", "the best of several trainings"),
    ):
        verdicts = [duel.verdict for name, _, found in rows if name == rival for duel in found.values()]
        if verdicts:
            won, lost = verdicts.count("better"), verdicts.count("worse")
            counted = f"beat {words} in {won} of {len(verdicts)} comparisons and lose {lost}"
            clauses.append(counted if won or lost else f"differ from {words} in nothing that all seeds agree on")
    if not clauses:
        return f"Ways to a small network compared: {count_text(len(settings_of(record.cells)))}."
    return f"Pruned networks {'; they '.join(clauses)}."


def study_reading(record: StudyRecord) -> dict[str, list[str]]:
    """Sentences by the question that they answer; questions that the study did not ask are left out."""
    answers = {"Does pruning beat other ways to a network of the same size?": _against_others(record)}
    for factor in record.factors:
        if factor not in _MADE_BY:
            answers[f"Which {FACTOR_TITLES[factor].lower()}?"] = _best_of(record, varying(record, (factor,)), (factor,))
    for crossing in record.crossings:
        settings = crossed(record, crossing)
        factors = differing(settings, crossing.factors)
        if not set(_MADE_BY) & set(factors):
            titles = listed([FACTOR_TITLES[factor].lower() for factor in factors])
            question = f"Which {titles}, taken together ({crossing.name.replace('-', ' ')})?"
            answers[question] = _best_of(record, settings, factors)
    answers["Is the small network as good as the oversized one?"] = _against_oversized(record)
    return {question: sentences for question, sentences in answers.items() if sentences}


def duels(record: StudyRecord) -> list[tuple[str, Setting, dict[str, Comparison]]]:
    """Pruning against every other approach at every size: the other's approach, its setting, comparison by quantity."""
    settings = varying(record, _MADE_BY)
    pruned = {setting.levels["size"]: setting for setting in settings if setting.levels["approach"] == PRUNING}
    rows = []
    for other in settings:
        mine = pruned.get(other.levels["size"])
        if mine is not None and other.levels["approach"] != PRUNING:
            rows.append((other.levels["approach"], other, _compared(mine, other)))
    return rows


def _compared(one: Setting, other: Setting) -> dict[str, Comparison]:
    found = {quantity: compared(one, other, quantity) for quantity in QUANTITIES}
    return {quantity: duel for quantity, duel in found.items() if duel is not None}


def _against_others(record: StudyRecord) -> list[str]:
    """One sentence on every other approach: where pruning has the smaller error, and where not."""
    rows = duels(record)
    sentences = []
    for rival in dict.fromkeys(row[0] for row in rows):
        parts = []
        for verdict, words in _VERDICTS.items():
            places = []
            for _, setting, found in (row for row in rows if row[0] == rival):
                ratios = {name: error_text(duel.ratio) for name, duel in found.items() if duel.verdict == verdict}
                if ratios:
                    size = count_text(setting.n_parameters)
                    places.append(f"at {size} parameters in {listed(list(ratios))} ({', '.join(ratios.values())})")
            if places:
                parts.append(f"{words} {'; '.join(places)}")
        sentences.append(f"Against {_RIVALS[rival]}, pruning is {'; it is '.join(parts)}.")
    return [*sentences, _EXPLAIN] if sentences else []


def _best_of(record: StudyRecord, settings: Sequence[Setting], factors: Sequence[str]) -> list[str]:
    """The levels of smallest median error in each quantity, beside the default where it is among them."""
    if len(settings) < 2:
        return []
    default = next((setting for setting in settings if setting.name == record.default), None)
    by_name: dict[str, list[str]] = {}
    for quantity in QUANTITIES:
        found = best(settings, quantity)
        if found is not None:
            beside = _beside(found, default, quantity)
            by_name.setdefault(_name(found, factors), []).append(f"{quantity}{beside}")
    sentence = "; ".join(f"“{name}” in {listed(quantities)}" for name, quantities in by_name.items())
    return [f"The smallest median error has {sentence}. {_stakes(settings, lambda setting: _name(setting, factors))}"]


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
    for quantity in QUANTITIES:
        ordered = sorted((found[1], name(setting)) for setting in settings if (found := setting.spread(quantity)))
        if len(ordered) > 1:
            clauses.append(f"{error_text(ordered[-1][0] / ordered[0][0])} times in {quantity} (“{ordered[-1][1]}”)")
    return f"The worst choice has a larger one: {listed(clauses)}." if clauses else ""


def _against_oversized(record: StudyRecord) -> list[str]:
    oversized = Setting(record.oversized)
    clauses = []
    for setting in sorted(varying(record, ("size",)), key=lambda setting: setting.n_parameters):
        texts = [f"{error_text(duel.ratio)} in {name}" for name, duel in _compared(setting, oversized).items()]
        clauses.append(f"with {count_text(setting.n_parameters)} parameters {listed(texts)}")
    if not clauses:
        return []
    size = count_text(oversized.n_parameters)
    return [
        f"The error of the pruned network over that of the oversized one ({size} parameters): {'; '.join(clauses)}."
    ]


def _name(setting: Setting, factors: Sequence[str]) -> str:
    return ", ".join(level_text(factor, setting) for factor in factors)
