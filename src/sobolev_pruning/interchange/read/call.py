"""A node of an ONNX graph with its inputs looked up."""

from dataclasses import dataclass

import numpy as np

from .faults import NotFeedForward
from .layout import DependentTensor
from .untrusted_onnx import LARGEST_ARRAY, MOST_DIMENSIONS

Value = DependentTensor | np.ndarray


@dataclass(frozen=True)
class Call:
    """A node with its inputs looked up: `None` where an optional one is left out."""

    inputs: list[Value | None]
    attributes: dict[str, object]
    opset: int
    results: int = 1

    def input(self, number: int) -> Value | None:
        return self.inputs[number] if number < len(self.inputs) else None

    def needed(self, number: int) -> Value:
        value = self.input(number)
        if value is None:
            raise NotFeedForward(f"its input {number} is missing")
        return value

    def constant(self, number: int) -> np.ndarray | None:
        value = self.input(number)
        if isinstance(value, DependentTensor):
            raise NotFeedForward(f"its input {number} depends on the network's input")
        return value

    def integers(self, name: str, number: int) -> list[int] | None:
        """A list of integers that is an attribute in old versions of an operation and an input in new ones."""
        given = self.constant(number)
        listed = self.attributes.get(name) if given is None else given.reshape(-1)
        if listed is None:
            return None
        if len(listed) > MOST_DIMENSIONS:
            raise NotFeedForward(f"it speaks of {len(listed)} dimensions")
        return [int(i) for i in listed]

    def number(self, name: str, default: float) -> float:
        return float(self.attributes.get(name, default))


def refuse_if_large(entries: int) -> None:
    if entries > LARGEST_ARRAY:
        raise NotFeedForward("its result is too large")
