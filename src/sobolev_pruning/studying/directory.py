"""The directory of a study: oversized networks and cells, each in a file that is complete or not there."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .._foundation.files import write_atomically
from ..running.run_directory import claim_directory
from ..storage.checked_file import read_checked, write_checked
from .cell import Tensors
from .cells import Cell


class StudyDirectory:
    """Keeps what has been computed for the study that `config` describes, and gives it back to a resumed one.

    Files of another study, and damaged ones, count as not there; `damaged` names the latter.
    """

    def __init__(self, path: Path, config: BaseModel, resume: bool):
        self.path = path
        self.damaged: list[str] = []
        self._fingerprint = claim_directory(path, config, resume)
        for folder in ("oversized", "cells"):
            (path / folder).mkdir(exist_ok=True)

    def oversized(self, seed: int) -> tuple[Tensors, dict[str, Any]] | None:
        """The oversized network of a seed and its figures."""
        file = self._oversized_file(seed)
        found = read_checked(file)
        if found is None and file.exists():
            self._tell(file)
        if found is None or found[1].get("fingerprint") != self._fingerprint:
            return None
        tensors, header = found
        return (tensors, header["surrogate"]), header["figures"]

    def keep_oversized(self, seed: int, network: Tensors, figures: dict[str, Any]) -> None:
        tensors, architecture = network
        header = {"fingerprint": self._fingerprint, "surrogate": architecture, "figures": figures}
        write_checked(self._oversized_file(seed), tensors, header)

    def cell(self, cell: Cell) -> dict[str, Any] | None:
        """What was found for a cell."""
        file = self._cell_file(cell)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["checksum"] == _checksum(content["fingerprint"], content["found"]):
                return content["found"] if content["fingerprint"] == self._fingerprint else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        self._tell(file)
        return None

    def keep_cell(self, cell: Cell, found: dict[str, Any]) -> None:
        content = {"fingerprint": self._fingerprint, "found": found, "checksum": _checksum(self._fingerprint, found)}
        write_atomically(self._cell_file(cell), json.dumps(content, allow_nan=False) + "\n")

    def _tell(self, damaged: Path) -> None:
        self.damaged.append(str(damaged.relative_to(self.path)))

    def _oversized_file(self, seed: int) -> Path:
        return self.path / "oversized" / f"seed-{seed}.safetensors"

    def _cell_file(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.name}.json"


def _checksum(fingerprint: str, found: dict[str, Any]) -> str:
    """Of what a cell's file says, not of how it is written."""
    return hashlib.sha256(json.dumps([fingerprint, found], sort_keys=True).encode()).hexdigest()
