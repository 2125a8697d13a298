"""Boxes as they are written on the command line."""

import numpy as np

from .._foundation.errors import InputError
from ..enclosure import Interval
from ..reference import Box
from ..sampling import read_inputs
from ..scoring import as_box

_FOR_A_NETWORK = "0.3:1.7 for all inputs, 0.3:1.7,0:1 for one after the other, or @FILE for the range of a data file"
_FOR_A_SIMULATOR = "70:130,0.1:0.4 for one input after the other, or spot=70:130,vol=0.1:0.4"


def read_box(text: str, n_inputs: int, columns: str = "x*") -> Interval:
    """The box of `n_inputs` inputs that `text` describes.

    - `LOWER:UPPER`, such as `0.3:1.7`: the same range for all inputs;
    - `LOWER:UPPER,LOWER:UPPER,...`: one range for each input; where both ends are equal the input stays fixed;
    - `@FILE`: from the smallest to the largest value of every input in a data file, whose input columns are named by
      `columns` (see `column_names`).

    Raises `InputError` for anything else.

    >>> read_box("0:1,-2:-1.5", 2).lower.tolist()
    [0.0, -2.0]
    """
    text = text.strip()
    if text.startswith("@") and text != "@":
        inputs = read_inputs(text[1:], x=column_names(columns))
        if inputs.shape[1] != n_inputs:
            raise InputError(
                f"{text[1:]} has {inputs.shape[1]} columns {columns}, but the network has {n_inputs} inputs; "
                "name the columns of its inputs with --x."
            )
        return as_box((inputs.min(axis=0), inputs.max(axis=0)), n_inputs)
    ranges = [_range(part.strip(), _FOR_A_NETWORK) for part in text.split(",")]
    if len(ranges) not in (1, n_inputs):
        raise InputError(
            f"--box gives {len(ranges)} ranges, but the network has {n_inputs} inputs; give one range for all of them, "
            "or one for each."
        )
    lower, upper = np.asarray(ranges * n_inputs if len(ranges) == 1 else ranges).T
    return as_box((lower, upper), n_inputs)


def read_ranges(text: str) -> Box:
    """The box that `text` describes by one range for each input, `NAME=LOWER:UPPER` or, without names, `LOWER:UPPER`.

    Inputs without names are `x0`, `x1`, ... Raises `InputError` for anything else.

    >>> [variable.name for variable in read_ranges("spot=70:130, vol=0.1:0.4").variables]
    ['spot', 'vol']
    """
    parts = [part.strip().rpartition("=") for part in text.split(",")]
    names = [name.strip() for name, equals, _ in parts if equals]
    if len(names) not in (0, len(parts)):
        raise InputError(f"--box names some inputs only ({', '.join(names)}); give all ranges a name, or none.")
    for name in names:
        if not name.isidentifier():
            raise InputError(f"--box has the name {name!r}; names of inputs are letters, digits and _.")
    lower, upper = zip(*(_range(part.strip(), _FOR_A_SIMULATOR) for _, _, part in parts))
    return Box(lower, upper, names or None)


def _range(part: str, advice: str) -> tuple[float, float]:
    try:
        lower, upper = (float(end) for end in part.split(":"))
    except ValueError:
        raise InputError(f"--box has {part!r} where a range LOWER:UPPER is expected; write {advice}.") from None
    return lower, upper


def column_names(text: str) -> str | list[str]:
    """A pattern such as `x*`, or names separated by commas, as the readers of data files take them.

    >>> column_names("spot, vol"), column_names("x*")
    (['spot', 'vol'], 'x*')
    """
    names = [name.strip() for name in text.split(",")]
    return text if len(names) == 1 and "*" in text else names
