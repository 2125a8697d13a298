"""The command line: what it writes, and how it answers a mistake."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sobolev_pruning import cli
from sobolev_pruning.pipeline import read_model


def answer(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command."""
    monkeypatch.setattr(sys, "argv", ["sobolev-pruning", *arguments])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_init_writes_an_example_once(monkeypatch, capsys, tmp_path):
    path = tmp_path / "mine.toml"
    assert answer(monkeypatch, capsys, "init", str(path))[0] == 0
    status, _, errors = answer(monkeypatch, capsys, "init", str(path))
    assert status == 2 and "exists already" in errors


@pytest.mark.parametrize(("to", "name"), [("onnx", "net.onnx"), ("c", "net.h"), ("numpy", "net.py")])
def test_export_writes_each_target(monkeypatch, capsys, tmp_path, surrogate, to, name):
    surrogate.save(tmp_path / "net.safetensors")
    out = tmp_path / name
    assert answer(monkeypatch, capsys, "export", str(tmp_path / "net.safetensors"), "--to", to, "-o", str(out))[0] == 0
    assert out.stat().st_size > 500


def test_an_exported_network_reads_back(monkeypatch, capsys, tmp_path, surrogate):
    from sobolev_pruning import save_onnx

    save_onnx(surrogate, tmp_path / "net.onnx")
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(read_model(tmp_path / "net.onnx").value(points), surrogate.value(points), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.toml"], "none.toml cannot be read"),
        (["export", "none.safetensors", "--to", "c", "-o", "x.h"], "There is no file none.safetensors"),
        (
            ["export", "net.txt", "--to", "c", "-o", "x.h"],
            r"net.txt ends in .txt; give a .safetensors or an .onnx file",
        ),
        (["export", "none.onnx", "--to", "fortran", "-o", "x.f"], "--to is 'fortran'; choose onnx, c or numpy"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, printed, errors = answer(monkeypatch, capsys, *arguments)
    assert status == 2 and printed == ""
    assert message in errors and "Traceback" not in errors
    assert list(Path(tmp_path).iterdir()) == []
