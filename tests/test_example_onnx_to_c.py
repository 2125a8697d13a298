"""The example that leads from an ONNX file to a C header, each of its commands in this process."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sobolev_pruning as sp
from command_line import call

EXAMPLE = Path(__file__).parent.parent / "examples" / "onnx_to_c"
LINES = [line for line in (EXAMPLE / "run.sh").read_text().splitlines() if line.startswith("sobolev-pruning ")]
COMMANDS = {arguments[1]: arguments[1:] for arguments in map(shlex.split, LINES)}
CLAIMS = COMMANDS["certify"].index("--claims") + 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("example")
    for name in ("price.onnx", "quotes.csv", "price.cpp"):
        shutil.copy(EXAMPLE / name, path)
    (path / "out").mkdir()
    return path


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_it_shows_every_command():
    assert list(COMMANDS) == ["evaluate", "significance", "shrink", "compare", "certify", "check", "export"]


def test_the_network_of_the_example_is_good(capsys):
    answer = call(capsys, *COMMANDS["evaluate"], "--json")
    assert json.loads(answer.printed)["evaluations"][0]["value"]["r2"] > 0.9998


def test_its_commands_lead_to_a_header(capsys):
    # What shrinks is left to the example itself: pruned to as few nodes, in a second instead of minutes.
    arguments = COMMANDS["shrink"]
    pruned = call(capsys, "prune", "price.onnx", "--keep", "4,2", *arguments[2:4], *arguments[-2:])
    assert pruned.status == 0 and sp.load("out/small.safetensors").widths == (2, 4, 2, 1)
    certify = [*COMMANDS["certify"]]
    certify[CLAIMS] = "value"
    assert call(capsys, *certify).status == 0
    for verb, faster in (("check", ()), ("export", ()), ("significance", ("--method", "interval"))):
        answer = call(capsys, *COMMANDS[verb], *faster)
        assert answer.status == 0, answer.errors
    assert "surrogate_hessian" in Path("out/surrogate.h").read_text()


def test_its_claims_can_be_read():
    claims = sp.certificates.read_claims(COMMANDS["certify"][CLAIMS], sp.load_onnx("price.onnx"))
    assert [type(claim).__name__ for claim in claims] == ["Within", "Monotone", "Within"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_its_cpp_refuses_what_lies_outside():
    small = sp.prune(sp.load_onnx("price.onnx"), [4, 2], box=([0.6, 0.1], [1.5, 0.5]), fold="midpoint")
    sp.save_c(small, "surrogate.h", box=([0.6, 0.1], [1.5, 0.5]))
    build = ["g++", "-Wall", "-Wextra", "-Werror", "-O1", "price.cpp", "-o", "price"]
    subprocess.run(build, check=True)
    printed = subprocess.run(["./price"], capture_output=True, text=True, check=True).stdout
    assert "in range: 1 and 0\n" in printed
    value = float(np.asarray(small.value([[1.05, 0.25]]))[0])
    assert f"price {value:.6f}" in printed
