"""States of a computation on disk: complete or not there, and recognised when damaged."""

import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .._foundation.versions import versions_line

KEPT = 2
"""Generations kept, so that a damaged file costs the time since the one before it and no more."""


class Checkpoints:
    """The numbered checkpoints of one computation in one directory, newest last; the last `KEPT` are kept.

    `fingerprint` names what is computed; a checkpoint with another one, or of other versions of what bits depend on, is
    an error, not a starting point.
    """

    def __init__(self, directory: Path, fingerprint: str):
        self.directory = Path(directory)
        self.fingerprint = fingerprint

    def save(self, number: int, tree: PyTree) -> None:
        """Writes the arrays of `tree` as checkpoint `number`, with a checksum."""
        self.directory.mkdir(parents=True, exist_ok=True)
        leaves = {f"{i:05d}": np.asarray(leaf, order="C") for i, leaf in enumerate(jax.tree.leaves(tree))}
        header = {"fingerprint": self.fingerprint, "versions": versions_line()}
        header["checksum"] = _checksum(leaves, header)
        write_atomically(self._path(number), to_safetensors(leaves, metadata={"checkpoint": json.dumps(header)}))
        for old in self._numbers()[:-KEPT]:
            self._path(old).unlink(missing_ok=True)

    def latest(self, like: PyTree) -> tuple[int, PyTree] | None:
        """The newest undamaged checkpoint as a tree like `like`, and its number; None where there is none.

        Raises `InputError` where the checkpoint belongs to another computation.
        """
        for number in reversed(self._numbers()):
            tree = self._read(number, like)
            if tree is not None:
                return number, tree
        return None

    def clear(self) -> None:
        """Removes all checkpoints, once the result itself is on disk."""
        for number in self._numbers():
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:08d}.safetensors"

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self.directory.glob("[0-9]*.safetensors") if path.stem.isdigit())

    def _read(self, number: int, like: PyTree) -> PyTree | None:
        try:
            with safe_open(self._path(number), framework="numpy") as file:
                header = json.loads((file.metadata() or {})["checkpoint"])
                leaves = {name: file.get_tensor(name) for name in sorted(file.keys())}
            if header.pop("checksum") != _checksum(leaves, header):
                return None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError):
            return None
        if header["versions"] != versions_line():
            raise InputError(
                f"{self._path(number)} was made with {header['versions']}, now there is {versions_line()}; install the "
                "former, or remove the old checkpoints."
            )
        if header["fingerprint"] != self.fingerprint:
            raise InputError(
                f"{self._path(number)} belongs to another computation; use another directory, "
                "or remove the old checkpoints."
            )
        structure = jax.tree.structure(like)
        return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in leaves.values()])


def _checksum(leaves: dict[str, np.ndarray], header: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, leaf in leaves.items():
        digest.update(f"{name}{leaf.dtype}{leaf.shape}".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()
