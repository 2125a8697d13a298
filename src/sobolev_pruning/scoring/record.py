"""The record of a significance: what a pruning decision is made from."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._foundation.files import write_result
from ..enclosure import Interval


@dataclass(frozen=True)
class Significance:
    """Scores of hidden nodes, one array per hidden layer in each field; larger is more significant.

    - `scores[l]`, `(width,)`.
    - `ranges[l]`: values of each node over the box, `(width,)`; None where the method knows none.
    - `adjoints[l]`: derivatives `dy_j / dn_i` over the box, `(k, width)`; None where the method knows none.
    - `method`, `order`: what was asked for; `order` m scores the m-th input derivatives of the outputs.
    - `guaranteed`: whether ranges and adjoints are proved to hold every value over the box, rounding included; not
      where no rounding margin has been tested (most GPUs), nor with enclosure rules that nobody vouches for.
    - `box`: the box, None for a method that looks at samples.
    """

    scores: tuple[np.ndarray, ...]
    ranges: tuple[Interval, ...] | None
    adjoints: tuple[Interval, ...] | None
    method: str
    order: int
    guaranteed: bool
    box: Interval | None

    @property
    def range_widths(self) -> tuple[np.ndarray, ...]:
        """Width of the range of every node; NaN where ranges are unknown."""
        if self.ranges is None:
            return self._unknown
        return tuple(np.asarray(nodes.wid()) for nodes in self.ranges)

    @property
    def adjoint_sizes(self) -> tuple[np.ndarray, ...]:
        """Largest modulus of every node's adjoints, over all outputs; NaN where adjoints are unknown."""
        if self.adjoints is None:
            return self._unknown
        return tuple(np.asarray(adjoints.mag()).max(axis=0) for adjoints in self.adjoints)

    @property
    def _unknown(self) -> tuple[np.ndarray, ...]:
        return tuple(np.full(scores.shape, np.nan) for scores in self.scores)

    def to_csv(self, path: str | Path) -> None:
        """Writes one row `layer,node,lower,upper,adjoint,score` per node; layers count from 1, nodes from 0."""
        lower = self._unknown if self.ranges is None else [np.asarray(nodes.lower) for nodes in self.ranges]
        upper = self._unknown if self.ranges is None else [np.asarray(nodes.upper) for nodes in self.ranges]
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["layer", "node", "lower", "upper", "adjoint", "score"])
        for layer, columns in enumerate(zip(lower, upper, self.adjoint_sizes, self.scores), start=1):
            for node, row in enumerate(zip(*columns)):
                writer.writerow([layer, node, *(float(entry) for entry in row)])
        write_result(path, table.getvalue())
