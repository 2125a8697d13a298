"""Activations by name: those of the package, families with parameters, and those that users register."""

import functools
import inspect
import re
from collections.abc import Callable

from .._foundation.errors import InputError
from .gelus import GELU, GELU_TANH
from .in_pieces import ELU, HARD_SWISH, RELU, RELU6, SELU, SOFTSIGN, clip, elu, leaky_relu
from .mish import MISH
from .plain import EXP, IDENTITY, SIN
from .record import HIGHEST_ORDER, Activation
from .sigmoids import SIGMOID, SILU, SOFTPLUS, TANH, softplus, swish, tanh

_PACKAGE = (SILU, SOFTPLUS, TANH, GELU, GELU_TANH, ELU, RELU, SIGMOID)
_PACKAGE += (SELU, MISH, HARD_SWISH, RELU6, SOFTSIGN, SIN, EXP, IDENTITY)

ACTIVATIONS: tuple[str, ...] = tuple(record.name for record in _PACKAGE)
"""The names that need no parameter."""

FAMILIES: dict[str, Callable[..., Activation]] = {
    family.__name__: family for family in (leaky_relu, elu, clip, softplus, swish, tanh)
}
"""Written with their numbers, as `leaky_relu(0.01)`."""

_RECORDS: dict[str, Activation] = {record.name: record for record in _PACKAGE}


def activation(name: str) -> Activation:
    """The activation of this name, as "silu" or "leaky_relu(0.01)".

    Raises `InputError` where there is none, with those there are.

    >>> activation("leaky_relu(1e-2)").name
    'leaky_relu(0.01)'
    """
    if not isinstance(name, str):
        raise _unknown(name)
    return _RECORDS.get(name) or _of_family(name)


@functools.cache
def _of_family(name: str) -> Activation:
    written = re.fullmatch(r"([a-z][a-z0-9_]*)\(([^()]{1,200})\)", name)
    family = FAMILIES.get(written[1]) if written else None
    if family is not None:
        try:
            return family(*map(float, written[2].split(",")))
        except InputError:
            raise
        except (TypeError, ValueError):  # too few numbers, or none
            pass
    if family is not None or name in FAMILIES:
        name = written[1] if written else name
        needed = ", ".join(inspect.signature(FAMILIES[name]).parameters)
        raise InputError(f"The activation {name} is written with its numbers: {name}({needed}).")
    raise _unknown(name)


def _unknown(name: object) -> InputError:
    forms = (f"{name}({', '.join(inspect.signature(family).parameters)})" for name, family in FAMILIES.items())
    return InputError(f"activation is {name!r}; choose one of {', '.join([*_RECORDS, *forms])}.")


def register_activation(record: Activation) -> None:
    """Makes an activation of your own known by its name, everywhere: to networks, bounds, files and exports.

    The record is believed, as a rule of `register_rule` is: that the derivatives are those of the function, and that
    `extremes` and `breakpoints` are all there are. A certificate of a network with it names it, and no claim counts as
    proved by the package alone. A file of such a network is read where the activation has been registered before.

    >>> from sobolev_pruning.activations import Activation, Breakpoint
    >>> def derivative(x, order, f):  # x^2 above 0, 0 below
    ...     power = f.maximum(x, 0.0)
    ...     if order == 0:
    ...         return power * power
    ...     return 2.0 * power if order == 1 else f.where_above(x, 0.0, 2.0 if order == 2 else 0.0, 0.0)
    >>> register_activation(Activation("squared_relu", derivative, smoothness=1, breakpoints=(Breakpoint(0, 0, 2),)))
    >>> activation("squared_relu").smoothness
    1

    Raises `InputError` for a name that is taken, or not written in small letters, digits and _.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", record.name) or len(record.extremes) != HIGHEST_ORDER + 1:
        raise InputError(
            f"The activation {record.name!r} needs a name in small letters, digits and _, and extremes for the orders "
            f"0 to {HIGHEST_ORDER}."
        )
    if record.name in _RECORDS or record.name in FAMILIES:
        raise InputError(f"There is an activation {record.name} already; choose another name.")
    _RECORDS[record.name] = record


def is_of_package(record: Activation) -> bool:
    """Whether a record is the package's own, and its ranges proved."""
    return record.name.partition("(")[0] in FAMILIES or record.name in ACTIVATIONS
