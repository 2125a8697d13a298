"""Programs that subtract a shift before exponentials and divide it out again: softmax and log-sum-exp, derivatives too.

The stable formulas take `e_i = exp(x_i - s)`, s the largest x_j, and sums `t = sum_j e_j`; then `e_i / t`, `log t + s`
or, in derivatives, products of such quotients. Every operation at its own range sees s and x_i as strangers. But the
results do not depend on s, and that is proved from the program: with `L = e^-s`, each value that s enters is

    L^k v   or   v + k log L,    v free of s,

and operations keep account of k (`shift_account`): `exp` and `log` turn one kind into the other, products add the k,
sums need equal ones. If k is 0 wherever a value leaves the account, any s gives the same result. Then s is taken to be
`log sum_j e^(x_j)`: so e_i is entry i of softmax, t is 1 and x_i - s the logarithm of softmax, each of which has a rule
of its own (`softmax`). Where no such sum is made, s is taken to be some number in its range. A program that the account
does not cover stays as it is.
"""

import os
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Literal, Primitive, Var
from jax.extend.core import primitives as p

from ..interval import Interval
from ..natural.softmax import log_softmax_p, log_sum_exp_p, softmax_p
from .equations import constant, in_order, is_constant, needed, operation, producers_of, renamed, with_operands
from .shift_account import MOVERS, Accounts, accounts, follows_rows

_REDUCTIONS = "jax/_src/numpy/reductions.py"
_DERIVATIVE = "_reduce_chooser_jvp_rule"
"""Where JAX has `jnp.max`, which compares for its derivative alone, and that derivative itself."""

some_number_p = Primitive("some_number")
"""`x -> any number of the range of x, the same for the whole box`, for values that do not matter."""


def some_number(x):
    """The middle of the range, as a point."""
    middle = x.mid() if isinstance(x, Interval) else x
    return jnp.nan_to_num(lax.stop_gradient(middle))


class _Candidate(NamedTuple):
    """`exp(x - s)`: the exponential, s, the equation that subtracts it, and the axes it is summed over, if it is."""

    exponential: Var
    shift: Var
    difference: object
    axes: tuple[int, ...] | None


def without_shifts(equations, outputs):
    """The equations with shifted exponentials as softmax and log-sum-exp, wherever that is the same over the reals.

    Returns the equations and the new names of outputs. What no output needs stays, for what it says of smoothness.
    """
    tried, names = set(), {}
    while True:
        live = needed(equations, [renamed(v, names) for v in outputs])
        candidate = _candidate(live, tried)
        if candidate is None:
            return equations, names
        tried.add((candidate.exponential, candidate.axes))
        known = accounts(live, [renamed(v, names) for v in outputs], candidate.shift)
        if known is None or not _is_shift(candidate, known):
            continue
        rewriting = _Rewriting(candidate, known, producers_of(equations), {id(equation) for equation in live})
        rewriting.start()
        for equation in equations:
            rewriting.take(equation)
        equations = in_order(rewriting.equations)
        names = {v: renamed(name, rewriting.renamed) for v, name in names.items()} | rewriting.renamed


def _candidate(equations, tried) -> _Candidate | None:
    """A shifted exponential that was not tried before; those that are summed come first."""
    if not any(equation.primitive is p.exp_p for equation in equations):
        return None
    producers = producers_of(equations)
    sums: dict = {}
    for equation in equations:
        if equation.primitive is p.reduce_sum_p and isinstance(equation.invars[0], Var):
            axes = tuple(int(i) for i in equation.params["axes"])
            sums.setdefault(_unmasked(equation.invars[0], producers), axes)
    alone = None
    for equation in equations:
        if equation.primitive is not p.exp_p or not isinstance(equation.invars[0], Var):
            continue
        difference = producers.get(equation.invars[0])
        if difference is None or difference.primitive is not p.sub_p:
            continue
        x, exponential = difference.invars[0], equation.outvars[0]
        shift = _behind_movers(difference.invars[1], producers)
        if not isinstance(x, Var) or shift not in producers:
            continue
        if exponential in sums and (exponential, sums[exponential]) not in tried:
            return _Candidate(exponential, shift, difference, sums[exponential])
        if alone is None and (exponential, None) not in tried:
            alone = _Candidate(exponential, shift, difference, None)
    return alone


def _unmasked(variable, producers):
    """What `where(mask, variable, 0)` keeps; the variable itself where it is nothing of the kind."""
    equation = producers.get(variable)
    if equation is None or equation.primitive is not p.select_n_p or len(equation.invars) != 3:
        return variable
    kept = [case for case in equation.invars[1:] if not is_constant(case, 0.0, producers)]
    return kept[0] if len(kept) == 1 and isinstance(kept[0], Var) else variable


def _masks_nothing(equation, x, producers) -> bool:
    """Whether `where(mask, e, 0)` is e itself, because where the mask is false e is the exponential of -inf."""
    if equation.primitive is not p.select_n_p or len(equation.invars) != 3:
        return False
    of_x = producers.get(x)
    if of_x is None or of_x.primitive is not p.select_n_p:
        return False
    if not _same_array(of_x.invars[0], equation.invars[0], producers):
        return False
    pairs = list(zip(equation.invars[1:], of_x.invars[1:]))
    return any(is_constant(e, 0.0, producers) and is_constant(y, -np.inf, producers) for e, y in pairs)


def _same_array(a, b, producers: dict) -> bool:
    """Whether two variables are one, or the same one moved in the same way."""
    while a is not b:
        if isinstance(a, Literal) or isinstance(b, Literal):
            return False
        of_a, of_b = producers.get(a), producers.get(b)
        if of_a is None or of_b is None or of_a.primitive is not of_b.primitive or of_a.params != of_b.params:
            return False
        if of_a.primitive.name not in MOVERS:
            return False
        a, b = of_a.invars[0], of_b.invars[0]
    return True


def _is_shift(candidate: _Candidate, known: Accounts) -> bool:
    """Whether the exponential follows s; if it is summed, s must be one number for each sum, as log-sum-exp is."""
    difference = candidate.difference
    x, account = difference.invars[0], known.of.get(difference.outvars[0])
    if account is None or account.degree != 1 or x in known.of:
        return False
    if candidate.axes is None:
        return True
    shape = tuple(x.aval.shape)
    same = shape == tuple(difference.outvars[0].aval.shape)
    return same and follows_rows(account, shape, candidate.axes, candidate.shift)


class _Rewriting:
    """The new equations, and what is known of their variables."""

    def __init__(self, candidate: _Candidate, known: Accounts, producers: dict, live: set[int]):
        self.candidate, self.known, self.producers, self.live = candidate, known, producers, live
        self.x = candidate.difference.invars[0]
        self.behind = _made_of(candidate.shift, self.x, producers)
        self.axes = known.of[candidate.difference.outvars[0]].axes
        self.equations: list = []
        self.own: dict = {}  # s, moved about -> the same for the new s
        self.renamed: dict = {}
        self.logarithms, self.entries, self.ones, self.zeros = set(), set(), set(), set()

    def emit(self, like, primitive, operands, result, **params) -> None:
        self.equations.append(operation(like, primitive, operands, result, **params))

    def start(self) -> None:
        """The new s, in the shape of the old one."""
        like, shift, axes = self.candidate.difference, self.candidate.shift, self.candidate.axes
        self.own[shift] = Var(shift.aval)
        if axes is None:
            self.emit(like, some_number_p, [shift], self.own[shift])
            return
        rows = [n for i, n in enumerate(self.x.aval.shape) if i not in axes]
        self.total = Var(ShapedArray(tuple(rows), self.x.aval.dtype))
        self.emit(like, log_sum_exp_p, [self.x], self.total, axes=axes)
        shape = tuple(shift.aval.shape)
        self.emit(like, p.reshape_p, [self.total], self.own[shift], new_sizes=shape, dimensions=None, sharding=None)

    def constant(self, equation, value: float) -> None:
        result = equation.outvars[0]
        self.equations.append(constant(equation, value, result))
        (self.ones if value else self.zeros).add(result)

    def take(self, old) -> None:
        """One of the old equations."""
        equation = with_operands(old, self.renamed)
        if id(old) not in self.live or not old.outvars or self.candidate.shift in old.outvars:
            if not self._compares_shift(old):
                self.equations.append(equation)
            return
        result, account, sees_shift = old.outvars[0], self.known.of.get(old.outvars[0]), id(old) in self.known.covered
        if account is not None and account.is_shift:
            self.equations.append(equation)
            moved = with_operands(equation, self.own)
            if equation.primitive.name == "stop_gradient":  # the new s is to be differentiated
                self.own[result] = moved.invars[0]
                return
            self.own[result] = Var(result.aval)
            self.equations.append(moved.replace(outvars=[self.own[result]]))
            return
        first = equation.invars[0] if equation.invars and isinstance(equation.invars[0], Var) else None
        whole = self.candidate.axes is not None and first is self.x
        if whole and sees_shift and equation.primitive is p.sub_p and account.axes == self.axes:
            self.emit(equation, log_softmax_p, [self.x, self.total], result, axes=self.candidate.axes)
            self.logarithms.add(result)
        elif equation.primitive is p.exp_p and first in self.logarithms:
            self.emit(equation, softmax_p, [self.x, first], result, axes=self.candidate.axes)
            self.entries.add(result)
        elif equation.primitive is p.select_n_p and self._is_masked_entry(equation):
            self.renamed[result] = next(v for v in equation.invars[1:] if v in self.entries)
        elif equation.primitive is p.reduce_sum_p and first in self.entries and self._is_whole_sum(equation):
            self.constant(equation, 1.0)
        elif not self._folded(equation, sees_shift):
            self.equations.append(with_operands(equation, self.own) if sees_shift else equation)

    def _compares_shift(self, old) -> bool:
        """Whether this is only the derivative of the old s, on which nothing depends: its jumps are of no account."""
        if id(old) in self.live or old.primitive.name not in ("eq", "ge", "le") or not _is_of_derivative(old):
            return False
        return any(_behind_movers(variable, self.producers) in self.behind for variable in old.invars)

    def _is_whole_sum(self, equation) -> bool:
        return {int(i) for i in equation.params["axes"]} == set(self.candidate.axes)

    def _is_masked_entry(self, equation) -> bool:
        entries = [v for v in equation.invars[1:] if not isinstance(v, Literal) and v in self.entries]
        return len(entries) == 1 and _masks_nothing(equation, self.x, self.producers)

    def _folded(self, equation, sees_shift: bool) -> bool:
        """What ones and zeros make of an operation, so that they cost no rounding."""
        name, result, operands = equation.primitive.name, equation.outvars[0], equation.invars
        one, zero = ([not isinstance(v, Literal) and v in known for v in operands] for known in (self.ones, self.zeros))
        if not any(one) and not any(zero):
            return False
        if len(operands) == 1:
            same = (*MOVERS, "abs", "sign") if one[0] else (*MOVERS, "neg", "abs", "sign")
            if name in (*same, "integer_pow", "sqrt", "rsqrt", "square") and one[0]:
                self.constant(equation, 1.0)
            elif (name == "log" and one[0]) or (name in same and zero[0]):
                self.constant(equation, 0.0)
            else:
                return False
            return True
        if len(operands) != 2:
            return False
        neutral = {"mul": one, "div": [False, one[1]], "add": zero, "add_any": zero, "sub": [False, zero[1]]}.get(name)
        for other, is_neutral in zip(operands[::-1], neutral or ()):
            if is_neutral and not isinstance(other, Literal) and other.aval.shape == result.aval.shape:
                self.renamed[result] = self.own.get(other, other) if sees_shift else other
                for known in (self.ones, self.zeros, self.logarithms, self.entries):
                    if other in known:
                        known.add(result)
                return True
        return False


def _behind_movers(variable, producers: dict):
    """What was moved to be this variable; None for a constant."""
    while isinstance(variable, Var) and variable in producers and producers[variable].primitive.name in MOVERS:
        variable = producers[variable].invars[0]
    return variable if isinstance(variable, Var) else None


def _made_of(shift, x, producers: dict) -> set:
    """The variables that s is made of, after x."""
    behind_x, found = _sources(x, producers), set()
    for variable in _sources(shift, producers):
        if variable not in behind_x:
            found.add(variable)
    return found


def _sources(variable, producers: dict) -> set:
    """The variable and all that it is made of."""
    found, waiting = set(), [variable]
    while waiting:
        last = waiting.pop()
        if isinstance(last, Literal) or last in found:
            continue
        found.add(last)
        if last in producers:
            waiting += producers[last].invars
    return found


def _is_of_derivative(equation) -> bool:
    """Whether JAX made this comparison for the derivative of a largest element; no comparison of a user's is there."""
    trace = equation.source_info.traceback
    return trace is not None and any(
        frame.function_name == _DERIVATIVE or frame.file_name.replace(os.sep, "/").endswith(_REDUCTIONS)
        for frame in trace.frames
    )
