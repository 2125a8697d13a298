"""The life of a worker process: calls in, outcomes out."""

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading

from .._foundation.errors import InputError
from ..storage.compiled_programs import keep_compiled_programs

_SECONDS_BETWEEN_LOOKS = 1.0
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux."""


def serve(pipe, keeps_compiled_programs: bool) -> None:
    """Answers calls until an empty message or the end of the parent, which this process does not outlive."""
    if keeps_compiled_programs:
        keep_compiled_programs()
    parent = multiprocessing.parent_process()
    _die_with(parent)
    # What a simulator prints is no part of what its caller prints.
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    pipe.send_bytes(b"ready")
    with contextlib.suppress(EOFError, OSError):
        while message := pipe.recv_bytes():
            pipe.send_bytes(_answer(message))


def _answer(message: bytes) -> bytes:
    """The pickled `(True, result)` or `(False, exception)` of a pickled call."""
    try:
        fn, args, kwargs = pickle.loads(message)
    except BaseException as error:
        return pickle.dumps((False, InputError(
            f"The function cannot be found in another process ({_text(error)}); define it in a module rather than in a "
            "notebook or at a prompt, or give executor=ThreadPoolExecutor()."
        )))  # fmt: skip
    try:
        outcome = fn(*args, **kwargs)
    except (SystemExit, KeyboardInterrupt) as error:  # which would end the process that asked
        return pickle.dumps((False, RuntimeError(_text(error))))
    except BaseException as error:
        return _sendable(error)
    try:
        return pickle.dumps((True, outcome))
    except Exception as error:
        text = f"its result, a {type(outcome).__name__}, cannot be sent back ({_text(error)})"
        return pickle.dumps((False, RuntimeError(text)))


def _sendable(error: BaseException) -> bytes:
    """The exception as it is, or its text where it cannot be read back."""
    try:
        message = pickle.dumps((False, error))
        pickle.loads(message)
        return message
    except BaseException:
        return pickle.dumps((False, RuntimeError(_text(error))))


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _die_with(parent) -> None:
    """Ends this process, and what it has started, when `parent` ends in whatever way."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # A simulator in C may keep the thread from running; Linux then ends the process all the same.
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _watch(parent) -> None:
    # Somebody else may hold the parent's end of the pipe open, so its number is looked at too.
    while not multiprocessing.connection.wait([parent.sentinel], _SECONDS_BETWEEN_LOOKS):
        if hasattr(os, "getppid") and sys.platform != "win32" and os.getppid() != parent.pid:
            break
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
