"""mish, `x tanh(softplus(x))` (Misra 2019)."""

from .functions import AbstractFunctions, Number
from .record import Activation


def _mish(x: Number, order: int, f: AbstractFunctions) -> Number:
    # With s the logistic function of x and c = 1 - s, tanh(softplus(x)) = w = s (1 + c)/(1 + c^2), in which nothing
    # cancels; w' = 4 p with p = g^2 c^2 s, g = 1/(1 + c^2), and p' = p q.
    s, c = f.sigmoid_tails(x)
    square = c * c
    g = f.reciprocal(1.0 + square)

    def of_w(m: int) -> Number:
        if m == 0:
            return s * (1.0 + c) * g
        p = g * g * square * s
        if m == 1:
            return 4.0 * p
        b = g * square * s  # with b' = 2 b^2 + b (c - 2 s)
        q = 4.0 * b + (c - 2.0 * s)
        if m == 2:
            return 4.0 * (p * q)
        b1 = b * (2.0 * b + (c - 2.0 * s))
        q1 = 4.0 * b1 - 3.0 * (s * c)
        if m == 3:
            return 4.0 * (p * (q * q + q1))
        b2 = b1 * (2.0 * b + (c - 2.0 * s)) + b * (2.0 * b1 - 3.0 * (s * c))
        q2 = 4.0 * b2 - 3.0 * (s * c * (c - s))
        return 4.0 * (p * (q * q * q + 3.0 * (q * q1) + q2))

    return x * of_w(0) if order == 0 else order * of_w(order - 1) + x * of_w(order)


MISH = Activation(
    "mish",
    _mish,
    fades=True,
    extremes=(
        ((-1.1924312145154952, -0.30884341301725043),),
        ((-2.256376396360793, -0.11252612238946255), (1.4905711794854284, 1.088498161251728)),
        (
            (-3.2673378465204044, -0.04173207070661102),
            (-0.08793443131491421, 0.6442046372369724),
            (2.114842563020877, -0.05903335695393629),
        ),
        (
            (-4.255411333668564, -0.015594630053995352),
            (-0.8819460768319226, 0.4538611812135795),
            (0.7155058867000298, -0.5884120448690197),
            (2.6942158677688237, 0.04089338354759358),
        ),
        (
            (-5.233213780546379, -0.00584450673691473),
            (-1.5307236622918254, 0.32474145976004043),
            (0.007934742533008753, -1.100977909752572),
            (1.2872015703750153, 0.6163721295867024),
            (3.2447649833669123, -0.02906741840398322),
        ),
    ),
)
