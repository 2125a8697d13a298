"""Samples to a data file, with a column for every input, output and partial derivative."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np

from .._foundation.errors import InputError
from .._foundation.files import write_result
from .._foundation.samples import Samples
from .._foundation.variables import in_short


def expect_data_path(path: str | Path) -> None:
    """Raises `InputError` where `write_samples` has no format for `path`."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise InputError(f"{path} ends in none of {', '.join(_FORMATS)}; give a file of that kind.")


def write_samples(samples: Samples, path: str | Path) -> dict[str, np.ndarray]:
    """Writes inputs, outputs and first derivatives of `samples` to a `.csv` or `.npz` file, written aside and renamed.

    Columns are called as inputs and outputs are, with their units in brackets; derivatives are called `dy/dx0`, as
    `read_samples` looks for them. Numbers have all their digits, and those not known are left empty. Gives the columns
    by header. Raises `InputError` where that cannot be done.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "pricer.csv"
    >>> samples = Samples([[90.0], [110.0]], [1.5, 9.0], [[0.2], [0.7]], inputs=["spot [USD]"], outputs=["price"])
    >>> _ = write_samples(samples, path)
    >>> print(path.read_text())
    spot [USD],price,dprice/dspot
    90.0,1.5,0.2
    110.0,9.0,0.7
    <BLANKLINE>
    """
    path = Path(path)
    expect_data_path(path)
    n, d, k = len(samples), samples.n_inputs, samples.n_outputs
    x, y = ([variable.name for variable in variables] for variables in (samples.inputs, samples.outputs))
    inputs, outputs = np.asarray(samples.x), np.asarray(samples.y).reshape(n, k)
    columns = [(str(variable), inputs[:, i]) for i, variable in enumerate(samples.inputs)]
    columns += [(str(variable), outputs[:, j]) for j, variable in enumerate(samples.outputs)]
    if samples.dydx is not None:
        slopes = np.asarray(samples.dydx).reshape(n, k, d)
        columns += [(f"d{yn}/d{xn}", slopes[:, j, i]) for j, yn in enumerate(y) for i, xn in enumerate(x)]
    table = dict(columns)
    if len(table) < len(columns):
        raise InputError(
            f"The inputs {in_short(x)} and outputs {in_short(y)} do not tell all columns apart; give every input, "
            "output and derivative a name of its own."
        )
    write_result(path, _FORMATS[path.suffix.lower()](table))
    return table


def _as_csv(table: dict[str, np.ndarray]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*(column.tolist() for column in table.values())):
        writer.writerow("" if np.isnan(number) else number for number in row)
    return text.getvalue()


def _as_npz(table: dict[str, np.ndarray]) -> bytes:
    """As `numpy.savez` writes it, which takes no array called `file`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, column in table.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, column, allow_pickle=False)
    return content.getvalue()


_FORMATS = {".csv": _as_csv, ".npz": _as_npz}
