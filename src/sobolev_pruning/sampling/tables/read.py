"""Columns by name from CSV, NPZ, HDF5 and Parquet files."""

from collections.abc import Callable
from pathlib import Path

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import expect_file
from .read_csv import read_csv
from .read_hdf5 import read_hdf5
from .read_npz import read_npz
from .read_parquet import read_parquet
from .table import NotNumbers, Table

_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": read_csv,
    ".npz": read_npz,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".parquet": read_parquet,
}


def read_table(path: str | Path) -> Table:
    """All columns of the file in their order; the ending of its name (.csv, .npz, .h5, .hdf5, .parquet) tells the
    format.

    An array `(n, m)` of an NPZ or HDF5 file gives columns `name0`, `name1`, ...; one `(n, k, d)` gives `name0_0`,
    `name0_1`, ... An array in a group of an HDF5 file has the name `group/name`. Numbers may be missing (NaN) here.

    What the file declares is held against its size and the memory at hand before it is read, and nothing outside of it
    is. Raises `InputError` naming file, row and column.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} ends in none of {', '.join(_READERS)}; convert the file or rename it.")
    table = reader(expect_file(path))
    if not table:
        raise InputError(
            f"{path} has no columns; give a file with one column per input, output and partial derivative."
        )
    lengths = {name: len(column) for name, column in table.items() if not isinstance(column, NotNumbers)}
    longest = max(lengths.values(), default=1)
    for name, length in lengths.items():
        if length != longest:
            raise InputError(f"In {path} column {name!r} has {length} rows and another one {longest}; make them equal.")
    if longest == 0:
        raise InputError(f"{path} has column names and no rows; give at least one sample.")
    return table
