"""One writer at a time."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._foundation.ending import tidied
from .._foundation.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def sole_writer(lock: Path, what: str) -> Iterator[None]:
    """Inside the context no other process is in one with the file `lock`, which the system lets go of with a process
    that dies; afterwards it is gone. Raises `InputError` about `what` where another one is.

    File systems that know no locks go without.
    """
    if fcntl is None:
        yield
        return
    file = _locked(lock, what)
    with tidied(lambda: lock.unlink(missing_ok=True)):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            os.close(file)


def _locked(lock: Path, what: str) -> int:
    while True:
        try:
            file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"{lock.parent} cannot be written to ({error.strerror}); choose another place.") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise InputError(
                f"Another process is writing {what} at this moment; wait for it, or choose another place."
            ) from None
        except OSError:  # no locks here
            return file
        # Whoever had the lock removed its file before letting go: the file in this place may be a newer one.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(lock)):
                return file
        os.close(file)
