"""How derivatives of `max` and `min` ask which operand was chosen: they compare it with the result.

`a == max(a, b)` holds where `a >= b`. Enclosures of a and of the maximum overlap even where a is certainly the larger
one; those of a and b do not.
"""

import numpy as np
from jax.extend.core import JaxprEqn, Literal
from jax.extend.core import primitives as p

_INSTEAD = {p.max_p: p.ge_p, p.min_p: p.le_p}


def with_plain_comparison(equation: JaxprEqn, producers: dict) -> JaxprEqn:
    """The equation, or, for `a == max(a, b)` and `a == min(a, b)`, the comparison of a and b that says the same."""
    if equation.primitive is not p.eq_p:
        return equation
    for one, other in (equation.invars, equation.invars[::-1]):
        source = None if isinstance(other, Literal) else producers.get(other)
        if source is None or source.primitive not in _INSTEAD:
            continue
        a, b = source.invars
        if _same(one, a) or _same(one, b):
            operands = [one, b if _same(one, a) else a]
            return equation.replace(primitive=_INSTEAD[source.primitive], invars=operands)
    return equation


def _same(a, b) -> bool:
    if isinstance(a, Literal) and isinstance(b, Literal):
        return a.aval.dtype == b.aval.dtype and bool(np.all(np.asarray(a.val) == np.asarray(b.val)))
    return a is b
