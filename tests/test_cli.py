"""The command line: what it writes, and how it answers a mistake."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from sobolev_pruning import pipeline, save_onnx
from sobolev_pruning.pipeline import read_model


def test_init_writes_an_example_once(capsys, tmp_path):
    path = tmp_path / "mine.toml"
    assert call(capsys, "init", path).status == 0
    status, _, errors = call(capsys, "init", path)
    assert status == 2 and "exists already" in errors


@pytest.mark.parametrize(("to", "name"), [("onnx", "net.onnx"), ("c", "net.h"), ("numpy", "net.py")])
def test_export_writes_each_target(capsys, tmp_path, surrogate, to, name):
    surrogate.save(tmp_path / "net.safetensors")
    out = tmp_path / name
    assert call(capsys, "export", tmp_path / "net.safetensors", "--to", to, "-o", out).status == 0
    assert out.stat().st_size > 500


@pytest.mark.parametrize(("to", "mark"), [("c", "surrogate_in_range"), ("numpy", "BOX = [[0.5"), ("onnx", "[[0.5")])
def test_an_exported_network_checks_the_box_that_is_given(capsys, tmp_path, surrogate, to, mark):
    surrogate.save(tmp_path / "net.safetensors")
    out = tmp_path / "net"
    arguments = ["export", tmp_path / "net.safetensors", "--to", to, "-o", out]
    assert "holds no training range, so" in call(capsys, *arguments).errors
    assert mark.encode() not in out.read_bytes()
    assert call(capsys, *arguments, "--box", "0.5:1.5") == (0, f"Wrote {out}.\n", "")
    assert mark.encode() in out.read_bytes()


def test_an_exported_network_reads_back(tmp_path, surrogate):
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
    status, printed, errors = call(capsys, *arguments)
    assert status == 2 and printed == ""
    assert message in errors and "Traceback" not in errors
    assert list(Path(tmp_path).iterdir()) == []


def test_after_an_interrupt_it_is_told_how_to_go_on(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "read_config", interrupted)
    answer = call(capsys, "run", "config.toml")
    assert answer.status == 1
    assert answer.errors == (
        "Interrupted; a `run` or a `study` goes on from here with --resume, a `sample` when called again.\n"
    )


def test_a_disk_that_takes_no_files_is_told(monkeypatch, capsys, tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")

    def refused(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    answer = call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "-o", tmp_path / "net.h")
    assert answer.status == 2
    assert f"The folder {tmp_path} cannot be written to (Read-only file system); choose another one" in answer.errors
