"""Networks in files: read whichever kind it is, written to where surrogates are used."""

from pathlib import Path
from typing import Literal

from .._foundation.errors import InputError
from ..interchange import load_onnx, save_c, save_numpy, save_onnx
from ..surrogate import Surrogate, load

Target = Literal["onnx", "c", "numpy"]


def read_model(path: str | Path) -> Surrogate:
    """The network in `path`: `.safetensors` as this package writes it, or `.onnx` of any exporter.

    Raises `InputError` for another ending, and for a file that cannot be read.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", ".onnx"):
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; give a .safetensors or an .onnx file.")
    return load_onnx(path) if path.suffix == ".onnx" else load(path)


def export(model: str | Path, to: Target, out: str | Path) -> None:
    """Writes the network in the file `model` to `out`: ONNX with gradient and Hessian, a C header, or NumPy code."""
    surrogate = read_model(model)
    try:
        if to == "onnx":
            save_onnx(surrogate, out, derivatives=2)
        elif to == "c":
            save_c(surrogate, out)
        else:
            save_numpy(surrogate, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); give another path with -o.") from None
