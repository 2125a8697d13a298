"""Pieces of a box: smaller boxes, cut by pairs of parallel planes, and how they are halved.

All pieces of a box share the directions of their planes, so a piece is a box of inputs and one of the coordinates
`directions @ x`. A cut halves one input or one coordinate; then the inputs' box is narrowed to what the planes leave.
"""

from typing import NamedTuple

import numpy as np

_SLACK = 1e-13
"""Relative to the size of its terms, more than the rounding error of a sum of few products in float64."""


class Piece(NamedTuple):
    """Inputs `lower` to `upper`, `(n,)`, coordinates `below` to `above`, `(r,)`."""

    lower: np.ndarray
    upper: np.ndarray
    below: np.ndarray
    above: np.ndarray


def whole(lower: np.ndarray, upper: np.ndarray, directions: np.ndarray) -> Piece:
    """The box itself, between planes that touch its corners."""
    least, most = _terms(directions, lower, upper)
    slack = _SLACK * np.maximum(np.abs(least), np.abs(most)).sum(axis=1)
    return Piece(lower, upper, least.sum(axis=1) - slack, most.sum(axis=1) + slack)


def halved(piece: Piece, axis: int, directions: np.ndarray) -> list[Piece]:
    """The parts of the piece on either side of its middle along an input, or along coordinate `axis - n`.

    Parts that the planes leave nothing of are dropped.
    """
    n = len(piece.lower)
    ends = [piece.lower, piece.upper] if axis < n else [piece.below, piece.above]
    place = axis if axis < n else axis - n
    middle = 0.5 * ends[0][place] + 0.5 * ends[1][place]
    parts = []
    for side in (1, 0):
        moved = ends[side].copy()
        moved[place] = middle
        names = ("lower", "upper") if axis < n else ("below", "above")
        part = _narrowed(piece._replace(**{names[side]: moved}), directions)
        if part is not None:
            parts.append(part)
    return parts


def _narrowed(piece: Piece, directions: np.ndarray) -> Piece | None:
    """The piece with each input narrowed to what the planes and the other inputs leave it; None for nothing."""
    lower, upper = piece.lower, piece.upper
    for _ in range(3):
        for direction, below, above in zip(directions, piece.below, piece.above):
            least, most = _terms(direction, lower, upper)
            slack = _SLACK * (np.maximum(np.abs(least), np.abs(most)).sum() + abs(below) + abs(above))
            first = below - (most.sum() - most) - slack
            last = above - (least.sum() - least) + slack
            if np.any(np.maximum(least, first) > np.minimum(most, last)):
                return None
            usable = np.abs(direction) > 1e-6 * np.abs(direction).max(initial=0.0)
            divisor = np.where(usable, direction, 1.0)
            low, high = (np.where(direction > 0, a, b) / divisor for a, b in ((first, last), (last, first)))
            low, high = low - 4e-16 * np.abs(low), high + 4e-16 * np.abs(high)
            lower = np.where(usable, np.clip(low, lower, upper), lower)
            upper = np.where(usable, np.clip(high, lower, upper), upper)
    return piece._replace(lower=lower, upper=upper)


def _terms(directions: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of every term of `directions @ x`."""
    return np.minimum(directions * lower, directions * upper), np.maximum(directions * lower, directions * upper)
