"""An activation in other units: `factor * f(slope * x)`."""

from fractions import Fraction

from .functions import AbstractFunctions, Number
from .record import HIGHEST_ORDER, Activation, Rescaled


def rescaled(name: str, base: Activation, factor: float, slope: float) -> Activation:
    """`factor * base(slope * x)`, both numbers above 0, for a `base` that is smooth everywhere.

    As a real function it has these very numbers, of which `1 / beta` is rounded.
    """

    def derivative(x: Number, order: int, f: AbstractFunctions) -> Number:
        return (factor * slope**order) * base.derivative(x * slope, order, f)

    exact_factor, exact_slope = Fraction(factor), Fraction(slope)
    extremes = tuple(
        tuple(
            (float(Fraction(place) / exact_slope), float(Fraction(value) * exact_factor * exact_slope**order))
            for place, value in base.extremes[order]
        )
        for order in range(HIGHEST_ORDER + 1)
    )
    return Activation(name, derivative, extremes=extremes, fades=base.fades, rescaled=Rescaled(base, factor, slope))
