"""Slopes of a function by differences that stay inside a box."""

from collections.abc import Callable

import numpy as np


def difference_offsets(x: np.ndarray, steps: np.ndarray, box: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Where each input of `x`, `(d,)`, is moved for its slope, `(d, 2)`: a step up and a step down, or, where that
    would leave the `box`, one and two steps away from its edge. No step is larger than a quarter of the box.

    >>> difference_offsets(np.array([0.5, 0.0]), np.array([0.1, 0.1]), (np.zeros(2), np.ones(2))).tolist()
    [[0.1, -0.1], [0.1, 0.2]]
    """
    central = np.stack([steps, -steps], axis=-1)
    if box is None:
        return central
    lower, upper = box
    inward = np.where(x + steps > upper, -1.0, 1.0)
    one_sided = np.stack([inward * steps, 2.0 * inward * steps], axis=-1)
    inside = (x - steps >= lower) & (x + steps <= upper)
    return np.where(inside[:, None], central, one_sided)


def difference_slopes(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, `(k,)`, slopes, `(k, d)`, and their noise, `(k, d)`, from `2 d + 1` calls of `function` at `x`, `(d,)`.

    Of the parabola through the three points along an input at `x`, `x + a` and `x + b`, `(a, b)` its `offsets`: the
    slope at `x`, and by how much the slope changes within `|a|`. For a smooth function that is of the order of the
    step; where the function jumps it is as large as the slope.

    >>> difference_slopes(lambda x: np.asarray(x[0] ** 2), np.array([1.0]), np.array([[0.5, 1.0]]))[1].tolist()
    [2.0]
    """
    y = function(x)
    slopes, noise = [], []
    for c in range(len(x)):
        (a, near), (b, far) = (_moved(function, x, c, offset) for offset in offsets[c])
        to_near, to_far = (near - y) / a, (far - y) / b
        bend = (to_near - to_far) / (a - b)
        # The difference of the outer two where it is central: a kink at x then has no say.
        slopes.append((near - far) / (a - b) if offsets[c, 0] == -offsets[c, 1] else to_near - a * bend)
        noise.append(abs(a) * bend)
    return y, np.stack(slopes, axis=-1), np.stack(noise, axis=-1)


def _moved(function, x: np.ndarray, c: int, offset: float) -> tuple[float, np.ndarray]:
    """The offset as rounding leaves it, and the value there."""
    there = x.copy()
    there[c] += offset
    return there[c] - x[c], function(there)
