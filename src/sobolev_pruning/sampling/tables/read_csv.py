"""Columns of a CSV file, read block by block, so that the text of a large file is never in memory as a whole."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from ..._foundation.errors import InputError
from .table import Budget, NotNumbers, Table, no_number

_BLOCK = 2**18
"""Cells that are in memory as text."""

_ADVICE = "look for a quotation mark that is not closed, and save it as CSV again"


def read_csv(path: Path) -> Table:
    """The columns of a file of numbers between commas, semicolons or tabs, with their names in the first row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=header.count))
            return _columns(path, (row for row in reader if row))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}, cannot be read as CSV ({error}); {_ADVICE}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file that can.") from None


def _columns(path: Path, rows: Iterator[list[str]]) -> Table:
    names = [name.strip() for name in next(rows, [])]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{path} has two columns named {name!r}; rename one of them.")
    columns = [_Column() for _ in names]
    size = max(1, _BLOCK // max(1, len(names)))
    while block := list(islice(rows, size)):
        first = columns[0].length
        for number, row in enumerate(block, first + 1):
            if len(row) != len(names):
                raise InputError(
                    f"{path}, row {number} has {len(row)} entries and the header {len(names)}; correct that row."
                )
        if first == 0:
            letters = sum(len(cell) + 1 for row in block for cell in row)
            Budget(path).take(int(path.stat().st_size / letters * len(block)), len(names))
        for column, cells in zip(columns, zip(*block)):
            column.extend(cells)
    return {name: column.whole() for name, column in zip(names, columns)}


class _Column:
    """Numbers, block after block, until a cell holds something else."""

    def __init__(self):
        self.blocks: list[np.ndarray] = []
        self.length = 0
        self.fault: tuple[str, int] | None = None

    def extend(self, cells: tuple[str, ...]) -> None:
        if self.fault is None:
            self.blocks.append(self._read(cells))
        self.length += len(cells)

    def whole(self) -> np.ndarray | NotNumbers:
        if self.fault is not None:
            what, row = self.fault
            return NotNumbers(what, self.length, row)
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0)

    def _read(self, cells: tuple[str, ...]) -> np.ndarray:
        try:
            return np.array(cells, dtype=np.float64)
        except ValueError:  # an empty cell, or a wrong one
            read = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            try:
                read[row] = float(cell) if cell.strip() else np.nan
            except ValueError:
                self.fault = no_number(cell), self.length + row
                break
        return read
