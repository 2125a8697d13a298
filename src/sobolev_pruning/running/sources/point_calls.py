"""A function in any Python, called point by point in other processes."""

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import jax
import numpy as np

from ..._foundation.errors import InputError
from ...reference import Box
from ...reference.designs import unit_points
from ...sampling import run_black_box
from ...sampling.simulator_identity import name_of, source_of, state_of
from .call_source import AbstractCalls, Called

_PILOT = 32
"""Points at which differences are tried."""


class PointCalls(AbstractCalls):
    """`simulate(x, seed)` over a `box`, as `run_black_box` calls it.

    `derivatives` None finds out by a pilot: its own, where it returns pairs; else differences on common random numbers,
    where those are no noise; else none.
    """

    def __init__(
        self,
        simulate: Callable,
        box: Box,
        *,
        derivatives: str | None,
        time_limit: float | None,
        executor: Executor,
    ):
        self._simulate, self._law, self._asked = simulate, box, derivatives
        self._box = np.asarray(box.lower), np.asarray(box.upper)
        self._options = {"time_limit": time_limit, "executor": executor}
        self._steps = None
        self.identity = f"{name_of(simulate)} {source_of(simulate)} {state_of(simulate)}"
        self.remarks = ()

    def prepare(self, keep: Path) -> None:
        unit = unit_points("sobol", jax.random.key(0), _PILOT, len(self._law.variables))
        points = np.asarray(self._law.from_uniform(unit))
        derivatives = self._asked
        if derivatives is None:
            derivatives = "own" if self._returns_pairs(points[:1]) else "differences"
        if derivatives == "differences":
            pilot = keep / "differences.results"
            run = run_black_box(
                self._simulate,
                points,
                derivatives=derivatives,
                box=self._box,
                results=pilot,
                inputs=self._law.variables,
                **self._options,
            )
            self.remarks, self._steps, derivatives = run.warnings, run.steps, run.derivatives
        self._derivatives = derivatives
        self.derivatives = derivatives != "none"

    def __call__(self, points: np.ndarray, seed: int, kept: Path | None) -> Called:
        run = run_black_box(
            self._simulate,
            points,
            derivatives=self._derivatives,
            seed=seed,
            results=kept,
            step=self._steps,
            box=self._box if self._derivatives == "differences" else None,
            inputs=self._law.variables,
            **self._options,
        )
        faults = (run.note,) if run.failures else ()
        return Called(run.samples, run.rows, faults)

    def _returns_pairs(self, points: np.ndarray) -> bool:
        try:
            run_black_box(self._simulate, points, derivatives="own", **self._options)
        except InputError:
            return False
        return True
