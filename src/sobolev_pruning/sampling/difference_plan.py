"""Whether differences of a simulator mean anything, and with which steps, found out by a few calls."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from .._foundation.variables import Variable
from .calling import Caller
from .difference_steps import LADDER, LEAST_SIGNAL_TO_NOISE, chosen_steps
from .differences import difference_offsets
from .simulator_calls import Job, Labels

_SAME = 1e-8
"""Two outputs of one seed that differ by no more than this part of them differ by the order of a sum."""
_PILOT_ROWS = 32
_SHARE = 10
"""One in so many calls may go into the choice of a step, over those that become samples anyway."""


@dataclass(frozen=True)
class Differences:
    """What was decided: the `steps` of every input, `(d,)`, or None for values alone; `sentence` says why where there
    is anything to say, and `found` holds the samples that were made on the way, by row.
    """

    steps: np.ndarray | None
    sentence: str | None
    found: dict[int, Labels]


def plan_differences(
    caller: Caller,
    points: np.ndarray,
    seeds: Sequence[int],
    step: ArrayOrList | None,
    box: tuple[np.ndarray, np.ndarray] | None,
    inputs: Sequence[Variable],
) -> Differences:
    """Decides on the steps of differences at `points`, `(n, d)`, inside `box`; `inputs` are their names.

    The first point that gives an output is called twice with one seed: where outputs differ there are no common random
    numbers, hence no slopes. A `step` that was given is then taken; else the first of the `LADDER` whose slopes are no
    noise at the first rows, and none where every one is noise for some input.
    """
    n, d = points.shape
    ranges = np.ptp(points, axis=0) if box is None else box[1] - box[0]
    steps = LADDER[0] * ranges if step is None else float64_array(step, "step")
    if steps.shape != (d,) or not (steps > 0).all():
        raise InputError(f"step has shape {steps.shape}; give ({d},) positive numbers, one per input.")
    if box is not None and (steps > 0.25 * ranges).any():
        c = int(np.argmax(steps > 0.25 * ranges))
        raise InputError(
            f"The step of {inputs[c].name} is {steps[c]:g}, over a quarter of its range; give a smaller one."
        )
    two = _outputs_of_one_seed(caller, points, seeds)
    if two is not None and not np.allclose(*two, rtol=_SAME, atol=0.0, equal_nan=True):
        first, second = (output.ravel()[np.argmax(two[0] != two[1])] for output in two)
        return Differences(
            None,
            f"The simulator gives {first:.6g} and {second:.6g} for one point and one seed, so differences would not "
            "see the same noise: samples have values alone; take all noise from the seed.",
            {},
        )
    if step is not None:
        return Differences(steps, None, {})

    def tried(rows: Iterable[int], part: float) -> Iterator[tuple[int, Labels]]:
        jobs = ((row, Job(points[row], seeds[row], offsets=difference_offsets(points[row], part * ranges, box)))
                for row in rows)  # fmt: skip
        for row, labels in caller.outcomes(jobs):
            if isinstance(labels, Labels) and _is_sound(labels, d):
                yield row, labels

    n_rows = (n // _SHARE - 1) // (len(LADDER) - 1)  # the first point was called twice
    ladder = LADDER if n_rows else LADDER[:1]
    rows = range(min(n_rows or n, _PILOT_ROWS))
    measured = _alike([dict(tried(rows, part)) for part in ladder])
    if not measured[0]:
        return Differences(steps, None, {})
    slopes = [{row: (labels.dydx, labels.noise) for row, labels in one.items()} for one in measured]
    places, ratios = chosen_steps(slopes, ranges)
    if (places < 0).any():
        c = int(np.argmax(places < 0))
        return Differences(
            None,
            f"Differences in {inputs[c].name} are noise at every step up to {ladder[-1]:.1%} of its range (signal to "
            f"noise {ratios[c]:.2g}, {LEAST_SIGNAL_TO_NOISE:g} are needed), as where an output jumps or counts: "
            "samples have values alone; give a step to have differences all the same.",
            {row: Labels(labels.y) for row, labels in measured[0].items()},
        )
    wide = ", ".join(f"{inputs[c].name} ({ladder[places[c]]:.1%})" for c in np.flatnonzero(places))
    said = f"Differences take wider steps (parts of the range) in {wide}, since those of smaller ones are noise."
    return Differences(np.asarray(ladder)[places] * ranges, said if wide else None, _joined(measured, places))


def _outputs_of_one_seed(caller: Caller, points: np.ndarray, seeds: Sequence[int]):
    """The two outputs of the first point that gives some; None where none of the first few does."""
    for row in range(min(len(points), 4)):
        for _, labels in caller.outcomes([(row, Job(points[row], seeds[row], times=2))]):
            if isinstance(labels, Labels):
                first, second = labels.y, labels.repeats[0]
                return (first, second) if first.shape == second.shape else None
    return None


def _is_sound(labels: Labels, d: int) -> bool:
    return labels.y.ndim < 2 and labels.dydx.shape == (*labels.y.shape, d) and bool(np.isfinite(labels.dydx).all())


def _alike(measured: list[dict[int, Labels]]) -> list[dict[int, Labels]]:
    """Those of the first one's shape."""
    shapes = [labels.y.shape for labels in measured[0].values()]
    return [{row: labels for row, labels in one.items() if labels.y.shape == shapes[0]} for one in measured]


def _joined(measured: list[dict[int, Labels]], places: np.ndarray) -> dict[int, Labels]:
    """The samples whose slopes in every input are those of its chosen step."""
    rows = set.intersection(*(set(measured[place]) for place in set(places.tolist())))
    joined = {}
    for row in sorted(rows):
        parts = [measured[place][row] for place in places]
        dydx = np.stack([part.dydx[..., c] for c, part in enumerate(parts)], axis=-1)
        noise = np.stack([part.noise[..., c] for c, part in enumerate(parts)], axis=-1)
        joined[row] = Labels(parts[0].y, dydx, noise)
    return joined
