"""Columns of an HDF5 file, which may say that its numbers lie in other files: those are never opened."""

import math
from pathlib import Path

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import MOST_INFLATED, told
from .table import Budget, NotNumbers, Table, columns_of, no_numbers


def read_hdf5(path: Path) -> Table:
    """The columns of all datasets in the file."""
    try:
        import h5py
    except ImportError:
        raise InputError("HDF5 files need h5py; install sobolev-pruning[hdf5].") from None
    table: Table = {}
    budget = Budget(path)

    def keep(name: str, found) -> None:
        if isinstance(found, h5py.Dataset):
            table.update(_read_dataset(path, name, found, budget, h5py))

    with told(path, "an HDF5 file", "write it again"), h5py.File(path, "r") as file:
        file.visititems(keep)  # follows no link out of the file
    return table


def _read_dataset(path: Path, name: str, found, budget: Budget, h5py) -> Table:
    layout = found.id.get_create_plist()
    # First of all: even the shape of a virtual dataset is read from the files that it names.
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise InputError(
            f"{path}, array {name!r} lies in another file, which is not read; copy the numbers into {path.name}, for "
            "instance with h5repack."
        )
    shape, dtype = found.shape or (), found.dtype  # a dataset may have no shape at all
    if not shape:
        return {}
    rows, columns = shape[0], math.prod(shape[1:])
    if dtype.kind not in "fiub":
        budget.take(0, columns)
        return columns_of(path, name, NotNumbers(no_numbers("text" if dtype.kind in "OS" else f"{dtype}"), rows), shape)
    declared = max(rows * columns, math.prod(found.chunks or (0,))) * dtype.itemsize
    held = min(found.id.get_storage_size(), path.stat().st_size)
    if declared > held * (MOST_INFLATED if layout.get_nfilters() else 1):
        raise InputError(
            f"{path}, array {name!r} declares the shape {shape} of {dtype}, and the file holds {held} bytes of it; it "
            "may be cut short, or not all written: write it again."
        )
    if 0 in shape:
        raise InputError(f"{path}, array {name!r} has the shape {shape}, so no numbers; give at least one sample.")
    budget.take(rows, columns)
    return columns_of(path, name, found[...], shape)
