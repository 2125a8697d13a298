"""`check_certificate`: everything that a certificate in a file states, proved again."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import in_short
from ..reference import AbstractReference
from ..surrogate import Surrogate
from .answers import bounds_at, refutes, status_of
from .claim_text import claim_text
from .column_bounds import ColumnBounds
from .cover import prove
from .preparation import check_claims, grouped, prepared
from .progress import progress_bar
from .quantities import Quantities
from .reading import load_certificate
from .record import Answer, Certificate, digest, versions

_SPARE = 1000
"""Cells allowed beyond twice those of the first proof."""

_MOST = 1_000_000
"""Cells allowed where no number is given: what the file says of its first proof may be invented."""


def check_certificate(
    path: str | Path,
    surrogate: Surrogate,
    against: Surrogate | AbstractReference | None = None,
    *,
    pieces: int | None = None,
    progress: bool = False,
) -> Certificate:
    """Proves what the certificate in the file `path` states again, and trusts nothing in it.

    Every bound over the box is proved anew; every value that a point reaches, and every refuting point, is enclosed
    anew; every status must follow from these numbers. Undecided claims state nothing but their bounds. What cannot be
    proved (versions, pieces spent, the gap of an undecided claim) is covered by the digest in the file, against
    accident only.

    `against` is needed where the certificate has a `Distance`. `pieces`: how many cells may be enclosed, by default
    twice as many as the first proof took and 1,000 more, a million at most. The certificate is returned as proved
    again: its answers, with the method, pieces, rules and versions of this proof.

    Raises `InputError` where the file is damaged, was made for other weights, or states what cannot be proved again.
    """
    require_float64("check_certificate")
    recorded = load_certificate(path)
    for model, wanted, name in (
        (surrogate, recorded.weights, "surrogate"),
        (against, recorded.against, "model it is against"),
    ):
        if wanted is not None and model is None:
            raise InputError(f"The certificate {path} compares with a second model; give it as `against`.")
        if wanted is not None and digest(model) != wanted:
            raise InputError(f"The certificate {path} is for another {name}: the weights have changed; certify again.")
    if len(recorded.lower) != surrogate.widths[0]:
        raise InputError(f"The certificate {path} is about a box of {len(recorded.lower)} inputs; certify again.")
    for what, named in (("inputs", recorded.inputs), ("outputs", recorded.outputs)):
        own = getattr(surrogate, what)
        if named is not None and named != own:
            raise InputError(
                f"The certificate {path} speaks of the {what} {in_short(list(map(str, named)))}, the surrogate of "
                f"{in_short(list(map(str, own)))}; give the surrogate with those names, or certify again."
            )
    budget = min(2 * recorded.pieces + _SPARE, _MOST) if pieces is None else pieces
    claims = [answer.claim for answer in recorded.answers]
    check_claims(surrogate, claims, against, budget)
    methods, rules, used = [], set(), 0
    lower, upper = np.asarray(recorded.lower), np.asarray(recorded.upper)
    # What shows without a proof first, then what shows at points, then what cells have to show.
    groups = [
        ([recorded.answers[number] for number in group.numbers], *prepared(group, lower, upper))
        for group in grouped(surrogate, claims, against)
    ]
    for fault_in in (_contradiction, _unreached):
        for answers, quantities, targets in groups:
            for answer, target in zip(answers, targets):
                if fault := fault_in(answer, target, quantities):
                    raise InputError(f"The certificate {path} {fault}; certify again.")
    for answers, quantities, targets in groups:
        bounds = [
            replace(target, lower=np.asarray(answer.lower), upper=np.asarray(answer.upper), tolerance=None)
            for answer, target in zip(answers, targets)
        ]
        with progress_bar(budget, progress) as show:
            cover = prove(quantities, bounds, budget, show)
        for answer, target in zip(answers, bounds):
            low, high = (end[:, target.columns] for end in cover.bounds)
            if not ((low >= target.lower).all() and (high <= target.upper).all()):
                found = "refuted" if target.status == "refuted" else "undecided"
                stated = claim_text(answer.claim, recorded)
                raise InputError(
                    f"The certificate {path} states bounds for {stated} that were {found} on "
                    "checking; certify again, or allow more pieces."
                )
        methods.append(quantities.method)
        rules.update(quantities.rules)
        used += cover.pieces
    again = replace(
        recorded,
        method=", ".join(dict.fromkeys(methods)),
        pieces=used,
        budget=budget,
        rules=tuple(sorted(rules)),
        versions=versions(),
    )
    if again.rules != recorded.rules:
        raise InputError(f"The certificate {path} rests on other enclosure rules than this check; certify again.")
    return again


def _contradiction(answer: Answer, target: ColumnBounds, quantities: Quantities) -> str | None:
    """What in an answer does not fit its claim."""
    name = claim_text(answer.claim)
    if answer.shape != target.shape or len(answer.lower) != len(target.columns):
        return f"answers {name} with entries of shape {answer.shape} instead of {target.shape}"
    arrays = (np.asarray(a) for a in (answer.lower, answer.upper, answer.reached_lower, answer.reached_upper))
    follows = status_of(target, *arrays, answer.evidence)
    if answer.status != follows:
        return f"calls {name} {answer.status}, but by its own numbers it is {follows}"
    if answer.evidence is not None and not refutes(target, answer.entry, answer.evidence):
        return f"calls {name} refuted by numbers that do not refute it"
    return None


def _unreached(answer: Answer, target: ColumnBounds, quantities: Quantities) -> str | None:
    """What an answer says of points and is not found there."""
    name = claim_text(answer.claim)
    if answer.point is not None:
        lower, upper = (end[0, answer.entry] for end in bounds_at(quantities, target, np.asarray([answer.point])))
        if not answer.evidence[0] <= lower <= upper <= answer.evidence[1]:
            return f"calls {name} refuted by a point that does not show it on checking"
    lowest, highest = (answer.lowest_at, answer.reached_lower, 1), (answer.highest_at, answer.reached_upper, -1)
    for places, stated, sign in (lowest, highest):
        known = [entry for entry, place in enumerate(places) if place is not None]
        if known:
            lower, upper = bounds_at(quantities, target, np.asarray([places[entry] for entry in known]))
            found = (upper if sign > 0 else lower)[np.arange(len(known)), known]
            if not (sign * found <= sign * np.asarray(stated)[known]).all():
                return f"says of {name} that points reach what they do not on checking"
    return None
