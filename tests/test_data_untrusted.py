"""Data files that are damaged or hostile: one sentence, no foreign read, no more memory than the file is worth."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import damaged_files
from sobolev_pruning import InputError
from sobolev_pruning._foundation import memory
from sobolev_pruning.sampling import read_samples


def survive(tmp_path: Path, count: int, seed: int, *kinds: str) -> dict:
    arguments = [sys.executable, damaged_files.__file__, str(tmp_path), str(count), str(seed), *kinds]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    print(found)
    assert found["bytes"] < damaged_files.MOST_BYTES
    assert all(sum(outcomes.values()) == count for outcomes in found["outcomes"].values())
    assert all(outcomes["refused"] > 0 for kind, outcomes in found["outcomes"].items() if kind != "results")
    return found


def test_thirty_changes_of_every_kind_of_file_are_read_or_refused(tmp_path):
    survive(tmp_path, 30, 0, *damaged_files.KINDS)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", damaged_files.KINDS)
def test_a_thousand_changes_of_every_kind_of_file_are_read_or_refused(tmp_path, kind):
    survive(tmp_path, 1000, 1, kind)


def header(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(128 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def write_npz(path: Path, method: int = zipfile.ZIP_DEFLATED, **arrays: bytes) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)


def overlapping(path: Path) -> None:
    """Many members of the directory that are one and the same stretch of the file."""
    write_npz(path, x=header("(4, 4)") + bytes(128))
    content = path.read_bytes()
    start = content.rindex(b"PK\x01\x02")
    entry, end = content[start : content.rindex(b"PK\x05\x06")], content[content.rindex(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"x.npy", b"%c.npy" % letter) for letter in b"abcdefgh")
    end = end[:8] + b"\x08\0\x08\0" + len(entries).to_bytes(4, "little") + end[16:]
    path.write_bytes(content[:start] + entries + end)


NPZ_FILES = {
    "rows": lambda path: write_npz(path, x=header("(1000000000000,)") + bytes(16)),
    "negative": lambda path: write_npz(path, x=header("(-2, -2)") + bytes(32)),
    "columns": lambda path: write_npz(path, x=header("(0, 1000000000000)")),
    "text": lambda path: write_npz(path, x=header("(1000000000000,)", "<U0")),
    "long text": lambda path: write_npz(path, x=header("(2,)", "<U1000000000") + bytes(8)),
    "bytes that become numbers": lambda path: write_npz(path, x=header("(2, 20000000)", "|u1") + bytes(40_000_000)),
    "another method": lambda path: write_npz(path, zipfile.ZIP_BZIP2, x=header("(10000000,)") + bytes(80_000_000)),
    "overlapping": overlapping,
    "nested header": lambda path: write_npz(path, x=header("(" * 100)),
    "of no version": lambda path: write_npz(path, x=b"\x93NUMPY\x09\x00" + bytes(20)),
    "single array": lambda path: path.write_bytes(header("(2,)") + bytes(16)),
    "cut short": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(30)),
}


@pytest.mark.parametrize("name", NPZ_FILES)
def test_an_npz_that_asks_for_more_than_it_holds_is_refused(tmp_path, name):
    path = tmp_path / "a.npz"
    NPZ_FILES[name](path)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"declares|cannot be read as an NPZ|so no numbers|single array|compressed"):
        read_samples(path)
    assert time.monotonic() - start < 2.0


HDF5_FILES = {
    "unwritten": lambda file: file.create_dataset("x", (10**12,), "f8"),
    "unwritten chunks": lambda file: file.create_dataset("x", (10**12,), "f8", chunks=(1000,), compression="gzip"),
    "filled": lambda file: file.create_dataset("x", (10**12,), "f8", chunks=(1000,), fillvalue=1.0),
    "columns": lambda file: file.create_dataset("x", (1, 10**12), "S1", chunks=(1, 1000)),
    "zeros": lambda file: file.create_dataset("x", data=np.zeros(10**7, "u1"), compression="gzip", chunks=(10**7,)),
}


@pytest.mark.parametrize("name", HDF5_FILES)
def test_an_hdf5_file_that_asks_for_more_than_it_holds_is_refused(tmp_path, name):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        HDF5_FILES[name](file)
    with pytest.raises(InputError, match=r"array 'x' declares the shape|is far less than they take|are at hand"):
        read_samples(tmp_path / "a.h5")


def test_hdf5_files_that_name_other_files_are_refused_without_opening_them(tmp_path):
    damaged_files.hdf5_files(tmp_path)
    for name in ("external.h5", "virtual.h5"):
        with pytest.raises(InputError, match=f"array 'y' lies in another file, which is not read; copy .* into {name}"):
            read_samples(tmp_path / name)
    assert read_samples(tmp_path / "linked.h5").samples.outputs[0].name == "y0"
    # A virtual dataset of unknown length asks the other file for it as soon as its shape is looked at.
    unlimited = h5py.h5s.UNLIMITED
    with h5py.File(tmp_path / "open.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout((10,), "f8", maxshape=(unlimited,))
        layout[:unlimited] = h5py.VirtualSource(tmp_path / "pipe", "y", (10,), maxshape=(unlimited,))[:unlimited]
        file.create_virtual_dataset("y", layout)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    with pytest.raises(InputError, match="array 'y' lies in another file"):
        read_samples(tmp_path / "open.h5")


def test_a_parquet_file_of_a_constant_column_is_held_against_its_size(tmp_path):
    schema = pyarrow.schema({"x0": pyarrow.float64()})
    with pyarrow.parquet.ParquetWriter(tmp_path / "a.parquet", schema, compression="zstd") as file:
        for _ in range(20):
            file.write_table(pyarrow.table({"x0": np.zeros(10**6)}), row_group_size=10**6)
    with pytest.raises(InputError, match=r"declares 20000000 numbers and is .* KiB large"):
        read_samples(tmp_path / "a.parquet")


def test_more_than_is_at_hand_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(1000, 2)), y=np.zeros(1000))
    assert len(read_samples(tmp_path / "a.npz").samples) == 1000
    monkeypatch.setattr(memory, "memory_at_hand", lambda: 50_000)
    with pytest.raises(InputError, match=r"takes about 63\.\d KiB of memory, and 48\.8 KiB are at hand"):
        read_samples(tmp_path / "a.npz")
    (tmp_path / "a.csv").write_text("x0,y\n" + "".join(f"{i},{i % 7}\n" for i in range(5000)))
    with pytest.raises(InputError, match="of memory, and"):
        read_samples(tmp_path / "a.csv")


def test_a_csv_cell_without_end_names_its_line(tmp_path):
    (tmp_path / "a.csv").write_text('x0,y\n1,2\n"3' + "4" * 140_000 + "\n")
    with pytest.raises(InputError, match=r"a\.csv, line 3, cannot be read as CSV .* quotation mark that is not closed"):
        read_samples(tmp_path / "a.csv")


def test_a_csv_of_many_columns_takes_linear_time(tmp_path, types_unchecked):
    d = 32_000
    numbers = np.arange(2 * (d + 1), dtype=float).reshape(2, -1)
    rows = [",".join([*(f"x{i}" for i in range(d)), "y"]), *(",".join(map(repr, row)) for row in numbers.tolist())]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    start = time.monotonic()
    samples = read_samples(tmp_path / "a.csv").samples
    assert time.monotonic() - start < 10.0  # 50 s where each name was looked for among all others
    np.testing.assert_array_equal(np.column_stack([samples.x, samples.y]), numbers)


def test_blocks_of_a_csv_join_without_a_seam(tmp_path, monkeypatch):
    monkeypatch.setattr("sobolev_pruning.sampling.tables.read_csv._BLOCK", 6)
    rows = [[i, i**2, "" if i == 8 else -i] for i in range(11)]
    (tmp_path / "a.csv").write_text("x0,y,dydx0\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    samples = read_samples(tmp_path / "a.csv").samples
    np.testing.assert_array_equal(samples.x[:, 0], np.arange(11.0))
    np.testing.assert_array_equal(samples.dydx[:, 0], [*-np.arange(8.0), np.nan, -9.0, -10.0])
    for text, message in (
        ("x0,y\n" + "1,2\n" * 7 + "1,a\n", "row 8, column 'y' holds 'a'"),
        ("x0,y\n" + "1,2\n" * 7 + "1\n", "row 8 has 1 entries"),
    ):
        (tmp_path / "b.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_samples(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("2024-05-01", "'2024-05-01', which is a date; give a number, such as the days since"),
        ("1.5.2024 12:30", "which is a date"),
        ("True", "'True', which is a truth value; write 1 and 0"),
        ("5 m", "'5 m', which is no number; correct it"),
        ("\x1b[31m", r"'\\\\x1b\[31m', which is no number"),
    ],
)
def test_what_a_cell_holds_is_named(tmp_path, cell, message):
    (tmp_path / "a.csv").write_text(f"x0,y\n1,2\n{cell},3\n")
    with pytest.raises(InputError, match=f"row 2, column 'x0' holds {message}" if message[0] == "'" else message):
        read_samples(tmp_path / "a.csv")


def test_what_a_column_holds_is_named(tmp_path):
    days = np.arange(3).astype("datetime64[D]")
    np.savez(tmp_path / "a.npz", x=days, y=np.arange(3.0))
    pyarrow.parquet.write_table(pyarrow.table({"x0": days, "y": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet")
    for name in ("a.npz", "a.parquet"):
        with pytest.raises(InputError, match=r"column 'x0?' holds dates, which are no numbers; give numbers, such as"):
            read_samples(tmp_path / name)


def test_units_are_found_in_linear_time(tmp_path):
    names = ["x[3]", "x[4] [m]", "z[[m]", "x [a]b]", "[m]", "yy[" * 40_000 + "m]"]
    (tmp_path / "a.csv").write_text(",".join([*names, "y"]) + "\n" + "1," * len(names) + "2\n")
    start = time.monotonic()
    data = read_samples(tmp_path / "a.csv", x="[!y]*", y=["y"])
    assert time.monotonic() - start < 2.0
    units = [column.variable.unit for column in data.ranges]
    assert units == [None, "m", "[m", None, None, None]
    with pytest.raises(InputError, match="has a column whose header names nothing: A variable has the unit 'yy"):
        read_samples(tmp_path / "a.csv", x=["x[3]"], y="y*")


def test_names_that_no_file_can_have_are_one_sentence():
    too_long = "x" * 300 + ".csv"
    for name, message in (("a\0.csv", r"no file a\\x00\.csv"), (too_long, "cannot be read .File name too long")):
        with pytest.raises(InputError, match=message):
            read_samples(name)
