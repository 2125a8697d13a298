"""The JavaScript module: the same function as in JAX, in Node, without dependencies."""

import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from activation_names import EVERY
from sobolev_pruning import InputError
from sobolev_pruning.interchange import save_javascript
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_onnx_out import SHAPES, assert_agreement, inputs_for, truth
from tolerances import EXPORT_FLOAT64

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

CASES = {
    **{f"3-5-4-1 {name}": lambda name=name: surrogate_of_shape([3, 5, 4, 1], name, True) for name in EVERY},
    **{f"{widths} {flat}": lambda w=widths, f=flat: surrogate_of_shape(w, "silu", f) for widths, flat in SHAPES[1:]},
    **{kind: lambda kind=kind: layered_surrogate(*LAYERED[kind]) for kind in LAYERED},
}

_ALL_FOUR = """
import fs from "node:fs";
for (const folder of fs.readdirSync(".").filter((name) => fs.existsSync(name + "/net.mjs"))) {
  const net = await import(`${process.cwd()}/${folder}/net.mjs`);
  const { points, directions } = JSON.parse(fs.readFileSync(`${folder}/points.json`));
  const found = {};
  for (const name of ["value", "gradient", "hessian"]) found[name] = points.map(net[name]);
  found.hvp = points.map((point, i) => net.hvp(point, directions[i]));
  fs.writeFileSync(`${folder}/found.json`, JSON.stringify(found));
}
"""


def in_node(code: str, folder) -> str:
    (folder / "test.mjs").write_text(code)
    done = subprocess.run(["node", "test.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """What one process of Node computes for every case, beside what JAX does."""
    place = tmp_path_factory.mktemp("node")
    expected = {}
    for number, (name, make) in enumerate(CASES.items()):
        surrogate, folder = make(), place / str(number)
        folder.mkdir()
        points, directions = (np.asarray(array) for array in inputs_for(surrogate))
        save_javascript(surrogate, folder / "net.mjs")
        data = {"points": points.tolist(), "directions": directions.tolist()}
        (folder / "points.json").write_text(json.dumps(data))
        expected[name] = folder, truth(surrogate, points, directions)
    in_node(_ALL_FOUR, place)
    return expected


@needs_node
@pytest.mark.parametrize("case", CASES)
def test_javascript_agrees_with_jax(evaluated, case):
    folder, expected = evaluated[case]
    found = {name: np.array(rows) for name, rows in json.loads((folder / "found.json").read_text()).items()}
    assert_agreement(found, expected, EXPORT_FLOAT64)


def test_it_imports_nothing_and_no_name_leaves_its_string(tmp_path):
    names = ["spot [USD]", "a\"'\\</script>\u2028", "rate [{1/year}]"]
    surrogate = replace(surrogate_of_shape([3, 3, 1], "silu", scalar=True), inputs=names, outputs=["price"])
    save_javascript(surrogate, tmp_path / "net.mjs")
    text = (tmp_path / "net.mjs").read_text()
    assert "import" not in text and "</script" not in text and text.isascii()
    if shutil.which("node"):
        printed = in_node('console.log(JSON.stringify((await import("./net.mjs")).INPUTS))', tmp_path)
        assert json.loads(printed) == [{"name": v.name, "unit": v.unit} for v in surrogate.inputs]


@needs_node
def test_the_range_is_checked_and_wrong_points_are_refused(tmp_path):
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    save_javascript(surrogate, tmp_path / "net.mjs", box=([0, 0], [1, 2]))
    save_javascript(surrogate, tmp_path / "open.mjs")
    code = """
      import * as net from "./net.mjs"; import * as open from "./open.mjs";
      const points = [[0, 2], [-0.1, 1], [0.5, 2.1], [0.5, NaN]];
      const refused = [[1, 2, 3], [], 5, undefined].map((x) => {
        try { return net.value(x); } catch (error) { return error instanceof RangeError; }
      });
      console.log(JSON.stringify([points.map(net.inRange), open.inRange([0, 0]), refused]));
    """
    assert json.loads(in_node(code, tmp_path)) == [[True, False, False, False], None, [True] * 4]


@needs_node
def test_far_out_nothing_overflows(tmp_path):
    names = [name for name in EVERY if name != "exp"]
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        save_javascript(surrogate_of_shape([1, 3, 1], name, scalar=True), folder / "net.mjs")
        (folder / "points.json").write_text('{"points": [[1e4], [-1e4]], "directions": [[1], [1]]}')
    in_node(_ALL_FOUR, tmp_path)
    for name in names:
        found = json.loads((tmp_path / name / "found.json").read_text())  # what is not finite is null there
        assert np.isfinite(np.array(found["hessian"], dtype=float)).all(), name


def test_a_box_of_another_shape_is_refused(tmp_path):
    with pytest.raises(InputError, match="box must be a lower and an upper corner of 2 numbers each"):
        save_javascript(surrogate_of_shape([2, 3, 1], "silu", scalar=True), tmp_path / "other.mjs", box=([0], [1]))
