"""Simulators that take many points in one call: functions over rows, and programs that read and write files."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._foundation.errors import InputError
from ..._foundation.samples import Samples
from ...storage.checked_file import read_checked, write_checked
from .call_source import AbstractCalls, Called

Rows = tuple[np.ndarray, np.ndarray | None]
"""Values `(n,)` or `(n, k)`, and their derivatives where there are some."""


class BatchCalls(AbstractCalls):
    """`simulate(points, seeds) -> (y, dydx)` on batches of rows, in other processes.

    A batch whose call raises, or takes longer than the `time_limit` of the `executor`, costs its rows; so do rows that
    are not finite.
    """

    remarks = ()

    def __init__(
        self,
        simulate: Callable[[Float[np.ndarray, "n d"], list[int]], Rows],
        identity: str,
        *,
        derivatives: bool,
        batch: int,
        time_limit: float | None,
        executor: Executor,
    ):
        self._simulate, self.identity, self.derivatives, self._batch = simulate, identity, derivatives, batch
        self._time_limit, self._executor = time_limit, executor

    def prepare(self, keep: Path) -> None:
        """Nothing: what it gives was told."""

    def __call__(self, points: Float[np.ndarray, "n d"], seed: int, kept: Path | None) -> Called:
        fingerprint = hashlib.sha256(f"{self.identity} {seed}".encode() + points.tobytes()).hexdigest()
        found = None if kept is None else read_checked(kept)
        if found is None or found[1].get("fingerprint") != fingerprint:
            arrays, faults = self._computed(points, seed)
            header = {"fingerprint": fingerprint, "faults": faults}
            if kept is not None:
                write_checked(kept, arrays, header)
            found = arrays, header
        arrays, header = found
        rows = arrays["rows"]
        samples = Samples(points[rows], arrays["y"], arrays.get("dydx"))
        return Called(samples, tuple(int(row) for row in rows), tuple(header["faults"]))

    def _computed(self, points: Float[np.ndarray, "n d"], seed: int) -> tuple[dict[str, np.ndarray], list[str]]:
        n = len(points)
        seeds = [int(state) for state in np.random.SeedSequence(seed).generate_state(n)]
        batches = [slice(start, min(start + self._batch, n)) for start in range(0, n, self._batch)]
        futures = [self._executor.submit(self._simulate, points[batch], seeds[batch]) for batch in batches]
        outcomes = [self._outcome(future, batch, points.shape[1]) for future, batch in zip(futures, batches)]
        faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
        parts = [(batch, *outcome) for batch, outcome in zip(batches, outcomes) if not isinstance(outcome, str)]
        if not parts:
            raise InputError(f"All calls of the simulator failed; the first: {faults[0]}; correct it.")
        rows = np.concatenate([np.arange(batch.start, batch.stop) for batch, _, _ in parts])
        arrays = {"y": np.concatenate([y for _, y, _ in parts])}
        if self.derivatives:
            arrays["dydx"] = np.concatenate([dydx for _, _, dydx in parts])
        finite = np.all([np.isfinite(array).reshape(len(rows), -1).all(axis=1) for array in arrays.values()], axis=0)
        if not finite.any():
            raise InputError("All results of the simulator are NaN or infinite; correct it.")
        lost = f"{int((~finite).sum())} of {len(rows)} results are NaN or infinite, and left out."
        arrays = {name: array[finite] for name, array in arrays.items()} | {"rows": rows[finite]}
        return arrays, faults if finite.all() else [*faults, lost]

    def _outcome(self, future: Future, batch: slice, d: int) -> Rows | str:
        """The arrays of one batch, or what is wrong with it."""
        n = batch.stop - batch.start
        try:
            y, dydx = future.result()
        except TimeoutError:
            return f"no answer within {self._time_limit:g} seconds"
        except Exception as error:  # whatever the simulator raises
            return f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else str(error).rstrip(".")
        y = np.asarray(y, np.float64)
        if y.ndim not in (1, 2) or len(y) != n:
            return f"{n} rows gave an array of shape {y.shape}"
        if not self.derivatives:
            return y, None
        dydx = np.asarray(dydx, np.float64)
        return (y, dydx) if dydx.shape == (*y.shape, d) else f"{n} rows gave derivatives of shape {dydx.shape}"


class RowFunction:
    """A function over rows, `function(points, seed)` or `function(points)`, as `BatchCalls` calls it; with its own
    derivatives where it returns pairs.
    """

    def __init__(self, function: Callable, takes_seed: bool):
        self.function, self.takes_seed = function, takes_seed

    def __call__(self, points: Float[np.ndarray, "n d"], seeds: list[int]) -> Rows:
        returned = self.function(points.copy(), seeds[0]) if self.takes_seed else self.function(points.copy())
        return returned if isinstance(returned, tuple) else (returned, None)
