"""The entry of the command `sobolev-pruning`: signals are heeded before anything that takes long is imported.

It lies outside the package, since importing a module of it imports JAX first, which takes seconds and swallows
`KeyboardInterrupt` now and then.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_LAST_WORDS = (
    "Interrupted; a `run` or a `study` goes on from here with --resume, a `sample` or a `shrink` when called again."
)


def main() -> None:
    """Runs the command line; Ctrl-C ends it with status 130, SIGTERM with 143."""
    with ended_by_signals():
        from sobolev_pruning.cli import main as command_line

        command_line()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside the context SIGINT, SIGTERM and SIGHUP end the process at once with status 128 + number.

    Python's own handlers run between two instructions of Python, so a long compilation holds them up; the number of a
    signal, though, is passed on at once, and another thread waits for it.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored, as by nohup, stays so.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    receiving, sending = socket.socketpair()
    sending.setblocking(False)

    def wait() -> None:
        while number := receiving.recv(1)[0]:
            if number in before:
                _end(128 + number)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    wakeup = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, lambda number, frame: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        sending.send(b"\0")
        waiting.join()
        receiving.close()
        sending.close()


def _end(status: int) -> NoReturn:
    # In a new line of the terminal, whose cursor a progress bar may have hidden.
    start = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        os.write(2, f"{start}{_LAST_WORDS}\n".encode())
    ending = sys.modules.get("sobolev_pruning._foundation.ending")
    getattr(ending, "end_now", os._exit)(status)
