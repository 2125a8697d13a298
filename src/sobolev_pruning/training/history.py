"""The loss curves of a training run, one row per epoch."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class History:
    """One entry per epoch: the optimiser `step` at its end, and mean loss terms over training and held-out samples."""

    step: np.ndarray
    train_total: np.ndarray
    train_value: np.ndarray
    train_derivative: np.ndarray
    train_hessian: np.ndarray
    held_out_total: np.ndarray
    held_out_value: np.ndarray
    held_out_derivative: np.ndarray
    held_out_hessian: np.ndarray

    def __len__(self) -> int:
        return len(self.step)

    @staticmethod
    def empty() -> "History":
        """A history of no epochs."""
        return History(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(8)))

    def extended(self, rows: "History") -> "History":
        """This history followed by `rows`."""
        return History(*(np.concatenate([getattr(self, f.name), getattr(rows, f.name)]) for f in fields(self)))

    def columns(self) -> dict[str, np.ndarray]:
        """The columns by name, in order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
