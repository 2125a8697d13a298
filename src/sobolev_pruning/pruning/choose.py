"""From scores to survivors: by count, fraction or threshold, layer by layer or over the whole network."""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from .._foundation.errors import InputError

Keep: TypeAlias = int | float | Sequence[int]
Scope: TypeAlias = Literal["layer", "network"]


def choose(
    scores: Sequence[np.ndarray],
    keep: Keep | None,
    threshold: float | None,
    scope: Scope,
    alive: Sequence[np.ndarray],
) -> tuple[tuple[int, ...], ...]:
    """The nodes of each hidden layer that stay, among those that are `alive` (masks); ties go to the lower index.

    The best node of a layer always stays, so that none is emptied unless `keep` lists 0 for it.
    """
    if threshold is not None:
        chosen = [mask & (layer >= threshold) for layer, mask in zip(scores, alive)]
    elif scope == "layer":
        counts = counts_per_layer(keep, [int(mask.sum()) for mask in alive])
        chosen = [_best(layer, mask, count) for layer, mask, count in zip(scores, alive, counts)]
        return tuple(tuple(np.flatnonzero(mask).tolist()) for mask in chosen)
    else:
        total = count_in_network(keep, [int(mask.sum()) for mask in alive])
        safe = [_best(layer, mask, 1) for layer, mask in zip(scores, alive)]
        # Each layer's best goes first in the ranking over all layers.
        ranked = np.concatenate([np.where(best, np.inf, layer) for layer, best in zip(scores, safe)])
        flat = _best(ranked, np.concatenate(list(alive)), total)
        chosen = np.split(flat, np.cumsum([layer.size for layer in scores])[:-1])
    chosen = [mask | _best(layer, live, 1) for mask, layer, live in zip(chosen, scores, alive)]
    return tuple(tuple(np.flatnonzero(mask).tolist()) for mask in chosen)


def counts_per_layer(keep: Keep, widths: Sequence[int]) -> list[int]:
    """How many nodes stay in each hidden layer of the given widths."""
    if isinstance(keep, (list, tuple, np.ndarray)):
        if len(keep) != len(widths):
            raise InputError(
                f"keep lists {len(keep)} layers, the network has {len(widths)} hidden ones; list one each."
            )
        for number, (count, width) in enumerate(zip(keep, widths), start=1):
            if isinstance(count, bool) or int(count) != count or not 0 <= count <= width:
                raise InputError(
                    f"keep asks for {count} nodes of hidden layer {number}; give a whole number from 0 to {width}."
                )
        return [int(count) for count in keep]
    if _is_count(keep):
        return [min(int(keep), width) for width in widths]
    return [max(1, math.ceil(keep * width - 1e-9)) for width in widths]


def count_in_network(keep: Keep, widths: Sequence[int]) -> int:
    """How many nodes stay in the whole network."""
    if isinstance(keep, (list, tuple, np.ndarray)):
        raise InputError('keep lists layers, but scope is "network"; give one number or fraction, or scope="layer".')
    total = sum(widths)
    if not _is_count(keep):
        return max(len(widths), math.ceil(keep * total - 1e-9))
    if keep < len(widths):
        raise InputError(
            f"keep is {keep} over the whole network of {len(widths)} hidden layers; give at least one node per layer, "
            "or list keep per layer, with 0 for a layer that shall go."
        )
    return min(int(keep), total)


def expect_keep(keep: Keep | None, threshold: float | None, scope: str, widths: Sequence[int]) -> None:
    """Raises `InputError` where what stays is not asked for in exactly one way, or impossible for these widths."""
    if scope not in ("layer", "network"):
        raise InputError(f'scope is {scope!r}; choose "layer" or "network".')
    if (keep is None) == (threshold is None):
        raise InputError("Say what stays by exactly one of keep= and threshold=.")
    if threshold is not None:
        if not np.isfinite(threshold):
            raise InputError(f"threshold is {threshold}; give a finite number.")
        return
    if not isinstance(keep, (list, tuple, np.ndarray)):
        if isinstance(keep, bool) or not isinstance(keep, (int, float, np.integer, np.floating)):
            raise InputError(f"keep is {keep!r}; give a number of nodes, a fraction, or one number per layer.")
        if _is_count(keep) and keep < 1:
            raise InputError(
                f"keep is {keep}; give at least 1, or a list with 0 for a layer that shall be merged away."
            )
        if not _is_count(keep) and not 0 < keep <= 1:
            raise InputError(f"keep is {keep}; as a fraction it must lie above 0 and be at most 1.")
    if scope == "layer":
        counts_per_layer(keep, widths)
    else:
        count_in_network(keep, widths)


def _is_count(keep) -> bool:
    return isinstance(keep, (int, np.integer))


def _best(scores: np.ndarray, alive: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` highest scores among the alive."""
    order = np.argsort(-np.where(alive, scores, -np.inf), kind="stable")
    mask = np.zeros(scores.shape, dtype=bool)
    mask[order[:count]] = True
    return mask & alive
