"""The public set of claims with known answers (`tests/claims`): nothing false is proved, nothing true is refuted."""

import sys
from collections import Counter
from pathlib import Path

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "claims"))
sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import ball_interpreter
from known_claims import Case, KnownClaim, cases

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.certificates import Convex, Distance, Monotone, Range, certify

CASES = {case.name: case for case in cases()}
PIECES = 1500
QUICK = ["line against modulus", "step of one half", "root over negative numbers", "sums that floats get wrong"]
WRONG = {"true": "refuted", "false": "proved"}


def answers(case: Case, claims: list[KnownClaim]):
    """What `certify` says of each claim; None where it refuses. Refused together, each is tried alone."""
    try:
        certificate = certify(case.network, case.box, [c.claim for c in claims], case.reference, pieces=PIECES)
        return list(certificate.answers)
    except InputError:
        return [None] if len(claims) == 1 else [answers(case, [claim])[0] for claim in claims]


def verdicts(case: Case) -> tuple[Counter, list[str]]:
    """How often each status met each answer, and what is wrong."""
    counts, faults = Counter(), []
    for known, answer in zip(case.claims, answers(case, list(case.claims))):
        status = "refused" if answer is None else answer.status
        counts[known.answer, status] += 1
        said = f"{case.name}: {known.claim} is {known.answer} ({known.why}), "
        neither = known.answer == "neither" and status in ("proved", "refuted")
        if neither or status == WRONG.get(known.answer):
            faults.append(f"{said}not {status}")
        if answer is not None and known.bounds is not None:
            low, high = (np.asarray(end) for end in known.bounds)
            if np.any(np.asarray(answer.lower) > low) or np.any(np.asarray(answer.upper) < high):
                faults.append(f"{said}not within {answer.lower} and {answer.upper}")
    return counts, faults


@pytest.mark.parametrize("name", QUICK)
def test_a_claim_with_a_known_answer_is_not_answered_falsely(name):
    assert verdicts(CASES[name])[1] == []


@pytest.mark.soundness
def test_no_claim_of_the_public_set_is_answered_falsely():
    counts, faults = Counter(), []
    for name, case in CASES.items():
        found, wrong = verdicts(case)
        counts += found
        faults += wrong
        print(f"\n{name}: {dict(found)}", *wrong, sep="\n  ", flush=True)
    print(f"\n{sum(counts.values())} claims")
    for (answer, status), count in sorted(counts.items()):
        print(f"{count:5} {answer}: {status}")
    print(f"{len(faults)} answered falsely")
    assert faults == []


def test_the_public_set_is_of_every_kind():
    kinds = Counter(case.kind for case in CASES.values())
    claims = [claim for case in CASES.values() for claim in case.claims]
    assert len(claims) >= 60 and len(kinds) >= 12 and len(CASES) == len(cases())
    assert all(claim.at is not None for claim in claims if claim.answer == "false")


def _rows(function, points: np.ndarray) -> np.ndarray:
    """A program in ball arithmetic at `points` `(n, d)`, shape `(*outputs, n)`."""
    balls = np.empty(points.T.shape, object)
    balls.reshape(-1)[:] = [flint.arb(v) for v in points.T.ravel().tolist()]
    (result,) = ball_interpreter.evaluate(jax.make_jaxpr(function)(jnp.zeros(points.shape[1])), [balls])
    return np.broadcast_to(result, (*result.shape[:-1], len(points)))


class Truth:
    """What the claims of a case bound, in ball arithmetic, at points `(n, d)`."""

    def __init__(self, case: Case, points: np.ndarray):
        self.case, self.points, self._known = case, points, {}

    def _entries(self, name: str, order: int) -> np.ndarray:
        """The entries of a derivative of "network" or "reference", a row each."""
        if (name, order) not in self._known:
            function = self.case.network if name == "network" else self.case.reference.exact
            for _ in range(order):
                function = jax.jacfwd(function)
            self._known[name, order] = _rows(function, self.points).reshape(-1, len(self.points))
        return self._known[name, order]

    def violated(self, claim, row: int) -> bool:
        """Whether a claim certainly fails at a point."""
        orders, d = {"value": 0, "gradient": 1, "hessian": 2}, self.points.shape[1]
        order = 1 if isinstance(claim, Monotone) else 2 if isinstance(claim, Convex) else orders[claim.of]
        found = self._entries("network", order)[:, row]
        other = self._entries("reference", order)[:, row] if isinstance(claim, Distance) else ()
        if any(not isinstance(v, flint.arb) for v in (*found, *other)):
            return False  # nothing is decided at this point
        if isinstance(claim, Distance):
            return bool(_norm(a - b for a, b in zip(found, other)) > claim.bound)
        if isinstance(claim, Monotone):
            sign = 1 if claim.increasing else -1
            slopes = found.reshape(-1, d)[:, list(claim.inputs)].ravel()
            return any(bool(sign * slope < -flint.arb(claim.margin)) for slope in slopes)
        if isinstance(claim, Convex):
            matrix = np.array([float(v) for v in found]).reshape(d, d)
            least = [flint.arb(v) for v in np.linalg.eigh(matrix)[1][:, 0].tolist()]
            form = sum(found[i * d + j] * least[i] * least[j] for i in range(d) for j in range(d))
            return bool(form < -flint.arb(claim.margin) * sum(v * v for v in least))
        shape = (self.case.network.widths[-1], *[d] * order)
        low = np.broadcast_to(-np.inf if claim.lower is None else np.asarray(claim.lower), shape).ravel().tolist()
        high = np.broadcast_to(np.inf if claim.upper is None else np.asarray(claim.upper), shape).ravel().tolist()
        return any(bool(v < flint.arb(a)) or bool(v > flint.arb(b)) for v, a, b in zip(found, low, high))


def _norm(entries) -> flint.arb:
    return sum((e * e for e in entries), flint.arb(0)).sqrt()


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES.values()}))
def test_false_claims_fail_where_the_file_says_and_true_ones_fail_nowhere(kind):
    """The answers themselves, in ball arithmetic: the counterexamples, and corners and interior for true claims."""
    generator = np.random.default_rng(0)
    for case in CASES.values():
        if case.kind != kind:
            continue
        lower, upper = np.array(case.box)
        inside = [*np.unique([lower, upper, 0.5 * (lower + upper)], axis=0)]
        inside += [*(lower + generator.random((5, len(lower))) * (upper - lower))]
        false = [known for known in case.claims if known.answer == "false"]
        truth = Truth(case, np.array([*inside, *[known.at for known in false]]))
        for known in case.claims:
            if known.answer == "true" and not isinstance(known.claim, Range):
                assert not any(truth.violated(known.claim, row) for row in range(len(inside))), (case.name, known)
        for row, known in enumerate(false, len(inside)):
            assert np.all((lower <= known.at) & (known.at <= upper)), (case.name, known)
            if case.kind != "by hand" or known.claim.of == "value":  # JAX's derivative is not that of the function
                assert truth.violated(known.claim, row), (case.name, known)
