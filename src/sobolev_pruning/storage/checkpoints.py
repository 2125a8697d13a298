"""States of a computation on disk: complete or not there, and recognised when damaged."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._foundation.errors import InputError
from .._foundation.versions import versions_line
from .checked_file import read_checked, write_checked

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
        """Writes the arrays of `tree` as checkpoint `number`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        leaves = {f"{i:05d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
        write_checked(self._path(number), leaves, {"fingerprint": self.fingerprint, "versions": versions_line()})
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
        found = read_checked(self._path(number))
        if found is None:
            return None
        leaves, header = found
        if header.get("versions") != versions_line():
            raise InputError(
                f"{self._path(number)} was made with {header.get('versions')}, now there is {versions_line()}; install "
                "the former, or remove the old checkpoints."
            )
        if header.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"{self._path(number)} belongs to another computation; use another directory, "
                "or remove the old checkpoints."
            )
        structure = jax.tree.structure(like)
        return jax.tree.unflatten(structure, [jnp.asarray(leaves[name]) for name in sorted(leaves)])
