"""Which source files are libraries' and not the user's."""

import functools
import os
import sys

import equinox
import jax


def in_libraries(path: str) -> bool:
    """Whether a source file, `path` or `path:line`, is one of JAX, Equinox or this package."""
    return os.path.abspath(path).startswith(_library_folders())


@functools.cache
def _library_folders() -> tuple[str, ...]:
    packages = [os.path.dirname(os.path.abspath(library.__file__)) for library in (jax, sys.modules["jaxlib"], equinox)]
    own = os.path.dirname(os.path.abspath(sys.modules[__name__.partition(".")[0]].__file__))
    return tuple(os.path.join(folder, "") for folder in (*packages, own))
