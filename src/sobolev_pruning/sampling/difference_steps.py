"""Which step of finite differences gives slopes rather than noise."""

from collections.abc import Mapping, Sequence

import numpy as np

LADDER = (1e-3, 8e-3, 6.4e-2)
"""Steps that are looked at, as parts of each input's range; the first that serves is taken."""

LEAST_SIGNAL_TO_NOISE = 3.0
_MATTERS = 0.1
"""Noise counts against this part of the largest slope of an output, each in the range of its input."""
_LEAST_ROWS = 5
"""Fewer rows may tell that a narrow step misses something, but not that a wide one serves."""
_GROWS = 2.0
"""Slopes so many times larger at a wider step: the narrower one missed jumps that the wider one met."""

Slopes = Mapping[int, tuple[np.ndarray, np.ndarray]]
"""Slopes and their noise, `(k, d)` each, by row."""


def chosen_steps(by_step: Sequence[Slopes], ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every input the place in `LADDER` of the first step that serves, -1 where none does, and the largest signal
    to noise ratio.

    With slopes `s` and noise `e` over the n rows of one step, the ratio is `sqrt(mean s^2 - mean e^2)` over
    `sqrt(mean e^2) (1 + 2/sqrt(n))`, as large as the noise may well be: 0 where jumps make both alike, and where no
    output has a slope anywhere. It is that of the worst output. `by_step` holds what was measured at each step; rows of
    a wider step are among those of the first.
    """
    ratios = np.stack([_signal_to_noise(by_step, number, ranges) for number in range(len(by_step))])
    serves = ratios >= LEAST_SIGNAL_TO_NOISE
    return np.where(serves.any(axis=0), serves.argmax(axis=0), -1), ratios.max(axis=0)


def _signal_to_noise(by_step: Sequence[Slopes], number: int, ranges: np.ndarray) -> np.ndarray:
    if len(by_step[number]) < (1 if number == 0 else _LEAST_ROWS):
        return np.zeros(len(ranges))
    slopes, noise = (ranges * part for part in _stacked(by_step[number], by_step[number]))
    signal = np.sqrt(np.maximum(_mean_square(slopes) - _mean_square(noise), 0.0))
    if not signal.any():
        return np.zeros(len(ranges))
    floor = _MATTERS * signal.max(axis=1, keepdims=True)
    noise = (1.0 + 2.0 / np.sqrt(len(noise))) * np.sqrt(_mean_square(noise))
    ratio = np.divide(np.maximum(signal, floor), noise, out=np.full_like(noise, np.inf), where=noise > 0)
    for wider in by_step[number + 1 :]:
        rows = [row for row in wider if row in by_step[number]]
        if rows:
            here, there = (np.sqrt(_mean_square(ranges * _stacked(part, rows)[0])) for part in (by_step[number], wider))
            missed = (there > _GROWS * here) & (there >= _MATTERS * there.max(axis=1, keepdims=True))
            ratio = np.where(missed, 0.0, ratio)
    return ratio.min(axis=0)


def _stacked(found: Slopes, rows) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and noise of these rows, `(rows, k, d)`."""
    pairs = [found[row] for row in rows]
    return tuple(np.stack([np.atleast_2d(pair[part]) for pair in pairs]) for part in (0, 1))


def _mean_square(array: np.ndarray) -> np.ndarray:
    return np.mean(array**2, axis=0)
