"""Which activation a function is: `factor * act(a t + b) + offset`, told from its normal form alone."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...activations import ACTIVATIONS
from ..expression import Term, in_order
from ..formulas import formulas
from . import pieces, smooth
from .faults import NotFeedForward
from .pieces import Pieces
from .smooth import Atom, Smooth

_ROOT_2 = Fraction(math.sqrt(2.0))
_TANH_SCALE, _TANH_CUBIC = Fraction(math.sqrt(2.0 / math.pi)), Fraction(0.044715)
_FLOAT32 = Fraction(3, 10**7)
"""Relative difference of a product of two numbers rounded to float32."""
_FLOAT64 = Fraction(1, 2**50)
_LONG = 20
"""More terms than this has only the polynomial that we write for gelu."""


@dataclass(frozen=True)
class Named:
    """`factor * activation(slope * t + shift) + offset`."""

    activation: str
    slope: float
    shift: float
    factor: float
    offset: float


def named(function: Pieces, single: bool, makers: Mapping[Fraction, str]) -> Named:
    """What `function` is; `single` for numbers of float32, `makers` names the nodes its breakpoints come from.

    The answer holds for every t, up to what exporters round: the two constants of gelu_tanh, and the place from which
    PyTorch writes t for softplus where its format cannot tell them apart. Raises `NotFeedForward` where `function` is
    none of our activations.
    """
    function = _without_threshold(function, single)
    if len(function.between[0].terms) > _LONG:
        for written in (np.float64, np.float32):
            factor, offset = _multiple(function, _written_gelu(written))
            if factor is not None:
                return _rounded("gelu", Fraction(1), Fraction(0), factor, offset)
    if not function.breaks:
        found = _smooth(function.between[0])
        if found is None:
            raise NotFeedForward(f"the elementwise function before it is none of {', '.join(ACTIVATIONS)}")
        return found
    return _kinked(function, makers)


def _smooth(x: Smooth) -> Named | None:
    if not x.atoms:
        return _exp(x)
    if len(x.atoms) != 1:
        return None
    (atom,) = x.atoms
    kind, argument = atom[0], Smooth(atom[1])
    alone = (frozenset(), frozenset([(atom, 1)]))
    if any(exponent or power > 1 or atoms not in alone for power, exponent, atoms in x.coefficients):
        return None
    if kind == "tanh" and Smooth(atom[1]).atoms:
        return _mish(x, atom)
    if kind == "tanh":
        return _tanh(x, atom) or _smooth(smooth.substituted(x, functions={"tanh": _tanh_as_sigmoid}))
    rules = {"sigmoid": _sigmoid, "erf": _gelu, "softplus": _softplus, "sin": _sin}
    return rules[kind](x, atom, argument) if kind in rules else None


def _exp(x: Smooth) -> Named | None:
    exponents = {exponent for _, exponent, _ in x.coefficients if exponent}
    if len(exponents) != 1:
        return None
    (exponent,) = exponents
    line, factor, offset = Smooth(exponent).line, x.part(0, exponent=exponent), x.part(0)
    if line is None or x != smooth.number(factor) * smooth.exp(Smooth(exponent)) + smooth.number(offset):
        return None
    return _rounded("exp", *line, factor, offset)


def _sin(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    if argument.line is None or x.part(1, atom) or x.part(1):
        return None
    return _rounded("sin", *argument.line, x.part(0, atom), x.part(0))


def _mish(x: Smooth, atom: Atom) -> Named | None:
    """`w tanh(softplus(w))`; the tanh may stand for that of the opposite argument."""
    argument = Smooth(atom[1])
    for _, inner in argument.atoms:
        for w in (Smooth(inner), -Smooth(inner)):
            if w.line is None or argument not in (smooth.softplus(w), -smooth.softplus(w)):
                continue
            factor = x.part(1, atom) / w.line[0] * (1 if argument == smooth.softplus(w) else -1)
            whole = smooth.number(factor) * w * smooth.tanh(smooth.softplus(w)) + smooth.number(x.part(0))
            return _rounded("mish", *w.line, factor, x.part(0)) if x == whole else None
    return None


def _tanh_as_sigmoid(x: Smooth) -> Smooth:
    return smooth.number(2) * smooth.sigmoid(x + x) - smooth.number(1)


def _tanh(x: Smooth, atom: Atom) -> Named | None:
    line = Smooth(atom[1]).line
    if line is None or x.part(1, atom) or x.part(1):
        return None
    return _rounded("tanh", *line, x.part(0, atom), x.part(0))


def _sigmoid(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    line, factor, offset = argument.line, x.part(0, atom), x.part(0)
    if line is None:
        return _gelu_tanh(x, atom, argument)
    if not x.part(1, atom):
        if x.part(1):
            return None
        if 2 * offset == -factor:
            return _rounded("tanh", line[0] / 2, line[1] / 2, factor / 2, Fraction(0))
        return _rounded("sigmoid", *line, factor, offset)
    return _times_argument("silu", x, atom, *line)


def _times_argument(name: str, x: Smooth, atom: Atom, slope: Fraction, shift: Fraction) -> Named | None:
    """`w f + offset` with `w = slope t + shift` and f the atom, or `-w (1 - f) + offset`."""
    factor = x.part(1, atom) / slope
    if x.part(0, atom) != factor * shift:
        return None
    if not x.part(1):
        return _rounded(name, slope, shift, factor, x.part(0))
    if x.part(1) == -x.part(1, atom):
        return _rounded(name, -slope, -shift, factor, x.part(0) + factor * shift)
    return None


def _gelu_tanh(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    """`y sigmoid(2 s (y + c y^3))` with `y = a (t + h)`; s and c may be rounded to float32."""
    powers = argument.powers
    if powers is None or max(powers) != 3:
        return None
    cubic = powers[3]
    h = powers.get(2, Fraction(0)) / (3 * cubic)
    centred = smooth.substituted(argument, smooth.VARIABLE - smooth.number(h)).powers
    slope = centred.get(1, Fraction(0)) / (2 * _TANH_SCALE)
    meant = 2 * _TANH_SCALE * _TANH_CUBIC * slope**3
    if set(centred) != {1, 3} or slope <= 0 or abs(cubic - meant) > _FLOAT32 * meant:
        return None
    return _times_argument("gelu_tanh", x, atom, slope, slope * h)


def _gelu(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    """`gelu(+-y) = (sqrt(2) / 2) (+-w + w erf(w))` with `y = sqrt(2) w`."""
    if argument.line is None or not x.part(1, atom):
        return None
    slope, shift = argument.line
    factor = x.part(1, atom) / slope
    side = x.part(1) / x.part(1, atom)
    if x.part(0, atom) != factor * shift or side not in (1, -1):
        return None
    offset = x.part(0) - side * factor * shift
    return _rounded("gelu", side * _ROOT_2 * slope, side * _ROOT_2 * shift, factor * _ROOT_2, offset)


def _softplus(x: Smooth, atom: Atom, argument: Smooth) -> Named | None:
    factor = x.part(0, atom)
    if argument.line is None or x.part(1, atom):
        return None
    slope, shift = argument.line
    if not x.part(1):
        return _rounded("softplus", slope, shift, factor, x.part(0))
    if x.part(1) == -factor * slope:  # softplus(-w) = softplus(w) - w
        return _rounded("softplus", -slope, -shift, factor, x.part(0) + factor * shift)
    return None


def _kinked(function: Pieces, makers: Mapping[Fraction, str]) -> Named:
    places = _places(function, makers)
    if len(function.breaks) == 1:
        (place,), (left, right), (value,) = function.breaks, function.between, function.at
        if len({pieces.value_at(piece, place) for piece in (left, right, value)}) > 1:
            raise NotFeedForward(f"the elementwise function before it jumps at {places}, and no activation read does")
        found = _relu(left, right) or _leaky(left, right, place) or _elu(left, right) or _elu(right, left)
        found = found or _softsign(function)
        if found is not None:
            return found
    if len(function.breaks) == 2:
        found = _clip(function) or _hard_swish(function)
        if found is not None:
            return found
    raise NotFeedForward(
        f"the elementwise function before it changes at {places}, and no activation read does so; "
        "train it without what cuts there, or take that node out where its input never gets so far"
    )


def _places(function: Pieces, makers: Mapping[Fraction, str]) -> str:
    """The breakpoints and the nodes they come from."""
    by_node: dict[str, list[str]] = {}
    for place in function.breaks:
        by_node.setdefault(makers.get(place, "of this formula"), []).append(f"{float(place):g}")
    return " and ".join(f"{' and '.join(places)} ({node})" for node, places in by_node.items())


def _relu(left: Smooth, right: Smooth) -> Named | None:
    if left.line is None or right.line is None or (left.line[0] != 0) == (right.line[0] != 0):
        return None
    flat, steep = (left, right) if right.line[0] else (right, left)
    slope, shift, offset = steep.line[0], steep.line[1] - flat.line[1], flat.line[1]
    side = 1 if (slope > 0) == (steep is right) else -1
    return _rounded("relu", side * slope, side * shift, Fraction(side), offset)


def _leaky(left: Smooth, right: Smooth, place: Fraction) -> Named | None:
    """Two slopes that meet; the larger one is taken for the side on which leaky_relu has the slope 1."""
    if left.line is None or right.line is None:
        return None
    side, steep, flat = (1, right, left) if abs(right.line[0]) >= abs(left.line[0]) else (-1, left, right)
    slope, ratio = steep.line[0], flat.line[0] / steep.line[0]
    there = pieces.value_at(steep, place).constant
    return _rounded(f"leaky_relu({float(ratio)!r})", Fraction(side), -side * place, side * slope, there)


def _elu(curved: Smooth, straight: Smooth) -> Named | None:
    """`k alpha (e^w - 1) + offset` on the side where `w < 0`, `k w + offset` on the other."""
    exponents = {exponent for _, exponent, _ in curved.coefficients if exponent}
    if straight.line is None or len(exponents) != 1 or curved.atoms:
        return None
    (exponent,) = exponents
    argument, factor = Smooth(exponent), curved.part(0, exponent=exponent)
    if argument.line is None or not argument.line[0] or not straight.line[0]:
        return None
    offset, k = curved.part(0) + factor, straight.line[0] / argument.line[0]
    if curved != smooth.number(factor) * smooth.exp(argument) + smooth.number(offset - factor):
        return None
    if straight != smooth.number(k) * argument + smooth.number(offset) or factor / k <= 0:
        return None
    alpha = factor / k
    name = "elu" if abs(alpha - 1) <= _FLOAT64 else f"elu({float(alpha)!r})"
    return _rounded(name, *argument.line, k, offset)


def _softsign(function: Pieces) -> Named | None:
    """`factor w / (1 + |w|) + offset` with `w = slope (t - place)`."""
    (place,) = function.breaks
    reciprocals = [argument for kind, argument in function.between[1].atoms if kind == "reciprocal"]
    line = Smooth(reciprocals[0]).line if len(reciprocals) == 1 else None
    if line is None or line[0] * place + line[1] <= 0:
        return None
    slope = line[0] / (line[0] * place + line[1])
    w = pieces.apply(lambda t: smooth.number(slope) * (t - smooth.number(place)), pieces.VARIABLE)
    template = pieces.divide(w, pieces.add(pieces.number(1.0), pieces.absolute(w)))
    factor, offset = _multiple(function, template)
    return None if factor is None else _rounded("softsign", slope, -slope * place, factor, offset)


def _clip(function: Pieces) -> Named | None:
    """Level, a slope, level."""
    lines = [piece.line for piece in function.between]
    if any(line is None for line in lines) or lines[0][0] or lines[2][0] or not lines[1][0]:
        return None
    if not _is_continuous(function):
        return None
    (lowest, highest), (slope, offset) = function.breaks, lines[1]
    name = "relu6" if (lowest, highest) == (0, 6) else f"clip({float(lowest)!r}, {float(highest)!r})"
    return _rounded(name, Fraction(1), Fraction(0), slope, offset)


def _hard_swish(function: Pieces) -> Named | None:
    """`factor hard_swish(w) + offset` with `w` from -3 to 3 between the breakpoints, in one direction or the other."""
    (lowest, highest), found = function.breaks, None
    for side in (1, -1):
        slope = side * 6 / (highest - lowest)
        shift = -slope * (lowest + highest) / 2
        w = pieces.apply(lambda t: smooth.number(slope) * t + smooth.number(shift), pieces.VARIABLE)  # noqa: B023
        cut = pieces.minimum(pieces.maximum(w, pieces.number(-3.0)), pieces.number(3.0))
        sixth = pieces.Pieces((smooth.number(Fraction(1, 6)),))
        template = pieces.multiply(w, pieces.multiply(sixth, pieces.add(cut, pieces.number(3.0))))
        factor, offset = _multiple(function, template)
        found = found or (None if factor is None else _rounded("hard_swish", slope, shift, factor, offset))
    return found


def _is_continuous(function: Pieces) -> bool:
    sides = zip(function.breaks, function.between, function.at, function.between[1:])
    return all(len({pieces.value_at(piece, place) for piece in around}) == 1 for place, *around in sides)


def _without_threshold(function: Pieces, single: bool) -> Pieces:
    """softplus throughout where a file writes its asymptote from a place on where its format cannot tell them apart."""
    if len(function.breaks) != 1:
        return function
    (place,), (left, right) = function.breaks, function.between
    precision = np.finfo(np.float32 if single else np.float64).eps
    for curved, straight in ((left, right), (right, left)):
        if [kind for kind, _ in curved.atoms] != ["softplus"]:
            continue
        ((_, argument),) = curved.atoms
        factor = smooth.number(curved.part(0, ("softplus", argument)))
        for inner in (Smooth(argument), -Smooth(argument)):  # softplus(w) is near 0, or near w by softplus(-w)
            if inner.line is None or curved - straight != factor * smooth.softplus(inner):
                continue
            there = float(inner.line[0] * place + inner.line[1])
            vanishes = (inner.line[0] < 0) == (straight is right)
            if vanishes and there < 0 and math.log1p(math.exp(there)) <= precision * abs(there):
                return Pieces((curved,))
    return function


def _multiple(function: Pieces, template: Pieces) -> tuple[Fraction | None, Fraction]:
    """`(c, o)` with `function = c * template + o`, c None where it is no such multiple."""
    if function.breaks != template.breaks:
        return None, Fraction(0)
    one, two = function.between[1], template.between[1]
    monomial = next(key for key in two.coefficients if key != smooth.PLAIN)
    factor = one.coefficients.get(monomial, Fraction(0)) / two.coefficients[monomial]
    offset = one.part(0) - factor * two.part(0)
    scaled = pieces.apply(lambda x: smooth.number(factor) * x + smooth.number(offset), template)
    return (factor if scaled == function else None), offset


@functools.cache
def _written_gelu(dtype: type) -> Pieces:
    """gelu as our own writers spell it: a polynomial for its tails, right to the rounding of its numbers."""
    with np.errstate(all="ignore"):
        return interpreted(formulas("gelu")[0], lambda c: float(dtype(c)))


def interpreted(term: Term, number: Callable[[float], float] = float) -> Pieces:
    """A formula of ours in normal form, its constants through `number`."""
    words = {
        "variable": lambda: pieces.VARIABLE,
        "add": pieces.add,
        "subtract": pieces.subtract,
        "multiply": pieces.multiply,
        "divide": pieces.divide,
        "negate": lambda x: pieces.subtract(pieces.number(0.0), x),
        "absolute": pieces.absolute,
        "exp": pieces.elementwise(smooth.exp),
        "log": pieces.elementwise(smooth.log),
        "sigmoid": pieces.elementwise(smooth.sigmoid),
        "tanh": pieces.elementwise(smooth.tanh),
        "sin": pieces.elementwise(smooth.sin),
        "maximum": pieces.maximum,
        "minimum": pieces.minimum,
        "where_positive": lambda x, a, b: pieces.where(pieces.greater(x, pieces.number(0.0)), a, b),
    }
    found: dict[int, Pieces] = {}
    for step in in_order([term]):
        operands = [found[id(a)] if isinstance(a, Term) else pieces.number(number(a)) for a in step.arguments]
        found[id(step)] = words[step.operation](*operands)
    return found[id(term)]


def _rounded(name: str, slope: Fraction, shift: Fraction, factor: Fraction, offset: Fraction) -> Named | None:
    if not slope or not factor:
        return None
    if abs(slope - 1) <= _FLOAT64 and abs(factor - 1) <= _FLOAT64:
        slope = factor = Fraction(1)  # what is left of sqrt(2) sqrt(1/2)
    return Named(name, float(slope), float(shift), float(factor), float(offset))
