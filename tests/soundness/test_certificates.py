"""Changed certificates: a thousand accidents, all refused; of forgeries with a new digest only true ones pass."""

from collections import Counter

import numpy as np
import pytest

from certificate_files import accidents, falsehoods, forgeries, with_programs_kept
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.certificates import Convex, Distance, Monotone, Range, Within, certify, check_certificate
from surrogates import surrogate_of_shape

pytestmark = pytest.mark.soundness

BOX = (np.array([2.0, 1.0]), np.array([4.0, 5.0]))


@pytest.fixture(scope="module")
def models():
    return surrogate_of_shape([2, 2, 1], "silu", True), surrogate_of_shape([2, 1, 1], "softplus", True, seed=3)


@pytest.fixture(scope="module")
def data(models, tmp_path_factory):
    """The bytes of a certificate with claims of every kind, proved, refuted and undecided."""
    network, other = models
    points = np.stack(np.meshgrid(*[np.linspace(low, high, 41) for low, high in zip(*BOX)]), axis=-1).reshape(-1, 2)
    values, slopes = np.asarray(network.value(points)), np.asarray(network.gradient(points))
    hessians = np.asarray(network.hessian(points))
    direction = (1.0, -0.5)
    bent = np.einsum("i,nij,j->n", direction, hessians, direction)
    claims = [
        Range("value"),
        Range("gradient", tolerance=0.2),
        Within("gradient", lower=float(slopes.min() - 0.1), upper=float(slopes.max() + 0.1)),
        Within("value", lower=float(values.mean())),
        Within("value", upper=float(values.max())),
        Monotone((0, 1), margin=1.0),
        Monotone((0, 1)),
        Convex(margin=float(-np.linalg.eigvalsh(hessians).min() + 0.1)),
        Convex(margin=max(0.0, float(-np.linalg.eigvalsh(hessians).min() - 0.001))),
        Convex((direction,), margin=float(abs(bent).max() + 0.01)),
        Range("curvature", direction, tolerance=0.5),
        Distance("value"),
        Distance("value", bound=0.01),
        Distance("gradient", bound=10.0),
    ]
    certificate = certify(network, BOX, claims, against=other, pieces=3000)
    counted = Counter(answer.status for answer in certificate.answers)
    assert set(counted) == {"proved", "refuted", "undecided"}, counted
    assert falsehoods(certificate, network, other) == []
    path = tmp_path_factory.mktemp("certificate") / "certificate.json"
    certificate.save(path)
    return path.read_bytes()


def test_a_thousand_accidents_are_refused(models, data, tmp_path, monkeypatch):
    with_programs_kept(monkeypatch)
    path, refused = tmp_path / "changed.json", 0
    for mutated in accidents(data, 1000, seed=1):
        path.write_bytes(mutated)
        with pytest.raises(InputError):
            check_certificate(path, *models)
        refused += 1
    print(f"\n{refused:,} accidents, all refused", flush=True)


def test_only_forgeries_that_state_nothing_false_pass(models, data, tmp_path, monkeypatch):
    with_programs_kept(monkeypatch)
    path, counted = tmp_path / "forged.json", Counter()
    for number, mutated in enumerate(forgeries(data, 3000, seed=2)):
        path.write_bytes(mutated)
        try:
            again = check_certificate(path, *models)
        except InputError as error:
            counted[_kind(str(error))] += 1
            continue
        assert falsehoods(again, *models) == [], (number, falsehoods(again, *models))
        counted["passed, and true"] += 1
    print(f"\n{sum(counted.values()):,} forgeries with a fitting digest, none of them false and accepted:")
    print("\n".join(f"{count:>8,}  {kind}" for kind, count in counted.most_common()), flush=True)


def _kind(error: str) -> str:
    """The kind of refusal."""
    kinds = {
        "contradicts itself": "contradicts itself",
        "all parts": "wrong parts",
        "no valid certificate": "wrong claims",
        "in the form": "not as written",
        "on checking": "not so on checking",
        "by its own numbers": "a status that does not follow",
        "do not refute": "a status that does not follow",
    }
    return next((kind for text, kind in kinds.items() if text in error), "another certificate")
