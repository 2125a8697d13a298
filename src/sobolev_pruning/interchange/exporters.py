"""The ways out of the package by name, in one table: what writes a surrogate, and what it writes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from .._foundation.errors import InputError
from .write.c import save_c
from .write.fmu import save_fmu
from .write.javascript import save_javascript
from .write.numpy import save_numpy
from .write.onnx import save_onnx
from .write.torch import save_torch


@dataclass(frozen=True)
class Exporter:
    """A way out: `write(surrogate, path, *, box=None)` writes a surrogate, and a check of its range, to a file.

    Of the options `name`, `derivatives` and `dtype` it takes those that are among the arguments of `write`. `meaning`
    says what is written; `errors` whether `write` takes `ErrorBars`, too.
    """

    write: Callable[..., None]
    meaning: str
    errors: bool = False

    @property
    def taken(self) -> tuple[str, ...]:
        """The names of what `write` takes."""
        return tuple(inspect.signature(self.write).parameters)

    def options(self, asked: dict[str, object]) -> dict[str, object]:
        """Of the options `asked` those that are not None; raises `InputError` for one that this way out has not.

        >>> EXPORTERS["c"].options({"name": "price", "derivatives": None, "dtype": "float32"})
        {'name': 'price', 'dtype': 'float32'}
        """
        given = {option: choice for option, choice in asked.items() if choice is not None}
        for option, choice in given.items():
            if option not in self.taken:
                raise InputError(f"{option} is {choice!r}, but {self.meaning} has no {option}; leave it out.")
        return given


EXPORTERS: dict[str, Exporter] = {
    "onnx": Exporter(save_onnx, "an ONNX model"),
    "c": Exporter(save_c, "a C header", errors=True),
    "numpy": Exporter(save_numpy, "NumPy code", errors=True),
    "javascript": Exporter(save_javascript, "a JavaScript module", errors=True),
    "torch": Exporter(save_torch, "a PyTorch module"),
    "fmu": Exporter(save_fmu, "a functional mock-up unit"),
}
