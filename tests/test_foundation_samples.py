"""The record of samples: what it accepts, and the sentence for everything it does not."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.files import write_atomically
from sobolev_pruning._foundation.samples import Samples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))


@pytest.mark.parametrize("k", [None, 1, 2])
def test_scalar_and_vector_outputs_keep_their_shapes(k):
    outputs = () if k is None else (k,)
    samples = Samples(
        x=X,
        y=np.ones((5, *outputs)),
        dydx=np.ones((5, *outputs, 3)),
        directions=np.ones((5, 2, 3)),
        hvp=np.ones((5, 2, *outputs, 3)),
        y_stderr=np.ones((5, *outputs)),
        dydx_stderr=np.ones((5, *outputs, 3)),
    )
    assert (len(samples), samples.n_inputs, samples.n_outputs, samples.is_scalar) == (5, 3, k or 1, k is None)
    assert samples.y.dtype == np.float64


@pytest.mark.parametrize(
    "rows",
    [slice(1, 4), np.array([3, 1, 2]), np.array([False, True, True, True, False])],
    ids=["slice", "index", "mask"],
)
def test_rows_are_taken_from_every_array(rows):
    samples = Samples(x=X, y=X[:, 0], dydx=2 * X, directions=X[:, None, :], hvp=3 * X[:, None, :])
    chosen = samples[rows]
    np.testing.assert_array_equal(chosen.x, X[rows])
    np.testing.assert_array_equal(chosen.y, X[rows, 0])
    np.testing.assert_array_equal(chosen.dydx, 2 * X[rows])
    np.testing.assert_array_equal(chosen.directions, X[rows, None, :])
    np.testing.assert_array_equal(chosen.hvp, 3 * X[rows, None, :])
    assert chosen.y_stderr is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(5)}, r"x has shape \(5,\); give one row per sample"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0)}, "nothing to learn from"),
        ({"y": np.zeros(4)}, r"y has shape \(4,\); give \(5,\), or \(5, k\)"),
        ({"y": np.zeros((5, 1, 1))}, r"y has shape \(5, 1, 1\)"),
        ({"y": np.zeros((5, 0))}, "give at least one output"),
        ({"dydx": np.zeros((5, 2))}, r"dydx has shape \(5, 2\); to match x and y it must be \(5, 3\)"),
        ({"y": np.zeros((5, 2)), "dydx": np.zeros((5, 3))}, r"it must be \(5, 2, 3\)"),
        ({"directions": np.ones((5, 1, 3))}, "directions and hvp belong together"),
        ({"directions": np.ones((5, 2, 3)), "hvp": np.ones((5, 1, 3))}, r"hvp has shape .* must be \(5, 2, 3\)"),
        ({"directions": np.ones((5, 3)), "hvp": np.ones((5, 3))}, r"directions has shape \(5, 3\)"),
        ({"y_stderr": np.ones((5, 1))}, "y_stderr has shape"),
        ({"x": [["a", 1.0, 2.0]] * 5}, "x cannot be read as an array of real numbers"),
        ({"x": [[1.0, 2.0], [3.0]]}, "x cannot be read as an array of real numbers"),
        ({"y": np.full(5, 1j)}, "y cannot be read as an array of real numbers"),
    ],
)
def test_what_does_not_fit_is_named(arrays, message):
    with pytest.raises(InputError, match=message):
        Samples(**({"x": X, "y": np.zeros(5)} | arrays))


@settings(deadline=None, max_examples=30)
@given(
    name=st.sampled_from(["x", "y", "dydx"]),
    row=st.integers(0, 4),
    column=st.integers(0, 2),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_the_first_number_that_is_not_finite_is_located(name, row, column, bad):
    arrays = {"x": X.copy(), "y": X[:, :2].copy(), "dydx": np.ones((5, 2, 3))}
    place = {"x": (row, column), "y": (row, column % 2), "dydx": (row, 1, column)}[name]
    arrays[name][place] = bad
    position = r", ".join(map(str, place[1:]))
    with pytest.raises(InputError, match=rf"{name} holds {bad} at row {row}, position \({position},?\) \(1 such"):
        Samples(**arrays)


def test_without_float64_one_sentence_says_how_to_turn_it_on():
    code = "import sobolev_pruning as sp; sp.Samples(x=[[0.0]], y=[0.0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'Samples needs float64, which is off in JAX: call jax.config.update("jax_enable_x64", True)' in done.stderr


def test_files_are_replaced_whole_and_nothing_is_left_beside_them(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    with pytest.raises(TypeError):
        write_atomically(path, 3)
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.stat().st_mode & 0o400


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*missing to write a.txt into"):
        write_atomically(tmp_path / "missing" / "a.txt", "")
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        write_atomically(tmp_path, "")
