"""The table of rules: which interval rule encloses which primitive, and how users add theirs."""

import os
from collections.abc import Callable

from jax.extend.core import Primitive

from .._foundation.errors import InputError

Rule = Callable
UNKNOWN_LINE = "an unknown line"
_USER_RULES: dict[Primitive, Rule] = {}


class EnclosureError(InputError):
    """The program cannot be enclosed; the message says which operation is in the way, where, and what to do."""


def register_rule(primitive: Primitive, rule: Rule | None = None):
    """Registers the interval rule of a primitive; also a decorator: `@register_rule(primitive)`.

    `rule(*operands, **params)` receives the operands of the primitive, each an `Interval` or, where it does not depend
    on the box, an array, and the primitive's parameters. It returns an `Interval` (a list of them if the primitive has
    several results) that contains every value the primitive takes on the operands. A later registration replaces an
    earlier one, and rules of the package too.

    >>> import jax, jax.numpy as jnp
    >>> from jax.extend.core import primitives
    >>> from sobolev_pruning.enclosure import Interval, enclose, register_rule
    >>> @register_rule(primitives.cbrt_p)
    ... def cube_root(a, **params):
    ...     margin = 1e-14 * jnp.cbrt(a.mag())
    ...     return Interval(jnp.cbrt(a.lower) - margin, jnp.cbrt(a.upper) + margin)
    >>> bool(enclose(jnp.cbrt)(Interval(-1.0, 8.0)).contains(2.0))
    True
    """
    if rule is None:
        return lambda function: register_rule(primitive, function)
    _USER_RULES[primitive] = rule
    return rule


def user_rule(primitive: Primitive) -> Rule | None:
    return _USER_RULES.get(primitive)


def source_line(equation) -> str:
    """`file:line` of the user's code that produced an equation, as far as it is known."""
    traceback = getattr(equation.source_info, "traceback", None)
    own = os.path.dirname(os.path.abspath(__file__))
    for frame in traceback.frames if traceback is not None else ():
        path = frame.file_name.replace(os.sep, "/")
        inside = any(part in path for part in ("/jax/", "/jaxlib/", "/equinox/")) or path.startswith(own)
        if not inside:
            return f"{frame.file_name}:{frame.line_num}"
    return UNKNOWN_LINE


def missing_rule(equation) -> EnclosureError:
    name = equation.primitive.name
    return EnclosureError(
        f"enclose: the primitive `{name}`, produced at {source_line(equation)}, has no enclosure rule; "
        f"register one with sobolev_pruning.enclosure.register_rule(primitive, rule), where the primitive is "
        f"jax.extend.core.primitives.{name.replace('-', '_')}_p for one of JAX's own."
    )
