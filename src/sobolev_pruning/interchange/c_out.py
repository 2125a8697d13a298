"""Surrogates as one C header: no allocation, no dependency but `math.h`, C99 and C++."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from ..surrogate import Surrogate, numpy_layers
from .box import box_corners
from .c_kernels import entry_points, kernel
from .c_text import EXPONENTIALS, HEAD, IN_RANGE

BLOCK = 16
"""Points computed together in batches: two to eight vectors of the usual machines, and a small share of the stack."""

KINDS = {0: ("value",), 1: ("value", "gradient"), 2: ("value", "gradient", "hessian", "hvp")}


def save_c(
    surrogate: Surrogate,
    path: str | Path,
    *,
    name: str = "surrogate",
    derivatives: Literal[0, 1, 2] = 2,
    dtype: Literal["float64", "float32"] = "float64",
    box: Sequence[ArrayOrList] | None = None,
) -> None:
    """Writes `surrogate` to `path` as a self-contained C99 header, which is also valid C++.

    With `T` double or float by `dtype`, d inputs and k outputs, the header defines, all `static inline`:

    - `void NAME_value(const T *x, T *value)` for one point: `x[d]`, `value[k]`;
    - with `derivatives` 1 also `NAME_gradient(x, value, gradient)`, `gradient[k][d]`;
    - with 2 also `NAME_hessian(x, value, gradient, hessian)`, `hessian[k][d][d]`, and
      `NAME_hvp(x, direction, value, gradient, hvp)`, `hvp[k][d]`;
    - each again as `NAME_value_batch(n, x, value)` and so on, the arrays holding `n` points one after the other;
    - where `box` gives the corners of the training range, `int NAME_in_range(const T *x)`, 1 inside and 0 outside;
    - the numbers `NAME_INPUTS` and `NAME_OUTPUTS`, with NAME in capitals.

    Raises `InputError` for a name that C does not allow, a box of another shape, and a `path` that cannot be written.

    >>> import jax, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_c(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.h", name="price")
    ...     header = Path(f"{folder}/price.h").read_text()
    >>> "static inline void price_gradient(const double *x, double *value, double *gradient)" in header
    True
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InputError(f"name is {name!r}; give letters, digits and _ only, starting with a letter.")
    if derivatives not in KINDS:
        raise InputError(f"derivatives is {derivatives!r}; choose 0 (values), 1 (gradients too) or 2 (Hessians too).")
    if dtype not in ("float64", "float32"):
        raise InputError(f'dtype is {dtype!r}; choose "float64" or "float32".')
    corners = None if box is None else box_corners(box, surrogate.widths[0])
    number_type = "double" if dtype == "float64" else "float"

    pieces = [_head(surrogate, name, corners), *_constants(surrogate, number_type, corners), EXPONENTIALS[number_type]]
    for kind in KINDS[derivatives]:
        pieces += [kernel(surrogate, kind, block) for block in (1, BLOCK)]
        pieces += [entry_points(surrogate, kind, BLOCK)]
    if corners is not None:
        pieces.append(IN_RANGE.replace("NAME_D", str(surrogate.widths[0])))
    text = "\n".join(pieces).replace("NAME", name).replace("TYPE", number_type)
    write_atomically(path, f"{text}\n#endif\n")


def _head(surrogate: Surrogate, name: str, corners: list[list[float]] | None) -> str:
    return HEAD.format(
        name=name,
        NAME=name.upper(),
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        box="of a range not given" if corners is None else f"from {corners[0]} to {corners[1]}",
    )


def _constants(surrogate: Surrogate, number_type: str, corners: list[list[float]] | None) -> list[str]:
    arrays = {key: np.asarray(array) for key, array in vars(surrogate.scaling).items()}
    arrays["x_rate"] = 1.0 / arrays.pop("x_scale")  # a division costs ten times a multiplication
    for number, (weight, bias) in enumerate(numpy_layers(surrogate), start=1):
        arrays |= {f"w{number}": weight, f"b{number}": bias}
    if corners is not None:
        arrays |= {"lower": np.asarray(corners[0]), "upper": np.asarray(corners[1])}
    return [_array(key, array, number_type) for key, array in arrays.items()]


def _array(key: str, array: np.ndarray, number_type: str) -> str:
    sizes = "".join(f"[{size}]" for size in array.shape)
    rows = ["{" + ", ".join(constant(number, number_type) for number in row) + "}" for row in np.atleast_2d(array)]
    entries = rows[0] if array.ndim == 1 else "{\n    " + ",\n    ".join(rows) + "}"
    return f"static const TYPE NAME_{key}{sizes} = {entries};"


def constant(number: float, number_type: str) -> str:
    """A number as C writes it, to the last digit."""
    if number_type == "double":
        return repr(float(number))
    return f"{float(np.float32(number)):.9e}f"
