"""Single entries of values and derivatives by name, as `price`, `dprice/dspot`, `d2price/dspot2`: read and written."""

import re
from collections.abc import Sequence

from .errors import InputError
from .spelling import NAME, QUOTED, quoted, spelled, unquoted
from .variables import Variable, position_of

RESERVED = ("value", "gradient", "hessian", "gamma")
"""Words that mean all entries; an output of such a name stands in quotes."""

_DERIVATIVE = re.compile(rf'd(?P<output>{QUOTED}|[^/"]+)/d(?P<input>{QUOTED}|[^/"]+)')
_SECOND = re.compile(rf'd2(?P<output>{QUOTED}|[^/"]+)/d(?P<inputs>.+)')

Entry = tuple[int, ...]


def read_entry(
    text: str, inputs: Sequence[Variable], outputs: Sequence[Variable], where: str
) -> tuple[str, Entry] | None:
    """The quantity and the place in it of the entry that `text` names; None where `text` has not the form of a name.

    - `price`: of the value, `(output,)`;
    - `dprice/dspot`: of the gradient, `(output, input)`;
    - `d2price/dspot2` and `d2price/dspotdvol`: of the Hessian, `(output, input, input)`.

    Raises `InputError`, which begins with `where`, for names that there are none of.
    """
    second, first = _SECOND.fullmatch(text), _DERIVATIVE.fullmatch(text)
    if second:
        pairs = _pairs(second["inputs"], inputs)
        if len(pairs) > 1:
            raise InputError(f"{where} can be read in {len(pairs)} ways; put the names in double quotes.")
        if pairs:
            return "hessian", (_place(second["output"], outputs, where), *pairs[0])
        own = second["inputs"].removesuffix("2").removesuffix("^")
        if not first or own != second["inputs"]:
            position_of(unquoted(own), inputs, where)
            raise InputError(f"{where} names no second derivative; write it as d2y/dx2 or d2y/dx1dx2.")
    if first:
        return "gradient", (_place(first["output"], outputs, where), _place(first["input"], inputs, where))
    if re.fullmatch(NAME, text):
        return "value", (_place(text, outputs, where),)
    return None


def entry_name(entry: Entry, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> str:
    """What `read_entry` reads as this entry: of the value, the gradient or the Hessian, by its length.

    >>> entry_name((0, 1, 1), [Variable("spot"), Variable("implied vol")], [Variable("price")])
    'd2price/d"implied vol"2'
    """
    name, by = outputs[entry[0]].name, [inputs[i].name for i in entry[1:]]
    output = spelled(name)
    if not by:
        return quoted(name) if name.lower() in RESERVED else output
    if len(by) == 1:
        return f"d{output}/d{spelled(by[0])}"
    if by[0] == by[1]:
        return f"d2{output}/d{spelled(by[0])}2"
    plain = f"{spelled(by[0])}d{spelled(by[1])}"
    if len(_pairs(plain, inputs)) > 1:
        plain = "d".join(map(quoted, by))
    return f"d2{output}/d{plain}"


def _place(name: str, variables: Sequence[Variable], where: str) -> int:
    return position_of(unquoted(name), variables, where)


def _pairs(text: str, inputs: Sequence[Variable]) -> list[tuple[int, int]]:
    """The pairs of inputs that `text`, as `spot2` or `spotdvol`, may mean."""
    spellings = [{variable.name, quoted(variable.name)} for variable in inputs]
    found = []
    for a, firsts in enumerate(spellings):
        for first in firsts:
            rest = text.removeprefix(first)
            if len(rest) == len(text):
                continue
            if rest in ("2", "^2"):
                found.append((a, a))
            for separator in ("d", " d", "/d"):
                if rest.startswith(separator):
                    found += [(a, b) for b, names in enumerate(spellings) if rest.removeprefix(separator) in names]
    return list(dict.fromkeys(found))
