"""Reference values in ball arithmetic (Arb, 200 bits), and boxes that look for trouble."""

import flint
import numpy as np

from taylor import taylor_derivatives

flint.ctx.prec = 200
EXPONENT = float(np.float32(1.7))  # the same in both types


def ball(x) -> flint.arb:
    """A floating number, exactly."""
    return flint.arb(float(x))


def outside(lower, upper, value: flint.arb) -> bool:
    """Whether `value` certainly lies outside `[lower, upper]`; NaN claims nothing, so it holds nothing."""
    if np.isnan(lower) or np.isnan(upper):
        return True
    return bool(value < ball(lower)) or bool(value > ball(upper))


ELEMENTARY = {
    "exp": lambda x: x.exp(),
    "expm1": lambda x: x.expm1(),
    "log": lambda x: x.log(),
    "log1p": lambda x: x.log1p(),
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.rsqrt(),
    "square": lambda x: x * x,
    "abs": lambda x: abs(x),
    "neg": lambda x: -x,
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "atan": lambda x: x.atan(),
    "tanh": lambda x: x.tanh(),
    "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "erf": lambda x: x.erf(),
    "erfc": lambda x: x.erfc(),
    "erf_inv": lambda x: x.erfinv(),
    "reciprocal": lambda x: 1 / x,
    "cube": lambda x: x * x * x,
    "inverse_square": lambda x: 1 / (x * x),
    "power_1.7": lambda x: x ** ball(EXPONENT),
    "tan": lambda x: x.tan(),
    "asin": lambda x: x.asin(),
    "acos": lambda x: x.acos(),
    "asinh": lambda x: x.asinh(),
    "acosh": lambda x: x.acosh(),
    "atanh": lambda x: x.atanh(),
    "cbrt": lambda x: flint.arb(0) if x == 0 else x.root(3) if x > 0 else -(-x).root(3),
    "exp2": lambda x: (x * flint.arb(2).log()).exp(),
}
"""Functions of one variable."""

_BELL = 2 / flint.arb.pi().sqrt()
DERIVATIVES = {
    "exp": lambda x: x.exp(),
    "expm1": lambda x: x.exp(),
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "sqrt": lambda x: x.rsqrt() / 2,
    "rsqrt": lambda x: -x.rsqrt() / (2 * x),
    "square": lambda x: 2 * x,
    "abs": lambda x: x.sgn(),
    "neg": lambda x: flint.arb(-1),
    "sin": lambda x: x.cos(),
    "cos": lambda x: -x.sin(),
    "atan": lambda x: 1 / (1 + x * x),
    "tanh": lambda x: 1 / x.cosh() ** 2,
    "sinh": lambda x: x.cosh(),
    "cosh": lambda x: x.sinh(),
    "logistic": lambda x: 1 / ((1 + (-x).exp()) * (1 + x.exp())),
    "erf": lambda x: _BELL * (-x * x).exp(),
    "erfc": lambda x: -_BELL * (-x * x).exp(),
    "erf_inv": lambda x: (x.erfinv() ** 2).exp() / _BELL,
    "reciprocal": lambda x: -1 / (x * x),
    "cube": lambda x: 3 * x * x,
    "inverse_square": lambda x: -2 / (x * x * x),
    "power_1.7": lambda x: ball(EXPONENT) * x ** (ball(EXPONENT) - 1),
    "tan": lambda x: 1 + x.tan() ** 2,
    "asin": lambda x: (1 - x * x).rsqrt(),
    "acos": lambda x: -(1 - x * x).rsqrt(),
    "asinh": lambda x: (1 + x * x).rsqrt(),
    "acosh": lambda x: (x * x - 1).rsqrt(),
    "atanh": lambda x: 1 / (1 - x * x),
    "cbrt": lambda x: 1 / (3 * abs(x).root(3) ** 2),
    "exp2": lambda x: flint.arb(2).log() * (x * flint.arb(2).log()).exp(),
}

DOMAINS = {
    "log": (0.0, np.inf),
    "log1p": (-1.0, np.inf),
    "sqrt": (0.0, np.inf),
    "rsqrt": (0.0, np.inf),
    "erf_inv": (-1.0, 1.0),
    "power_1.7": (0.0, np.inf),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "acosh": (1.0, np.inf),
    "atanh": (-1.0, 1.0),
}


def known(value: flint.arb) -> bool:
    """Whether a ball tells its number to 60 bits, so that a check against it means something."""
    return value.is_finite() and value.rel_accuracy_bits() > 60


def activation_derivatives(name: str, x: flint.arb, highest: int) -> list:
    """An activation and its derivatives to order `highest`, from the Taylor series of its definition.

    At a breakpoint the derivatives are sets; the series of the piece on the left gives members of them.
    """
    # Series lose digits where they cancel; far out there is little left of the 200 bits.
    digits = 200 + 4 * int(min(abs(float(x)), 3000.0)) ** (2 if name.startswith("gelu") else 1)
    with flint.ctx.workprec(200 if is_straight(name) else digits):
        return taylor_derivatives(name, x, highest)


def is_straight(name: str) -> bool:
    """Whether there is no function in it whose series cancels."""
    straight = ("relu", "leaky_relu", "clip", "relu6", "hard_swish", "identity", "softsign")
    return name.partition("(")[0] in straight


def endpoints(generator: np.random.Generator, count: int, dtype, domain=(-np.inf, np.inf)):
    """Boxes of every kind: ordinary, thin, degenerate, huge, tiny, denormal, straddling 0, touching it, unbounded."""
    info = np.finfo(dtype)
    kind = generator.integers(0, 9, count)
    sign = generator.choice([-1.0, 1.0], count)
    exponent = generator.uniform(np.log10(float(info.tiny)), np.log10(float(info.max)) - 0.5, count)
    center = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3, kind == 4],
        [
            generator.normal(0, 2, count),
            generator.normal(0, 20, count),
            sign * 10.0**exponent,
            sign * 10.0 ** generator.uniform(-12, 2, count),
            generator.uniform(-1, 1, count) * float(info.smallest_subnormal) * 2.0 ** generator.integers(0, 20, count),
        ],
        generator.normal(0, 3, count),
    )
    width = generator.choice([0.0, 1e-15, 1e-9, 1e-3, 0.3, 3.0, 40.0], count)
    width = width * np.where(generator.random(count) < 0.5, np.abs(center), 1.0)
    with np.errstate(over="ignore"):
        lower, upper = (center - width).astype(dtype), (center + width).astype(dtype)
    lower = np.where(kind == 5, 0.0, lower)
    upper = np.where(kind == 6, 0.0, np.maximum(upper, lower))
    lower = np.where((kind == 7) & (generator.random(count) < 0.4), -np.inf, np.minimum(lower, upper))
    upper = np.where((kind == 7) & (generator.random(count) < 0.4), np.inf, upper)
    lower = np.minimum(np.maximum(lower, domain[0]), info.max).astype(dtype)
    upper = np.maximum(np.minimum(upper, domain[1]), info.min).astype(dtype)
    swap = lower > upper
    return np.where(swap, upper, lower), np.where(swap, lower, upper)


def members(generator: np.random.Generator, lower: np.ndarray, upper: np.ndarray, count: int) -> np.ndarray:
    """Points of the boxes, shape (count, boxes): both ends, points next to them, 0 where it is inside, the interior."""
    dtype = lower.dtype
    big = np.finfo(dtype).max
    low, high = np.maximum(lower, -big).astype(np.float64), np.minimum(upper, big).astype(np.float64)
    weight = generator.random((count, *lower.shape)) ** generator.choice([1.0, 8.0], (count, *lower.shape))
    weight = np.where(generator.random(weight.shape) < 0.5, weight, 1 - weight)
    points = (low * (1 - weight) + high * weight).astype(dtype)
    points[0], points[1 % count] = low, high
    if count > 2:
        points[2] = np.where((lower < 0) & (upper > 0), 0.0, points[2])
    return np.clip(points, low.astype(dtype), high.astype(dtype))


def network_boxes(generator: np.random.Generator, count: int, inputs: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of several inputs, of every kind in turn; points in [-6, 6] are inside or near each."""
    info = np.finfo(dtype)
    center = generator.normal(0, 1, (count, inputs)) * (generator.random((count, inputs)) < 0.8)
    widths = (0.0, 1e-12, 1e-6, 1e-3, 0.03, 0.3, 1.0, 3.0, 100.0, 1e30, float(info.smallest_subnormal) * 9, np.inf)
    width = np.array(widths)[np.arange(count) % len(widths)][:, None]
    # A huge or unbounded side beside ordinary ones.
    width = np.where((width > 50) & (generator.random((count, inputs)) < 0.6), 0.1, width)
    lower, upper = (center - width).astype(dtype), (center + width).astype(dtype)
    half = generator.random((count, inputs)) < 0.3
    return lower, np.where(half & np.isinf(upper), center.astype(dtype), upper)
