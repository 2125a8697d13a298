"""Boxes and columns as they are written on the command line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.spelling import spelled, split_list, unquoted
from .._foundation.variables import Variable, are_named, in_short, position_of
from ..enclosure import Interval
from ..reference import Box
from ..sampling import columns_in, read_inputs
from ..scoring import as_box
from ..surrogate import Surrogate

_FOR_A_NETWORK = (
    "0.3:1.7 for all inputs, spot=60:140,vol=0.1:0.4 by name, 0.3:1.7,0:1 for one after the other, or @FILE for the "
    "range of a data file"
)
_FOR_A_SIMULATOR = "70:130,0.1:0.4 for one input after the other, or spot=70:130,vol=0.1:0.4"
_MOST_NAMED = 8
"""The box of more inputs is told in short."""


def read_box(text: str, surrogate: Surrogate, columns: str | None = None) -> Interval:
    """The box of the inputs of `surrogate` that `text` describes.

    - `LOWER:UPPER`, such as `0.3:1.7`: the same range for all inputs;
    - `NAME=LOWER:UPPER,...`, such as `spot=60:140,vol=0.1:0.4`: a range for every input by its name, in any order; what
      is not named has the range that the network was trained on;
    - `LOWER:UPPER,LOWER:UPPER,...`: one range for each input; where both ends are equal the input stays fixed;
    - `@FILE`: from the smallest to the largest value of every input in a data file, whose input columns are named by
      `columns` (see `columns_of`).

    Raises `InputError` for anything else.

    >>> import jax
    >>> from sobolev_pruning import Samples
    >>> samples = Samples([[90.0, 0.2], [110.0, 0.3]], [9.0, 1.0], inputs=["spot", "vol"])
    >>> network = Surrogate.create([2, 2, 1], samples, key=jax.random.key(0))
    >>> read_box("0:1,-2:-1.5", network).lower.tolist(), read_box("vol=0:1", network).upper.tolist()
    ([0.0, -2.0], [110.0, 1.0])
    """
    text, n_inputs = text.strip(), surrogate.widths[0]
    if text.startswith("@") and text != "@":
        inputs = read_inputs(text[1:], x=columns_of(text[1:], columns, surrogate.inputs, "x*"))
        if inputs.shape[1] != n_inputs:
            raise InputError(
                f"{text[1:]} has {inputs.shape[1]} columns {columns or 'x*'}, but the network has {n_inputs} inputs; "
                "name the columns of its inputs with --x."
            )
        return as_box((inputs.min(axis=0), inputs.max(axis=0)), n_inputs)
    ranges = _ranges(text, _FOR_A_NETWORK)
    if ranges[0][0] is not None:
        return _by_name(ranges, surrogate)
    if len(ranges) not in (1, n_inputs):
        raise InputError(
            f"--box gives {len(ranges)} ranges, but the network has {n_inputs} inputs; give one range for all of them, "
            "or one for each."
        )
    ends = [end for _, end in ranges]
    return _box(ends * n_inputs if len(ranges) == 1 else ends, surrogate.inputs)


def _by_name(ranges: list[tuple[str | None, tuple[float, float]]], surrogate: Surrogate) -> Interval:
    """The box of a network whose inputs, or some of them, have a range each."""
    inputs = surrogate.inputs
    given: dict[int, tuple[float, float]] = {}
    for name, ends in ranges:
        place = position_of(Variable.of(name).name, inputs, "--box")
        if place in given:
            raise InputError(f"--box names {inputs[place].name!r} twice; give every input one range.")
        given[place] = ends
    missing = [variable.name for place, variable in enumerate(inputs) if place not in given]
    if missing and surrogate.training_range is None:
        raise InputError(
            f"--box says nothing of {in_short(missing)}, and the network holds no training range; name every input."
        )
    known = [] if surrogate.training_range is None else np.stack(surrogate.training_range, axis=1).tolist()
    return _box([given.get(place) or known[place] for place in range(len(inputs))], inputs)


def _box(ends: Sequence[Sequence[float]], inputs: Sequence[Variable]) -> Interval:
    """The box of these ranges; raises `InputError` naming the input whose range is none."""
    lower, upper = np.asarray(ends).T
    wrong = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)))
    if wrong.size:
        i = int(wrong[0])
        raise InputError(
            f"--box gives {inputs[i]} a range from {lower[i]:g} to {upper[i]:g}; give finite ends, the lower one first."
        )
    return as_box((lower, upper), len(inputs))


def read_ranges(text: str) -> Box:
    """The box that `text` describes by one range for each input, `NAME=LOWER:UPPER` or, without names, `LOWER:UPPER`.

    Names may have units, `spot [USD]=70:130`; inputs without names are `x0`, `x1`, ... Raises `InputError` for anything
    else.

    >>> [str(variable) for variable in read_ranges("spot [USD]=70:130, vol=0.1:0.4").variables]
    ['spot [USD]', 'vol']
    """
    ranges = _ranges(text, _FOR_A_SIMULATOR)
    lower, upper = zip(*(ends for _, ends in ranges))
    return Box(lower, upper, [name for name, _ in ranges] if ranges[0][0] is not None else None)


def _ranges(text: str, advice: str) -> list[tuple[str | None, tuple[float, float]]]:
    """Names, or None for all, and ranges."""
    parts = [part.rpartition("=") for part in split_list(text)]
    names = [unquoted(name.strip()) if equals else None for name, equals, _ in parts]
    named = [name for name in names if name is not None]
    if len(named) not in (0, len(parts)):
        raise InputError(f"--box names some inputs only ({in_short(named)}); give all ranges a name, or none.")
    if "" in named:
        raise InputError(f"--box has a range without a name before its =; write {advice}.")
    return [(name, _range(part.strip(), advice)) for name, (_, _, part) in zip(names, parts)]


def _range(part: str, advice: str) -> tuple[float, float]:
    try:
        lower, upper = (float(end) for end in part.split(":"))
    except ValueError:
        raise InputError(f"--box has {part!r} where a range LOWER:UPPER is expected; write {advice}.") from None
    return lower, upper


def columns_of(path: str | Path, asked: str | None, variables: Sequence[Variable], pattern: str) -> str | list[str]:
    """The columns of a data file that are the `variables` of a network, as the readers of data files take them.

    Those that were `asked` for: a pattern such as `x*`, or names separated by commas; else those with the network's own
    names, where the file has one of them; else those of the `pattern`.
    """
    if asked is not None:
        names = [unquoted(name) for name in split_list(asked)]
        return asked if len(names) == 1 and "*" in asked else names
    own = [variable.name for variable in variables]
    return own if are_named(variables) and set(own) & set(columns_in(path)) else pattern


def box_text(inputs: Sequence[Variable], lower: ArrayOrList, upper: ArrayOrList) -> str:
    """The box as `read_box` takes it, that of many inputs in short.

    >>> box_text([Variable("spot", "USD"), Variable("vol")], [60, 0.1], [140, 0.4])
    'spot=60:140,vol=0.1:0.4'
    """
    ranges = [f"{low:.4g}:{high:.4g}" for low, high in zip(lower, upper)]
    if are_named(inputs):
        ranges = [f"{spelled(variable.name)}={ends}" for variable, ends in zip(inputs, ranges)]
    elif len(set(ranges)) == 1:
        ranges = ranges[:1]
    return ",".join(ranges if len(ranges) <= _MOST_NAMED else [*ranges[: _MOST_NAMED - 1], "..."])


def point_text(inputs: Sequence[Variable], point: ArrayOrList) -> str:
    """A point by the names of its inputs.

    >>> point_text([Variable("spot", "USD"), Variable("vol")], [60, 0.1])
    'spot=60, vol=0.1'
    """
    if not are_named(inputs):
        return "(" + ", ".join(f"{entry:.4g}" for entry in point) + ")"
    return ", ".join(f"{spelled(variable.name)}={entry:.4g}" for variable, entry in zip(inputs, point))
