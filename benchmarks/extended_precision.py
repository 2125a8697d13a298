"""Elementary functions in extended precision, vectorised: references for float64, a thousandth of its roundoff off.

NumPy's `longdouble` has 64 bits of mantissa on x86 and calls the C library there, whose functions are right to about
one unit in the 64th bit. It has no erf; that and its complement are written here, from series found in ball arithmetic.
"""

import flint
import numpy as np

Extended = np.longdouble


def check_platform() -> None:
    """Elsewhere `longdouble` may be float64 itself."""
    if np.finfo(Extended).nmant < 63:
        raise SystemExit("rounding_margins: longdouble has no 64-bit mantissa here; run it on x86 under Linux.")


def _extended(value: flint.arb) -> Extended:
    return Extended(value.str(30, radius=False))


def _maclaurin(count: int) -> list:
    """Coefficients of `erf(x) / x` in powers of `-x^2`."""
    scale = 2 / flint.arb.pi().sqrt()
    return [_extended(scale / (flint.arb(n + 1).gamma() * (2 * n + 1))) for n in range(count)]


def _chebyshev(count: int) -> list:
    """Coefficients of `(1 + 2x) e^(x^2) erfc(x)` in `(x - 4)/(x + 4)`, from [0.5, 28] moved to [-1, 1]."""
    flint.ctx.prec = 200
    low, high = (flint.arb(x - 4) / (x + 4) for x in (flint.arb(1) / 2, flint.arb(28)))
    angles = [flint.arb.pi() * (2 * k + 1) / (2 * count) for k in range(count)]
    values = []
    for angle in angles:
        s = (low + high) / 2 + angle.cos() * (high - low) / 2
        x = 4 * (1 + s) / (1 - s)
        values.append((1 + 2 * x) * (x * x).exp() * x.erfc())
    sums = [sum((v * (j * a).cos() for v, a in zip(values, angles)), flint.arb(0)) for j in range(count)]
    return [_extended(s * (1 if j == 0 else 2) / count) for j, s in enumerate(sums)]


_NEAR, _TAIL = _maclaurin(16), _chebyshev(40)
_LOW, _HIGH = Extended(-7) / 9, Extended(3) / 4


def _bell(x: np.ndarray) -> np.ndarray:
    """`e^(-x^2)` for float64 x, with the square in an exact leading part and a rest."""
    leading = (x.view(np.int64) >> 27 << 27).view(np.float64)
    rest = (x.astype(Extended) - leading) * (x.astype(Extended) + leading)
    return np.exp(-(leading * leading).astype(Extended)) * np.exp(-rest)


def _erf_near(x: np.ndarray) -> np.ndarray:
    z = x.astype(Extended)
    square, total = -z * z, np.zeros_like(z)
    for coefficient in _NEAR[::-1]:
        total = total * square + coefficient
    return z * total


def _erfc_far(x: np.ndarray) -> np.ndarray:
    z = x.astype(Extended)
    s = (2 * (z - 4) / (z + 4) - (_LOW + _HIGH)) / (_HIGH - _LOW)
    following = after = np.zeros_like(z)
    for coefficient in _TAIL[:0:-1]:
        following, after = 2 * s * following - after + coefficient, following
    return _bell(x) * (s * following - after + _TAIL[0]) / (1 + 2 * z)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of float64 numbers."""
    size = np.abs(x)
    near = _erf_near(np.minimum(size, 0.5))
    return np.copysign(np.where(size < 0.5, near, 1 - _erfc_far(np.clip(size, 0.5, 28.0))), x)


def erfc(x: np.ndarray) -> np.ndarray:
    """Its complement, with a small relative error also in the tail."""
    size = np.abs(x)
    far = _erfc_far(np.clip(size, 0.5, 28.0))
    return np.where(size < 0.5, 1 - _erf_near(np.clip(x, -0.5, 0.5)), np.where(x > 0, far, 2 - far))


def erf_inv(x: np.ndarray, approximation: np.ndarray) -> np.ndarray:
    """The inverse of erf next to a good approximation of it, by a step of Halley's method.

    From an error of 100 float64 roundoffs the step leaves less than a thousandth of one.
    """
    size, y = np.abs(x), np.abs(approximation)
    residual = np.where(size < 0.5, erf(y) - size, (1 - size) - erfc(y))
    step = residual / (_extended(2 / flint.arb.pi().sqrt()) * _bell(y))
    return np.copysign(y - step / (1 + y * step), x)


def logistic(x: np.ndarray) -> np.ndarray:
    """`1/(1 + e^-x)`."""
    return 1 / (1 + np.exp(-x.astype(Extended)))
