"""Reading surrogates from disk; nothing in the file is executed."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from safetensors import SafetensorError, safe_open

from .._foundation.errors import InputError
from .._foundation.untrusted_file import expect_file
from .._foundation.variables import Variable, variables_from_json
from .network import Dense, Surrogate
from .saving import FORMAT, RANGE, SCALING, SCHEMA
from .scaling import Scaling


def load(path: str | Path) -> Surrogate:
    """Reads a `Surrogate` written by `Surrogate.save`.

    Raises `InputError` where the file is missing, cut short, of another kind, or does not hold what its header
    promises.
    """
    path = expect_file(path, "check the path of the saved surrogate")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, TypeError, AttributeError) as error:  # the last two: a dtype NumPy lacks
        raise InputError(
            f"{path} is not a readable safetensors file ({error}); it may be cut short: save it again."
        ) from None
    try:
        header = json.loads(metadata["surrogate"])
    except (KeyError, ValueError, RecursionError):
        header = None
    return from_tensors(tensors, header, str(path))


def from_tensors(tensors: dict[str, np.ndarray], header: object, where: str) -> Surrogate:
    """The surrogate that `to_tensors` took apart; raises `InputError` naming `where` the parts come from."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{where} has no surrogate header; give a file written by Surrogate.save.")
    if not _is_integer(header.get("schema")) or header["schema"] not in range(1, SCHEMA + 1):
        raise InputError(
            f"{where} has schema {header.get('schema')}; this version of sobolev-pruning reads up to schema {SCHEMA}."
        )
    if header["schema"] < 3:  # one name for all hidden layers, no skip
        header = header | {"activations": header.get("activation"), "skip": False}
    keys = ("widths", "activations", "skip", "scalar_output")
    widths, activations, skip, scalar_output = (header.get(key) for key in keys)
    wrong = {
        "widths": not isinstance(widths, (list, tuple))
        or len(widths) < 2
        or not all(_is_integer(width) and width > 0 for width in widths),
        "activations": not isinstance(activations, (str, list, tuple)),
        "skip": not isinstance(skip, bool),
        "scalar_output": not isinstance(scalar_output, bool),
    }
    for key in (key for key, is_wrong in wrong.items() if is_wrong):
        raise InputError(f"{where} has a header whose {key} is {header.get(key)!r}; save the surrogate again.")

    def tensor(name: str, shape: tuple[int, ...]):
        found = tensors.get(name)
        if found is None or found.shape != shape or found.dtype != np.float64 or not np.isfinite(found).all():
            raise InputError(
                f"{where} promises a finite float64 tensor {name} of shape {shape}; save the surrogate again."
            )
        return jax.device_put(found)

    layers = [
        Dense(tensor(f"layers.{number}.weight", (n_out, n_in)), tensor(f"layers.{number}.bias", (n_out,)))
        for number, (n_in, n_out) in enumerate(itertools.pairwise(widths))
    ]
    if skip:
        layers[-1] = replace(layers[-1], skip=tensor("skip", (widths[-1], widths[0])))
    shapes = dict(zip(SCALING, ((widths[0],), (widths[0],), (widths[-1],), (widths[-1],))))
    scaling = Scaling(**{name: tensor(name, shape) for name, shape in shapes.items()})
    if (tensors["x_scale"] <= 0).any() or (tensors["y_scale"] <= 0).any():
        raise InputError(f"{where} holds a scale that is not above 0; save the surrogate again.")
    known = any(name in tensors for name in RANGE)
    training_range = tuple(tensor(name, (widths[0],)) for name in RANGE) if known else None
    names = [_variables(header, key, where) for key in ("inputs", "outputs")]
    try:
        return Surrogate(layers, scaling, activations, scalar_output, training_range, *names)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _variables(header: dict, key: str, where: str) -> list[Variable] | None:
    """Inputs or outputs by name; None for a file of schema 1, which has no names."""
    if header["schema"] == 1:
        return None
    try:
        return variables_from_json(header.get(key))
    except InputError:
        raise InputError(
            f"{where} has a header whose {key} are no names with units; save the surrogate again."
        ) from None


def _is_integer(value: object) -> bool:
    """Whether JSON holds a whole number there; `true` is none."""
    return isinstance(value, int) and not isinstance(value, bool)
