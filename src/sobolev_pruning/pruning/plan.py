"""The record of one pruning: which nodes stay, with which scores, and what becomes of the others."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._foundation.errors import InputError
from ..surrogate import Surrogate

FOLDS = ("none", "midpoint", "mean", "least-squares", "sobolev")
CONSTANT_FOLDS = ("none", "midpoint", "mean")


def fold_orders(fold: str) -> tuple[int, ...]:
    """Orders of input derivatives that a fold can match besides the values."""
    return (1, 2) if fold == "sobolev" else (0,)


@dataclass(frozen=True)
class Plan:
    """What a pruning does; applying it again to the same network gives the same result.

    - `widths`: of the network it is for, inputs and outputs included.
    - `kept[l]`: indices, rising, of the nodes of hidden layer l that stay. Empty: the layer is replaced by its affine
      fit.
    - `fold`: what becomes of a removed node's contribution, one of `FOLDS`.
    - `fold_order`: input derivatives that "sobolev" matches; 0 for the other folds.
    - `constants[l]`: what each node of layer l is taken to be when it goes, `(width,)`, for the folds into a constant;
      else None.
    - `scores[l]`: what was decided by, `(width,)`.
    - `reason`: in words.
    """

    widths: tuple[int, ...]
    kept: tuple[tuple[int, ...], ...]
    fold: str
    fold_order: int
    constants: tuple[np.ndarray, ...] | None
    scores: tuple[np.ndarray, ...]
    reason: str

    @property
    def kept_masks(self) -> tuple[np.ndarray, ...]:
        """Per hidden layer a mask `(width,)`, True where the node stays."""
        masks = []
        for kept, width in zip(self.kept, self.widths[1:-1]):
            mask = np.zeros(width, dtype=bool)
            mask[list(kept)] = True
            masks.append(mask)
        return tuple(masks)

    @property
    def merged_layers(self) -> tuple[int, ...]:
        """Hidden layers, counted from 0, that go as a whole."""
        return tuple(number for number, kept in enumerate(self.kept) if not kept)

    def to_dict(self) -> dict[str, Any]:
        """Lists, numbers and strings only, as JSON can hold them; floats survive to the last bit."""
        return {
            "widths": list(self.widths),
            "kept": [list(kept) for kept in self.kept],
            "fold": self.fold,
            "fold_order": self.fold_order,
            "constants": None if self.constants is None else [layer.tolist() for layer in self.constants],
            "scores": [layer.tolist() for layer in self.scores],
            "reason": self.reason,
        }

    @staticmethod
    def from_dict(entries: dict[str, Any]) -> "Plan":
        """The plan that `to_dict` wrote; raises `InputError` where the entries are not those of a plan."""
        try:
            constants = entries["constants"]
            plan = Plan(
                widths=tuple(int(width) for width in entries["widths"]),
                kept=tuple(tuple(int(node) for node in kept) for kept in entries["kept"]),
                fold=entries["fold"],
                fold_order=int(entries["fold_order"]),
                constants=None if constants is None else tuple(np.asarray(layer, np.float64) for layer in constants),
                scores=tuple(np.asarray(layer, np.float64) for layer in entries["scores"]),
                reason=str(entries["reason"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"The plan cannot be read ({error!r}); give what Plan.to_dict wrote.") from None
        plan._check()
        return plan

    def expect(self, surrogate: Surrogate) -> None:
        """Raises `InputError` where the plan was made for a network of other widths."""
        if surrogate.widths != self.widths:
            raise InputError(f"The plan is for widths {self.widths}, the surrogate has {surrogate.widths}.")

    def _check(self) -> None:
        hidden = self.widths[1:-1]
        per_layer = [self.kept, self.scores] + ([] if self.constants is None else [self.constants])
        if (
            self.fold not in FOLDS
            or self.fold_order not in fold_orders(self.fold)
            or (self.constants is None) == (self.fold in ("midpoint", "mean"))
        ):
            raise InputError(
                f"The plan folds by {self.fold!r}, which does not fit its constants or its order; make it anew."
            )
        if any(len(entry) != len(hidden) for entry in per_layer):
            raise InputError(f"The plan has {len(self.kept)} layers for widths {self.widths}; make it anew.")
        for kept, width in zip(self.kept, hidden):
            if list(kept) != sorted(set(kept)) or any(not 0 <= node < width for node in kept):
                raise InputError(f"The plan keeps nodes {kept} of a layer of {width}; make it anew.")
        for entry in per_layer[1:]:
            if any(layer.shape != (width,) for layer, width in zip(entry, hidden)):
                raise InputError("The plan's scores or constants do not have one entry per node; make it anew.")
