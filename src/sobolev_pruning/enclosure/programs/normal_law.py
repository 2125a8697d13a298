"""The normal distribution function as JAX writes it, known as one smooth function.

`jax.scipy.special.ndtr(x)`, which `norm.cdf` calls, is half of a choice, with `w = x/sqrt(2)` and `z = |w|`:

    1 + erf(w)  where z < 1/sqrt(2),  else  2 - erfc(z)  where w > 0,  else  erfc(z).

All three are `erfc(-w)`, so the choice is no kink, and one rule bounds it.
"""

from jax.extend.core import JaxprEqn, Literal, Var
from jax.extend.core import primitives as p


def as_erfc(equation: JaxprEqn, producers: dict) -> list[JaxprEqn] | None:
    """The equations of `erfc(-w)`, where `equation` is the outer choice above; None where it is another one."""
    outer = _choice(equation, p.lt_p, producers)
    if outer is None:
        return None
    z, near, far = outer
    w = _operand(z, p.abs_p, producers)
    inner = _choice(producers.get(far), p.gt_p, producers)
    if w is None or inner is None:
        return None
    compared, right, left = inner
    one_and_erf = _with_constant(near, p.add_p, 1.0, producers)
    two_less_erfc = _with_constant(right, p.sub_p, 2.0, producers)
    known = (
        compared is w
        and _is(producers[producers[far].invars[0]].invars[1], 0.0)
        and _operand(one_and_erf, p.erf_p, producers) is w
        and _operand(two_less_erfc, p.erfc_p, producers) is z
        and _operand(left, p.erfc_p, producers) is z
    )
    if not known:
        return None
    minus = Var(w.aval)
    return [
        equation.replace(primitive=p.neg_p, invars=[w], outvars=[minus], params={}),
        producers[left].replace(invars=[minus], outvars=equation.outvars),
    ]


def _choice(equation, comparison, producers):
    """`(a, when_true, when_false)` of `where(a < constant, ...)`, for the given comparison."""
    if equation is None or equation.primitive is not p.select_n_p or len(equation.invars) != 3:
        return None
    condition = None if isinstance(equation.invars[0], Literal) else producers.get(equation.invars[0])
    if condition is None or condition.primitive is not comparison or not isinstance(condition.invars[1], Literal):
        return None
    when_false, when_true = equation.invars[1:]
    if any(isinstance(v, Literal) for v in (when_false, when_true, condition.invars[0])):
        return None
    return condition.invars[0], when_true, when_false


def _operand(variable, primitive, producers):
    """What `primitive` was applied to, where `variable` is its result."""
    equation = None if variable is None or isinstance(variable, Literal) else producers.get(variable)
    return equation.invars[0] if equation is not None and equation.primitive is primitive else None


def _with_constant(variable, primitive, constant: float, producers):
    """What follows the constant in a sum or difference."""
    equation = producers.get(variable)
    if equation is None or equation.primitive is not primitive or not _is(equation.invars[0], constant):
        return None
    return equation.invars[1]


def _is(variable, constant: float) -> bool:
    return isinstance(variable, Literal) and bool(variable.val == constant)
