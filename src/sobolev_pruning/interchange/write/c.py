"""Surrogates as one C header: no allocation, no dependency but `math.h`, C99 and C++."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.errors import InputError
from ..._foundation.files import write_result
from ...surrogate import ErrorBars, Surrogate
from ..box import exported_range
from ..expression import in_order
from ..formulas import formulas
from .c_elementary import FORMATS, elementary_functions
from .c_errors import standard_errors
from .c_kernels import functions
from .c_text import HEAD, IN_RANGE
from .c_variables import enumerations
from .layers import WrittenLayers, short_numbers, written_directions, written_layers
from .representable import expect_representable

KINDS = {0: ("value",), 1: ("value", "gradient"), 2: ("value", "gradient", "curvature", "hvp", "hessian")}


def save_c(
    surrogate: Surrogate | ErrorBars,
    path: str | Path,
    *,
    name: str | None = None,
    derivatives: Literal[0, 1, 2] = 2,
    dtype: Literal["float64", "float32"] = "float64",
    box: Sequence[ArrayOrList] | None = None,
) -> None:
    """Writes `surrogate` to `path` as a self-contained C99 header, which is also valid C++.

    NAME stands for `name`, by default that of the file without its ending, with `_` for what C does not allow: headers
    of different names go into one program. With `T` double or float by `dtype`, d inputs and k outputs, the header
    defines, all `static inline`:

    - `void NAME_value(const T *x, T *value)` for one point: `x[d]`, `value[k]`;
    - with `derivatives` 1 also `NAME_gradient(x, value, gradient)`, `gradient[k][d]`;
    - with 2 also `NAME_curvature(x, direction, value, gradient, curvature)`, the second derivative along a direction
      (gamma), `direction[d]`, `curvature[k]`; `NAME_hvp(x, direction, value, gradient, hvp)`, the Hessian times a
      direction, `hvp[k][d]`; and `NAME_hessian(x, value, gradient, hessian)`, `hessian[k][d][d]`;
    - each again as `NAME_value_batch(n, x, value)` and so on, the arrays holding `n` points one after the other, but
      for the one direction of `NAME_curvature_batch`; batches are several times faster, most of all when compiled for
      the machine they run on (`gcc -O3 -march=native`);
    - of `ErrorBars`, `NAME_stderr(x, value_stderr, gradient_stderr)`: the standard errors of the value, `[k]`, and of
      the gradient, `[k][d]`, also as `NAME_stderr_batch`;
    - where the training range is known, `box` or by default that of the surrogate, `int NAME_in_range(const T *x)`,
      1 inside and 0 outside;
    - `enum NAME_input` and `enum NAME_output`, an entry for each by name, such as `NAME_input_spot`, its place in `x`,
      with its unit in a comment; `_` stands for what C does not allow in a name;
    - the numbers `NAME_INPUTS` and `NAME_OUTPUTS`, and the guard `NAME_H`, with NAME in capitals.

    Raises `InputError` for a name that C does not allow, a box of another shape, numbers that the type cannot hold, and
    a `path` that cannot be written.

    >>> import jax, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_c(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.h")
    ...     header = Path(f"{folder}/price.h").read_text()
    >>> "static inline void price_gradient(const double *x, double *value, double *gradient)" in header
    True
    """
    name = c_name(path) if name is None else name
    network = surrogate.surrogate if isinstance(surrogate, ErrorBars) else surrogate
    write_result(path, c_header(surrogate, name, derivatives, dtype, exported_range(network, box)))


def c_header(
    surrogate: Surrogate | ErrorBars,
    name: str,
    derivatives: Literal[0, 1, 2],
    dtype: Literal["float64", "float32"],
    corners: list[list[float]] | None,
) -> str:
    """The text of the header, of which `save_c` says what is in it; `corners` are those of the range."""
    expect_c_name(name)
    if derivatives not in KINDS:
        raise InputError(f"derivatives is {derivatives!r}; choose 0 (values), 1 (gradients too) or 2 (Hessians too).")
    if dtype not in ("float64", "float32"):
        raise InputError(f'dtype is {dtype!r}; choose "float64" or "float32".')
    errors = surrogate if isinstance(surrogate, ErrorBars) else None
    surrogate = surrogate if errors is None else errors.surrogate
    number_type = "double" if dtype == "float64" else "float"

    layers = written_layers(surrogate)
    operations = {term.operation for name in layers.activations for term in in_order(formulas(name))}
    pieces = [_head(surrogate, corners), *_constants(surrogate, layers, number_type, corners)]
    pieces += elementary_functions(operations, number_type)
    for kind in KINDS[derivatives]:
        pieces.append(functions(layers, kind, lambda number: constant(number, number_type)))
    if errors is not None:
        pieces += _uncertain(errors, number_type)
        pieces.append(standard_errors(layers, len(errors.directions), lambda number: constant(number, number_type)))
    if corners is not None:
        pieces.append(IN_RANGE.format(**vars(FORMATS[number_type])))
    pieces.append("#endif\n")
    meant = {"NAME": name, "CAPITALS": name.upper(), "TYPE": number_type}
    meant["VARIABLES"] = enumerations(name, surrogate.inputs, surrogate.outputs)
    meant |= {
        word.upper(): word + ("" if number_type == "double" else "f")
        for word in ("fabs", "copysign", "sin", "cos", "sqrt")
    }
    return re.sub("|".join(meant), lambda word: meant[word[0]], "\n".join(pieces))


def expect_c_name(name: str) -> None:
    """Raises `InputError` for a name that C does not allow."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InputError(f"name is {name!r}; give letters, digits and _ only, starting with a letter.")


def c_name(path: str | Path) -> str:
    """The name of a file without its ending, with `_` for what C does not allow.

    >>> c_name("out/call-1.h"), c_name("1.h")
    ('call_1', 'surrogate_1')
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", Path(path).stem)
    return name if re.match(r"[A-Za-z]", name) else f"surrogate_{name}"


def _head(surrogate: Surrogate, corners: list[list[float]] | None) -> str:
    return HEAD.format(
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        box="of a range not given" if corners is None else f"from {corners[0]} to {corners[1]}",
    )


def _constants(
    surrogate: Surrogate, layers: WrittenLayers, number_type: str, corners: list[list[float]] | None
) -> list[str]:
    arrays = {"x_shift": np.asarray(surrogate.scaling.x_shift)}
    for number, (weight, bias) in enumerate(layers.layers, start=1):
        arrays |= {f"w{number}": weight, f"b{number}": bias}
    if layers.skip is not None:
        arrays["skip"] = layers.skip
    if corners is not None:
        arrays |= {"lower": np.asarray(corners[0]), "upper": np.asarray(corners[1])}
    return _arrays(arrays, number_type)


def _uncertain(errors: ErrorBars, number_type: str) -> list[str]:
    """The directions as changes of the weights, `e`, and of the biases, `f`, of every layer."""
    changes = written_directions(errors)
    arrays = {"factors": np.asarray(errors.factors)}
    for number, parts in enumerate(zip(*(change.layers for change in changes)), start=1):
        arrays |= {f"{letter}{number}": short_numbers(np.stack(part)) for letter, part in zip("ef", zip(*parts))}
    if changes[0].skip is not None:
        arrays["eskip"] = short_numbers(np.stack([change.skip for change in changes]))
    return _arrays(arrays, number_type)


def _arrays(arrays: dict[str, np.ndarray], number_type: str) -> list[str]:
    for key, array in arrays.items():
        expect_representable(array, f"{key} of the header", np.float64 if number_type == "double" else np.float32)
    return [c_array(f"NAME_{key}", array, number_type) for key, array in arrays.items()]


def c_array(name: str, array: np.ndarray, number_type: str) -> str:
    """An array of constants."""
    sizes = "".join(f"[{size}]" for size in array.shape)
    return f"static const {number_type} {name}{sizes} = {_entries(array, number_type)};"


def _entries(array: np.ndarray, number_type: str) -> str:
    if array.ndim == 1:
        return "{" + ", ".join(constant(number, number_type) for number in array) + "}"
    return "{\n    " + ",\n    ".join(_entries(row, number_type) for row in array) + "}"


def constant(number: float, number_type: str) -> str:
    """A number as C writes it, to the last digit."""
    if number_type == "double":
        return repr(float(number))
    return f"{float(np.float32(number)):.9e}f"
