"""Pruning against every other way to a network of the same size, trained in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..drawing.numbers import count_text, error_text
from .records import COMPARED_QUANTITIES, StudyRecord
from .statistics import Comparison, Setting, compared, settings_of, varying
from .words import FACTOR_TITLES, level_text, listed

PRUNING = "pruning"
_OF_TRAINING = ("order", "labels")
_RIVALS = {
    "scratch": "one training from scratch",
    "scratch-restarts": "the best of several trainings from scratch",
    "growing": "networks grown from small",
    "set": "sparse training by SET",
    "rigl": "sparse training by RigL",
}


@dataclass(frozen=True)
class PairedComparison:
    """Pruning, by default but for size and training, beside `other`; `found` compares the errors by quantity.

    `training` says how both were trained where this is not the default.
    """

    other: Setting
    training: str
    found: dict[str, Comparison]

    @property
    def rival(self) -> str:
        """The approach of the other network."""
        return self.other.levels["approach"]

    def won(self, verdict: str) -> dict[str, float]:
        """Ratio of the errors in the quantities of this verdict."""
        return {quantity: each.ratio for quantity, each in self.found.items() if each.verdict == verdict}


def paired_comparisons(record: StudyRecord) -> list[PairedComparison]:
    """All of them, by rival in the order of the settings."""
    default = settings_of(record.cells)[record.default]
    settings = varying(record, ("approach", "size", *_OF_TRAINING))
    pruned = {_circumstances(setting): setting for setting in settings if setting.levels["approach"] == PRUNING}
    rows = []
    for other in settings:
        mine = pruned.get(_circumstances(other))
        if mine is None or other.levels["approach"] == PRUNING:
            continue
        changed = [factor for factor in _OF_TRAINING if other.levels[factor] != default.levels[factor]]
        found = {quantity: compared(mine, other, quantity) for quantity in COMPARED_QUANTITIES}
        rows.append(
            PairedComparison(
                other,
                ", ".join(f"{FACTOR_TITLES[factor].lower()}: {level_text(factor, other)}" for factor in changed),
                {quantity: each for quantity, each in found.items() if each is not None},
            )
        )
    return sorted(rows, key=lambda duel: list(_RIVALS).index(duel.rival))


def study_headline(record: StudyRecord) -> str:
    """How often pruning beats training from scratch in every seed, and how often it loses, in one sentence."""
    rows = paired_comparisons(record)
    clauses = []
    for rival, words in (("scratch", "one training from scratch"), ("scratch-restarts", "the best of several")):
        verdicts = [each.verdict for duel in rows if duel.rival == rival for each in duel.found.values()]
        if verdicts:
            won, lost = verdicts.count("better"), verdicts.count("worse")
            clauses.append(f"{len(verdicts)} comparisons with {words} pruning wins {won} and loses {lost}")
    if not clauses:
        return f"Ways to a small network compared: {count_text(len(settings_of(record.cells)))}."
    return f"Of {'; of '.join(clauses)}."


def against_others(record: StudyRecord) -> list[str]:
    """One sentence on every other approach: where pruning has the smaller error, and where not."""
    rows = paired_comparisons(record)
    sentences = []
    for rival in dict.fromkeys(duel.rival for duel in rows):
        sentences.append(_sentence(rival, [duel for duel in rows if duel.rival == rival]))
    if not sentences:
        return []
    chance = 2 ** (len(record.seeds) - 1)
    return [
        *sentences,
        "In brackets: the error of the pruned network over the other's, as a median over the seeds, which all agree; "
        f"where there is no difference, {len(record.seeds)} seeds agree by chance in one of {chance} comparisons.",
    ]


def _sentence(rival: str, rows: Sequence[PairedComparison]) -> str:
    parts = []
    for verdict in ("better", "worse"):
        places = [_place(duel, verdict) for duel in rows if duel.won(verdict)]
        if places:
            parts.append(f"{verdict} {'; '.join(places)}")
    if not parts:
        sizes = listed(list(dict.fromkeys(count_text(duel.other.n_parameters) for duel in rows)))
        return f"Against {_RIVALS[rival]}, pruning is neither better nor worse in every seed, at {sizes} parameters."
    rest = "; elsewhere the seeds do not agree" if any(duel.won("undecided") for duel in rows) else ""
    return f"Against {_RIVALS[rival]}, pruning is {'; it is '.join(parts)}{rest}."


def _place(duel: PairedComparison, verdict: str) -> str:
    ratios = duel.won(verdict)
    training = f" ({duel.training})" if duel.training else ""
    size = f"at {count_text(duel.other.n_parameters)} parameters{training}"
    return f"{size} in {listed(list(ratios))} ({', '.join(error_text(ratio) for ratio in ratios.values())})"


def _circumstances(setting: Setting) -> tuple:
    """What both sides of a duel have in common."""
    return tuple(setting.levels[factor] for factor in ("size", *_OF_TRAINING))
