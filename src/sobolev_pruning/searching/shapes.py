"""Shapes of the networks that a search looks at: the widths of the hidden layers, and the inputs that are used."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Shape:
    """`hidden` are the widths of the hidden layers, `inputs` the numbers of the inputs that the network looks at."""

    hidden: tuple[int, ...]
    inputs: tuple[int, ...]

    def widths(self, outputs: int) -> tuple[int, ...]:
        """Widths of a network of this shape, the inputs that it does not look at left out."""
        return (len(self.inputs), *self.hidden, outputs)

    def narrower(self) -> list["Shape"]:
        """One layer halved, narrowed by one node, or melted away."""
        found = set()
        for layer, width in enumerate(self.hidden):
            for narrow in {width // 2, width - 1} - {0}:
                found.add((*self.hidden[:layer], narrow, *self.hidden[layer + 1 :]))
            if len(self.hidden) > 1:
                found.add(self.hidden[:layer] + self.hidden[layer + 1 :])
        return [replace(self, hidden=hidden) for hidden in sorted(found)]

    def with_fewer_inputs(self, effects: Float[np.ndarray, "d"]) -> list["Shape"]:
        """Half of the inputs, those with the larger `effects`, and all but the one with the least."""
        strongest = sorted(self.inputs, key=lambda c: (-effects[c], c))
        counts = {(len(strongest) + 1) // 2, len(strongest) - 1} - {0, len(strongest)}
        return [replace(self, inputs=tuple(sorted(strongest[:count]))) for count in sorted(counts)]


def uniform(width: int, depth: int, inputs: tuple[int, ...]) -> Shape:
    """`depth` layers of one width."""
    return Shape((width,) * depth, inputs)


def layers_to_keep(widths: Sequence[int], hidden: Sequence[int]) -> list[int]:
    """Which layers of a deeper network become the layers `hidden`: the first ones, as far as they are wide enough.

    >>> layers_to_keep((2, 8, 8), (4, 2))
    [0, 4, 2]
    """
    kept, left = [], list(hidden)
    for position, width in enumerate(widths):
        still = len(widths) - position
        if left and (left[0] <= width or still == len(left)):
            kept.append(left.pop(0))
        else:
            kept.append(0)
    return kept
