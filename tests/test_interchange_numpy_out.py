"""The NumPy module: the same function as in JAX, with NumPy and nothing else."""

import ast
import runpy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from activation_names import EVERY
from sobolev_pruning import InputError
from sobolev_pruning.interchange import save_numpy
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_onnx_out import SHAPES, assert_agreement, inputs_for, truth
from tolerances import EXPORT_FLOAT64

CASES = [([3, 5, 4, 1], True, activation) for activation in EVERY]
CASES += [(widths, scalar, "silu") for widths, scalar in SHAPES[1:]]


@pytest.mark.parametrize(("widths", "scalar", "activation"), CASES, ids=str)
def test_numpy_agrees_with_jax(tmp_path, widths, scalar, activation):
    surrogate = surrogate_of_shape(widths, activation, scalar)
    points, directions = (np.asarray(array) for array in inputs_for(surrogate))
    save_numpy(surrogate, tmp_path / "net.py")
    net = runpy.run_path(str(tmp_path / "net.py"))
    found = {name: net[name](points) for name in ("value", "gradient", "hessian")}
    found["hvp"] = net["hvp"](points, directions)
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT64)


@pytest.mark.parametrize("kind", LAYERED)
def test_layers_of_their_own_and_a_skip_are_written(tmp_path, kind):
    surrogate = layered_surrogate(*LAYERED[kind])
    points, directions = (np.asarray(array) for array in inputs_for(surrogate))
    save_numpy(surrogate, tmp_path / "net.py")
    net = runpy.run_path(str(tmp_path / "net.py"))
    found = {name: net[name](points) for name in ("value", "gradient", "hessian")}
    found["hvp"] = net["hvp"](points, directions)
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT64)


def test_it_imports_numpy_alone(tmp_path):
    path = tmp_path / "net.py"
    save_numpy(surrogate_of_shape([2, 3, 1], "gelu", scalar=True), path)
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]
    code = "import sys, net; net.value([[1.0, 2.0]]); assert 'jax' not in sys.modules"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path).returncode == 0


def test_names_stand_in_tuples_and_units_in_comments(tmp_path):
    names = ["spot [USD]", "a\"'{0}\\", "rate [{1/year}]"]
    surrogate = replace(surrogate_of_shape([3, 3, 1], "silu", scalar=True), inputs=names, outputs=["price"])
    save_numpy(surrogate, tmp_path / "net.py")
    net = runpy.run_path(str(tmp_path / "net.py"))
    assert net["INPUTS"] == tuple(variable.name for variable in surrogate.inputs) and net["OUTPUTS"] == ("price",)
    assert "'spot',  # [USD]" in (tmp_path / "net.py").read_text()


def test_the_range_is_checked(tmp_path):
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    save_numpy(surrogate, tmp_path / "net.py", box=([0, 0], [1, 2]))
    save_numpy(surrogate, tmp_path / "open.py")
    points = [[0.0, 2.0], [-0.1, 1.0], [0.5, 2.1], [0.5, np.nan]]
    assert runpy.run_path(str(tmp_path / "net.py"))["in_range"](points).tolist() == [True, False, False, False]
    assert runpy.run_path(str(tmp_path / "open.py"))["in_range"](points) is None


def test_far_out_nothing_overflows(tmp_path):
    for activation in (name for name in EVERY if name != "exp"):
        save_numpy(surrogate_of_shape([1, 3, 1], activation, scalar=True), tmp_path / "net.py")
        net = runpy.run_path(str(tmp_path / "net.py"))
        with np.errstate(over="raise", invalid="raise"):
            assert np.isfinite(net["hessian"]([[1e4], [-1e4]])).all()


def test_wrong_shapes_are_refused(tmp_path):
    save_numpy(surrogate_of_shape([2, 3, 1], "silu", scalar=True), tmp_path / "net.py")
    with pytest.raises(ValueError, match=r"give \(n, 2\), one row per point"):
        runpy.run_path(str(tmp_path / "net.py"))["value"](np.ones((3, 3)))
    with pytest.raises(InputError, match="box must be a lower and an upper corner of 2 numbers each"):
        save_numpy(surrogate_of_shape([2, 3, 1], "silu", scalar=True), tmp_path / "other.py", box=([0], [1]))
