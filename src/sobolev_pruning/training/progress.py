"""A progress bar with the current losses and the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._foundation import progress
from .history import History


@contextmanager
def progress_bar(label: str, steps: int) -> Iterator[Callable[[History], None]]:
    """Shows a bar on standard error; gives the function that moves it to the end of a history."""
    with progress.progress_bar(label, steps, "compiling") as move:

        def show(history: History) -> None:
            losses = f"train {history.train_total[-1]:.3e}  held-out {history.held_out_total[-1]:.3e}"
            move(int(history.step[-1]), losses)

        yield show
