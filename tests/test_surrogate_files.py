"""Surrogates on disk: bit for bit, and one sentence for every damaged file."""

import json
from dataclasses import replace

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

import sobolev_pruning as sp
from activation_names import REPRESENTATIVE
from sobolev_pruning import InputError, Surrogate
from surrogates import surrogate_of_shape

HEADER = {
    "format": "sobolev_pruning.surrogate",
    "schema": 3,
    "widths": [2, 3, 1],
    "activations": ["silu", "identity"],
    "skip": False,
    "scalar_output": True,
    "inputs": [{"name": "spot", "unit": "USD"}, {"name": "rate", "unit": None}],
    "outputs": [{"name": "price", "unit": None}],
}
SMALL = surrogate_of_shape([2, 3, 1], "silu", scalar=True)


@pytest.mark.parametrize("activation", REPRESENTATIVE)
@pytest.mark.parametrize(
    ("widths", "scalar"), [([2, 5, 3, 1], True), ([2, 4, 1], False), ([1, 2, 3, 2], False)], ids=str
)
def test_a_surrogate_comes_back_bit_for_bit(tmp_path, widths, scalar, activation):
    surrogate = surrogate_of_shape(widths, activation, scalar)
    surrogate.save(tmp_path / "s.safetensors")
    assert eqx.tree_equal(sp.load(tmp_path / "s.safetensors"), surrogate, typematch=True)


def test_names_and_units_come_back_and_files_without_them_are_read(saved):
    named = replace(SMALL, inputs=["spot [USD]", "rate"], outputs=["price"])
    path = saved.with_name("named")
    named.save(path)
    assert eqx.tree_equal(sp.load(path), named)
    new = ("activations", "skip", "inputs", "outputs")
    old = {key: HEADER[key] for key in HEADER if key not in new} | {"schema": 1, "activation": "silu"}
    path.write_bytes(write_tensors(read_tensors(saved.read_bytes()), {"surrogate": json.dumps(old)}))
    assert eqx.tree_equal(sp.load(path), SMALL)


def test_saving_twice_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        SMALL.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "small.safetensors"
    SMALL.save(path)
    return path


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_file_cut_short_is_refused(saved, data):
    content = saved.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    cut = saved.with_name("cut")
    cut.write_bytes(content[:length])
    with pytest.raises(InputError, match="cut is not a readable safetensors file"):
        sp.load(cut)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_file_with_changed_bytes_is_refused_or_a_finite_network(saved, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = saved.with_name("changed")
    changed.write_bytes(content)
    try:
        surrogate = sp.load(changed)
    except InputError:
        return
    assert isinstance(surrogate, Surrogate)
    assert all(np.isfinite(layer.weight).all() for layer in surrogate.layers)


@pytest.mark.parametrize(
    "header",
    [
        {"widths": []},
        {"widths": [2]},
        {"widths": "231"},
        {"widths": "2,3,1"},
        {"widths": None},
        {"widths": [2, float("inf"), 1]},
        {"widths": [2.0, 3.0, 1.0]},
        {"widths": [2, 3, True]},
        {"widths": ["2", "3", "1"]},
        {"scalar_output": "yes"},
        {"scalar_output": 1},
        {"scalar_output": None},
        {"activations": None},
        {"activations": 3},
        {"skip": None},
        {"skip": 1},
    ],
    ids=str,
)
def test_a_header_with_another_type_is_refused(saved, header):
    foreign = saved.with_name("foreign")
    metadata = {"surrogate": json.dumps(HEADER | header)}
    foreign.write_bytes(write_tensors(read_tensors(saved.read_bytes()), metadata))
    with pytest.raises(InputError, match=f"foreign has a header whose {next(iter(header))} is .*; save the surrogate"):
        sp.load(foreign)


def test_a_header_of_another_kind_is_refused(saved):
    foreign = saved.with_name("foreign")
    metadata = {"surrogate": json.dumps(HEADER | {"format": "something.else"})}
    foreign.write_bytes(write_tensors(read_tensors(saved.read_bytes()), metadata))
    with pytest.raises(InputError, match=r"foreign has no surrogate header; give a file written by Surrogate\.save"):
        sp.load(foreign)


@pytest.mark.parametrize("metadata", [None, {}, {"surrogate": "[]"}, {"surrogate": "{"}, {"surrogate": "[" * 100_000}])
def test_a_file_without_our_header_is_refused(saved, metadata):
    foreign = saved.with_name("foreign")
    foreign.write_bytes(write_tensors({"weight": np.ones((2, 2))}, metadata))
    with pytest.raises(InputError, match="has no surrogate header"):
        sp.load(foreign)


@pytest.mark.parametrize(
    ("header", "tensors", "message"),
    [
        ({"schema": True}, {}, "has schema True;"),
        ({"schema": 1.0}, {}, "has schema 1.0;"),
        ({"schema": 4}, {}, "has schema 4; this version of sobolev-pruning reads up to schema 3"),
        ({"activations": ["silu"]}, {}, "There are 1 activations for 2 layers"),
        ({"activations": [["silu"], {}]}, {}, "activation is ..silu..; choose one of silu"),
        ({"skip": True}, {}, r"a finite float64 tensor skip of shape \(1, 2\)"),
        ({"activations": ["swish", "identity"]}, {}, "The activation swish is written with its numbers"),
        ({"widths": [2, 4, 1]}, {}, r"a finite float64 tensor layers.0.weight of shape \(4, 2\)"),
        ({"widths": [2, 3, 10**12, 1]}, {}, "a finite float64 tensor layers.1.weight"),
        ({}, {"layers.0.bias": np.array([1.0, np.nan, 0.0])}, "a finite float64 tensor layers.0.bias"),
        ({}, {"layers.1.weight": np.ones((1, 3), np.float32)}, "a finite float64 tensor layers.1.weight"),
        ({}, {"x_scale": np.array([1.0, 0.0])}, "holds a scale that is not above 0"),
        ({"widths": [2, 3, 2], "scalar_output": True}, {}, "a finite float64 tensor layers.1.weight"),
        ({"inputs": None}, {}, "a header whose inputs are no names with units; save the surrogate again"),
        ({"inputs": ["spot", "rate"]}, {}, "a header whose inputs are no names"),
        ({"outputs": [{"name": "a\nb", "unit": None}]}, {}, "a header whose outputs are no names"),
        ({"outputs": [{"name": "a" * 300, "unit": None}]}, {}, "a header whose outputs are no names"),
        ({"inputs": HEADER["inputs"][:1]}, {}, r"wrong: inputs has 1 name \(spot\); give 2"),
        ({"inputs": HEADER["inputs"][:1] * 2}, {}, "wrong: inputs has the name 'spot' twice"),
    ],
)
def test_what_the_header_promises_must_be_there(types_unchecked, saved, header, tensors, message):
    wrong = saved.with_name("wrong")
    metadata = {"surrogate": json.dumps(HEADER | header)}
    wrong.write_bytes(write_tensors(read_tensors(saved.read_bytes()) | tensors, metadata))
    with pytest.raises(InputError, match=message):
        sp.load(wrong)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(InputError, match=f"There is no file {path}"):
            sp.load(path)


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "s.safetensors"
    SMALL.save(path)
    before, other = path.read_bytes(), surrogate_of_shape([1, 1], "silu", scalar=True)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.safetensors"]
