"""Networks in files: read whichever kind it is, written to where surrogates are used."""

from pathlib import Path
from typing import Literal

from .._foundation.errors import InputError
from .._foundation.files import expect_place
from ..interchange import read_network, save_c, save_numpy, save_onnx
from ..interchange.read.network_file import ENDINGS
from ..surrogate import Surrogate
from .boxes import read_box
from .records import NetworkRecord

ExportFormat = Literal["onnx", "c", "numpy"]


def write_model(surrogate: Surrogate, path: str | Path) -> NetworkRecord:
    """Writes a network to a `.safetensors` or `.onnx` file, by its ending, and says what was written."""
    path = Path(path)
    if path.suffix == ".onnx":
        save_onnx(surrogate, path)
    else:
        surrogate.save(path)
    return describe(surrogate, path)


def expect_model_path(path: str | Path) -> None:
    """Raises `InputError` where no network can be written to `path`, before any work is done for it."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; give -o a .safetensors or an .onnx file.")
    expect_place(path)


def describe(surrogate: Surrogate, path: str | Path) -> NetworkRecord:
    """The network's record under the name of its file."""
    return NetworkRecord(
        str(path), surrogate.widths, surrogate.activation, surrogate.n_parameters, surrogate.inputs, surrogate.outputs
    )


def export(
    model: str | Path,
    to: ExportFormat,
    out: str | Path,
    *,
    box: str | None = None,
    name: str | None = None,
    columns: str | None = None,
) -> tuple[str, ...]:
    """Writes the network in the file `model` to `out`: ONNX with gradient and Hessian, a C header, or NumPy code.

    `box`, as `read_box` takes it, is the range that the written code checks its inputs against; by default the range
    that the network was trained on. Where its file does not know that, the sentence given back says so. `name` is what
    the functions of a C header begin with, by default the name of its file.
    """
    if name is not None and to != "c":
        raise InputError(f"name is {name!r}, but only a C header has one; leave it out.")
    expect_place(out)
    surrogate = read_network(model)
    asked = None if box is None else read_box(box, surrogate, columns)
    known = None if asked is None else (asked.lower, asked.upper)
    if to == "onnx":
        save_onnx(surrogate, out, derivatives=2, box=known)
    elif to == "c":
        save_c(surrogate, out, name=name, box=known)
    else:
        save_numpy(surrogate, out, box=known)
    if asked is None and surrogate.training_range is None:
        return (f"{model} holds no training range, so {out} cannot check its inputs; give it by --box LOWER:UPPER.",)
    return ()
