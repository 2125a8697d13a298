"""gelu, `x Phi(x)` with the normal distribution function (Hendrycks, Gimpel 2016), and its tanh approximation."""

import math

from .functions import AbstractFunctions, Number
from .record import Activation
from .sigmoids import logistic_derivative

TANH_SCALE = math.sqrt(2.0 / math.pi)
TANH_CUBIC = 0.044715


def _gelu(x: Number, order: int, f: AbstractFunctions) -> Number:
    distribution, density = f.normal(x)
    if order == 0:
        return x * distribution
    falling = x * density  # first, as powers of x may overflow where the density is 0
    if order == 1:
        return distribution + falling
    if order == 2:
        return 2.0 * density - x * falling
    square = x * falling
    return x * square - 4.0 * falling if order == 3 else 7.0 * square - x * (x * square) - 4.0 * density


def _gelu_tanh(x: Number, order: int, f: AbstractFunctions) -> Number:
    # x g with g = (1 + tanh u)/2 = sigmoid(v), v = 2 c (x + a x^3), so the m-th derivative is m g^(m-1) + x g^(m), with
    # Faa di Bruno's formula for g.
    a, c = TANH_CUBIC, 2.0 * TANH_SCALE
    square = x * x
    v = c * (x * (1.0 + a * square))
    s, complement = f.sigmoid_tails(v)
    if order == 0:
        return x * s
    # Where the square is cut off, the slope beside it is 0.
    v1, v2, v3 = c * (1.0 + (3.0 * a) * f.minimum(square, 1e4)), (6.0 * a * c) * x, 6.0 * a * c

    def of_v(m: int) -> Number:
        return logistic_derivative(s, complement, m)

    g = [
        lambda: s,
        lambda: of_v(1) * v1,
        lambda: of_v(2) * (v1 * v1) + of_v(1) * v2,
        lambda: of_v(3) * (v1 * v1 * v1) + 3.0 * (of_v(2) * v1 * v2) + v3 * of_v(1),
        lambda: (
            of_v(4) * (v1 * v1 * v1 * v1)
            + 6.0 * (of_v(3) * (v1 * v1) * v2)
            + of_v(2) * (3.0 * (v2 * v2) + (4.0 * v3) * v1)
        ),
    ]
    return order * g[order - 1]() + x * g[order]()


GELU = Activation(
    "gelu",
    _gelu,
    fades=True,
    is_steep_in_powers=True,
    extremes=(
        ((-0.7517915246935645, -0.16997120747990366),),
        ((-1.4142135623730951, -0.12890414518515478), (1.4142135623730951, 1.1289041451851547)),
        ((-2.0, -0.1079819330263761), (0.0, 0.7978845608028654), (2.0, -0.1079819330263761)),
        (
            (-2.5243377989621387, -0.09874165861146963),
            (-0.7922869913932613, 0.7787696350557323),
            (0.7922869913932613, -0.7787696350557323),
            (2.5243377989621387, 0.09874165861146963),
        ),
        (
            (-3.0, -0.09750066506263616),
            (-1.4142135623730951, 0.8805759790424394),
            (0.0, -1.5957691216057308),
            (1.4142135623730951, 0.8805759790424394),
            (3.0, -0.09750066506263616),
        ),
    ),
)

GELU_TANH = Activation(
    "gelu_tanh",
    _gelu_tanh,
    fades=True,
    is_steep_in_powers=True,
    extremes=(
        ((-0.7524614220710163, -0.17004075057125406),),
        ((-1.4185040087908283, -0.12899306865877178), (1.4185040087908283, 1.1289930686587717)),
        (
            (-2.013480724624258, -0.10791351589036792),
            (0.0, 0.7978845608028654),
            (2.013480724624258, -0.10791351589036792),
        ),
        (
            (-2.553417914329443, -0.09878746231394216),
            (-0.787576186418894, 0.7766914503985405),
            (0.787576186418894, -0.7766914503985405),
            (2.553417914329443, 0.09878746231394216),
        ),
        (
            (-3.047857505190608, -0.09874815420826023),
            (-1.4059640097363364, 0.8644706430281153),
            (0.0, -1.6036674522601095),
            (1.4059640097363364, 0.8644706430281153),
            (3.047857505190608, -0.09874815420826023),
        ),
    ),
)
