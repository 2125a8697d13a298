"""Samples from a simulator outside JAX, called in other processes; faults cost a sample each, never the run."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.variables import Variable, as_variables, numbered_inputs
from .calling import Caller, Lost
from .difference_plan import Differences, plan_differences
from .differences import difference_offsets
from .kept_results import KeptResults, damaged_lines
from .processes import ProcessExecutor
from .simulator_calls import Job, Labels


@dataclass(frozen=True)
class Failure:
    """A point that gave no sample: its row in `points`, what happened, and the message."""

    row: int
    what: Literal["raised", "timed out", "died", "not finite", "wrong shape"]
    message: str


@dataclass(frozen=True)
class BlackBoxRun:
    """Samples of a black box, the `rows` of the given points they belong to, what failed, whence the derivatives.

    `n_kept` of them are from an earlier run, in whose file `n_damaged` lines could not be read. `derivatives` is "none"
    where differences turned out to be noise; `warnings` then says why. `steps`, `(d,)`, are those that differences
    took.
    """

    samples: Samples
    rows: tuple[int, ...]
    failures: tuple[Failure, ...]
    derivatives: Literal["own", "differences", "none"]
    n_kept: int
    n_damaged: int
    steps: np.ndarray | None
    warnings: tuple[str, ...]

    @property
    def note(self) -> str:
        """Samples, failures and derivatives in one sentence, and the warnings."""
        how = {
            "own": "derivatives are the simulator's own",
            "differences": "derivatives are differences with common random numbers",
            "none": "there are no derivatives, so training is on values alone",
        }[self.derivatives]
        counted = Counter(failure.what for failure in self.failures)
        failed = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
        first = f" (the first: row {self.failures[0].row}, {self.failures[0].message})" if self.failures else ""
        kept = f", {self.n_kept} of them from an earlier run" if self.n_kept else ""
        damaged = f"; {damaged_lines(self.n_damaged)}" if self.n_damaged else ""
        said = f"{len(self.rows)} samples{kept}{damaged}; failed: {failed or 'none'}{first}; {how}."
        return " ".join((said, *self.warnings))


def run_black_box(
    simulate: Callable,
    points: ArrayOrList,
    *,
    derivatives: Literal["own", "differences", "none"] = "none",
    seed: int = 0,
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit: float | None = None,
    results: str | Path | None = None,
    step: ArrayOrList | None = None,
    box: tuple[ArrayOrList, ArrayOrList] | None = None,
    inputs: Sequence[Variable | str] | None = None,
    outputs: Sequence[Variable | str] | None = None,
) -> BlackBoxRun:
    """Calls `simulate(x, seed)` at each of `points`, `(n, d)`, in other processes.

    - `simulate(x, seed) -> y`: any Python callable; `x` a NumPy array `(d,)` of its own, `seed` an int that differs
      from sample to sample; `y` a number or `(k,)`. With `derivatives="own"` it returns `(y, dydx)`, `dydx` `(d,)` or
      `(k, d)`, with NaN for partial derivatives that it does not know.
    - `derivatives="differences"`: differences with common random numbers, `2 d + 1` calls with one seed. They need the
      seed to fix all noise, so the first point is called twice. With a payoff that has a kink they are fine; where an
      output jumps or counts, those of small steps are noise.
    - `step`, `(d,)`: of differences. By default the smallest of 0.1%, 0.8% and 6.4% of each input's range whose slopes
      are no noise, to find which at most a tenth of the calls is added; where there is none, samples have values alone.
    - `box`, `(lower, upper)`: the domain of the simulator, which differences do not leave; its sides are then the
      ranges of the inputs, else those of the points.
    - `executor`: any `concurrent.futures` executor (a thread pool, a Dask client's `get_executor()`), to which cheap
      calls go in batches; by default `ProcessExecutor(workers, time_limit)`.
    - `time_limit`: seconds that one sample, differences included, may take; with an `executor` of your own, but a
      `ProcessExecutor` of the same limit, the sample is given up after it, yet its process cannot be stopped.
    - `results`: a file to which every sample is added as it arrives. A run of the same simulator (its name, its
      source and what it carries: see `simulator_identity`) with the same points, seed, derivatives and step that finds
      it goes on from there; failed points, and those of damaged lines, are tried again.
    - `inputs`, `outputs`: names and units, as `Samples` takes them.

    A call that raises, takes too long, loses its process, or returns NaN or another shape than the first one costs that
    sample; see `BlackBoxRun.failures` and `note`. Raises `InputError` where no sample is left.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> simulate = lambda x, seed: float(x[0] ** 2)
    >>> run = run_black_box(simulate, [[1.0], [2.0]], derivatives="differences", executor=ThreadPoolExecutor(1))
    >>> run.samples.dydx.round(6).tolist()
    [[2.0], [4.0]]
    """
    require_float64("run_black_box")
    points = float64_array(points, "points")
    if points.ndim != 2 or 0 in points.shape or not np.isfinite(points).all():
        raise InputError(f"points has shape {points.shape}; give finite numbers (n, d), one row per sample.")
    inputs = as_variables(inputs, numbered_inputs(points.shape[1]), "inputs")
    if derivatives not in ("own", "differences", "none"):
        raise InputError(f'derivatives is {derivatives!r}; choose "own", "differences" or "none".')
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit is {time_limit} seconds; give a positive number.")
    if seed < 0:
        raise InputError(f"seed is {seed}; give 0 or more.")
    box = None if box is None else _corners(box, points)
    if results is not None and not Path(results).parent.is_dir():
        raise InputError(f"There is no folder {Path(results).parent} to keep results in; make it first.")
    seeds = [int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in range(len(points))]
    failures: list[Failure] = []
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessExecutor(workers, time_limit)) if executor is None else executor
        watched = isinstance(pool, ProcessExecutor) and pool.time_limit == time_limit
        caller = Caller(pool, simulate, time_limit, watched)
        plan = Differences(None, None, {})
        if derivatives == "differences":
            plan = plan_differences(caller, points, seeds, step, box, inputs)
            derivatives = "none" if plan.steps is None else derivatives
        kept = KeptResults(results, simulate, points, seed, derivatives, _reach(plan.steps, box))
        stack.callback(kept.close)
        n_kept = len(kept.found)

        def take(row: int, outcome: Labels | Lost) -> None:
            failure = _fault(row, outcome, kept.shape, points.shape[1])
            if failure is None:
                kept.add(row, outcome.y, outcome.dydx)
            else:
                failures.append(failure)

        for row, labels in plan.found.items():
            if row not in kept.found:
                take(row, labels)
        done = {*kept.found, *plan.found}
        waiting = [row for row in range(len(points)) if row not in done]
        jobs = ((row, _job(points[row], seeds[row], derivatives, plan.steps, box)) for row in waiting)
        for row, outcome in caller.outcomes(jobs):
            take(row, outcome)
    if not kept.found:
        first = min(failures, key=lambda failure: failure.row)
        raise InputError(
            f"All {len(points)} calls of the simulator failed; the first {first.what}: {first.message}; correct the "
            "simulator or the points."
        )
    rows = tuple(sorted(kept.found))
    y = np.stack([kept.found[row][0] for row in rows])
    dydx = None if derivatives == "none" else np.stack([kept.found[row][1] for row in rows])
    unknown = dydx is not None and bool(np.isnan(dydx).any())
    failures.sort(key=lambda failure: failure.row)
    return BlackBoxRun(
        samples=Samples(points[list(rows)], y, dydx, missing=unknown, inputs=inputs, outputs=outputs),
        rows=rows,
        failures=tuple(failures),
        derivatives=derivatives,
        n_kept=n_kept,
        n_damaged=kept.n_damaged,
        steps=plan.steps,
        warnings=() if plan.sentence is None else (plan.sentence,),
    )


def _corners(box: tuple[ArrayOrList, ArrayOrList], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = (float64_array(end, "box") for end in box)
    if lower.shape != points.shape[1:] or upper.shape != lower.shape or not (lower < upper).all():
        raise InputError(f"box has ends of shape {lower.shape} and {upper.shape}; give two of ({points.shape[1]},).")
    outside = np.flatnonzero(((points < lower) | (points > upper)).any(axis=1))
    if outside.size:
        raise InputError(f"Row {outside[0]} of points lies outside the box; leave it out, or give a larger box.")
    return lower, upper


def _job(x: np.ndarray, seed: int, derivatives: str, steps: np.ndarray | None, box) -> Job:
    offsets = difference_offsets(x, steps, box) if derivatives == "differences" else None
    return Job(x, seed, own=derivatives == "own", offsets=offsets)


def _reach(steps: np.ndarray | None, box) -> np.ndarray | None:
    """What determines the offsets of differences at given points."""
    return steps if steps is None or box is None else np.stack([steps, *box])


def _fault(row: int, outcome: Labels | Lost, shape: tuple[int, ...] | None, n_inputs: int) -> Failure | None:
    """What is wrong with a result, or None; `shape` is that of the first one's `y`."""
    if isinstance(outcome, Lost):
        return Failure(row, outcome.what, outcome.message)
    y, dydx = outcome.y, outcome.dydx
    if y.ndim > 1 or 0 in y.shape or (shape is not None and y.shape != shape):
        return Failure(row, "wrong shape", f"y of shape {y.shape}, not {shape if shape is not None else '() or (k,)'}")
    if dydx is not None and dydx.shape != (*y.shape, n_inputs):
        return Failure(row, "wrong shape", f"dydx of shape {dydx.shape}, not {(*y.shape, n_inputs)}")
    # What a simulator does not know of its own derivatives is NaN; a difference that is NaN is a fault.
    unknown = np.isnan(dydx) if dydx is not None and outcome.noise is None else False
    for name, array, may_be in (("y", y, False), ("dydx", dydx, unknown)):
        if array is not None and not (np.isfinite(array) | may_be).all():
            return Failure(row, "not finite", f"{name} holds {array[~(np.isfinite(array) | may_be)].ravel()[0]}")
    return None
