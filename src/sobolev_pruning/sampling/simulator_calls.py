"""Calls of a simulator where they happen: in a worker, several at a time, faults told rather than raised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from time import perf_counter

import numpy as np

from .differences import difference_slopes


@dataclass(frozen=True)
class Job:
    """A sample to be made at the point `x` with `seed`: with its own derivatives, or by differences of these `offsets`
    (see `difference_offsets`), or, where both are left out, its value alone, `times` times over.
    """

    x: np.ndarray
    seed: int
    own: bool = False
    offsets: np.ndarray | None = None
    times: int = 1


@dataclass(frozen=True)
class Labels:
    """What one sample is: `y`, `dydx` where there is one, and how far off differences may be. `repeats` holds further
    values from the same seed.
    """

    y: np.ndarray
    dydx: np.ndarray | None = None
    noise: np.ndarray | None = None
    repeats: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Raised:
    """The message of a call that raised."""

    message: str


def do_jobs(simulate: Callable, jobs: Sequence[Job]) -> tuple[list[Labels | Raised], float]:
    """The outcome of every job, and the seconds they took together."""
    start = perf_counter()
    return [_done(simulate, job) for job in jobs], perf_counter() - start


def _done(simulate: Callable, job: Job) -> Labels | Raised:
    def call(x: np.ndarray):
        # An array of its own: what it does to it must not reach the next call.
        return simulate(x.copy(), job.seed)

    try:
        if job.own:
            return _own(call(job.x))
        if job.offsets is not None:
            return Labels(*difference_slopes(lambda x: _numbers(call(x)), job.x, job.offsets))
        first, *repeats = (_numbers(call(job.x)) for _ in range(job.times))
        return Labels(first, repeats=tuple(repeats))
    except SystemExit as ended:
        return Raised(f"it called sys.exit({'' if ended.code is None else repr(ended.code)})")
    except Exception as error:  # whatever the user's function raises
        return Raised(f"{type(error).__name__}: {error}")


def _own(returned) -> Labels:
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise TypeError(f'derivatives="own" takes a pair (y, dydx), but it returned a {type(returned).__name__}')
    return Labels(*(_numbers(part) for part in returned))


def _numbers(returned) -> np.ndarray:
    array = np.asarray(returned)
    if array.dtype.kind == "O" and all(isinstance(entry, Real | Decimal) for entry in array.ravel()):
        array = array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        what = "text" if array.dtype.kind in "US" else f"a {type(returned).__name__}"
        raise TypeError(f"it returned {what} ({returned!r:.40}) where a number or an array of numbers is expected")
    return array.astype(np.float64)
