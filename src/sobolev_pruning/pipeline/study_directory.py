"""The directory of a study: oversized networks and cells, each in a file that is complete or not there."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .._foundation.checked_file import read_checked, write_checked
from .._foundation.files import write_atomically
from .run_directory import claim_directory
from .study_cell import Tensors
from .study_cells import Cell


class StudyDirectory:
    """Keeps what has been computed for the study that `config` describes, and gives it back to a resumed one.

    Files of another study, and damaged ones, count as not there.
    """

    def __init__(self, path: Path, config: BaseModel, resume: bool):
        self.path = path
        self._fingerprint = claim_directory(path, config, resume)
        for folder in ("oversized", "cells"):
            (path / folder).mkdir(exist_ok=True)

    def oversized(self, seed: int) -> tuple[Tensors, dict[str, Any]] | None:
        """The oversized network of a seed and its figures."""
        found = read_checked(self._oversized_file(seed))
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
        try:
            content = json.loads(self._cell_file(cell).read_text(encoding="utf-8"))
            return content["found"] if content["fingerprint"] == self._fingerprint else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_cell(self, cell: Cell, found: dict[str, Any]) -> None:
        content = {"fingerprint": self._fingerprint, "found": found}
        write_atomically(self._cell_file(cell), json.dumps(content, allow_nan=False) + "\n")

    def _oversized_file(self, seed: int) -> Path:
        return self.path / "oversized" / f"seed-{seed}.safetensors"

    def _cell_file(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.name}.json"
