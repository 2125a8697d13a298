"""What is to be done before the process ends at once, as by a signal in the middle of a compilation."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

_SECONDS_TO_TIDY = 1.0

_duties: dict[object, Callable[[], object]] = {}


@contextmanager
def tidied(duty: Callable[[], object]) -> Iterator[None]:
    """Inside the context `duty` is called if the process ends by `end_now`; afterwards it is forgotten."""
    name = object()
    _duties[name] = duty
    try:
        yield
    finally:
        _duties.pop(name, None)


def end_now(status: int) -> NoReturn:
    """Does what is to be done and ends the process with `status`, from whichever thread and whatever others do.

    (Leaving by an exception waits for compilations to end, and takes XLA down while its threads are at work.)
    """
    last_resort = threading.Timer(_SECONDS_TO_TIDY, os._exit, [status])
    last_resort.daemon = True
    last_resort.start()
    for duty in (*_duties.values(), sys.stdout.flush):
        with contextlib.suppress(Exception):
            duty()
    os._exit(status)
