"""The calls that the pages about exports show: compiled, run, and right."""

import json
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import sobolev_pruning as sp
from command_line import call
from other_python import PYTHON, needs_torch
from sobolev_pruning.interchange import BridgeServer

DOCS = Path(__file__).parent.parent / "docs"
POINT = [[1.0, 1.0, 1.0]]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def printed(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ranged(surrogate):
    """The small network of three inputs, with a range that holds the point of the pages."""
    return replace(surrogate, training_range=(jnp.zeros(3), jnp.full(3, 2.0)))


@needs_gxx
def test_the_cpp_of_the_page_runs(ranged, tmp_path):
    (code,) = blocks("export-c.md", "cpp")
    (tmp_path / "main.cpp").write_text(code)
    sp.save_c(ranged, tmp_path / "surrogate.h")
    printed("g++", "-Wall", "-Wextra", "-Werror", "-O1", "main.cpp", "-o", "main", folder=tmp_path)
    value, slope = float(ranged.value(POINT)[0]), float(ranged.gradient(POINT)[0, 0])
    assert printed("./main", folder=tmp_path) == (
        f"value {value:.6f}, first derivative {slope:.6f}\nthe last of 1000 values {value:.6f}\n"
    )


def test_headers_are_named_by_their_file_or_by_the_option(ranged, tmp_path, capsys):
    ranged.save(tmp_path / "net.safetensors")
    for name, options in (("call", ()), ("put", ("--name", "put_2"))):
        arguments = ["export", tmp_path / "net.safetensors", "--to", "c", "-o", tmp_path / f"{name}.h", *options]
        assert call(capsys, *arguments).status == 0
    assert "#ifndef CALL_H\n" in (tmp_path / "call.h").read_text()
    assert "static inline void put_2_value(" in (tmp_path / "put.h").read_text()
    answer = call(
        capsys, "export", tmp_path / "net.safetensors", "--to", "numpy", "-o", tmp_path / "p.py", "--name", "p"
    )
    assert (answer.status, (tmp_path / "p.py").exists()) == (2, False)
    assert "NumPy code has no name" in answer.errors


@needs_gcc
def test_the_python_that_calls_the_header_runs(ranged, tmp_path):
    sp.save_c(ranged, tmp_path / "surrogate.h")
    (code,) = blocks("export-c.md", "python")
    found = float(printed(sys.executable, "-c", code, folder=tmp_path))
    assert found == pytest.approx(float(ranged.value(POINT)[0]), rel=1e-12)


@pytest.mark.parametrize("page", ["export-numpy.md", "export-onnx.md"])
def test_the_python_of_the_page_runs(ranged, tmp_path, page):
    sp.save_numpy(ranged, tmp_path / "price.py")
    sp.save_onnx(ranged, tmp_path / "price.onnx", derivatives=2)
    (code,) = blocks(page, "python")
    found = printed(sys.executable, "-c", code, folder=tmp_path)
    assert f"{float(ranged.value(POINT)[0]):.6f}"[:7] in found


def test_the_check_of_the_onnx_page_sees_a_point_outside(ranged, tmp_path):
    narrow = replace(ranged, training_range=(jnp.zeros(3), jnp.full(3, 0.5)))
    sp.save_onnx(narrow, tmp_path / "price.onnx", derivatives=1)
    (code,) = blocks("export-onnx.md", "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "outside of the training range" in done.stderr


def test_the_networks_of_the_page_are_made(tmp_path):
    (code,), (shown,) = blocks("networks.md", "python"), blocks("networks.md", "text")
    found = printed(sys.executable, "-c", code, folder=tmp_path).splitlines()
    for line, expected in zip(found, shown.splitlines(), strict=True):
        name, value = line.rsplit(" ", 1)
        assert name == expected.rsplit(" ", 1)[0]
        assert float(value) == pytest.approx(float(expected.rsplit(" ", 1)[1]), rel=1e-5)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_javascript_of_the_page_runs(ranged, tmp_path):
    sp.save_javascript(ranged, tmp_path / "price.mjs")
    (code,) = blocks("export-javascript.md", "js")
    (tmp_path / "page.mjs").write_text(code)
    found = printed("node", "page.mjs", folder=tmp_path).splitlines()
    assert found[1] == "true" and float(found[2]) == pytest.approx(float(ranged.value(POINT)[0]), rel=1e-12)


@needs_torch
def test_the_torch_of_the_page_runs(ranged, tmp_path):
    sp.save_torch(ranged, tmp_path / "price.py")
    (code,) = blocks("export-torch.md", "python")
    found = printed(PYTHON, "-c", "import torch; torch.set_printoptions(precision=16)\n" + code, folder=tmp_path)
    inside, value, first, *_ = found.splitlines()
    assert inside == "tensor(True)"
    assert float(re.search(r"\((.*?),", value)[1]) == pytest.approx(float(ranged.value(POINT)[0]), rel=1e-12)
    slopes = [float(number) for number in re.findall(r"-?\d\.\d+(?:e[-+]\d+)?", first)]
    assert slopes == pytest.approx(ranged.gradient(POINT)[0].tolist(), rel=1e-10)


@needs_gcc
def test_the_unit_of_the_page_runs(ranged, tmp_path):
    pytest.importorskip("fmpy", reason="FMPy is not installed")
    sp.save_fmu(ranged, tmp_path / "price.fmu")
    (code,) = blocks("export-fmu.md", "python")
    simulated, value, slope = printed(sys.executable, "-c", code, folder=tmp_path).splitlines()
    expected = float(ranged.value(POINT)[0]), float(ranged.gradient(POINT)[0, 0])
    assert (float(value[1:-1]), float(slope[1:-1])) == pytest.approx(expected, rel=1e-12)
    assert float(simulated) == pytest.approx(expected[0], rel=1e-12)


def test_the_client_of_the_page_asks_the_server(ranged, tmp_path):
    pytest.importorskip("umbridge", reason="the client of UM-Bridge is not installed")
    (code,) = blocks("serve.md", "python")
    with BridgeServer({"price": ranged}, port=0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        code = code.replace("http://127.0.0.1:4242", server.address)
        found = [json.loads(line) for line in printed(sys.executable, "-c", code, folder=tmp_path).splitlines()]
        server.shutdown()
    value, slopes, bends = (of(POINT)[0] for of in (ranged.value, ranged.gradient, ranged.hessian))
    expected = [[[value]], slopes, [slopes[0]], bends[0]]
    for numbers, true in zip(found, expected, strict=True):
        np.testing.assert_allclose(numbers, np.array(true), rtol=1e-10)
