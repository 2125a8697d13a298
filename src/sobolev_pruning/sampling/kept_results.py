"""Results of a long run, kept line by line as they arrive, so that a killed run goes on from them."""

import hashlib
import json
from pathlib import Path

import numpy as np

from .._foundation.errors import InputError


class KeptResults:
    """Results by row in memory and, where a path is given, in a file of JSON lines.

    The first line says what run the file belongs to. A line cut short by a kill is dropped. Numbers are written with
    all their digits, so a run that was interrupted ends with the same bits. A file without a result does not stay.
    """

    def __init__(self, path: str | Path | None, simulator: str, points: np.ndarray, seed: int, derivatives: str):
        self.found: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self.shape: tuple[int, ...] | None = None
        self._file = None
        if path is None:
            return
        path = Path(path)
        digest = hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest()
        header = {"schema": 1, "simulator": simulator, "points": digest, "seed": seed, "derivatives": derivatives}
        if not path.parent.is_dir():
            raise InputError(f"There is no folder {path.parent} to keep results in; make it first.")
        end = self._read(path, header) if path.exists() else 0
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.seek(end)
        self._file.truncate()
        if end == 0:
            self._write(header)

    def add(self, row: int, y: np.ndarray, dydx: np.ndarray | None) -> None:
        """Keeps one result; on return it survives the death of this process."""
        self._remember(row, y, dydx)
        if self._file is not None:
            self._write({"row": row, "y": y.tolist(), "dydx": None if dydx is None else dydx.tolist()})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            if not self.found:
                Path(self._file.name).unlink()

    def _remember(self, row: int, y: np.ndarray, dydx: np.ndarray | None) -> None:
        self.found[row] = y, dydx
        self.shape = y.shape

    def _write(self, record: dict) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()

    def _read(self, path: Path, header: dict) -> int:
        """Takes over what the file holds; gives the length of its whole lines."""
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        lines = content[:end].splitlines()
        try:
            records = [json.loads(line) for line in lines]
            if records and records[0] != header:
                raise InputError(
                    f"{path} belongs to another run (another simulator, other points, seed or derivatives); delete it "
                    "or name another file."
                )
            for record in records[1:]:
                dydx = None if record["dydx"] is None else np.asarray(record["dydx"], np.float64)
                self._remember(int(record["row"]), np.asarray(record["y"], np.float64), dydx)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} holds no results of a black box ({error}); delete it or name another file."
            ) from None
        return end
