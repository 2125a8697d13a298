"""Records as JSON, for programs that read what a command found out."""

import dataclasses
import json
import math

import numpy as np


def json_text(record) -> str:
    """The fields of a record as one JSON object; arrays become lists, and what is not a finite number becomes null.

    >>> record = dataclasses.make_dataclass("Record", ["size", "shape", "bound"])
    >>> json_text(record(size=2.0, shape=np.array([1, 3]), bound=float("inf")))
    '{"size": 2.0, "shape": [1, 3], "bound": null}'
    """
    return json.dumps(_plain(record), allow_nan=False)


def _plain(value):
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
