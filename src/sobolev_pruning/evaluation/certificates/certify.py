"""`certify`: proved statements about a surrogate over a whole box, and proving them again from a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._foundation.errors import InputError
from ..._foundation.precision import require_float64
from ...reference import AbstractReference
from ...scoring import Box, as_box
from ...surrogate import Surrogate
from .claim_text import claim_text
from .claims import Claim, Convex, Distance, Range, Within, directions_of, order_of
from .coordinates import coordinates_for
from .cover import Cover, prove
from .maps import mapped
from .progress import progress_bar
from .quantities import Quantities
from .record import MARGINS, Answer, Certificate, digest, load_certificate, versions
from .targets import Target, parts_of, target_of

_OUTWARD = 1e-9
"""Bounds are recorded wider by this part of their size, so that another machine's rounding can prove them again."""


def certify(
    surrogate: Surrogate,
    box: Box,
    claims: Sequence[Claim] = (Range("value"), Range("gradient")),
    against: Surrogate | AbstractReference | None = None,
    *,
    pieces: int = 20_000,
    progress: bool = False,
) -> Certificate:
    """Decides `claims` about `surrogate` over `box` by enclosures of ever smaller cells, never by sampling.

    Each answer is "proved" (for every real point of the box), "refuted" (with a point, and bounds of the failing entry
    there) or "undecided" (with the remaining gap, and where). Bounds over the box come with every answer.

    - `box`: `Interval(lower, upper)` or a pair; each end one number per input, or one for all.
    - `claims`: `Range`, `Within`, `Monotone`, `Convex`, `Distance`, or `basket_claims(basket)`.
    - `against`: the network or closed form that `Distance` is measured from.
    - `pieces`: how many cells may be enclosed. Same arguments, same machine: same answers.
    - `progress`: shows on standard error how much of that is spent.

    Raises `InputError` for a claim about second derivatives of a network whose activation has a kink (relu), a claim
    that does not fit the surrogate, and a `Distance` without `against`.

    >>> import jax
    >>> from sobolev_pruning._foundation.samples import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> network = Surrogate.create([1, 2, 1], samples, key=jax.random.key(0))
    >>> answer = certify(network, (0.0, 2.0), [Range("value", tolerance=0.1)]).answers[0]
    >>> answer.status, bool(answer.lower[0] <= network.value([[1.0]])[0] <= answer.upper[0])
    ('proved', True)
    """
    require_float64("certify")
    claims = tuple(claims)
    interval = as_box(box, surrogate.widths[0])
    lower, upper = np.asarray(interval.lower), np.asarray(interval.upper)
    _check(surrogate, claims, against, pieces)
    answers, method, used = [], [], 0
    # Claims about the surrogate alone are cheaper to prove without the other model.
    for group, models in (
        ([c for c in claims if not isinstance(c, Distance)], [surrogate]),
        ([c for c in claims if isinstance(c, Distance)], [surrogate, against]),
    ):
        if group:
            with progress_bar(pieces, progress) as show:
                targets, quantities, cover = _prove(models, group, lower, upper, pieces, show)
            answers += [(target.claim, _answer(target, quantities, cover)) for target in targets]
            method.append(quantities.method)
            used += cover.pieces
    ordered = [next(answer for claim, answer in answers if claim is wanted) for wanted in claims]
    return Certificate(
        answers=tuple(ordered),
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        weights=digest(surrogate),
        against=None if against is None else digest(against),
        method=", ".join(dict.fromkeys(method)),
        margins=MARGINS,
        pieces=used,
        budget=pieces,
        versions=versions(),
    )


def check_certificate(
    path: str | Path,
    surrogate: Surrogate,
    against: Surrogate | AbstractReference | None = None,
    *,
    pieces: int | None = None,
    progress: bool = False,
) -> Certificate:
    """Proves the certificate in the file `path` again: every "proved" claim, and every recorded bound.

    `against` is needed where the certificate has a `Distance`. `pieces`: the budget, by default twice the recorded one.
    The new certificate is returned.

    Raises `InputError` where the file is damaged, was made for other weights, or states what cannot be proved again.
    """
    recorded = load_certificate(path)
    for model, wanted, name in (
        (surrogate, recorded.weights, "surrogate"),
        (against, recorded.against, "model it is against"),
    ):
        if wanted is not None and model is None:
            raise InputError(f"The certificate {path} compares with a second model; give it as `against`.")
        if wanted is not None and digest(model) != wanted:
            raise InputError(f"The certificate {path} is for another {name}: the weights have changed; certify again.")
    budget = 2 * recorded.budget if pieces is None else pieces
    box = (np.asarray(recorded.lower), np.asarray(recorded.upper))
    stated = [(answer, claim) for answer in recorded.answers for claim in _statements(answer)]
    other = against if recorded.against else None
    again = certify(surrogate, box, [claim for _, claim in stated], other, pieces=budget, progress=progress)
    for (answer, claim), found in zip(stated, again.answers):
        if found.status != "proved":
            raise InputError(
                f"The certificate {path} states {claim_text(claim)} for {claim_text(answer.claim)}, which was "
                f"{found.status} on checking; certify again, or allow more pieces."
            )
    return again


def _statements(answer: Answer) -> list[Claim]:
    """The claims with fixed bounds that an answer stands for."""
    claim = answer.claim
    stated: list[Claim] = []
    if answer.status == "proved" and not isinstance(claim, Range | Distance):
        stated.append(claim)
    if isinstance(claim, Distance):
        if np.isfinite(answer.upper[0]):  # at most the claimed bound where that was proved
            stated.append(Distance(claim.of, bound=answer.upper[0]))
    elif isinstance(claim, Range | Within):
        low, high = (_nested(end.tolist()) for end in answer.bounds)
        stated.append(Within(claim.of, low, high, claim.direction))
    return stated


def _nested(values):
    return tuple(_nested(value) for value in values) if isinstance(values, list) else values


def _check(surrogate: Surrogate, claims, against, pieces: int) -> None:
    if not claims:
        raise InputError('certify was given no claims; give at least one, as `claims=[Range("value")]`.')
    if pieces < 1:
        raise InputError(f"pieces is {pieces}; allow at least 1 cell.")
    models = {"surrogate": surrogate}
    if any(isinstance(claim, Distance) for claim in claims):
        if against is None:
            raise InputError("Distance needs a second model: give `against`, a surrogate or a closed form.")
        models["model it is against"] = against
    inputs = [model.widths[0] if isinstance(model, Surrogate) else model.n_inputs for model in models.values()]
    if len(set(inputs)) > 1:
        raise InputError(f"The models have {inputs[0]} and {inputs[1]} inputs; compare models over one box.")
    for claim in claims:
        for name, model in models.items():
            concerned = model is surrogate or isinstance(claim, Distance)
            if concerned and order_of(claim) > mapped(model).smoothness + 1:
                raise InputError(
                    f"{type(claim).__name__} speaks of second derivatives, which the {name} does not have where its "
                    "activation has its kink; claim value or gradient, or choose a smooth activation."
                )
        for direction in directions_of(claim):
            if len(direction) != inputs[0] or not np.isfinite(direction).all():
                raise InputError(
                    f"{type(claim).__name__} has the direction {direction}; give {inputs[0]} finite numbers."
                )


def _prove(models, claims, lower, upper, pieces, show) -> tuple[list[Target], Quantities, Cover]:
    maps = [mapped(model) for model in models]
    coordinates = coordinates_for(maps, lower, upper)
    parts = list(dict.fromkeys(part for claim in claims for part in parts_of(claim)))
    quantities = Quantities(maps, coordinates, parts, max(map(order_of, claims)))
    targets = [target_of(claim, quantities) for claim in claims]
    return targets, quantities, prove(quantities, targets, pieces, show)


def _answer(target: Target, quantities: Quantities, cover: Cover) -> Answer:
    reached, columns = cover.reached, target.columns
    low, high = (end[:, columns] for end in cover.bounds)
    lower, upper = low.min(axis=0), high.max(axis=0)
    size = np.maximum(*(np.where(np.isfinite(end), np.abs(end), 0.0) for end in (lower, upper)))
    lower, upper = lower - _OUTWARD * size, upper + _OUTWARD * size
    if target.status == "proved" and target.tolerance is None:  # the claim itself may be the sharper statement
        lower, upper = np.maximum(lower, target.lower), np.minimum(upper, target.upper)
    inner = _enclosed_extremes(target, quantities, cover)
    gap, where, point, evidence = 0.0, None, None, None
    if target.status == "refuted":
        point = tuple(target.point.tolist())
        evidence = (target.refuting["lower"], target.refuting["upper"])
    if target.status == "open":
        excess = target.excess(cover.bounds, reached)
        worst = int(excess.argmax())
        gap = float(excess[worst])
        where = tuple(tuple(end.tolist()) for end in quantities.coordinates.box_around(cover.cells[[worst]]))
    return Answer(
        claim=target.claim,
        status="undecided" if target.status == "open" else target.status,
        shape=target.shape,
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        reached_lower=inner[0],
        reached_upper=inner[1],
        point=point,
        evidence=evidence,
        gap=gap,
        where=where,
    )


def _enclosed_extremes(target: Target, quantities: Quantities, cover: Cover) -> tuple[tuple, tuple]:
    """What points reach, by enclosing them: upper bounds of the smallest, lower bounds of the largest values."""
    columns, reached = target.columns, cover.reached
    if isinstance(target.claim, Convex) and target.claim.directions is None:
        return (float("inf"),) * len(columns), (float("-inf"),) * len(columns)
    points = np.concatenate([reached.smallest_at[columns], reached.largest_at[columns]])
    bounds = quantities.enclose_points(points)
    rows = np.arange(len(columns))
    return tuple(bounds.upper[rows, columns].tolist()), tuple(bounds.lower[len(columns) + rows, columns].tolist())
