"""A function of the user's own, named on the command line."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from .._foundation.errors import InputError


@contextmanager
def user_function(target: str, option: str) -> Iterator[Callable]:
    """The function `target`: `module:function`, whose module is looked for as Python does, in the current folder first;
    or `path/file.py:function`.

    Inside the context the folder of the module stays on the path of modules, which processes started there take over.
    Raises `InputError`, naming the `option` that gave `target`, for what cannot be found or called.
    """
    module, _, name = target.rpartition(":")
    folder = str(Path.cwd())
    if module.endswith(".py"):
        file = Path(module)
        if not file.is_file():
            raise InputError(f"{option} is {target!r}, and there is no file {module}; correct the path.")
        folder, module = str(file.resolve().parent), file.stem
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"{option} is {target!r}; give module:function, such as pricer:simulate.")
    sys.path.insert(0, folder)
    try:
        yield _imported(module, name)
    finally:
        sys.path.remove(folder)


def _imported(module: str, name: str) -> Callable:
    try:
        with redirect_stdout(sys.stderr):  # what it prints is no part of what the command prints
            function = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise InputError(
            f"The module {module} cannot be imported ({type(error).__name__}: {error}); correct the name, or call this "
            "in the folder where it lies."
        ) from None
    if not callable(function):
        raise InputError(f"The module {module} has no function {name}; correct the name.")
    return function
