"""Every operation of IEEE 1788 against tables of our own: it holds the tightest interval, and hardly more."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import standard
from oracle import ball, endpoints

from sobolev_pruning.enclosure import Interval, enclose

TINY, LARGEST = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)
BELOW_NORMAL = 2.0**-1021
RELATIVE = 1e-13
# Units in the last place, per side, where the tightest result is normal.
UNITS = {"neg": 0, "abs": 0, "sign": 0, "ceil": 0, "floor": 0, "roundTiesToEven": 0, "max": 0, "min": 0}
UNITS |= dict.fromkeys(("add", "sub", "mul", "div", "recip", "sqrt", "sqr"), 2)
UNITS |= dict.fromkeys(("exp", "log", "sin", "cos", "logistic"), 6)

UNARY = {
    "neg": lambda x: -x,
    "sqr": jnp.square,
    "abs": jnp.abs,
    "recip": lambda x: 1 / x,
    "pown 3": lambda x: x**3,
    "pown 8": lambda x: x**8,
    "pown -2": lambda x: x**-2,
    "logp1": jnp.log1p,
    "atan": jnp.arctan,
    "roundTiesToEven": jnp.round,
    **{name: getattr(jax.lax, name) for name in ("logistic", "erf", "erfc", "erf_inv", "rsqrt")},
    **{name: getattr(jnp, name) for name in ("sqrt", "exp", "expm1", "log", "sin", "cos", "sinh", "cosh", "tanh")},
    **{name: getattr(jnp, name) for name in ("sign", "ceil", "floor")},
    **{name: getattr(jax.lax, name) for name in ("tan", "asin", "acos", "asinh", "acosh", "atanh", "exp2")},
    "rootn 3": jax.lax.cbrt,
}
BINARY = {
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "pow": jnp.power,
    "max": jnp.maximum, "min": jnp.minimum, "atan2": jax.lax.atan2,
}  # fmt: skip
INFINITE = float("inf")
SPECIAL = [
    (-INFINITE, INFINITE), (0.0, INFINITE), (-INFINITE, 0.0), (1.0, INFINITE), (-INFINITE, -1.0), (0.0, 0.0),
    (1.0, 1.0), (-1.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (-1.0, 1.0), (-2.0, 3.0), (-INFINITE, 2.0), (-2.0, INFINITE),
    (TINY, TINY), (-TINY, 2 * TINY), (LARGEST, LARGEST), (-LARGEST, LARGEST), (LARGEST, INFINITE), (1e20, 1e20),
    (1e17, 1e17 + 16), (1e16, 1e16 + 4), (3.0, 3.5), (1.5, 1.6), (4.5, 4.8), (0.0, np.pi), (-np.pi / 2, np.pi / 2),
]  # fmt: skip


def boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The special ones, boxes of every kind, and boxes over the range where exponentials are normal."""
    generator = np.random.default_rng(seed)
    lower, upper = endpoints(generator, count, np.float64)
    # Denormal endpoints are widened on entry, so nothing can be sharp there.
    keep = ~(((np.abs(lower) < TINY) & (lower != 0)) | ((np.abs(upper) < TINY) & (upper != 0)))
    ends = generator.uniform(-745, 745, count) * generator.choice([1.0, 0.01], count)
    middle = ends * (1 + 1e-3 * generator.random(count) * generator.choice([0.0, 1.0], count))
    special = np.array(SPECIAL)[generator.permutation(len(SPECIAL))]
    lower = np.concatenate([special[:, 0], lower[keep], np.minimum(ends, middle)])
    upper = np.concatenate([special[:, 1], upper[keep], np.maximum(ends, middle)])
    return lower[:count], upper[:count]


def steps(x: np.ndarray) -> np.ndarray:
    """How many floating numbers lie between 0 and x, with its sign."""
    bits = np.abs(x).view(np.int64)
    return np.where(np.signbit(x), -bits, bits)


def excess(name: str, tight: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """By how much lower bounds fall short of the tightest, over what is allowed: at most 1."""
    normal = np.abs(tight) >= 2 * TINY  # at the smallest normal number itself, the next bound is denormal
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        if UNITS.get(name) == 0:
            return np.where(tight == ours, 0.0, np.inf)
        if name in UNITS:
            allowed = (steps(tight) - steps(ours)) / UNITS[name]
        else:
            allowed = (np.clip(tight, -LARGEST, LARGEST) - np.clip(ours, -LARGEST, LARGEST)) / np.abs(tight) / RELATIVE
        allowed = np.where(tight == ours, 0.0, allowed)
        return np.where(normal, allowed, (tight - ours) / BELOW_NORMAL)


def check(name: str, exact: list, result: Interval, arguments: list) -> None:
    lower, upper = np.asarray(result.lower), np.asarray(result.upper)
    empty = np.array([ends is None for ends in exact])
    np.testing.assert_array_equal(np.asarray(result.is_empty()), empty)
    low = np.array([standard.at_most(ends[0]) for ends in exact if ends is not None])
    high = np.array([standard.at_least(ends[1]) for ends in exact if ends is not None])
    lower, upper = lower[~empty], upper[~empty]
    where = [box for box, ends in zip(arguments, exact) if ends is not None]
    for tight, ours in ((low, lower), (-high, -upper)):
        assert np.all(ours <= tight), [where[i] for i in np.flatnonzero(~(ours <= tight))[:3]]
        too_much = excess(name, tight, ours)
        worst = np.argmax(too_much)
        assert too_much[worst] <= 1.0, (where[worst], tight[worst], ours[worst], float(too_much[worst]))


@pytest.mark.parametrize("name", standard.UNARY)
def test_functions_hold_the_tightest_interval_and_hardly_more(name):
    lower, upper = boxes(len(name), 400)
    exact = [standard.UNARY[name](*box) for box in zip(lower.tolist(), upper.tolist())]
    result = jax.jit(enclose(UNARY[name]))(Interval(jnp.asarray(lower), jnp.asarray(upper)))
    check(name, exact, result, list(zip(lower, upper)))


@pytest.mark.parametrize("name", standard.BINARY)
def test_operations_hold_the_tightest_interval_and_hardly_more(name):
    first, second = boxes(1, 400), boxes(2, 400)
    pairs = [list(zip(*(end.tolist() for end in box))) for box in (first, second)]
    exact = [standard.BINARY[name](a, b) for a, b in zip(*pairs)]
    result = jax.jit(enclose(BINARY[name]))(*(Interval(jnp.asarray(a), jnp.asarray(b)) for a, b in (first, second)))
    check(name, exact, result, list(zip(*pairs)))


def test_numbers_and_sets_are_exact_or_rounded_up_by_two_units():
    lower, upper = boxes(3, 400)
    other_lower, other_upper = boxes(4, 400)
    box, other = (Interval(jnp.asarray(a), jnp.asarray(b)) for a, b in ((lower, upper), (other_lower, other_upper)))
    np.testing.assert_array_equal(box.mag(), np.maximum(np.abs(lower), np.abs(upper)))
    np.testing.assert_array_equal(box.mig(), np.maximum(np.maximum(lower, -upper), 0.0))
    hull, common = box.hull(other), box.intersection(other)
    np.testing.assert_array_equal(hull.lower, np.minimum(lower, other_lower))
    np.testing.assert_array_equal(hull.upper, np.maximum(upper, other_upper))
    low, high = np.maximum(lower, other_lower), np.minimum(upper, other_upper)
    np.testing.assert_array_equal(common.is_empty(), low > high)
    np.testing.assert_array_equal(common.lower, np.where(low > high, np.inf, low))
    np.testing.assert_array_equal(common.upper, np.where(low > high, -np.inf, high))
    np.testing.assert_array_equal(box.subset(other), (other_lower <= lower) & (upper <= other_upper))

    middle = np.asarray(box.mid())
    assert np.all((lower <= middle) & (middle <= upper) & np.isfinite(middle))
    differences = {"wid": [(upper, lower)], "rad": [(upper, middle), (middle, lower)]}
    for name, pairs in differences.items():
        exact = [max((ball(a) - ball(b) for a, b in row), key=float) for row in zip(*[zip(*pair) for pair in pairs])]
        tight, ours = np.array([standard.at_least(value) for value in exact]), np.asarray(getattr(box, name)())
        assert np.all(ours >= tight) and np.all(excess("sub", -tight, -ours) <= 1.0), name


def test_the_table_itself_sees_a_bound_of_three_units():
    tight = np.array([1.0, TINY / 4, -1.0])
    short = np.array([1.0 - 3 * 2.0**-53, -3 * TINY, -1.0 - 3 * 2.0**-52])
    assert np.all(excess("add", tight, short) > 1) and np.all(excess("exp", tight[[0, 2]], short[[0, 2]]) <= 1)
    assert excess("erf", tight, tight - 2e-13)[0] > 1 and np.all(excess("sign", tight, short) == np.inf)
