"""A pool of local processes that survives calls that hang and workers that die."""

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from time import monotonic

from .._foundation.ending import tidied
from .._foundation.errors import InputError
from ..storage.compiled_programs import compiled_programs_are_kept
from .worker import serve

_GRACE = 5.0
_SECONDS_BETWEEN_LOOKS = 1.0
"""How often a process that says nothing is looked at: one of its own children may hold its end of the pipe open."""


class ProcessExecutor(Executor):
    """An executor of `workers` processes (default: one per core), each watched by itself.

    A call longer than `time_limit` seconds has its process killed and ends in `TimeoutError`; one whose process dies
    ends in `BrokenExecutor`, which says how. Either way that process alone is replaced, and the other calls go on.
    (The standard `ProcessPoolExecutor` gives up altogether when a worker dies, and cannot stop a call.) Where no
    process can be started at all, every call ends in `BrokenExecutor`. Processes never outlive this one, however it
    ends, and what they print goes to standard error. Left by an exception, the pool kills them at once.

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
        # A process just started runs the script of its parent to find functions in it: it must not come by here.
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise InputError(f"A script started its processes again from within them; {_GUARD}.")
        self.workers = workers
        self.time_limit = time_limit
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._killed = False
        self._broken: str | None = None
        self._running: set[_Worker] = set()
        self._stack = ExitStack()
        self._stack.enter_context(tidied(self.kill_workers))
        self._watching = workers
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
        with self._lock:
            if self._broken is None:
                self._calls.put((future, message))
                return future
        raise BrokenExecutor(self._broken)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes once the queue is empty, or at once of what has not begun."""
        self._closed = True
        if cancel_futures:
            for future in self._drain():
                future.cancel()
        for _ in self._threads:
            self._calls.put((None, b""))
        if wait:
            for thread in self._threads:
                thread.join()
            self._stack.close()

    def kill_workers(self) -> None:
        """Ends every process and every call now."""
        with self._lock:
            self._closed = self._killed = True
            for worker in self._running:
                worker.signal_kill()
        self.shutdown(wait=False, cancel_futures=True)

    def __exit__(self, kind, error, trace) -> None:
        if kind is not None:
            self.kill_workers()
        self.shutdown()

    def _drain(self) -> list[Future]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                future, _ = self._calls.get_nowait()
                if future is not None:
                    found.append(future)
        return found

    def _watch(self) -> None:
        worker = None
        while True:
            future, message = self._calls.get()
            if future is None:
                break
            if worker is None:
                try:
                    worker = self._start()
                except Exception as error:  # whatever keeps an operating system from starting a process
                    return self._resign(future, message, error)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                succeeded, outcome = worker.call(message, self.time_limit)
            except TimeoutError:
                worker = self._end(worker)
                future.set_exception(TimeoutError(f"no answer within {self.time_limit:g} seconds"))
            except (EOFError, OSError):
                how = worker.how_it_ended()
                worker = self._end(worker)
                future.set_exception(BrokenExecutor(f"its process {how}"))
            except Exception as error:  # of reading an object whose class cannot be read back
                future.set_exception(RuntimeError(f"its result cannot be read back ({error!r})"))
            else:
                (future.set_result if succeeded else future.set_exception)(outcome)
        if worker is not None:
            worker.ask_to_end()
            self._end(worker)

    def _start(self) -> "_Worker":
        with self._lock:
            if self._killed:
                raise OSError("the pool was ended")
            worker = _Worker()
            self._running.add(worker)
        try:
            worker.expect_ready()
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: "_Worker") -> None:
        worker.kill()
        with self._lock:
            self._running.discard(worker)

    def _resign(self, future: Future, message: bytes, error: Exception) -> None:
        """The end of a watcher without a process: the others take its call, or else every call ends here."""
        with self._lock:
            self._watching -= 1
            if self._watching > 0 and not self._killed:
                self._calls.put((future, message))
                return
            self._broken = f"no process could be started ({error})"
        for waiting in (future, *self._drain()):
            if waiting.set_running_or_notify_cancel():
                waiting.set_exception(BrokenExecutor(self._broken))


_GUARD = 'put what it does under `if __name__ == "__main__":`'


class _Worker:
    """One process and the pipe to it."""

    def __init__(self):
        # A fresh interpreter: a copy of this one would inherit threads and locks of JAX.
        context = multiprocessing.get_context("spawn")
        with ExitStack() as undo:
            self.pipe, theirs = context.Pipe()
            undo.callback(theirs.close)
            opened = undo.enter_context(ExitStack())
            opened.callback(self.pipe.close)
            self.process = context.Process(target=serve, args=(theirs, compiled_programs_are_kept()), daemon=True)
            self.process.start()
            opened.pop_all()

    def expect_ready(self) -> None:
        """Waits for the interpreter, whose start is not a call's time."""
        try:
            self._receive(None)
        except (EOFError, OSError):
            raise OSError(
                f"a new one {self.how_it_ended()} while it imported the script or module that called; {_GUARD}, if it "
                "is a script"
            ) from None

    def call(self, message: bytes, time_limit: float | None):
        """`(True, result)` or `(False, exception)`."""
        self.pipe.send_bytes(message)
        return pickle.loads(self._receive(time_limit))

    def _receive(self, time_limit: float | None) -> bytes:
        end = None if time_limit is None else monotonic() + time_limit
        while True:
            left = _SECONDS_BETWEEN_LOOKS if end is None else min(_SECONDS_BETWEEN_LOOKS, end - monotonic())
            if self.pipe.poll(max(left, 0.0)):
                return self.pipe.recv_bytes()
            if not self.process.is_alive() and not self.pipe.poll(0):
                raise EOFError
            if end is not None and monotonic() >= end:
                raise TimeoutError

    def how_it_ended(self) -> str:
        self.process.join(_GRACE)
        code = self.process.exitcode
        if code is None:
            return "closed its pipe"
        if code >= 0:
            return f"ended with status {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    def signal_kill(self) -> None:
        """Kills the process and what it started; it leads a group of its own where there are such."""
        if self.process.pid is None:
            return
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def kill(self) -> None:
        self.signal_kill()
        self.process.join()
        self.pipe.close()

    def ask_to_end(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(b"")
        self.process.join(_GRACE)
