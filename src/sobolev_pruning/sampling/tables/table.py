"""Columns by name, of numbers or of something else."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from ..._foundation.errors import InputError
from ..._foundation.memory import expect_room, in_words
from ..._foundation.untrusted_file import MOST_INFLATED, shortened

COPIES = 4
"""Arrays of all numbers that are alive at once while samples are made of them."""

_COLUMN_BYTES = 500
"""What a column takes besides its numbers."""

_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?")
_TRUTH_VALUES = ("true", "false", "yes", "no")


@dataclass(frozen=True)
class NotNumbers:
    """A column of `length` rows that holds no numbers: `what` it holds instead, in `row` (from 0) where it is known."""

    what: str
    length: int
    row: int | None = None

    def __len__(self) -> int:
        return self.length


Table: TypeAlias = dict[str, np.ndarray | NotNumbers]


def numbers(path: Path, name: str, column: np.ndarray | NotNumbers) -> Float[np.ndarray, "n"]:
    """The column as float64, NaN where a cell is empty; raises `InputError` for what holds no numbers."""
    if isinstance(column, NotNumbers):
        where = f"{path}, " + ("" if column.row is None else f"row {column.row + 1}, ")
        raise InputError(f"{where}column {name!r} holds {column.what}.")
    return column.astype(np.float64, copy=False)


def no_number(cell: str) -> str:
    """What the text of a cell is instead of a number, and what to do.

    >>> no_number("2024-05-01")
    "'2024-05-01', which is a date; give a number, such as the days since the first one"
    """
    shown = repr(shortened(cell))
    if _DATE.fullmatch(cell.strip()):
        return f"{shown}, which is a date; give a number, such as the days since the first one"
    if cell.strip().lower() in _TRUTH_VALUES:
        return f"{shown}, which is a truth value; write 1 and 0"
    return f"{shown}, which is no number; correct it (decimal point, no units)"


def no_numbers(kind: str) -> str:
    """The same for a column whose type, `kind`, the file declares."""
    if kind == "dates":
        return "dates, which are no numbers; give numbers, such as the days since the first one"
    return f"{kind}, which is no number; give numbers, or leave the column out"


class Budget:
    """What the arrays of a file may take together: no more than its size can stand for, nor than is at hand."""

    def __init__(self, path: Path):
        self._path = path
        self._size = path.stat().st_size
        self._numbers = self._columns = 0

    def take(self, rows: int, columns: int) -> None:
        """Raises `InputError` where so many more numbers are too many."""
        self._numbers += rows * columns
        self._columns += columns
        if 8 * self._numbers > MOST_INFLATED * self._size:
            raise InputError(
                f"{self._path} declares {self._numbers} numbers and is {in_words(self._size)} large, which is far less "
                "than they take; it may be damaged: write it again."
            )
        expect_room(self._path, COPIES * 8 * self._numbers + _COLUMN_BYTES * self._columns)


def columns_of(path: Path, name: str, array: np.ndarray | NotNumbers, shape: tuple[int, ...]) -> Table:
    """The columns of an array of the given shape: `name` of `(n,)`; `name0`, `name1`, ... of `(n, m)`; `name0_0`, ...
    of `(n, k, d)`; none of a single number.
    """
    if len(shape) > 3:
        kind = "" if isinstance(array, NotNumbers) else f"type {array.dtype} and "
        raise InputError(
            f"{path}, array {name!r} has {kind}shape {shape}; give numbers of shape (n,), (n, m) or (n, k, d)."
        )
    if len(shape) < 2:
        return {name: array} if shape else {}
    if isinstance(array, NotNumbers):
        return dict.fromkeys((name + _numbered(index) for index in np.ndindex(shape[1:])), array)
    return {name + _numbered(index): array[(slice(None), *index)] for index in np.ndindex(shape[1:])}


def _numbered(index: tuple[int, ...]) -> str:
    return "_".join(map(str, index))
