"""The command line: what it writes, and how it answers a mistake."""

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from sobolev_pruning import InputError, save_onnx
from sobolev_pruning.interchange import EXPORTERS, read_network
from sobolev_pruning.storage.locks import sole_writer


def test_init_writes_an_example_once(capsys, tmp_path):
    path = tmp_path / "mine.toml"
    assert call(capsys, "init", "-o", path).status == 0
    status, _, errors = call(capsys, "init", "-o", path)
    assert status == 2 and "exists already" in errors


@pytest.mark.parametrize("to", EXPORTERS)
def test_export_writes_each_target(capsys, tmp_path, surrogate, to):
    surrogate.save(tmp_path / "net.safetensors")
    out = tmp_path / "net"
    assert call(capsys, "export", tmp_path / "net.safetensors", "--to", to, "-o", out).status == 0
    assert out.stat().st_size > 500
    assert to in call(capsys, "export", "--help").printed


def test_export_calls_a_function_of_the_users(capsys, tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")
    (tmp_path / "way.py").write_text(
        "def corners(surrogate, path, *, box):\n    path.write_text(repr((surrogate.n_parameters, box)))\n"
    )
    arguments = ["export", tmp_path / "net.safetensors", "--to", f"{tmp_path / 'way.py'}:corners"]
    assert call(capsys, *arguments, "-o", tmp_path / "out", "--box", "0.5:1.5").status == 0
    assert (tmp_path / "out").read_text().startswith(f"({surrogate.n_parameters}, ")
    assert "has no dtype; leave it out" in call(capsys, *arguments, "-o", tmp_path / "no", "--dtype", "float32").errors
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(("to", "mark"), [("c", "net_in_range"), ("numpy", "BOX = [[0.5"), ("onnx", "[[0.5")])
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
    np.testing.assert_allclose(read_network(tmp_path / "net.onnx").value(points), surrogate.value(points), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.toml"], "none.toml cannot be read"),
        (["export", "none.safetensors", "--to", "c", "-o", "x.h"], "There is no file none.safetensors"),
        (
            ["export", "net.txt", "--to", "c", "-o", "x.h"],
            r"net.txt ends in .txt; give a .safetensors or an .onnx file",
        ),
        (["export", "none.onnx", "--to", "fortran", "-o", "x.f"], "--to is 'fortran'; choose onnx, c, "),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, printed, errors = call(capsys, *arguments)
    assert status == 2 and printed == ""
    assert message in errors and "Traceback" not in errors
    assert list(Path(tmp_path).iterdir()) == []


def test_a_disk_that_takes_no_files_is_told(monkeypatch, capsys, tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")

    def refused(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    answer = call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "-o", tmp_path / "net.h")
    assert answer.status == 2
    assert f"{tmp_path / 'net.h'} cannot be written (Read-only file system); make room or give leave" in answer.errors


def test_what_a_full_disk_does_not_take_is_left_elsewhere(monkeypatch, capsys, tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")
    (tmp_path / "full").mkdir()
    make = tempfile.mkstemp

    def full(dir=None, **options):
        if Path(dir) == tmp_path / "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(dir=dir, **options)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "-o", tmp_path / "full" / "net.h")
    assert answer.status == 2 and "cannot be written (No space left on device)" in answer.errors
    left = Path(re.search(r"What was to be in it is in (.*) instead", answer.errors).group(1))
    assert left.name == "net.h" and left.stat().st_size > 500


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("significance net.safetensors -o none/s.csv", "There is no folder none to write s.csv into"),
        ("certify net.safetensors --claims value -o none/c.json", "There is no folder none"),
        ("prune net.safetensors --keep 2 -o none/p.safetensors", "There is no folder none"),
        ("export net.safetensors --to c -o .", "is a folder; give the name of a file"),
        ("export net.safetensors --to c -o " + "n" * 300, "cannot be the name of a file"),
    ],
)
def test_a_place_that_takes_no_file_is_told_before_anything_is_read(monkeypatch, capsys, tmp_path, arguments, place):
    monkeypatch.chdir(tmp_path)  # where there is no network either
    answer = call(capsys, *arguments.split())
    assert answer.status == 2 and place in answer.errors and "Traceback" not in answer.errors


def test_links_are_followed_and_pipes_are_written_into(capsys, tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")
    (tmp_path / "elsewhere").mkdir()
    link, target, pipe = tmp_path / "link.h", tmp_path / "elsewhere" / "net.h", tmp_path / "pipe"
    link.symlink_to(target)
    os.mkfifo(pipe)
    for _ in range(2):  # a link to nothing, and to a file
        assert (
            call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "--name", "net", "-o", link).status == 0
        )
        assert link.is_symlink() and target.is_file() and not target.is_symlink()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "--name", "net", "-o", pipe).status == 0
    assert pipe.is_fifo() and os.read(reader, 1 << 20) == target.read_bytes()
    os.close(reader)
    assert call(capsys, "export", tmp_path / "net.safetensors", "--to", "c", "-o", os.devnull).status == 0
    assert Path(os.devnull).is_char_device()


def test_a_second_writer_is_told(capsys, tmp_path):
    lock = tmp_path / ".lock"
    with sole_writer(lock, "the directory"):
        assert lock.exists()
        with pytest.raises(InputError, match="Another process is writing the directory at this moment; wait for it"):
            with sole_writer(lock, "the directory"):
                pass
    assert not lock.exists()
    with sole_writer(lock, "the directory"):
        assert lock.exists()


def test_standard_output_that_takes_no_more_is_told():
    """`/dev/full` is a disk without room."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: Standard output cannot be written (No space left on device)."


COMMAND = "import sys, sobolev_pruning_command as command; sys.argv[0] = 'sobolev-pruning'; command.main()"
