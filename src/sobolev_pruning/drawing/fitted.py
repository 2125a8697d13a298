"""Tables as a terminal can show them: narrower by columns left out, in characters that it has."""

import re
from copy import copy
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_FIRST_TO_GO = (
    *("Hessian", "Role", "Ratio", "Size", "Typical", "Reached by points", "Width of range", "Largest adjoint", "Nodes"),
    *("Median", "Lowest", "Hessian / limit", "Gamma / limit", "Gamma", "Delta / limit", "Value / limit", "Delta"),
    "Parameters",
)
"""Columns that are left out where the terminal is too narrow for all, the first of these first."""

_FOLDED = 10
"""What columns that fold their texts need."""

_PLAIN = str.maketrans(
    {
        "–": "-",
        "−": "-",
        "×": "x",
        "±": "+-",
        "✓": "*",
        "✗": "x",
        "²": "2",
        "µ": "u",
        "…": "...",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_POWER = re.compile("(×?)10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")


def fitted(table: Table, console: Console) -> Table:
    """`table` in the characters of the console's encoding, without the columns that find no room."""
    if not _can(console.encoding):
        table = _in_plain_characters(table)
    left_out = []
    for heading in _FIRST_TO_GO:
        if _width(table) <= console.width or len(table.columns) < 3:
            break
        fewer = _without(table, heading)
        left_out += [heading] * (len(fewer.columns) < len(table.columns))
        table = fewer
    if left_out:
        table = copy(table)
        told = f"Left out for want of width: {', '.join(left_out)}."
        table.caption = f"{table.caption}\n{told}" if table.caption else told
    return table


def plain_text(text: str) -> str:
    """`text` in ASCII, powers of ten as computers write them; what has no counterpart stays.

    >>> plain_text("3.8×10⁻⁵ ± 10⁻³, 1 − R²")
    '3.8e-05 +- 1e-03, 1 - R2'
    """

    def power(match: re.Match) -> str:
        return f"{'' if match[1] else '1'}e{int(match[2].translate(_DIGITS)):+03d}"

    return _POWER.sub(power, text).translate(_PLAIN)


def _can(encoding: str) -> bool:
    try:
        "⁻⁵×–−±✓✗²µ…─".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _in_plain_characters(table: Table) -> Table:
    def plain(found):
        if isinstance(found, Text):
            return Text(plain_text(found.plain), style=found.style)
        return plain_text(found) if isinstance(found, str) else found

    changed = copy(table)
    changed.title, changed.caption = plain(table.title), plain(table.caption)
    changed.columns = [
        replace(column, header=plain(column.header), _cells=[plain(cell) for cell in column._cells])
        for column in table.columns
    ]
    return changed


def _without(table: Table, heading: str) -> Table:
    changed = copy(table)
    kept = [column for column in table.columns if str(column.header).strip() != heading]
    changed.columns = [replace(column, _index=number) for number, column in enumerate(kept)]
    return changed


def _width(table: Table) -> int:
    _, right, _, left = table.padding
    return sum(_needs(column) + left + right for column in table.columns) + len(table.columns) - 1


def _needs(column: Column) -> int:
    texts = (found.plain if isinstance(found, Text) else str(found) for found in (column.header, *column.cells))
    widest = max(cell_len(line) for text in texts for line in (text.splitlines() or [""]))
    return widest if column.no_wrap else min(widest, _FOLDED)
