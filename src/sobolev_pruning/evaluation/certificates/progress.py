"""A progress bar of the budget that proving has spent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bar(pieces: int, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar on standard error where `shown`; gives the function that takes the pieces used and claims open."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[open]}"),
    )
    console = Console(stderr=True)
    disabled = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disabled) as progress:
        task = progress.add_task("enclosing pieces", total=pieces, open="compiling")

        def show(used: int, open_claims: int) -> None:
            progress.update(task, completed=used, open=f"{open_claims} claims open")

        yield show
