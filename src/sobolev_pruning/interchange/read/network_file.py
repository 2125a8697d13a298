"""Networks from files of either kind."""

from pathlib import Path

from ..._foundation.errors import InputError
from ...surrogate import Surrogate, load
from .onnx import load_onnx

ENDINGS = (".safetensors", ".onnx")


def read_network(path: str | Path) -> Surrogate:
    """The network in `path`: `.safetensors` as this package writes it, or `.onnx` of any exporter.

    Raises `InputError` for another ending, and for a file that cannot be read.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; give a .safetensors or an .onnx file.")
    return load_onnx(path) if path.suffix == ".onnx" else load(path)
