"""`certify`: proved statements about a surrogate over a whole box."""

from collections.abc import Sequence

import numpy as np

from .._foundation.precision import require_float64
from ..reference import AbstractReference
from ..scoring import BoxLike, as_box
from ..surrogate import Surrogate
from .answers import answer_of
from .claims import Claim, Distance, Range
from .cover import prove
from .preparation import check_claims, grouped, prepared
from .progress import progress_bar
from .record import MARGINS, Certificate, digest, versions


def certify(
    surrogate: Surrogate,
    box: BoxLike,
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
    check_claims(surrogate, claims, against, pieces)
    answers, methods, rules, used = {}, [], set(), 0
    for group in grouped(surrogate, claims, against):
        quantities, targets = prepared(group, lower, upper)
        with progress_bar(pieces, progress) as show:
            cover = prove(quantities, targets, pieces, show)
        answers |= {number: answer_of(target, quantities, cover) for number, target in zip(group.numbers, targets)}
        methods.append(quantities.method)
        rules.update(quantities.rules)
        used += cover.pieces
    compared = any(isinstance(claim, Distance) for claim in claims)
    return Certificate(
        answers=tuple(answers[number] for number in range(len(claims))),
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        weights=digest(surrogate),
        against=digest(against) if compared else None,
        method=", ".join(dict.fromkeys(methods)),
        margins=MARGINS,
        pieces=used,
        budget=pieces,
        versions=versions(),
        rules=tuple(sorted(rules)),
        inputs=surrogate.inputs,
        outputs=surrogate.outputs,
    )
