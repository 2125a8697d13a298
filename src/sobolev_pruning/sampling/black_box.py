"""Samples from a simulator outside JAX, called in other processes; faults cost a sample each, never the run."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .kept_results import KeptResults, damaged_lines
from .processes import ProcessExecutor

DIFFERENCE_STEP = 1e-3
"""Step of finite differences, as a part of the range of each input."""

_FOREIGN_WORKERS = 32


@dataclass(frozen=True)
class Failure:
    """A point that gave no sample: its row in `points`, what happened, and the message."""

    row: int
    what: Literal["raised", "timed out", "died", "not finite", "wrong shape"]
    message: str


@dataclass(frozen=True)
class BlackBoxRun:
    """Samples of a black box, the `rows` of the given points they belong to, what failed, whence the derivatives.

    `n_kept` of them are from an earlier run, in whose file `n_damaged` lines could not be read.
    """

    samples: Samples
    rows: tuple[int, ...]
    failures: tuple[Failure, ...]
    derivatives: Literal["own", "differences", "none"]
    n_kept: int
    n_damaged: int = 0

    @property
    def note(self) -> str:
        """One sentence on samples, failures and derivatives."""
        how = {
            "own": "derivatives are the simulator's own",
            "differences": "derivatives are central differences with common random numbers",
            "none": "there are no derivatives, so training is on values alone",
        }[self.derivatives]
        counted = Counter(failure.what for failure in self.failures)
        failed = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
        first = f" (the first: row {self.failures[0].row}, {self.failures[0].message})" if self.failures else ""
        kept = f", {self.n_kept} of them from an earlier run" if self.n_kept else ""
        damaged = f"; {damaged_lines(self.n_damaged)}" if self.n_damaged else ""
        return f"{len(self.rows)} samples{kept}{damaged}; failed: {failed or 'none'}{first}; {how}."


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
) -> BlackBoxRun:
    """Calls `simulate(x, seed)` at each of `points`, `(n, d)`, in other processes.

    - `simulate(x, seed) -> y`: any Python callable; `x` a NumPy array `(d,)`, `seed` an int that differs from sample to
      sample; `y` a number or `(k,)`. With `derivatives="own"` it returns `(y, dydx)`, `dydx` `(d,)` or `(k, d)`.
    - `derivatives="differences"`: central differences with common random numbers, `2 d + 1` calls with one seed;
      `step`, `(d,)`, defaults to a thousandth of each input's range. A payoff with a jump needs wider steps; one with
      a kink is fine.
    - `executor`: any `concurrent.futures` executor (a thread pool, a Dask client's `get_executor()`); by default
      `ProcessExecutor(workers, time_limit)`.
    - `time_limit`: seconds that one sample, differences included, may take; with an `executor` of your own the sample
      is given up after it, yet its process cannot be stopped.
    - `results`: a file to which every sample is added as it arrives. A run of the same simulator (its name, its
      source and what it carries: see `simulator_identity`) with the same points, seed, derivatives and step that finds
      it goes on from there; failed points, and those of damaged lines, are tried again.

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
    if derivatives not in ("own", "differences", "none"):
        raise InputError(f'derivatives is {derivatives!r}; choose "own", "differences" or "none".')
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit is {time_limit} seconds; give a positive number.")
    if seed < 0:
        raise InputError(f"seed is {seed}; give 0 or more.")
    steps = _steps(points, step) if derivatives == "differences" else None
    kept = KeptResults(results, simulate, points, seed, derivatives, steps)
    seeds = [int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in range(len(points))]
    waiting = [row for row in range(len(points)) if row not in kept.found]
    n_kept = len(kept.found)
    failures: list[Failure] = []
    own_pool = executor is None
    with ExitStack() as stack:
        stack.callback(kept.close)
        pool = ProcessExecutor(workers, time_limit) if own_pool else executor
        if own_pool:
            stack.callback(pool.shutdown, cancel_futures=True)
        for row, outcome in _outcomes(pool, simulate, points, seeds, steps, derivatives, waiting, time_limit, own_pool):
            failure = outcome if isinstance(outcome, Failure) else _fault(row, outcome, kept.shape, points.shape[1])
            if failure is None:
                kept.add(row, *outcome)
            else:
                failures.append(failure)
    if not kept.found:
        first = min(failures, key=lambda failure: failure.row)
        raise InputError(
            f"All {len(points)} calls of the simulator failed; the first {first.what}: {first.message}; correct the "
            "simulator or the points."
        )
    rows = tuple(sorted(kept.found))
    y = np.stack([kept.found[row][0] for row in rows])
    dydx = None if derivatives == "none" else np.stack([kept.found[row][1] for row in rows])
    failures.sort(key=lambda failure: failure.row)
    return BlackBoxRun(Samples(points[list(rows)], y, dydx), rows, tuple(failures), derivatives, n_kept, kept.n_damaged)


def _steps(points: np.ndarray, step: ArrayOrList | None) -> np.ndarray:
    spread = np.ptp(points, axis=0)
    steps = DIFFERENCE_STEP * spread if step is None else float64_array(step, "step")
    if steps.shape != (points.shape[1],) or not (steps > 0).all():
        raise InputError(f"step has shape {steps.shape}; give ({points.shape[1]},) positive numbers, one per input.")
    return steps


def _call(simulate: Callable, x: np.ndarray, seed: int, steps: np.ndarray | None, derivatives: str):
    """One sample, in the worker: `(y, dydx)` as NumPy arrays, `dydx` None where there is none."""
    if derivatives == "own":
        returned = simulate(x, seed)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise TypeError(f'derivatives="own" takes a pair (y, dydx), but it returned a {type(returned).__name__}')
        y, dydx = returned
        return np.asarray(y, np.float64), np.asarray(dydx, np.float64)
    y = np.asarray(simulate(x, seed), np.float64)
    if derivatives == "none":
        return y, None
    slopes = []
    for c, h in enumerate(steps):
        up, down = x.copy(), x.copy()
        up[c] += h
        down[c] -= h
        difference = np.asarray(simulate(up, seed), np.float64) - np.asarray(simulate(down, seed), np.float64)
        slopes.append(difference / (up[c] - down[c]))
    return y, np.stack(slopes, axis=-1)


def _outcomes(pool, simulate, points, seeds, steps, derivatives, waiting, time_limit, own_pool):
    """Row and outcome of every call in the order in which they end, few calls ahead of the workers."""
    ahead = 2 * getattr(pool, "workers", getattr(pool, "_max_workers", _FOREIGN_WORKERS))
    running: dict[Future, tuple[int, float]] = {}
    left = iter(waiting)
    while True:
        for row in left:
            future = pool.submit(_call, simulate, points[row].copy(), seeds[row], steps, derivatives)
            running[future] = row, monotonic()
            if len(running) >= ahead:
                break
        if not running:
            return
        done, _ = wait(running, timeout=None if own_pool else time_limit, return_when=FIRST_COMPLETED)
        for future in done:
            row, _ = running.pop(future)
            yield row, _outcome(row, future)
        if not own_pool and time_limit is not None:
            for future, (row, since) in list(running.items()):
                # A call may wait behind another one, which has the limit to itself.
                if monotonic() - since > 2.0 * time_limit:
                    del running[future]
                    future.cancel()
                    yield row, Failure(row, "timed out", f"no answer within {time_limit:g} seconds")


def _outcome(row: int, future: Future):
    try:
        return future.result()
    except TimeoutError as error:
        return Failure(row, "timed out", str(error))
    except BrokenExecutor as error:
        return Failure(row, "died", str(error))
    except Exception as error:
        return Failure(row, "raised", f"{type(error).__name__}: {error}")


def _fault(row: int, outcome, shape: tuple[int, ...] | None, n_inputs: int) -> Failure | None:
    """What is wrong with a result, or None; `shape` is that of the first one's `y`."""
    y, dydx = outcome
    if y.ndim > 1 or 0 in y.shape or (shape is not None and y.shape != shape):
        return Failure(row, "wrong shape", f"y of shape {y.shape}, not {shape if shape is not None else '() or (k,)'}")
    if dydx is not None and dydx.shape != (*y.shape, n_inputs):
        return Failure(row, "wrong shape", f"dydx of shape {dydx.shape}, not {(*y.shape, n_inputs)}")
    for name, array in (("y", y), ("dydx", dydx)):
        if array is not None and not np.isfinite(array).all():
            return Failure(row, "not finite", f"{name} holds {array[~np.isfinite(array)].ravel()[0]}")
    return None
