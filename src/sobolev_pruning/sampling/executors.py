"""Who computes the cells of a study: local processes, or the workers of a Dask scheduler."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from typing import Any

from .._foundation.errors import InputError
from .processes import ProcessExecutor
from .scheduler import SchedulerExecutor

_AHEAD = 64
"""Calls that wait for a worker at a time: each carries a network."""


@contextmanager
def open_executor(workers: int | None, scheduler: str | None) -> Iterator[Executor]:
    """Processes of this machine, `workers` of them (default: one per core), or what the Dask `scheduler` has.

    Raises `InputError` where there is no such scheduler, or the package `distributed` is missing.
    """
    if scheduler is None:
        with ProcessExecutor(workers) as pool:
            yield pool
        return
    if workers is not None:
        raise InputError("--workers counts processes of this machine, --scheduler has workers of its own; give one.")
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--scheduler needs the package distributed; install it, or sobolev-pruning with the extra dask."
        ) from None
    # Dask logs the tracebacks of its own attempts to reconnect; what comes of them is told here.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        pool = SchedulerExecutor(lambda: Client(scheduler), scheduler)
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no Dask scheduler at {scheduler} ({error}); start one, or leave --scheduler out."
        ) from None
    with pool:
        yield pool


def outcomes(pool: Executor, calls: Iterable[tuple[Any, Callable, tuple]]) -> Iterator[tuple[Any, Future]]:
    """The finished future of every call `(key, function, arguments)` with its key, in the order in which they end."""
    running: dict[Future, Any] = {}
    left = iter(calls)
    while True:
        for key, function, arguments in left:
            running[pool.submit(function, *arguments)] = key
            if len(running) >= _AHEAD:
                break
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future
