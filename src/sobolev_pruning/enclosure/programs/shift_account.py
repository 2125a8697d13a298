"""How the values of a program depend on a shift s, where that can be said: see `shift_invariance`.

With `L = e^-s`, a value is either `L^k v` or `v + k log L`, v free of s. The rules here say of which kind, and with
which k, the result of an operation is; `Uncovered` where none of them says it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jax.extend.core import Literal

from .equations import is_constant, producers_of

MOVERS = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "copy", "copy_p", "stop_gradient")


class Account(NamedTuple):
    """`L^degree v`, or `v + degree log L` if `logarithmic`.

    `axes` names for each axis the axis of s that its elements follow; axes of length 1 follow none. `is_shift` marks s
    itself, moved about.
    """

    degree: float
    logarithmic: bool
    axes: tuple[int | None, ...]
    is_shift: bool = False


class Uncovered(Exception):
    """No rule covers this operation."""


class Accounts(NamedTuple):
    """The accounts of all values that depend on s, and the equations that see s only through them."""

    of: dict
    covered: frozenset[int]


def accounts(equations, outputs, shift) -> Accounts | None:
    """None if an output of the equations may depend on the shift, but for operations that take s itself.

    Those are left out of `covered`: they go on reading s as it stands.
    """
    own = tuple(i if length > 1 else None for i, length in enumerate(shift.aval.shape))
    of, covered, producers = {shift: Account(-1, True, own, True)}, set(), producers_of(equations)

    def is_zero(variable) -> bool:
        return is_constant(variable, 0.0, producers)

    for equation in equations:
        known = [None if isinstance(v, Literal) else of.get(v) for v in equation.invars]
        if not any(known):
            continue
        try:
            result = _RULES.get(equation.primitive.name, _uncovered)(equation, known, is_zero)
        except Uncovered:
            if all(account is None or account.is_shift for account in known):
                continue
            return None
        covered.add(id(equation))
        if result is not None and result.degree != 0:
            of.update(dict.fromkeys(equation.outvars, result))
    if any(v in of and not of[v].is_shift for v in outputs if not isinstance(v, Literal)):
        return None
    return Accounts(of, frozenset(covered))


def _uncovered(*_):
    raise Uncovered


def _require(condition: bool) -> None:
    if not condition:
        raise Uncovered


def _shape(variable) -> tuple[int, ...]:
    return tuple(variable.aval.shape)


def _common_axes(equation, known) -> tuple[int | None, ...]:
    """The axes of an elementwise result; operands that depend on s follow it in the same way."""
    shape = _shape(equation.outvars[0])
    found = set()
    for account in known:
        if account is not None:
            found.add(account.axes if account.axes else (None,) * len(shape))
    _require(len(found) == 1)
    return found.pop()


def _powers(known) -> list[Account]:
    present = [account for account in known if account is not None]
    _require(not any(account.logarithmic for account in present))
    return present


def _alike(equation, known, is_zero) -> Account:
    """Operands of one kind and degree; zeros are of any degree."""
    for variable, account in zip(equation.invars, known):
        _require(account is not None or is_zero(variable))
    present = [account for account in known if account is not None]
    _require(len({(account.degree, account.logarithmic) for account in present}) == 1)
    _require(not present[0].logarithmic or len(present) == len(known))
    return Account(present[0].degree, present[0].logarithmic, _common_axes(equation, known))


def moved_axes(equation, axes: tuple) -> tuple[int | None, ...]:
    """The `axes` of an operand that was moved by one of `MOVERS`."""
    before, after = _shape(equation.invars[0]), _shape(equation.outvars[0])
    name, params = equation.primitive.name, equation.params
    if name == "broadcast_in_dim":
        result: list[int | None] = [None] * len(after)
        for place, axis, length in zip(params["broadcast_dimensions"], axes, before):
            result[int(place)] = axis if length == after[int(place)] else None
        return tuple(result)
    if name == "transpose":
        return tuple(axes[int(i)] for i in params["permutation"])
    if name in ("reshape", "squeeze", "expand_dims"):
        _require([n for n in before if n > 1] == [n for n in after if n > 1])
        following = iter([axis for axis, length in zip(axes, before) if length > 1])
        return tuple(next(following) if length > 1 else None for length in after)
    return axes


def _moved(equation, known, _):
    return known[0]._replace(axes=moved_axes(equation, known[0].axes))


def _convert(equation, known, _):
    _require(equation.params["new_dtype"] == equation.invars[0].aval.dtype)
    return known[0]


def _negated(_equation, known, _):
    (account,) = known
    return account._replace(degree=-account.degree if account.logarithmic else account.degree, is_shift=False)


def _scaled(factor: float) -> Callable:
    def rule(_equation, known, _):
        (account,) = _powers(known)
        return account._replace(degree=factor * account.degree)

    return rule


def _sign(_equation, known, _):
    _powers(known)


def _exponential(_equation, known, _):
    (account,) = known
    _require(account.logarithmic)
    return account._replace(logarithmic=False, is_shift=False)


def _logarithm(_equation, known, _):
    (account,) = _powers(known)
    return account._replace(logarithmic=True)


def _sum(sign: int) -> Callable:
    def rule(equation, known, is_zero):
        if any(account is not None and account.logarithmic for account in known):
            _require(all(account is None or account.logarithmic for account in known))
            degree = sum(s * account.degree for s, account in zip((1, sign), known) if account is not None)
            return Account(degree, True, _common_axes(equation, known))
        return _alike(equation, known, is_zero)

    return rule


def _product(sign: int) -> Callable:
    def rule(equation, known, _):
        _powers(known)
        degree = sum(s * account.degree for s, account in zip((1, sign), known) if account is not None)
        return Account(degree, False, _common_axes(equation, known))

    return rule


def _compared(equation, known, is_zero):
    _alike(equation, known, is_zero)


def _selected(equation, known, is_zero):
    _require(known[0] is None)
    cases = equation.replace(invars=equation.invars[1:])
    account = _alike(cases, known[1:], is_zero)
    return account._replace(axes=_common_axes(equation, known[1:]))


def _free_along(account: Account, axes) -> None:
    """Along these axes all elements follow the same element of s."""
    _require(all(account.axes[int(i)] is None for i in axes))


def _summed(equation, known, _):
    (account,) = _powers(known)
    axes = [int(i) for i in equation.params["axes"]]
    _free_along(account, axes)
    return account._replace(axes=tuple(a for i, a in enumerate(account.axes) if i not in axes))


def _summed_up(equation, known, _):
    (account,) = _powers(known)
    _free_along(account, [equation.params["axis"]])
    return account


def _cut(equation, known, _):
    """Slices and parts along axes where all elements follow the same one."""
    account = known[0]
    before = _shape(equation.invars[0])
    changed = [i for i, length in enumerate(before) if any(_shape(v)[i] != length for v in equation.outvars)]
    _free_along(account, changed)
    return account._replace(is_shift=False)


def _padded(equation, known, is_zero):
    account = _powers(known[:1])[0] if known[0] is not None else None
    _require(account is not None and known[1] is None and is_zero(equation.invars[1]))
    padded = [i for i, amounts in enumerate(equation.params["padding_config"]) if any(int(n) for n in amounts)]
    _free_along(account, padded)
    return account


def _dot(equation, known, _):
    present = _powers(known)
    _require(len(present) == 1)
    ((contract, batch),) = [
        sides for sides, account in zip(zip(*equation.params["dimension_numbers"]), known) if account is not None
    ]
    (account,) = present
    contract, batch = [int(i) for i in contract], [int(i) for i in batch]
    _free_along(account, contract)
    free = [a for i, a in enumerate(account.axes) if i not in contract and i not in batch]
    others = len(_shape(equation.outvars[0])) - len(batch) - len(free)
    parts = [free, [None] * others] if known[0] is not None else [[None] * others, free]
    return account._replace(axes=tuple([*[account.axes[i] for i in batch], *parts[0], *parts[1]]))


_RULES: dict[str, Callable] = {
    **dict.fromkeys(MOVERS, _moved),
    "convert_element_type": _convert,
    "neg": _negated,
    "abs": _scaled(1),
    "sqrt": _scaled(0.5),
    "rsqrt": _scaled(-0.5),
    "square": _scaled(2),
    "integer_pow": lambda equation, known, zero: _scaled(equation.params["y"])(equation, known, zero),
    "sign": _sign,
    "exp": _exponential,
    "log": _logarithm,
    "add": _sum(1),
    "add_any": _sum(1),
    "sub": _sum(-1),
    "mul": _product(1),
    "div": _product(-1),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compared),
    "select_n": _selected,
    "reduce_sum": _summed,
    "cumsum": _summed_up,
    **dict.fromkeys(("slice", "split"), _cut),
    "pad": _padded,
    "dot_general": _dot,
}


def follows_rows(account: Account, shape: tuple[int, ...], axes, shift) -> bool:
    """Whether, in an array of this shape, s is constant along `axes`, and along no other that is longer than 1."""
    followed = [axis for axis in account.axes if axis is not None]
    complete = followed == [i for i, length in enumerate(np.shape(shift.aval)) if length > 1]
    return complete and all((account.axes[i] is None) == (i in axes or n == 1) for i, n in enumerate(shape))
