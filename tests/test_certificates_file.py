"""The certificate as a file: proved again from there, refused when it or the weights were changed."""

import io
import json
import os
import resource
import signal
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from certificate_files import accidents, altered, falsehoods, forgeries, sealed, with_programs_kept
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.variables import numbered_inputs, numbered_outputs
from sobolev_pruning.certificates import (
    Convex,
    Distance,
    Monotone,
    Range,
    Within,
    certify,
    check_certificate,
    claim_text,
    load_certificate,
    read_claims,
)
from sobolev_pruning.certificates.claims import claim_from_json, claim_to_json
from sobolev_pruning.commands import certificate_table
from sobolev_pruning.commands.records import CertificateRecord, NetworkRecord
from surrogates import surrogate_of_shape

BOX = (2.0, 4.0)
HIGHEST = 2.0
"""Where the network of these tests is largest: it falls."""


@pytest.fixture(scope="module")
def network():
    return surrogate_of_shape([1, 1, 1], "softplus", True)


@pytest.fixture(scope="module")
def other():
    return surrogate_of_shape([1, 1, 1], "softplus", True, seed=3)


@pytest.fixture(scope="module")
def claims(network):
    """Two proved, two refuted, one undecided: a bound that equals the maximum to the last digit."""
    highest = float(network.value([[HIGHEST]])[0])
    return (
        Range("value", tolerance=0.2),
        Within("gradient", upper=50.0),
        Within("value", upper=highest - 0.001),
        Monotone((0,)),
        Within("value", upper=highest),
    )


@pytest.fixture(scope="module")
def certificate(network, claims):
    return certify(network, BOX, claims, pieces=20)


@pytest.fixture(scope="module")
def compared(network, other):
    return certify(network, BOX, [Distance("value")], against=other)


@pytest.fixture
def file(certificate, tmp_path):
    path = tmp_path / "certificate.json"
    certificate.save(path)
    return path


def test_a_certificate_survives_its_file_unchanged(certificate, file):
    assert load_certificate(file) == certificate
    assert [answer.status for answer in certificate.answers] == ["proved"] * 2 + ["refuted"] * 2 + ["undecided"]
    content = json.loads(file.read_text())
    assert file.read_bytes() == sealed(content)
    assert content["schema"] == 3 and content["rules"] == [] and "real numbers" in content["semantics"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Range("value", tolerance=0.2),
        lambda: Within("gradient", lower=((0.0, -np.inf),), upper=np.float32(2.0)),
        lambda: Monotone((np.int64(0), 1)),
        lambda: Convex(directions=((1.0, 0.0), (0.0, 1.0)), margin=1),
        lambda: Distance("value", bound=0.5),
    ],
)
def test_a_claim_survives_json_and_holds_plain_numbers(make, types_unchecked):
    claim = make()
    record = json.loads(json.dumps(claim_to_json(claim)).replace("Infinity", "1e999"))
    assert claim_from_json(record) == claim and hash(claim) == hash(claim_from_json(record))


def test_lists_and_arrays_make_the_claims_that_tuples_make(types_unchecked):
    assert Monotone([0, 1]) == Monotone((0, 1)) and Within("value", np.zeros(2)) == Within("value", (0.0, 0.0))
    assert Convex(np.eye(2)) == Convex(((1.0, 0.0), (0.0, 1.0)))


def test_checking_proves_everything_again(network, other, certificate, compared, file, tmp_path):
    again = check_certificate(file, network)
    assert again.answers == certificate.answers and again.versions == certificate.versions
    compared.save(tmp_path / "compared.json")
    assert check_certificate(tmp_path / "compared.json", network, other).answers == compared.answers


def test_a_certificate_names_inputs_and_outputs_and_is_for_these_alone(network, tmp_path):
    named = replace(network, inputs=["spot [USD]"], outputs=["price"])
    made = certify(named, BOX, read_claims("dprice/dspot <= 50; convex in spot", named), pieces=20)
    made.save(tmp_path / "named.json")
    assert (made.inputs, made.outputs) == (named.inputs, named.outputs)
    assert [claim_text(answer.claim, made) for answer in made.answers] == ["dprice/dspot <= 50", "convex in spot"]
    assert check_certificate(tmp_path / "named.json", named).answers == made.answers
    for names in (["rate"], ["spot [EUR]"], None):
        with pytest.raises(InputError, match=r"speaks of the inputs spot \[USD\], the surrogate of .*; give the"):
            check_certificate(tmp_path / "named.json", replace(named, inputs=names))


def test_certificates_without_names_are_read_and_proved_again(network, certificate, tmp_path):
    replace(certificate, inputs=None, outputs=None).save(tmp_path / "old.json")
    content = json.loads((tmp_path / "old.json").read_text())
    assert content["schema"] == 2 and not {"inputs", "outputs"} & set(content)
    assert "entry" not in content["answers"][0]["claim"]
    again = check_certificate(tmp_path / "old.json", replace(network, inputs=["spot"]))
    assert again.answers == certificate.answers and again.inputs is None


def test_one_entry_is_that_of_all_entries_alone(tmp_path):
    network = surrogate_of_shape([2, 3, 2], "tanh", False)
    (every,) = certify(network, BOX, [Range("gradient")], pieces=200).answers
    for entry in ((0, 1), (1, 0)):
        (one,) = certify(network, BOX, [Range("gradient", entry=entry)], pieces=200).answers
        place = 2 * entry[0] + entry[1]
        assert one.shape == (1,) and one.status == "proved"
        # What the one proof bounds, the other reaches, and the other way round.
        assert one.lower[0] <= every.reached_lower[place] and every.lower[place] <= one.reached_lower[0]
        assert every.reached_upper[place] <= one.upper[0] and one.reached_upper[0] <= every.upper[place]
    with pytest.raises(InputError, match=r"Range speaks of the entry \(2, 0\), but there are \(2, 2\) entries"):
        certify(network, BOX, [Range("gradient", entry=(2, 0))])
    with pytest.raises(InputError, match=r"Within: entry is \(0,\); give 2 whole numbers, counted from 0"):
        Within("gradient", lower=0.0, entry=(0,))


def test_a_second_model_that_no_claim_speaks_of_is_not_needed_again(network, other, tmp_path):
    certify(network, BOX, [Range("value")], against=other).save(tmp_path / "file.json")
    assert check_certificate(tmp_path / "file.json", network).proved


def test_changed_weights_are_refused(network, other, compared, file, tmp_path):
    bias = network.layers[-1].bias
    changed = eqx.tree_at(lambda n: n.layers[-1].bias, network, jnp.nextafter(bias, bias + 1))
    with pytest.raises(InputError, match="another surrogate"):
        check_certificate(file, changed)
    compared.save(tmp_path / "compared.json")
    with pytest.raises(InputError, match="another model it is against"):
        check_certificate(tmp_path / "compared.json", network, changed)
    with pytest.raises(InputError, match="second model"):
        check_certificate(tmp_path / "compared.json", network)


def test_a_thousand_accidents_are_all_refused(network, file, tmp_path):
    """Any field, number, sign, point, claim, order or byte, changed in one place."""
    data, changed = file.read_bytes(), tmp_path / "changed.json"
    for number, mutated in enumerate(accidents(data, 1000)):
        changed.write_bytes(mutated)
        with pytest.raises(InputError):
            pytest.fail(f"accident {number} was accepted: {check_certificate(changed, network)}")


def test_forgeries_pass_only_where_they_state_nothing_false(network, file, tmp_path, monkeypatch):
    """Two hundred changes under a digest that fits; `tests/soundness` has more of them, and more kinds of claims."""
    with_programs_kept(monkeypatch)
    changed, passed = tmp_path / "changed.json", 0
    for number, mutated in enumerate(forgeries(file.read_bytes(), 200)):
        changed.write_bytes(mutated)
        try:
            again = check_certificate(changed, network)
        except InputError:
            continue
        assert falsehoods(again, network, None) == [], number
        passed += 1
    assert passed > 0


def _answer(number, **fields):
    return lambda content: content["answers"][number].update(fields)


def _monotone(**fields):
    return _answer(3, claim={"claim": "monotone", "inputs": [0], "increasing": True, "margin": 0.0} | fields)


REFUTED = {"status": "refuted", "point": [3.0], "entry": 0, "evidence": [1.0, 2.0]}
UNDECIDED = {"status": "undecided", "gap": 0.1, "where": [[2.0], [3.0]]}
PROVED = {"status": "proved", "point": None, "entry": None, "evidence": None}

FORGERIES = {
    # What shows without a proof.
    "proved made refuted": (_answer(1, **REFUTED), "calls gradient <= 50 refuted, but by its own numbers it is proved"),
    "proved made undecided": (_answer(1, **UNDECIDED), "calls gradient <= 50 undecided, but .* it is proved"),
    "refuted made proved": (_answer(2, **PROVED), "calls value <= .* proved, but by its own numbers it is undecided"),
    "undecided made proved": (_answer(4, status="proved", gap=0.0, where=None), "by its own numbers it is undecided"),
    "a point outside": (_answer(2, point=[5.0]), "a point outside of its box"),
    "no point": (_answer(2, point=None), "refuted answer needs a point"),
    "evidence that does not refute": (_answer(2, evidence=[-0.8, -0.7]), "refuted by numbers that do not refute it"),
    "another shape": (_answer(1, shape=[1]), r"entries of shape \(1,\) instead of \(1, 1\)"),
    "no claims": (lambda content: content.update(answers=[]), "it answers no claims"),
    "a model that is not compared": (lambda content: content.update(against="0" * 64), "does not compare"),
    "a range that is too wide": (_answer(0, upper=[0.0]), "calls value proved, but by its own numbers it is undecided"),
    "another meaning": (lambda content: content.update(semantics="holds in general"), "all parts"),
    "a box of two inputs": (lambda c: c.update(lower=[2.0, 2.0], upper=[4.0, 4.0]), "outside of its box"),
    # What is enclosed at points again.
    "another point": (_answer(2, point=[4.0]), "refuted by a point that does not show it"),
    "invented evidence": (_answer(3, evidence=[-0.5, -0.4]), "refuted by a point that does not show it"),
    "a value reached": (_answer(1, reached_upper=[-0.001], upper=[0.0]), "points reach what they do not"),
    "rules": (lambda content: content.update(rules=["my_rule"]), "other enclosure rules"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_statement_is_caught(network, file, name):
    change, message = FORGERIES[name]
    altered(file, change, forged=True)
    with pytest.raises(InputError, match=message):
        check_certificate(file, network)


def test_a_box_that_was_made_larger_is_caught_by_proving_its_bounds(network, file):
    altered(file, lambda content: content.update(upper=[4.5]), forged=True)
    with pytest.raises(InputError, match=r"bounds for value that were (refuted|undecided) on checking"):
        check_certificate(file, network)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("weights"), "all parts"),
        (lambda c: c.update(more=1), "all parts"),
        (lambda c: c.update(schema=1), "another version of this package, not of schema 2 or 3; certify again"),
        (lambda c: c.update(format="something else"), "no certificate"),
        (_answer(0, claim={"claim": "unheard of"}), "no claim"),
        (_answer(0, claim={"claim": "range", "of": "value", "direction": None}), "no claim"),
        (_monotone(inputs=[0.0]), "whole numbers"),
        (_monotone(inputs=[False]), "not in the form"),
        (_monotone(increasing=1), "True or False"),
        (_monotone(margin=0), "not in the form"),
        (_monotone(margin=10**400), "too large"),
        (_answer(0, lower=["x"]), "all parts"),
        (_answer(0, lower=[1]), "all parts"),
        (_answer(0, lower=0.0), "all parts"),
        (_answer(0, lower=[[0.0]]), "all parts"),
        (_answer(0, shape=[10**9, 10**9]), "numbers of entries"),
        (_answer(0, shape=[True]), "all parts"),
        (_answer(0, status="true"), "all parts"),
        (_answer(0, gap="inf"), "undecided answer needs a gap"),
        (lambda c: c.update(lower=[]), "its box is none"),
        (lambda c: c.update(upper=["inf"]), "its box is none"),
        (lambda c: c.update(budget=2.5), "all parts"),
        (lambda c: c.update(budget=10**300), "all parts"),
        (lambda c: c.update(method="interval\u001b[2J"), "all parts"),
        (lambda c: c["versions"].update(jax=10), "all parts"),
        (lambda c: c.update(answers=3), "all parts"),
    ],
)
def test_wrong_parts_under_a_fitting_digest_are_refused_in_one_sentence(file, change, message, types_unchecked):
    altered(file, change, forged=True)
    with pytest.raises(InputError, match=message):
        load_certificate(file)


NO_CERTIFICATES = [b"", b"{", b"[" * 100_000, b"[]", b"3", b'{"format": NaN}', b"\xff\xfe", b"9" * 5000]
NO_CERTIFICATES += [b'{"a":' * 900 + b"1" + b"}" * 900]


@pytest.mark.parametrize("data", NO_CERTIFICATES, ids=range(9))
def test_a_file_that_is_no_certificate_is_refused(tmp_path, data):
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"JSON|no certificate"):
        load_certificate(path)


def test_deep_nesting_inside_a_certificate_is_refused(file):
    text = file.read_text()
    for depth in (500, 900, 50_000):
        file.write_text(text.replace('"rules": []', f'"rules": {"[" * depth}{"]" * depth}'))
        with pytest.raises(InputError, match=r"digest|JSON"):
            load_certificate(file)


@pytest.mark.parametrize(("old", "new"), [("\n", "\r\n"), (": ", ":"), ("}\n", "}\n\n"), (": 0.2", ": 2e-1")])
def test_another_form_of_the_same_content_is_refused(file, old, new):
    """A number written otherwise, or a name that comes twice, would mean something else to another reader."""
    assert old in file.read_text()
    file.write_bytes(file.read_text().replace(old, new).encode())
    with pytest.raises(InputError, match="not in the form in which it was written"):
        load_certificate(file)


def test_a_table_names_the_rules_that_are_trusted_and_what_is_meant(certificate, file):
    altered(file, lambda content: content.update(rules=["my exp", "[bold]"]), forged=True)
    record = CertificateRecord(
        NetworkRecord("a.onnx", (1, 1, 1), "softplus", 4, numbered_inputs(1), numbered_outputs(1)),
        None,
        load_certificate(file),
        (),
    )
    console = Console(width=300, file=io.StringIO())
    console.print(certificate_table(record))
    printed = " ".join(console.file.getvalue().split())
    assert "Rests on the rules my exp, [bold], which are trusted." in printed
    assert "Proved: holds for the models as functions of real numbers" in printed


@pytest.mark.parametrize("name", ["none.json", "", "a\0b", "n" * 300])
def test_a_missing_file_is_named(tmp_path, network, name):
    with pytest.raises(InputError, match=r"There is no file .* to read"):
        check_certificate(f"{tmp_path}/{name}", network)


def test_a_certificate_that_cannot_be_written_is_one_sentence(certificate, tmp_path):
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(InputError, match=r"certificate.json cannot be written \(.*\); make room"):
            certificate.save(tmp_path / "certificate.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []
    for name in ("a\0b", "n" * 300, "no/folder.json"):
        with pytest.raises(InputError):
            certificate.save(f"{tmp_path}/{name}")
