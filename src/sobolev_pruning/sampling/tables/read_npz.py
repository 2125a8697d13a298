"""Columns of an NPZ file: a ZIP archive of arrays, each with a header that says how large it is."""

import math
import zipfile
from pathlib import Path

import numpy as np

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import MOST_INFLATED, told
from .table import Budget, NotNumbers, Table, columns_of, no_numbers

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {"U": "text", "S": "text", "M": "dates", "m": "spans of time", "c": "complex numbers", "V": "records"}


def read_npz(path: Path) -> Table:
    """The columns of all arrays in the file."""
    table: Table = {}
    advice = told(path, "an NPZ file of numbers", "write it with numpy.savez")
    with advice, path.open("rb") as file, _archive(path, file) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        for member in members:
            if member.compress_type not in _METHODS or member.flag_bits & 1:
                raise InputError(
                    f"{path}, array {member.filename!r} is encrypted or compressed in another way than NumPy does; "
                    "write it with numpy.savez."
                )
        budget = Budget(path)
        # Members that share their bytes would make much out of little.
        if sum(member.compress_size for member in members) > path.stat().st_size:
            raise ValueError("its arrays are longer than the file")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in table:
                raise InputError(f"{path} has two arrays named {name!r}; rename one of them.")
            table |= _read_member(path, archive, member, name, budget)
    return table


def _archive(path: Path, file) -> zipfile.ZipFile:
    if file.read(6) == b"\x93NUMPY":
        raise InputError(
            f"{path} is a single array as numpy.save writes it; write x, y and dydx into one file with numpy.savez."
        )
    return zipfile.ZipFile(file)


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, budget: Budget) -> Table:
    with archive.open(member) as file:
        shape, _, dtype = _header(file)
        held = member.file_size - file.tell()
    rows, columns = (shape or (1,))[0], math.prod(shape[1:])
    if dtype.hasobject:
        raise ValueError(f"array {name!r} holds Python objects")
    if rows * columns * dtype.itemsize != held or held > MOST_INFLATED * member.compress_size:
        raise InputError(
            f"{path}, array {name!r} declares the shape {shape} of {dtype}, which is not what the file holds; it may "
            "be damaged: write it again with numpy.savez."
        )
    if 0 in shape:
        raise InputError(f"{path}, array {name!r} has the shape {shape}, so no numbers; give at least one sample.")
    budget.take(rows, columns)
    if dtype.kind not in "fiub":
        other = NotNumbers(no_numbers(_KINDS.get(dtype.kind, str(dtype))), rows)
        return columns_of(path, name, other, shape)
    with archive.open(member) as file:
        return columns_of(path, name, np.lib.format.read_array(file, allow_pickle=False), shape)


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
