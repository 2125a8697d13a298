"""A progress bar with the current losses and the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .history import History


@contextmanager
def progress_bar(label: str, steps: int) -> Iterator[Callable[[History], None]]:
    """Shows a bar on standard error; gives the function that moves it to the end of a history."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[losses]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=steps, losses="compiling")

        def show(history: History) -> None:
            losses = f"train {history.train_total[-1]:.3e}  held-out {history.held_out_total[-1]:.3e}"
            progress.update(task, completed=int(history.step[-1]), losses=losses)

        yield show
