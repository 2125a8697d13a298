"""The directory of a run: opened once, filled with files that are complete or not there."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._foundation.checked_file import read_checked, write_checked
from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from ..surrogate import Surrogate, from_tensors, to_tensors
from .config import RunConfig
from .config_file import to_toml


@dataclass(frozen=True)
class Stage:
    """What one stage leaves behind: a network, the arrays that tell how it came about, and the seconds it took."""

    surrogate: Surrogate
    arrays: dict[str, np.ndarray]
    seconds: float


class RunDirectory:
    """Gives every stage a checkpoint: computed once, then read.

    A stage's checkpoint carries the fingerprint of the configuration and of the stages before it, so that one which
    does not belong here, or is damaged, is computed anew from the stage before it.
    """

    def __init__(self, path: Path, config: RunConfig, resume: bool):
        self.path = path
        resolved = to_toml(config)
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give a directory with --out.")
        if path.is_dir() and any(path.iterdir()):
            if not resume:
                raise InputError(
                    f"{path} is not empty; add --resume to go on with the run in it, or give another --out."
                )
            self._check_same(resolved)
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            write_atomically(path / "config.toml", resolved)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); give another --out.") from None
        self._fingerprint = hashlib.sha256(resolved.encode()).hexdigest()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def _check_same(self, resolved: str) -> None:
        """Refuses to resume a run with another configuration, naming the first line that differs."""
        file = self.path / "config.toml"
        if not file.exists():
            if any(self.path.iterdir()):
                raise InputError(f"{self.path} holds no config.toml, so there is no run to resume; give another --out.")
            return
        before = file.read_text(encoding="utf-8").splitlines()
        now = resolved.splitlines()
        for number, (old, new) in enumerate(zip(before, now), start=1):
            if old != new:
                raise InputError(
                    f"{file}, line {number}: the run was started with `{old}`, the configuration now says `{new}`; "
                    "resume with the same configuration, or give another --out."
                )
        if len(before) != len(now):
            raise InputError(
                f"{file} differs from the configuration given; resume with the same one, or give another --out."
            )

    def stage(self, name: str, compute: Callable[[Path], Stage]) -> Stage:
        """What `compute` gives for the stage `name`, from its checkpoint where there is one.

        `compute` receives a directory of its own for checkpoints inside the stage.
        """
        self._fingerprint = hashlib.sha256(f"{self._fingerprint} {name}".encode()).hexdigest()
        file = self.checkpoints / f"{name}.safetensors"
        found = read_checked(file)
        if found is not None and found[1]["fingerprint"] == self._fingerprint:
            arrays, header = found
            return Stage(from_tensors(arrays, header["surrogate"], str(file)), arrays, header["seconds"])
        stage = compute(self.checkpoints / f"{name}.partial")
        tensors, architecture = to_tensors(stage.surrogate)
        header = {"fingerprint": self._fingerprint, "surrogate": architecture, "seconds": stage.seconds}
        write_checked(file, tensors | stage.arrays, header)
        shutil.rmtree(self.checkpoints / f"{name}.partial", ignore_errors=True)
        return stage
