"""What a study says, in plain sentences that follow from its figures."""

from .numbers import count_text, error_text
from .study_records import QUANTITIES, StudyRecord
from .study_statistics import Comparison, Setting, best, compared, settings_of, varying
from .study_words import FACTOR_TITLES, approach_text, level_text, listed

PRUNING = "pruning"



def reading(record: StudyRecord) -> dict[str, list[str]]:
    """Sentences by the question that they answer; questions that the study did not ask are left out."""
    answers = {"Does pruning beat training a small network from scratch?": against_others(record)}
    for factor in record.factors:
        if factor not in ("approach", "size"):
            question = f"{FACTOR_TITLES[factor]}: which is best?"
            answers[question] = _which_is_best(record, (factor,))
    for crossing in record.crossings:
        if not {"approach", "size"} & set(crossing.factors):
            question = f"{listed([FACTOR_TITLES[factor] for factor in crossing.factors])} together: which is best?"
            answers[question] = _which_is_best(record, crossing.factors)
    answers["Is the small network as good as the oversized one?"] = _against_oversized(record)
    return {question: sentences for question, sentences in answers.items() if sentences}


def headline(record: StudyRecord) -> str:
    """The answer to the first question in one sentence."""
    rows = duels(record)
    rivals = [rival for rival in ("scratch", "scratch-restarts") if rival in {row[0] for row in rows}]
    if not rivals:
        return f"{count_text(len(settings_of(record.cells)))} ways to a small network, compared."
    parts = []
    for rival in rivals:
        verdicts = [found.verdict for name, _, by in rows if name == rival for found in by.values()]
        counted = f"beats it in {verdicts.count('better')} of {len(verdicts)} comparisons"
        lost = f"loses in {verdicts.count('worse')}"
        name = "one training from scratch" if rival == "scratch" else "the best of several starts"
        parts.append(f"against {name} pruning {counted} and {lost}".replace("beats it", "wins"))
    return f"{'; '.join(parts).capitalize()}."


def duels(record: StudyRecord) -> list[tuple[str, Setting, dict[str, Comparison]]]:
    """Pruning against every other approach at every size: the other's approach, its setting, comparison by quantity."""
    settings = varying(record, ("approach", "size"))
    pruned = {setting.levels["size"]: setting for setting in settings if setting.levels["approach"] == PRUNING}
    rows = []
    for other in settings:
        mine = pruned.get(other.levels["size"])
        if mine is None or other.levels["approach"] == PRUNING:
            continue
        found = {quantity: compared(mine, other, quantity) for quantity in QUANTITIES}
        rows.append((other.levels["approach"], other, {name: duel for name, duel in found.items() if duel}))
    return rows


def against_others(record: StudyRecord) -> list[str]:
    """One sentence on every other approach: where pruning has the smaller errors, and where not."""
    rows = duels(record)
    sentences = []
    for rival in dict.fromkeys(row[0] for row in rows):
        where: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
        for quantity in QUANTITIES:
            for verdict, places in where.items():
                sizes = [
                    f"{count_text(setting.n_parameters)} ({error_text(duels[quantity].ratio)}×)"
                    for name, setting, duels in rows
                    if name == rival and quantity in duels and duels[quantity].verdict == verdict
                ]
                if sizes:
                    places.append(f"in {quantity} at {listed(sizes)}")
        parts = [f"smaller {'; '.join(where['better'])}"] if where["better"] else []
        parts += [f"larger {'; '.join(where['worse'])}"] if where["worse"] else []
        parts += [f"not the same way round in all seeds {'; '.join(where['undecided'])}"] if where["undecided"] else []
        sentences.append(f"Pruned, beside {approach_text(rival)}: the error is {', and '.join(parts)}.")
    if sentences:
        sentences.append(
            "Numbers are parameters, and in brackets the error of the pruned network over the other's, as a geometric "
            f"mean over {_seeds(record)}; smaller or larger means in every seed."
        )
    return sentences


def _which_is_best(record: StudyRecord, factors: tuple[str, ...]) -> list[str]:
    settings = varying(record, factors)
    if len(settings) < 2:
        return []
    default = settings_of(record.cells)[record.default]
    clauses, names = [], {setting.cells[0].setting: _name(setting, factors) for setting in settings}
    for quantity in QUANTITIES:
        found = best(settings, quantity)
        if found is None:
            continue
        name = names[found.cells[0].setting]
        if found.cells[0].setting == record.default:
            clauses.append(f"in {quantity} “{name}”, the default")
            continue
        duel = compared(found, default, quantity)
        sure = "in every seed" if duel and duel.verdict == "better" else "though not in every seed"
        factor = f" with {error_text(duel.ratio)} of the default's error, {sure}" if duel else ""
        clauses.append(f"in {quantity} “{name}”{factor}")
    return [f"Smallest median error: {'; '.join(clauses)}.", _spread_of_levels(settings, names)]


def _spread_of_levels(settings: list[Setting], names: dict[str, str]) -> str:
    """How much the choice matters: the largest median error over the smallest."""
    clauses = []
    for quantity in QUANTITIES:
        known = [setting for setting in settings if setting.spread(quantity)]
        if len(known) > 1:
            ordered = sorted(known, key=lambda setting: setting.spread(quantity)[1])
            factor = ordered[-1].spread(quantity)[1] / ordered[0].spread(quantity)[1]
            clauses.append(f"{error_text(factor)} in {quantity} (“{names[ordered[-1].cells[0].setting]}”)")
    return f"The worst choice over the best: {listed(clauses)}." if clauses else "Nothing could be measured."


def _name(setting: Setting, factors: tuple[str, ...]) -> str:
    return ", ".join(level_text(factor, setting) for factor in factors)


def _against_oversized(record: StudyRecord) -> list[str]:
    oversized = Setting(record.oversized)
    found = [setting for setting in varying(record, ("size",)) if setting.levels["approach"] == PRUNING]
    clauses = []
    for setting in sorted(found, key=lambda setting: setting.n_parameters):
        ratios = [(name, compared(setting, oversized, name)) for name in QUANTITIES]
        text = listed([f"{error_text(duel.ratio)} in {name}" for name, duel in ratios if duel])
        clauses.append(f"{count_text(setting.n_parameters)} parameters: {text}")
    if not clauses:
        return []
    size = count_text(oversized.n_parameters)
    return [f"Errors of the pruned network over those of the oversized one ({size} parameters): {'; '.join(clauses)}."]


def _seeds(record: StudyRecord) -> str:
    return f"{len(record.seeds)} seeds" if len(record.seeds) > 1 else "one seed"
