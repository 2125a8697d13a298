"""A pool of local processes that survives calls that hang and workers that die."""

import contextlib
import multiprocessing
import os
import pickle
import queue
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future

from .._foundation.errors import InputError

_GRACE = 5.0


class ProcessExecutor(Executor):
    """An executor of `workers` processes (default: one per core), each watched by itself.

    A call longer than `time_limit` seconds has its process killed and ends in `TimeoutError`; one whose process dies
    ends in `BrokenExecutor`. Either way that process alone is replaced, and the other calls go on. (The standard
    `ProcessPoolExecutor` gives up altogether when a worker dies, and cannot stop a call.)

    >>> with ProcessExecutor(workers=1) as pool:
    ...     pool.submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, workers: int | None = None, time_limit: float | None = None):
        workers = os.cpu_count() or 1 if workers is None else workers
        if workers < 1 or (time_limit is not None and not time_limit > 0):
            raise InputError(
                f"There are {workers} workers and a limit of {time_limit} seconds; give at least 1, above 0."
            )
        self.workers = workers
        self._time_limit = time_limit
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._closed = False
        self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        """Queues `fn(*args, **kwargs)`, which must be a function that another process can import."""
        if self._closed:
            raise RuntimeError("this executor has been shut down")
        try:
            message = pickle.dumps((fn, args, kwargs))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"{getattr(fn, '__name__', fn)} cannot be sent to another process ({error}); define it at the top of "
                "a module, or give executor=ThreadPoolExecutor()."
            ) from None
        future: Future = Future()
        self._calls.put((future, message))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes once the queue is empty, or at once of what has not begun."""
        self._closed = True
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while True:
                    future, _ = self._calls.get_nowait()
                    future.cancel()
        for _ in self._threads:
            self._calls.put((None, b""))
        if wait:
            for thread in self._threads:
                thread.join()

    def _watch(self) -> None:
        worker = None
        while True:
            future, message = self._calls.get()
            if future is None:
                break
            if not future.set_running_or_notify_cancel():
                continue
            worker = worker or _Worker()
            try:
                succeeded, outcome = worker.call(message, self._time_limit)
            except TimeoutError:
                worker = worker.kill()
                future.set_exception(TimeoutError(f"no answer within {self._time_limit:g} seconds"))
            except (EOFError, OSError):
                worker = worker.kill()
                future.set_exception(BrokenExecutor("its process died, or could not start"))
            else:
                (future.set_result if succeeded else future.set_exception)(outcome)
        if worker is not None:
            worker.end()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self):
        # A fresh interpreter: a copy of this one would inherit threads and locks of JAX.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False

    def call(self, message: bytes, time_limit: float | None):
        """`(True, result)` or `(False, exception)`."""
        if not self.ready:  # the start of an interpreter is not the call's time
            self.pipe.recv()
            self.ready = True
        self.pipe.send_bytes(message)
        if not self.pipe.poll(time_limit):
            raise TimeoutError
        return self.pipe.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(b"")
        self.process.join(_GRACE)
        self.kill()


def _serve(pipe) -> None:
    """The life of a worker: calls in, outcomes out, until an empty message or the end of the parent."""
    pipe.send("ready")
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while message := pipe.recv_bytes():
            try:
                fn, args, kwargs = pickle.loads(message)
                outcome = True, fn(*args, **kwargs)
            except Exception as error:
                outcome = False, error
            try:
                pipe.send(outcome)
            except Exception as error:  # an exception or a result that cannot be sent
                pipe.send((False, RuntimeError(f"{outcome[1]!r} could not be sent back: {error}")))
