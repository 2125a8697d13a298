"""Columns of a CSV file, read block by block, so that the text of a large file is never in memory as a whole."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from ..._foundation.errors import InputError
from .table import Budget, NotNumbers, Table, no_number

_BLOCK = 2**18
"""Cells that are in memory as text."""

_ADVICE = "look for a quotation mark that is not closed, and save it as CSV again"


_ENCODINGS = ("utf-8-sig", "cp1252")
"""The second is what Windows calls Latin-1: tried where a file is no UTF-8."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")

_MISSING = ("", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--")
"""What cells hold, in capitals or not, where there is no number."""


def read_csv(path: Path) -> Table:
    """The columns of a file of numbers between commas, semicolons or tabs, with their names in the first row.

    A second row without any number, above rows that have some, holds units, which are put in brackets behind the names.
    Between semicolons or tabs numbers may have decimal commas, all of a column or none. The text is UTF-8 or Latin-1.
    """
    for encoding in _ENCODINGS:
        try:
            with path.open(encoding=encoding, newline="") as file:
                header = file.readline()
                if "\0" in header:
                    break
                file.seek(0)
                delimiter = max(",;\t", key=header.count)
                reader = csv.reader(file, delimiter=delimiter)
                return _columns(path, (row for row in reader if row), delimiter != ",")
        except UnicodeDecodeError:
            continue
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}, cannot be read as CSV ({error}); {_ADVICE}.") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); give a file that can.") from None
    raise InputError(f"{path} is not text in UTF-8 or Latin-1; save it as CSV in UTF-8.")


def _columns(path: Path, rows: Iterator[list[str]], commas: bool) -> Table:
    names = [name.strip() for name in next(rows, [])]
    first, second = next(rows, None), next(rows, None)
    skipped = 0
    if first and second and len(first) == len(names) and _are_units(first, second, commas):
        names, first, skipped = [_with_unit(name, unit.strip()) for name, unit in zip(names, first)], None, 1
    rows = chain([row for row in (first, second) if row], rows)
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{path} has two columns named {name!r}; rename one of them.")
    columns = [_Column(commas, skipped) for _ in names]
    size = max(1, _BLOCK // max(1, len(names)))
    while block := list(islice(rows, size)):
        start = columns[0].length
        for number, row in enumerate(block, start + 1 + skipped):
            if len(row) != len(names):
                raise InputError(
                    f"{path}, row {number} has {len(row)} entries and the header {len(names)}; correct that row."
                )
        if start == 0:
            letters = sum(len(cell) + 1 for row in block for cell in row)
            Budget(path).take(int(path.stat().st_size / letters * len(block)), len(names))
        for column, cells in zip(columns, zip(*block)):
            column.extend(cells)
    return {name: column.whole() for name, column in zip(names, columns)}


def _are_units(first: list[str], second: list[str], commas: bool) -> bool:
    """Whether the first row has words where the second has numbers, and no number anywhere."""
    words = [cell.strip().lower() not in _MISSING and _number(cell, commas) is None for cell in first]
    below = [_number(cell, commas) is not None for cell in second]
    above = any(_number(cell, commas) is not None for cell in first)
    return not above and any(word and number for word, number in zip(words, below))


def _with_unit(name: str, unit: str) -> str:
    """`name` with its unit in brackets, where it has none there already."""
    unit = unit.strip("[]()")
    return name if unit.lower() in (*_MISSING, "1") or name.endswith("]") else f"{name} [{unit}]"


def _number(cell: str, commas: bool) -> float | None:
    """The number in a cell; None where there is none."""
    cell = cell.strip()
    if commas and _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    try:
        return float(cell)
    except ValueError:
        return None


class _Column:
    """Numbers, block after block, until a cell holds something else; `skipped` rows below the header are none of it."""

    def __init__(self, commas: bool, skipped: int):
        self.commas, self.skipped = commas, skipped
        self.blocks: list[np.ndarray] = []
        self.length = 0
        self.fault: tuple[str, int] | None = None
        self.comma: tuple[str, int] | None = None
        self.point = False

    def extend(self, cells: tuple[str, ...]) -> None:
        if self.fault is None:
            self.blocks.append(self._read(cells))
        self.length += len(cells)

    def whole(self) -> np.ndarray | NotNumbers:
        if self.fault is None and self.comma is not None and self.point:
            cell, row = self.comma
            self.fault = f"{cell!r}, a decimal comma, and decimal points elsewhere; write one of them", row
        if self.fault is not None:
            what, row = self.fault
            return NotNumbers(what, self.length, row + self.skipped)
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0)

    def _read(self, cells: tuple[str, ...]) -> np.ndarray:
        try:
            read = np.array(cells, dtype=np.float64)
        except ValueError:  # an empty cell, one with a decimal comma, or a wrong one
            read = np.full(len(cells), np.nan)
        else:
            self.point = self.point or bool(((np.floor(read) != read) & np.isfinite(read)).any())
            return read
        for row, cell in enumerate(cells):
            number = _number(cell, self.commas)
            if number is not None:
                read[row] = number
                self.point = self.point or "." in cell
                if self.comma is None and "," in cell:
                    self.comma = cell.strip(), self.length + row
            elif cell.strip().lower() not in _MISSING:
                self.fault = no_number(cell), self.length + row
                break
        return read
