"""Inputs and outputs by name and unit: what tables, files, claims and errors call them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True)
class Variable:
    """An input or an output: its name, and its unit where it is known.

    >>> str(Variable("volatility", "1/sqrt(year)")), str(Variable("x0"))
    ('volatility [1/sqrt(year)]', 'x0')
    """

    name: str
    unit: str | None = None

    def __str__(self) -> str:
        return self.name if self.unit is None else f"{self.name} [{self.unit}]"


def numbered_inputs(n: int) -> tuple[Variable, ...]:
    """`x0`, `x1`, ...: inputs that nobody named."""
    return tuple(Variable(f"x{i}") for i in range(n))


def numbered_outputs(n: int) -> tuple[Variable, ...]:
    """`y` of a single output, `y0`, `y1`, ... of several that nobody named.

    >>> [variable.name for variable in numbered_outputs(1)]
    ['y']
    """
    return (Variable("y"),) if n == 1 else tuple(Variable(f"y{j}") for j in range(n))


def position_of(name: str, variables: Sequence[Variable], where: str) -> int:
    """The place of the variable called `name`; raises `InputError`, naming the nearest one, where there is none.

    `where` is what holds the name, as it starts the sentence.

    >>> position_of("vol", [Variable("spot"), Variable("vol")], "--box")
    1
    """
    names = [variable.name for variable in variables]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {in_short(names)}."
    raise InputError(f"{where} names {name!r}, which is none of the {len(names)}; {advice}")


def in_short(names: Sequence[str], most: int = 8) -> str:
    """Names with commas between; beyond `most` of them their number.

    >>> in_short(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
