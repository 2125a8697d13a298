"""The table of rules: which interval rule encloses which primitive, and how users add theirs."""

import traceback
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Primitive

from .._foundation.errors import InputError
from ..activations import activation, activation_p, is_of_package
from .programs.libraries import in_libraries

Rule = Callable
UNKNOWN_LINE = "a line that JAX does not tell"


class UserRule(NamedTuple):
    """A rule of the user's own, and what the user vouches for."""

    rule: Rule
    guaranteed: bool
    smooth: bool


_USER_RULES: dict[Primitive, UserRule] = {}


class EnclosureError(InputError):
    """The program cannot be enclosed; the message says which operation is in the way, where, and what to do."""


def register_rule(primitive: Primitive, rule: Rule | None = None, *, guaranteed: bool = False, smooth: bool = False):
    """Registers the interval rule of a primitive; also a decorator: `@register_rule(primitive)`.

    `rule(*operands, **params)` receives the operands of the primitive, each an `Interval` or, where it does not depend
    on the box, an array, and the primitive's parameters. It returns an `Interval` (a list of them if the primitive has
    several results) that contains every value the primitive takes on the operands. A later registration replaces an
    earlier one, and rules of the package too; whatever was compiled with another rule is compiled again.

    - `guaranteed`: that the interval always holds every value, rounding included, is your own promise. Without it no
      enclosure that the rule enters is `guaranteed`, no claim that rests on it is proved, and significance says so.
      Certificates name the rules that are not the package's in any case.
    - `smooth`: the primitive is defined and infinitely often differentiable for all real operands. Without it results
      count as possibly undefined and discontinuous.

    >>> import jax, jax.numpy as jnp
    >>> from jax.extend.core import primitives
    >>> from sobolev_pruning.enclosure import Interval, enclose, register_rule
    >>> @register_rule(primitives.bessel_i0e_p)
    ... def bessel(a, **params):
    ...     return Interval(jnp.zeros(a.shape), jnp.ones(a.shape))
    >>> found = enclose(jax.scipy.special.i0e)(Interval(-1.0, 8.0))
    >>> bool(found.contains(0.4)), found.guaranteed
    (True, False)
    """
    if rule is None:
        return lambda function: register_rule(primitive, function, guaranteed=guaranteed, smooth=smooth)
    _USER_RULES[primitive] = UserRule(rule, guaranteed, smooth)
    jax.clear_caches()
    return rule


def user_rule(primitive: Primitive) -> UserRule | None:
    return _USER_RULES.get(primitive)


def user_rules_in(fn: Callable, *args) -> tuple[str, ...]:
    """What in the program of `fn` is bounded by the user's word, by name, with what is promised of each.

    These are primitives with a rule of the user's, and activations that the user registered.
    """
    said = {True: "guaranteed by its author", False: "not guaranteed"}
    found = set()
    for primitive, name in _operations(jax.make_jaxpr(fn)(*args).jaxpr):
        if primitive in _USER_RULES:
            found.add(f"{primitive.name} ({said[_USER_RULES[primitive].guaranteed]})")
        elif name is not None and not is_of_package(activation(name)):
            found.add(f"activation {name} ({said[True]})")
    return tuple(sorted(found))


def _operations(jaxpr) -> set[tuple[Primitive, str | None]]:
    """The primitives of a program, those of activations with the name."""
    found = set()
    for equation in jaxpr.eqns:
        found.add((equation.primitive, equation.params["name"] if equation.primitive is activation_p else None))
        for part in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: isinstance(x, Jaxpr | ClosedJaxpr)
        ):
            if isinstance(part, Jaxpr | ClosedJaxpr):
                found |= _operations(part.jaxpr if isinstance(part, ClosedJaxpr) else part)
    return found


def source_line(equation) -> str:
    """`file:line` of the user's code that produced an equation, as far as it is known."""
    trace = getattr(equation.source_info, "traceback", None)
    for frame in trace.frames if trace is not None else ():
        if not in_libraries(frame.file_name):
            return f"{frame.file_name}:{frame.line_num}"
    return UNKNOWN_LINE


def line_of_error(error: BaseException) -> str:
    """`file:line` of the user's code that raised an error inside JAX, as far as it is known."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if not in_libraries(f.filename)]
    return f"{lines[-1].filename}:{lines[-1].lineno}" if lines else UNKNOWN_LINE


def missing_rule(equation) -> EnclosureError:
    name = equation.primitive.name
    return EnclosureError(
        f"enclose: the primitive `{name}`, produced at {source_line(equation)}, has no enclosure rule; "
        f"register one with sobolev_pruning.enclosure.register_rule(primitive, rule), where the primitive is "
        f"jax.extend.core.primitives.{name.replace('-', '_')}_p for one of JAX's own."
    )
