"""A progress bar of the budget that proving has spent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._foundation import progress


@contextmanager
def progress_bar(pieces: int, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar on standard error where `shown`; gives the function that takes the pieces used and claims open."""
    with progress.progress_bar("enclosing pieces", pieces, "compiling", shown=shown, remaining=False) as move:
        yield lambda used, open_claims: move(used, f"{open_claims} claims open")
