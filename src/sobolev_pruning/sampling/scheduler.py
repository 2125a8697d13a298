"""The workers of a Dask scheduler as an executor that outlives the scheduler's absence."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any, TypeAlias

_SECONDS_AWAY = 60.0
"""How long a scheduler that has gone may take to come back."""
_SECONDS_BETWEEN_TRIES = 1.0

Call: TypeAlias = tuple[Future, Callable, tuple, dict]


class SchedulerExecutor(Executor):
    """Sends calls to the scheduler behind the client that `connect` makes.

    Where the scheduler goes, the calls on their way wait for it, and are sent again once it is back; after a minute
    they end in `BrokenExecutor`, as does a call that kills its workers.
    """

    def __init__(self, connect: Callable[[], Any], address: str):
        self._connect, self._address = connect, address
        self._client = connect()
        self._executor = self._client.get_executor()
        self._lock = threading.Lock()
        self._waiting: list[Call] | None = None  # those sent while the scheduler is away
        self._closed = False

    @property
    def workers(self) -> int:
        """How many calls can go on at a time."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        """Sends `fn(*args, **kwargs)`."""
        if self._closed:
            raise BrokenExecutor(f"the connection to the scheduler at {self._address} is closed")
        future: Future = Future()
        self._send((future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Lets go of the scheduler."""
        self._closed = True
        self._client.close()

    def _send(self, call: Call) -> None:
        future, fn, args, kwargs = call
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(call)
                return
            executor = self._executor
        try:
            sent = executor.submit(fn, *args, **kwargs)
        except Exception as error:  # of a client that has lost its scheduler
            self._ended(call, error)
            return
        sent.add_done_callback(lambda done: self._ended(call, _fault(done), done))
        future.add_done_callback(lambda done: done.cancelled() and sent.cancel())

    def _ended(self, call: Call, error: BaseException | None, done: Future | None = None) -> None:
        future = call[0]
        if error is not None and is_of_the_cluster(error) and not _kills(error) and not future.cancelled():
            self._wait(call)
        elif future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(BrokenExecutor(f"its worker died ({error})") if _kills(error) else error)

    def _wait(self, call: Call) -> None:
        """Keeps the call until the scheduler is back."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(call)
                return
            self._waiting = [call]
        threading.Thread(target=self._come_back, daemon=True).start()

    def _come_back(self) -> None:
        until = time.monotonic() + _SECONDS_AWAY
        client = None
        while client is None and time.monotonic() < until and not self._closed:
            time.sleep(_SECONDS_BETWEEN_TRIES)
            try:
                client = self._connect()
            except (OSError, ValueError):
                continue
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if client is None:
                self._closed = True
            else:
                self._client, self._executor = client, client.get_executor()
        for call in waiting:
            if client is not None:
                self._send(call)
            elif call[0].set_running_or_notify_cancel():
                gone = f"the scheduler at {self._address} went, and did not come back within {_SECONDS_AWAY:g} seconds"
                call[0].set_exception(BrokenExecutor(gone))


def is_of_the_cluster(error: BaseException) -> bool:
    """Whether this is no exception of the function that was called, but of those who called it."""
    return isinstance(error, CancelledError) or type(error).__module__.partition(".")[0] == "distributed"


def _kills(error: BaseException) -> bool:
    return type(error).__name__ == "KilledWorker"


def _fault(done: Future) -> BaseException | None:
    return CancelledError() if done.cancelled() else done.exception()
