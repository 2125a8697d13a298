"""Files that others made: what is wrong with them is one sentence, whatever a parser raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError, printable

MOST_INFLATED = 1032
"""A byte compressed by deflate gives no more bytes than this; arrays of numbers that shrink further are not data."""

_LONGEST = 200


def expect_file(path: str | Path, advice: str = "correct the path") -> Path:
    """`path` as a `Path`; raises `InputError` where there is no file of that name, or can be none."""
    path = Path(path)
    try:
        there = path.is_file()
    except OSError as error:  # the name is too long, or a folder of it is closed
        raise InputError(f"{shortened(str(path))} cannot be read ({error.strerror}); {advice}.") from None
    if not there:
        raise InputError(f"There is no file {shortened(str(path))}; {advice}.")
    return path


@contextmanager
def told(path: Path, what: str, advice: str) -> Iterator[None]:
    """Turns what a parser raises on a damaged file into one `InputError`: "`path` cannot be read as `what`".

    Parsers of other packages raise nearly anything then, `MemoryError` and `RecursionError` among them; only their own
    calls belong inside.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = shortened(str(error).strip().partition("\n")[0]) or type(error).__name__
        raise InputError(f"{path} cannot be read as {what} ({reason}); {advice}.") from None


def shortened(text: str) -> str:
    """`text` in one line of at most 200 characters, without control characters, for a sentence.

    >>> shortened("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    clean = printable(text[: _LONGEST + 1])
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 3]}..."
