"""Columns by name from CSV, NPZ, HDF5 and Parquet files."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from .._foundation.errors import InputError

Table = dict[str, np.ndarray]
"""Columns by name, all of one length: of numbers, or of text where a file has such."""


def read_table(path: str | Path) -> Table:
    """All columns of the file in their order; the ending of its name (.csv, .npz, .h5, .hdf5, .parquet) tells the
    format.

    An array `(n, m)` of an NPZ or HDF5 file gives columns `name0`, `name1`, ...; one `(n, k, d)` gives `name0_0`,
    `name0_1`, ... An array in a group of an HDF5 file has the name `group/name`. Numbers may be missing (NaN) here.
    Raises `InputError` naming file, row and column.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".npz": _read_npz, ".h5": _read_hdf5, ".hdf5": _read_hdf5, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} ends in none of {', '.join(readers)}; convert the file or rename it.")
    if not path.is_file():
        raise InputError(f"There is no file {path}; correct the path.")
    table = reader(path)
    if not table:
        raise InputError(
            f"{path} has no columns; give a file with one column per input, output and partial derivative."
        )
    lengths = {name: len(column) for name, column in table.items()}
    longest = max(lengths.values())
    for name, length in lengths.items():
        if length != longest:
            raise InputError(f"In {path} column {name!r} has {length} rows and another one {longest}; make them equal.")
    if longest == 0:
        raise InputError(f"{path} has column names and no rows; give at least one sample.")
    return table


def _read_csv(path: Path) -> Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from None
    lines = text.splitlines()
    header_line = lines[0] if lines else ""
    delimiter = max(",;\t", key=header_line.count)
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    if not rows:
        return {}
    names = [name.strip() for name in rows[0]]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path} has two columns named {name!r}; rename one of them.")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise InputError(
                f"{path}, row {number} has {len(row)} entries and the header {len(names)}; correct that row."
            )
    return {name: _column(cells) for name, cells in zip(names, zip(*rows[1:]))} or dict.fromkeys(names, np.zeros(0))


def _column(cells: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=str)


def numbers(path: Path, name: str, column: np.ndarray) -> Float[np.ndarray, "n"]:
    """The column as float64, NaN where a cell is empty; raises `InputError` naming the row of what is no number."""
    if column.dtype.kind != "U":
        return column.astype(np.float64)
    read = np.full(len(column), np.nan)
    for row, cell in enumerate(column):
        try:
            read[row] = float(cell) if cell.strip() else np.nan
        except ValueError:
            raise InputError(
                f"{path}, row {row + 1}, column {name!r} holds {str(cell)!r}, which is no number; correct it "
                "(decimal point, no units)."
            ) from None
    return read


def _read_npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as an NPZ file of numbers ({error}); write it with numpy.savez."
        ) from None
    return _columns_of_arrays(path, arrays)


def _read_hdf5(path: Path) -> Table:
    try:
        import h5py
    except ImportError:
        raise InputError("HDF5 files need h5py; install sobolev-pruning[hdf5].") from None
    arrays: dict[str, np.ndarray] = {}

    def keep(name: str, found) -> None:
        if isinstance(found, h5py.Dataset):
            is_text = h5py.check_string_dtype(found.dtype) is not None
            arrays[name] = found.asstr()[...].astype(str) if is_text else found[...]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(keep)  # follows no link out of the file
    except OSError as error:
        raise InputError(f"{path} cannot be read as an HDF5 file ({error}).") from None
    return _columns_of_arrays(path, arrays)


def _columns_of_arrays(path: Path, arrays: dict[str, np.ndarray]) -> Table:
    table: Table = {}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiubU" or not 1 <= array.ndim <= 3:
            raise InputError(
                f"{path}, array {name!r} has type {array.dtype} and shape {array.shape}; give numbers of shape (n,), "
                "(n, m) or (n, k, d)."
            )
        if array.ndim == 1:
            table[name] = array
            continue
        for index in np.ndindex(array.shape[1:]):
            table[name + "_".join(map(str, index))] = array[(slice(None), *index)]
    return table


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet files need pyarrow; install sobolev-pruning[parquet].") from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as a Parquet file ({str(error).splitlines()[0]}).") from None
    columns: Table = {}
    for name in table.column_names:
        column = table.column(name)
        kind = column.type
        is_number = pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind)
        if is_number:
            columns[name] = column.cast(pyarrow.float64()).to_numpy()
        else:
            columns[name] = np.array([str(cell) for cell in column.to_pylist()])
    return columns
