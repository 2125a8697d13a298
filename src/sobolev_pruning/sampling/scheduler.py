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

    Where the scheduler goes, every call that has not ended waits for it, and is sent again once it is back; after a
    minute they end in `BrokenExecutor`, as does a call that kills its workers. Dask's own futures do not tell: a result
    that is on its way when the scheduler goes is waited for without end, so the connection itself is watched.
    """

    def __init__(self, connect: Callable[[], Any], address: str):
        self._connect, self._address = connect, address
        self._client, self._executor, self._scheduler = _connected(connect)
        self._lock = threading.Lock()
        self._connection = 0  # which one, counted
        self._sent: dict[Future, Call] = {}  # over this connection, and not ended
        self._waiting: list[Call] | None = None  # those that wait while the scheduler is away
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def workers(self) -> int:
        """How many calls can go on at a time."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        """Sends `fn(*args, **kwargs)`."""
        if self._closed.is_set():
            raise BrokenExecutor(f"the connection to the scheduler at {self._address} is closed")
        future: Future = Future()
        self._send((future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Lets go of the scheduler."""
        self._closed.set()
        self._client.close()

    def _send(self, call: Call) -> None:
        future, fn, args, kwargs = call
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(call)
                return
            executor, connection = self._executor, self._connection
            self._sent[future] = call
        try:
            sent = executor.submit(fn, *args, **kwargs)
        except Exception as error:  # of a client that has lost its scheduler
            self._ended(call, connection, error)
            return
        sent.add_done_callback(lambda done: self._ended(call, connection, _fault(done), done))
        future.add_done_callback(lambda done: done.cancelled() and sent.cancel())

    def _ended(self, call: Call, connection: int, error: BaseException | None, done: Future | None = None) -> None:
        future = call[0]
        if error is not None and is_of_the_cluster(error) and not _kills(error) and not future.cancelled():
            self._lost(connection)
            return
        with self._lock:
            if connection != self._connection or self._sent.pop(future, None) is None:
                return  # it was sent again, and ends there
        if future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(BrokenExecutor(f"its worker died ({error})") if _kills(error) else error)

    def _watch(self) -> None:
        while not self._closed.wait(_SECONDS_BETWEEN_TRIES):
            with self._lock:
                client, scheduler, connection = self._client, self._scheduler, self._connection
            if not _is_connected(client, scheduler):
                self._lost(connection)

    def _lost(self, connection: int) -> None:
        """Keeps all calls sent over a connection that is lost until the scheduler is back."""
        with self._lock:
            if connection != self._connection or self._waiting is not None:
                return
            self._connection += 1
            self._waiting = list(self._sent.values())
            self._sent.clear()
        threading.Thread(target=self._come_back, daemon=True).start()

    def _come_back(self) -> None:
        # It may wait for its lost scheduler a while.
        threading.Thread(target=self._client.close, daemon=True).start()
        until = time.monotonic() + _SECONDS_AWAY
        found = None
        while found is None and time.monotonic() < until and not self._closed.wait(_SECONDS_BETWEEN_TRIES):
            try:
                found = _connected(self._connect)
            except Exception:  # whatever a client raises that finds no scheduler: the calls must end all the same
                continue
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if found is None:
                self._closed.set()
            else:
                self._client, self._executor, self._scheduler = found
        for call in waiting:
            if found is not None:
                self._send(call)
            elif call[0].set_running_or_notify_cancel():
                gone = f"the scheduler at {self._address} went, and did not come back within {_SECONDS_AWAY:g} seconds"
                call[0].set_exception(BrokenExecutor(gone))


def _connected(connect: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """A client, its executor, and which scheduler it has found."""
    client = connect()
    return client, client.get_executor(), client.scheduler_info().get("id")


def _is_connected(client: Any, scheduler: Any) -> bool:
    """Whether the client has the scheduler that it was made for.

    It may find another one at the old address by itself; that one knows of no calls. What a closed client raises means
    no as well: the thread that asks must not end by it.
    """
    try:
        return client.status == "running" and client.scheduler_info().get("id") == scheduler
    except Exception:
        return False


def is_of_the_cluster(error: BaseException) -> bool:
    """Whether this is no exception of the function that was called, but of those who called it."""
    return isinstance(error, CancelledError) or type(error).__module__.partition(".")[0] == "distributed"


def _kills(error: BaseException) -> bool:
    return type(error).__name__ == "KilledWorker"


def _fault(done: Future) -> BaseException | None:
    return CancelledError() if done.cancelled() else done.exception()
