"""What tells one simulator from another: its name, its source, and what it carries with it."""

import functools
import hashlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType

import jax
import numpy as np

_PLAIN = (type(None), bool, int, float, complex, str, bytes)

_DEEPEST = 100
"""Parts of parts of parts: beyond, an object is its type."""


def name_of(simulate: Callable) -> str:
    """Module and name, of a class where an object of it is called, and of the function inside a `partial`."""
    while isinstance(simulate, functools.partial):
        simulate = simulate.func
    named = simulate if hasattr(simulate, "__qualname__") else type(simulate)
    return f"{named.__module__}.{named.__qualname__}"


def source_of(simulate: Callable) -> str:
    """A digest of the function's source, and of the files of its module and of those that it uses by name: another one
    after any change to them. What those modules import in turn is not looked at.
    """
    while isinstance(simulate, functools.partial):
        simulate = simulate.func
    function = inspect.unwrap(getattr(simulate, "__func__", simulate))
    owner = function if inspect.isfunction(function) or inspect.isclass(function) else type(function)
    called = function if inspect.isfunction(function) else vars(owner).get("__call__")
    digest = hashlib.sha256()
    used = [owner, *_variables(called)[1].values()]
    for name in sorted({_module_of(each) for each in used} - {None, "builtins"}):
        file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
        try:
            digest.update(file.read_bytes() if file.suffix == ".py" else name.encode())
        except OSError:
            digest.update(name.encode())
    try:
        digest.update(inspect.getsource(owner).encode())
    except (OSError, TypeError):  # made by exec, or not in Python
        _add_code(digest, getattr(function, "__code__", None))
    return digest.hexdigest()


def state_of(simulate: Callable) -> str:
    """A digest of all that the simulator carries: arguments of a `partial`, defaults, variables around a function, the
    attributes of an object, and, in a notebook, the numbers and texts that it uses by name. The names of a module that
    is a file are in its source, and may count calls.
    """
    return _State().digest_of(simulate)


def _module_of(value) -> str | None:
    return value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)


def _variables(function) -> tuple[dict, dict]:
    """What a function uses of the functions around it, and of its module."""
    try:
        found = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):  # no function of Python, or one around it is not done yet
        return {}, {}
    return dict(found.nonlocals), dict(found.globals)


def _add_code(digest, code: CodeType | None) -> None:
    if code is None:
        return
    digest.update(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        else:
            digest.update(repr(constant).encode())


class _State:
    """A digest that values are added to, whatever they contain; each object is looked at once, and not too deep."""

    def __init__(self):
        self._digest = hashlib.sha256()
        self._seen: dict[int, tuple[int, object]] = {}

    def digest_of(self, value) -> str:
        self._add(value)
        return self._digest.hexdigest()

    def _write(self, text: str) -> None:
        self._digest.update(f"{text}\n".encode())

    def _add(self, value, depth: int = 0) -> None:
        self._write(f"{type(value).__module__}.{type(value).__qualname__}")
        if isinstance(value, _PLAIN):
            self._write(repr(value))
            return
        number, _ = self._seen.setdefault(id(value), (len(self._seen), value))  # kept, so that its id stays its own
        if number < len(self._seen) - 1:
            self._write(f"again {number}")
        elif isinstance(value, set | frozenset):
            self._add_all(sorted(value, key=repr), depth)
        elif depth < _DEEPEST:
            self._add_all(self._parts(value), depth)

    def _add_all(self, parts: list, depth: int) -> None:
        self._write(str(len(parts)))
        for part in parts:
            self._add(part, depth + 1)

    def _parts(self, value) -> list:
        if isinstance(value, dict):
            return [each for pair in value.items() for each in pair]
        if isinstance(value, list | tuple):
            return list(value)
        if isinstance(value, functools.partial):
            return [value.func, value.args, value.keywords]
        if inspect.ismethod(value):
            return [value.__func__, value.__self__]
        if inspect.isfunction(value):
            around, of_module = _variables(value)
            in_file = hasattr(sys.modules.get(value.__module__), "__file__")
            plain = {} if in_file else {name: held for name, held in of_module.items() if isinstance(held, _PLAIN)}
            return [value.__qualname__, value.__defaults__, value.__kwdefaults__, around, plain]
        if isinstance(value, type | ModuleType):
            return [value.__name__]
        if _is_array(value):
            array = np.asarray(value)
            return [str(array.dtype), array.shape, repr(array.tolist()) if array.dtype.hasobject else array.tobytes()]
        slots = [name for kind in type(value).__mro__ for name in tuple(getattr(kind, "__slots__", ()))]
        attributes = {**getattr(value, "__dict__", {}), **{name: getattr(value, name, None) for name in slots}}
        return [getattr(value, "__qualname__", None), attributes]


def _is_array(value) -> bool:
    return isinstance(value, np.ndarray | np.generic) or (isinstance(value, jax.Array) and not _is_key(value))


def _is_key(value: jax.Array) -> bool:
    return jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
