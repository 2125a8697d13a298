"""Results of a long run, kept line by line as they arrive, so that a killed run goes on from them."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import numpy as np

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .._foundation.memory import expect_room
from .simulator_identity import name_of, source_of, state_of

_SCHEMA = 2

_SECONDS_BETWEEN_FLUSHES = 1.0
"""A result survives the death of this process at once, and that of the machine after so long at most."""

_CHECKSUM = 16
"""Hexadecimal digits in front of every line."""

_NOTHING = "holds no results of a black box"

_LINES = re.compile(rb'\n|(?=[0-9a-f]{16} \{"row": )')
"""Where a line ends, or another one starts after an end of line that is damaged."""

_WORDS = {
    "schema": "another version of this package",
    "package": "another version of this package",
    "simulator": "another simulator",
    "source": "a simulator whose source has changed",
    "state": "a simulator with other arguments or attributes",
    "points": "other points",
    "seed": "another seed",
    "derivatives": "other derivatives",
    "step": "another step of the differences",
}
"""What it means that an entry of the header differs."""


class KeptResults:
    """Results by row in memory and, where a path is given, in a file of JSON lines.

    The first line, the header, says what run the file belongs to: everything that determines its results. Each line
    starts with a checksum over the header and the line itself, so that a damaged one, or one of another run, is not
    taken over; `n_damaged` counts those of a file that was found. Numbers are written with all their digits, so a run
    that was interrupted ends with the same bits. A file without a result does not stay.
    """

    def __init__(
        self,
        path: str | Path | None,
        simulate: Callable,
        points: np.ndarray,
        seed: int,
        derivatives: str,
        steps: np.ndarray | None = None,
    ):
        self.found: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self.shape: tuple[int, ...] | None = None
        self.n_damaged = 0
        self._file = None
        if path is None:
            return
        path = Path(path)
        header = {
            "schema": _SCHEMA,
            "package": version("sobolev-pruning"),
            "simulator": name_of(simulate),
            "source": source_of(simulate),
            "state": state_of(simulate),
            "points": [*points.shape, hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest()],
            "seed": seed,
            "derivatives": derivatives,
            "step": None if steps is None else steps.tolist(),
        }
        self._header = json.dumps(header)
        self._n, self._d, self._with_slopes = *points.shape, derivatives != "none"
        self._take_over(path, header)
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); keep the results elsewhere.") from None
        self._flushed = monotonic()

    def add(self, row: int, y: np.ndarray, dydx: np.ndarray | None) -> None:
        """Keeps one result; on return it survives the death of this process, and soon that of the machine.

        Raises `InputError` where it cannot be written.
        """
        self._remember(row, y, dydx)
        if self._file is None:
            return
        record = {"row": row, "y": y.tolist(), "dydx": None if dydx is None else dydx.tolist()}
        try:
            self._file.write(_line(self._header, json.dumps(record)) + b"\n")
            self._file.flush()
            if monotonic() - self._flushed > _SECONDS_BETWEEN_FLUSHES:
                self._flush()
        except OSError as error:
            raise InputError(
                f"{self._file.name} cannot be written any more ({error.strerror}); make room and call this again: it "
                f"goes on from the {len(self.found) - 1} results that are kept."
            ) from None

    def close(self) -> None:
        if self._file is None:
            return
        path = Path(self._file.name)
        try:
            self._flush()
            self._file.close()
        except OSError:  # what did not fit was told when it was added
            pass
        if not self.found:
            path.unlink(missing_ok=True)

    def _flush(self) -> None:
        os.fsync(self._file.fileno())
        self._flushed = monotonic()

    def _remember(self, row: int, y: np.ndarray, dydx: np.ndarray | None) -> None:
        self.found[row] = y, dydx
        self.shape = y.shape

    def _take_over(self, path: Path, header: dict) -> None:
        """Takes over what the file holds of this run, and leaves the file with that and nothing else."""
        try:
            if path.exists():
                expect_room(path, 8 * path.stat().st_size)
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); name another file.") from None
        lines = [line for line in (_without_tail(part) for part in _LINES.split(content)) if line]
        good = [line for line in lines if self._is_result(line)]
        first = _line(self._header, self._header)
        has_header = lines[:1] == [first]
        if lines and not good and not has_header:
            raise InputError(f"{path} {_what_it_is(lines[0], header)}; delete it or name another file.")
        self.n_damaged = len(lines) - len(good) - has_header
        whole = b"".join(line + b"\n" for line in (first, *good))
        if content != whole:
            write_atomically(path, whole)

    def _is_result(self, line: bytes) -> bool:
        """Whether the line holds a result of this run; it is remembered then."""
        try:
            text = line[_CHECKSUM + 1 :].decode()
            if line != _line(self._header, text):
                return False
            record = json.loads(text)
            row, y = record["row"], np.asarray(record["y"], np.float64)
            dydx = None if record["dydx"] is None else np.asarray(record["dydx"], np.float64)
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        shape = y.shape if self.shape is None else self.shape
        fits = type(row) is int and 0 <= row < self._n and y.shape == shape and (dydx is not None) == self._with_slopes
        if not fits or (dydx is not None and dydx.shape != (*shape, self._d)):
            return False
        self._remember(row, y, dydx)
        return True


def _without_tail(line: bytes) -> bytes:
    """Up to the end of the JSON, where there is one: what follows it is a damaged end of line."""
    return line[: line.rfind(b"}") + 1] or line


def _line(header: str, text: str) -> bytes:
    """`text` behind its checksum, which the header has a part in: a line of another run does not fit."""
    digest = hashlib.sha256(f"{header}\n{text}".encode()).hexdigest()
    return f"{digest[:_CHECKSUM]} {text}".encode()


def _what_it_is(line: bytes, header: dict) -> str:
    """What a file is, by its first line, that holds nothing of the run that `header` describes."""
    try:
        found = json.loads(line[_CHECKSUM + 1 :])
        differs = [name for name in header if found[name] != header[name]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _NOTHING
    if "simulator" in differs:
        differs = [name for name in differs if name not in ("source", "state")]  # of course
    words = dict.fromkeys(_WORDS[name] for name in differs)
    return f"belongs to another run ({', '.join(words)})" if words else _NOTHING


def damaged_lines(n: int) -> str:
    """How many lines of a file of kept results could not be taken over, for a sentence."""
    return f"{n} damaged {'line' if n == 1 else 'lines'} of the kept results left out"
