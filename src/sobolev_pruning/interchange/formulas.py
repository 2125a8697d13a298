"""The activations and their first two derivatives as formulas for the writers, from their records.

Only operations that every target has in float64 are used; in particular neither erf (missing in NumPy, and in
onnxruntime in float64) nor expm1 and log1p. Results are right to a few 1e-16 absolutely, not relatively: what a tail
loses is below the rounding of the sums it enters.
"""

import functools
import math

from ..activations import AbstractFunctions, activation
from .expression import Term, absolute, cos, exp, log, maximum, minimum, shared, sigmoid, sin, tanh, where_positive


class AbstractTermFunctions(AbstractFunctions):
    """Of terms, but for those that targets have in forms of their own: `softplus`, `expm1` and `normal`."""

    def sigmoid(self, x):
        s = sigmoid(x)
        return s, 1.0 - s

    def sigmoid_tails(self, x):
        return sigmoid(x), sigmoid(-x)

    def tanh(self, x):
        t = tanh(x)
        return t, 1.0 - t * t

    def exp(self, x):
        return exp(x)

    def sin(self, x):
        return sin(x)

    def cos(self, x):
        return cos(x)

    def reciprocal(self, x):
        return Term("divide", (1.0, x))

    def absolute(self, x):
        return absolute(x)

    def maximum(self, x, bound):
        return maximum(x, bound)

    def minimum(self, x, bound):
        return minimum(x, bound)

    def where_above(self, x, place, then, otherwise):
        return where_positive(x if place == 0 else x - place, then, otherwise)

    def constant(self, x, value):
        return value + 0.0 * x if value else 0.0 * x


class TermFunctions(AbstractTermFunctions):
    """Of terms, by operations that every target has."""

    def softplus(self, x):
        return maximum(x, 0.0) + log(1.0 + exp(-absolute(x)))

    def expm1(self, x):
        return exp(x) - 1.0

    def normal(self, x):
        bell = exp(-0.5 * x * x)
        return _normal_cdf(x, bell), (1.0 / math.sqrt(2.0 * math.pi)) * bell


@functools.cache
def formulas(name: str) -> tuple[Term, Term, Term]:
    """`f`, `f'` and `f''` of the activation `name`, of which writers keep what they need; all have one variable.

    >>> [term.operation for term in formulas("relu")]
    ['maximum', 'where_positive', 'multiply']
    """
    x, derivative = Term("variable"), activation(name).derivative
    return tuple(shared([derivative(x, order, TermFunctions()) for order in range(3)]))


def _normal_cdf(x: Term, bell: Term) -> Term:
    """The standard normal distribution function `Phi(x)`, given `bell = e^{-x^2/2}`.

    For `s = |x|` the function `(1 + s) Phi(-s) e^{s^2/2}` is smooth and bounded on `[0, inf)`, and stays so when the
    half line is mapped to `[-1, 1)` by `u = (s - 5)/(s + 5)` (the idea of Shepherd and Laframboise, Math. Comp. 36
    (1981), for erfc). `_TAIL` are the coefficients, in powers of `u`, of its interpolant of degree 23 at the Chebyshev
    points, computed in 300 bits; what the series leaves out is below 1e-17, the largest error in float64 2e-16.
    """
    s = absolute(x)
    u = (s - 5.0) / (s + 5.0)
    polynomial = _TAIL[-2] + u * _TAIL[-1]
    for coefficient in reversed(_TAIL[:-2]):
        polynomial = coefficient + u * polynomial
    tail = bell * polynomial / (1.0 + s)
    return where_positive(x, 1.0, 0.0) - where_positive(x, tail, -tail)


_TAIL = (
    0.46151582985003775,
    -0.09155228183400893,
    0.03103036842596369,
    0.010002352385220747,
    -0.02640104296630763,
    0.02453696324390185,
    -0.015170415402525146,
    0.006522000665119207,
    -0.0016760723444742157,
    7.79161509574746e-06,
    0.00018233414474988366,
    -5.3607652870422455e-05,
    -9.896096712884405e-06,
    9.060011716331426e-06,
    -7.034836922558877e-08,
    -1.3077682743993349e-06,
    1.278804945396261e-07,
    1.9663442631364518e-07,
    -2.6287875968778985e-08,
    -3.120147211147667e-08,
    3.6280682399194867e-09,
    4.500725392479864e-09,
    -2.8233272215141205e-10,
    -3.9886338590692045e-10,
)
