"""The certificate as a file: proved again from there, refused when it or the weights were changed."""

import json

import equinox as eqx
import jax.numpy as jnp
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.evaluation.certificates import (
    Distance,
    Monotone,
    Range,
    Within,
    certify,
    check_certificate,
    claim_from_json,
    claim_to_json,
    load_certificate,
)
from surrogates import surrogate_of_shape

CLAIMS = (Range("value", tolerance=0.2), Within("gradient", upper=50.0), Monotone((0,)), Distance("value"))


@pytest.fixture(scope="module")
def network():
    return surrogate_of_shape([2, 1, 1], "softplus", True)


@pytest.fixture(scope="module")
def other():
    return surrogate_of_shape([2, 1, 1], "softplus", True, seed=3)


@pytest.fixture(scope="module")
def certificate(network, other):
    return certify(network, (2.0, 4.0), CLAIMS, against=other)


@pytest.fixture
def file(certificate, tmp_path):
    path = tmp_path / "certificate.json"
    certificate.save(path)
    return path


def altered(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_certificate_survives_its_file_unchanged(certificate, file):
    assert load_certificate(file) == certificate
    content = json.loads(file.read_text())
    assert set(content) >= {
        "weights",
        "against",
        "lower",
        "upper",
        "method",
        "margins",
        "versions",
        "answers",
        "pieces",
    }


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_survives_json(claim):
    assert claim_from_json(json.loads(json.dumps(claim_to_json(claim)))) == claim


def test_checking_proves_again_and_a_tightened_bound_is_not_believed(network, other, file):
    assert check_certificate(file, network, other).proved

    def tighten(content):
        low, high = content["answers"][0]["lower"][0], content["answers"][0]["upper"][0]
        content["answers"][0]["upper"][0] = low + 0.5 * (high - low)

    altered(file, tighten)
    with pytest.raises(InputError, match="refuted on checking"):
        check_certificate(file, network, other)


def test_changed_weights_are_refused(network, other, file):
    bias = network.layers[-1].bias
    changed = eqx.tree_at(lambda n: n.layers[-1].bias, network, jnp.nextafter(bias, bias + 1))
    with pytest.raises(InputError, match="another surrogate"):
        check_certificate(file, changed, other)
    with pytest.raises(InputError, match="another model it is against"):
        check_certificate(file, network, changed)
    with pytest.raises(InputError, match="second model"):
        check_certificate(file, network)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("weights"), "all parts"),
        (lambda c: c.update(format="something else"), "no certificate"),
        (lambda c: c["answers"][0].update(claim={"claim": "unheard of"}), "no claim"),
        (lambda c: c["answers"][0].update(lower=["x"]), "all parts"),
        (lambda c: c["answers"][0].update(status="true"), "all parts"),
        (lambda c: c.update(lower=[0.0]), "all parts"),
        (lambda c: c.update(answers=3), "all parts"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(file, change, message, types_unchecked):
    altered(file, change)
    with pytest.raises(InputError, match=message):
        load_certificate(file)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "3", '{"format": NaN}'])
def test_a_file_that_is_no_certificate_is_refused(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"JSON|no certificate"):
        load_certificate(path)


def test_a_missing_file_is_named(tmp_path, network):
    with pytest.raises(InputError, match=r"no file .*none\.json"):
        check_certificate(tmp_path / "none.json", network)
