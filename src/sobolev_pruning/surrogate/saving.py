"""What a surrogate is on disk: named float64 arrays, and its architecture as a header."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import save as to_safetensors

from .._foundation.files import write_result

FORMAT = "sobolev_pruning.surrogate"
SCHEMA = 3
SCALING = ("x_shift", "x_scale", "y_shift", "y_scale")
RANGE = ("x_lowest", "x_highest")


def save(surrogate, path: str | Path) -> None:
    """Writes `surrogate` to `path` as safetensors, written aside and renamed.

    The header holds `{"format", "schema", "widths", "activations", "skip", "scalar_output", "inputs", "outputs"}` as
    JSON under the key `surrogate`; inputs and outputs are lists of `{"name", "unit"}`.
    """
    tensors, header = to_tensors(surrogate)
    write_result(path, to_safetensors(tensors, metadata={"surrogate": json.dumps(header)}))


def to_tensors(surrogate) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays of `surrogate` by name, and its architecture as a JSON-able header."""
    tensors = {name: np.asarray(getattr(surrogate.scaling, name)) for name in SCALING}
    if surrogate.training_range is not None:
        tensors |= {name: np.asarray(end) for name, end in zip(RANGE, surrogate.training_range)}
    for number, layer in enumerate(surrogate.layers):
        tensors[f"layers.{number}.weight"] = np.ascontiguousarray(layer.weight)
        tensors[f"layers.{number}.bias"] = np.asarray(layer.bias)
    if surrogate.layers[-1].skip is not None:
        tensors["skip"] = np.ascontiguousarray(surrogate.layers[-1].skip)
    header = {
        "format": FORMAT,
        "schema": SCHEMA,
        "widths": surrogate.widths,
        "activations": surrogate.activations,
        "skip": surrogate.layers[-1].skip is not None,
        "scalar_output": surrogate.scalar_output,
        "inputs": [asdict(variable) for variable in surrogate.inputs],
        "outputs": [asdict(variable) for variable in surrogate.outputs],
    }
    return tensors, header
