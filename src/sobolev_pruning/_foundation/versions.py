"""The versions that figures depend on."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version

_DEPENDENCIES = ("sobolev-pruning", "jax", "jaxlib", "equinox", "numpy", "scipy")


@cache
def _found() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name)) for name in _DEPENDENCIES)


def versions() -> dict[str, str]:
    """The versions to state with a computation's figures, Python's first."""
    return {"python": platform.python_version(), **dict(_found())}


def with_versions(fingerprint: str) -> str:
    """A digest of `fingerprint` and of the versions that bits depend on: what a checkpoint has to agree in."""
    return hashlib.sha256(f"{fingerprint} {versions_line()}".encode()).hexdigest()


def versions_line() -> str:
    """The versions that bits depend on, in one line."""
    return ", ".join(f"{name} {number}" for name, number in _found())
