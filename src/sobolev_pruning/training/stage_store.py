"""Stages of a long computation, each kept in a checkpoint: computed once, then read."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..storage.checked_file import read_checked, write_checked
from ..surrogate import Surrogate, from_tensors, to_tensors


@dataclass(frozen=True)
class Stage:
    """What one stage leaves behind: a network, the arrays that tell how it came about, and the seconds it took."""

    surrogate: Surrogate
    arrays: dict[str, np.ndarray]
    seconds: float


class StageStore:
    """Gives every stage a checkpoint in `directory`; without one, every stage is computed.

    A checkpoint carries the `fingerprint` of the whole computation and the names of the stages before it, so that one
    which does not belong here, or is damaged, is computed anew from the stage before it.
    """

    def __init__(self, directory: Path | None, fingerprint: str):
        self._directory = directory
        self._fingerprint = fingerprint

    def depend_on(self, what: str) -> None:
        """Stages from here on depend on `what`, too."""
        self._fingerprint = hashlib.sha256(f"{self._fingerprint} on {what}".encode()).hexdigest()

    def stage(self, name: str, compute: Callable[[Path | None], Stage]) -> Stage:
        """What `compute` gives for the stage `name`, from its checkpoint where there is one.

        `compute` receives a directory of its own for checkpoints inside the stage (None where nothing is kept).
        """
        self._fingerprint = hashlib.sha256(f"{self._fingerprint} {name}".encode()).hexdigest()
        if self._directory is None:
            return compute(None)
        self._directory.mkdir(parents=True, exist_ok=True)
        file, inside = self._directory / f"{name}.safetensors", self._directory / f"{name}.partial"
        found = read_checked(file)
        if found is not None and found[1]["fingerprint"] == self._fingerprint:
            arrays, header = found
            return Stage(from_tensors(arrays, header["surrogate"], str(file)), arrays, header["seconds"])
        stage = compute(inside)
        tensors, architecture = to_tensors(stage.surrogate)
        header = {"fingerprint": self._fingerprint, "surrogate": architecture, "seconds": stage.seconds}
        write_checked(file, tensors | stage.arrays, header)
        shutil.rmtree(inside, ignore_errors=True)
        return stage
