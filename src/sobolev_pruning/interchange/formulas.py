"""The activations and their first two derivatives as formulas for the writers.

Only operations that every target has in float64 are used; in particular neither erf (missing in NumPy, and in
onnxruntime in float64) nor expm1 and log1p. Results are right to a few 1e-16 absolutely, not relatively: what a tail
loses is below the rounding of the sums it enters. Each function gives `[f(x), f'(x), f''(x)]`, of which writers keep
what they need.
"""

import math
from collections.abc import Callable

from .expression import Term, absolute, exp, log, maximum, minimum, sigmoid, tanh, where_positive

Formula = Callable[[Term], list[Term]]


def _silu(x: Term) -> list[Term]:
    s = sigmoid(x)
    c = 1.0 - s
    return [x * s, s * (1.0 + x * c), s * c * (2.0 + x * (c - s))]


def _softplus(x: Term) -> list[Term]:
    s = sigmoid(x)
    return [maximum(x, 0.0) + log(1.0 + exp(-absolute(x))), s, s * (1.0 - s)]


def _tanh(x: Term) -> list[Term]:
    t = tanh(x)
    slope = 1.0 - t * t
    return [t, slope, -2.0 * t * slope]


def _sigmoid(x: Term) -> list[Term]:
    s = sigmoid(x)
    slope = s * (1.0 - s)
    return [s, slope, slope * (1.0 - 2.0 * s)]


def _elu(x: Term) -> list[Term]:
    grown = exp(minimum(x, 0.0))
    return [maximum(x, 0.0) + (grown - 1.0), grown, where_positive(x, 0.0, grown)]


def _relu(x: Term) -> list[Term]:
    return [maximum(x, 0.0), where_positive(x, 1.0, 0.0), 0.0 * x]


def _gelu(x: Term) -> list[Term]:
    bell = exp(-0.5 * x * x)
    cdf = _normal_cdf(x, bell)
    density = (1.0 / math.sqrt(2.0 * math.pi)) * bell
    falling = x * density  # first, as x * x may overflow where the density is 0
    return [x * cdf, cdf + falling, 2.0 * density - x * falling]


def _gelu_tanh(x: Term) -> list[Term]:
    # x sigmoid(v), v = 2 sqrt(2/pi) (x + 0.044715 x^3), as in the foundation room.
    scale, cubic = 2.0 * math.sqrt(2.0 / math.pi), 0.044715
    square = x * x
    v = scale * (x + cubic * (square * x))
    s, complement = sigmoid(v), sigmoid(-v)
    slope = s * complement
    v1 = scale * (1.0 + 3.0 * cubic * minimum(square, 1e4))  # where it is larger the slope beside it is 0
    g1 = slope * v1
    g2 = g1 * v1 * (complement - s) + slope * (6.0 * scale * cubic) * x
    return [x * s, s + x * g1, 2.0 * g1 + x * g2]


FORMULAS: dict[str, Formula] = {
    "silu": _silu,
    "softplus": _softplus,
    "tanh": _tanh,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "elu": _elu,
    "relu": _relu,
    "sigmoid": _sigmoid,
}


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
