"""How far a long computation is, on standard error: a bar on a terminal, elsewhere a line now and then."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress_bar(
    label: str, total: int, note: str, *, shown: bool = True, remaining: bool = True
) -> Iterator[Callable]:
    """Gives the function `show(completed, note, label=...)`; the note stands behind the bar.

    On a terminal, the time left, or else (`remaining` False) the time taken so far, is shown too.
    """
    console = Console(stderr=True)
    if not shown:
        yield lambda completed, note, label=label: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True) if remaining else TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(label, total=total, note=note)

            def show(completed: int, note: str, label: str = label) -> None:
                progress.update(task, completed=completed, note=note, description=label)

            yield show
    else:
        state = [label, 0, note]

        def remember(completed: int, note: str, label: str = label) -> None:
            state[:] = label, completed, note

        with _lines(lambda: f"{state[0]}: {state[1]:,} of {total:,}{', ' * bool(state[2])}{state[2]}"):
            yield remember


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says that something is going on which does not tell how far it is."""
    console = Console(stderr=True)
    with console.status(what) if console.is_terminal else _lines(lambda: what):
        yield


@contextmanager
def _lines(text: Callable[[], str]) -> Iterator[None]:
    """Writes a line every while, with the time since the start."""
    start, over = time.monotonic(), threading.Event()

    def write() -> None:
        while not over.wait(_SECONDS_BETWEEN_LINES):
            print(f"{text()} ({time.monotonic() - start:.0f} s)", file=sys.stderr, flush=True)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
