"""Errors of every value and derivative by its name: what `dprice/dvolatility` is off by, and relative to its size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.entry_names import entry_name
from .._foundation.variables import Variable, derivative_unit
from ..reference import Truth
from .scores import Scores, score

MOST_INPUTS = 8
"""Second derivatives are measured one by one for so many inputs: there are 36 of each output then."""


@dataclass(frozen=True)
class EntryScores:
    """The errors of one value or derivative.

    - `name`: as claims have it: `price`, `dprice/dspot`, `d2price/dspot2`, `d2price/dspotdvol`; `entry` is its place,
      `(output,)`, `(output, input)` or `(output, input, input)`.
    - `unit`: that of `scores` (but for R2) and of `rms`, None where a unit it is made of is not known.
    - `rms`: the root mean square of the truth, the noise of an estimate taken out; `relative`: the root mean square
      error as a part of it, None where the truth is 0.
    """

    name: str
    entry: tuple[int, ...]
    unit: str | None
    scores: Scores
    rms: float
    relative: float | None


def entry_scores(
    found: Truth,
    truth: Truth,
    stderr: dict[str, np.ndarray | None],
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    gamma_axis: int | None = None,
) -> tuple[EntryScores, ...]:
    """The errors of what a model says, `found`, against the `truth`: of each output its value, every first derivative
    that is known somewhere, and for up to 8 inputs every second one.

    `stderr` has standard errors of the difference by quantity, as arrays of the shape of the truth. Where no Hessian is
    known, as of an estimate, and gamma is along the input `gamma_axis` alone, gamma is that second derivative.
    """
    n, d, k = len(truth.value), len(inputs), len(outputs)
    shapes = {"value": (n, k), "gradient": (n, k, d), "hessian": (n, k, d, d)}
    arrays = {}
    for name, shape in shapes.items():
        given = getattr(found, name), getattr(truth, name), stderr.get(name)
        if given[0] is not None and given[1] is not None:
            arrays[name] = [None if array is None else np.asarray(array).reshape(shape) for array in given]
    gammas = found.gamma, truth.gamma, stderr.get("gamma")
    if "hessian" not in arrays and gamma_axis is not None and gammas[0] is not None and gammas[1] is not None:
        arrays["hessian"] = [
            None if gamma is None else _on_diagonal(gamma, shapes["hessian"], gamma_axis) for gamma in gammas
        ]
    scored = []
    for quantity, entry in _entries(d, k):
        if quantity in arrays:
            predicted, true, noise = (None if a is None else a[(slice(None), *entry)] for a in arrays[quantity])
            known = ~np.isnan(true)
            if known.any():
                noise = None if noise is None else noise[known]
                scored.append(_scored(entry, predicted[known], true[known], noise, inputs, outputs))
    return tuple(scored)


def _on_diagonal(gamma: ArrayOrList, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """A Hessian of which no more is known than one second derivative."""
    hessian = np.full(shape, np.nan)
    hessian[..., axis, axis] = np.asarray(gamma).reshape(shape[:2])
    return hessian


def _entries(d: int, k: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Output by output: the value, the first derivatives, the second ones of each input, and of each pair."""
    for j in range(k):
        yield "value", (j,)
        yield from (("gradient", (j, i)) for i in range(d))
        if d <= MOST_INPUTS:
            yield from (("hessian", (j, i, i)) for i in range(d))
            yield from (("hessian", (j, a, b)) for a in range(d) for b in range(a + 1, d))


def _scored(entry, predicted, true, noise, inputs, outputs) -> EntryScores:
    scores = score(predicted, true, noise)
    rms = float(np.sqrt(max(0.0, np.mean(true**2) - scores.noise_rmse**2)))
    return EntryScores(
        name=entry_name(entry, inputs, outputs),
        entry=entry,
        unit=derivative_unit(outputs[entry[0]], [inputs[i] for i in entry[1:]]),
        scores=scores,
        rms=rms,
        relative=scores.rmse / rms if rms > 0 else None,
    )
