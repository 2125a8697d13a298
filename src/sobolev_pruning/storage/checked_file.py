"""Named arrays in one file that is complete or not there, and recognised when damaged."""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from .._foundation.files import write_atomically


def write_checked(path: str | Path, arrays: dict[str, np.ndarray], header: dict) -> None:
    """Writes `arrays` and a JSON-able `header` to `path` as safetensors with a checksum, aside and renamed."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(header, sort_keys=True)
    metadata = {"header": text, "checksum": _checksum(arrays, text)}
    write_atomically(path, to_safetensors(arrays, metadata=metadata))


def read_checked(path: str | Path) -> tuple[dict[str, np.ndarray], dict] | None:
    """The arrays and the header that `write_checked` wrote; None where the file is missing or damaged in any way."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        if metadata["checksum"] != _checksum(arrays, metadata["header"]):
            return None
        return arrays, json.loads(metadata["header"])
    # The last three: a type of numbers that NumPy lacks, and a header that is nested without end.
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(arrays: dict[str, np.ndarray], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
