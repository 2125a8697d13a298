"""The largest rounding errors ever seen of each primitive, beside the margins that the enclosures use.

    make margins                                          # all of it, about an hour on one core
    python benchmarks/rounding_margins.py --points 1000000 --skip-float32 erf log

float64: at least 10^8 points per function, spread over all binades and crowded where errors are known to be large (near
zeros, at changes of formula, at multiples of pi/2, where results overflow or become denormal), against extended
precision; the hundred worst of each are settled in ball arithmetic. float32: all numbers of the type against float64
(the worst of each million settled in balls); with two operands as in float64.

XLA makes more than one program of the same function, and their errors differ: vector code for arrays whose length is a
multiple of the vector's, scalar code for others and for less than 64 numbers. All points go through both; a part also
through what its fusion emitters are replaced by where they are switched off, as `quick_compilation` does.

Where JAX finds a GPU, it is the GPU that is measured.

Errors are in units of the roundoff u, relative to the exact result. Fails if a derived bound is exceeded, or if a
tested margin is below four times the worst error seen.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import extended_precision as extended
import flint
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from sobolev_pruning._foundation.compilation import quick_compilation
from sobolev_pruning.enclosure.scalar import elementary, further_functions, planar_functions, special, transcendental

jax.config.update("jax_enable_x64", True)
flint.ctx.prec = 200

CHUNK = 1 << 17
KEPT = 100
NORMAL = {"float64": (2.0**-1022, np.finfo(np.float64).max), "float32": (2.0**-126, float(np.finfo(np.float32).max))}
HALF_TURN = extended.Extended("3.14159265358979323846264338327950288")


class Primitive(NamedTuple):
    """How the rules compute it, how it is in extended precision, in float64 and in balls, and where to look."""

    function: Callable
    extended: Callable
    double: Callable
    exact: Callable
    places: tuple = ()
    domain: tuple[float, float] = (-np.inf, np.inf)
    arity: int = 1


def _long(function: Callable) -> Callable:
    return lambda *x: function(*[np.asarray(part, extended.Extended) for part in x])


def _root(x: flint.arb) -> flint.arb:
    return x.root(3) if x > 0 else -(-x).root(3)


PRIMITIVES = {
    "add": Primitive(jnp.add, _long(np.add), np.add, lambda x, y: x + y, arity=2),
    "multiply": Primitive(jnp.multiply, _long(np.multiply), np.multiply, lambda x, y: x * y, arity=2),
    "divide": Primitive(jnp.divide, _long(np.divide), np.divide, lambda x, y: x / y, arity=2),
    "sqrt": Primitive(jnp.sqrt, _long(np.sqrt), np.sqrt, lambda x: x.sqrt(), (1.0,), (0.0, np.inf)),
    "exp": Primitive(
        elementary.exp, _long(np.exp), np.exp, lambda x: x.exp(), (0.3466, -0.3466, 1.04, -708.39, 709.78), (-760, 760)
    ),
    "expm1": Primitive(
        elementary.expm1, _long(np.expm1), np.expm1, lambda x: x.expm1(), (0.3466, -0.3466, -37.0, 709.78), (-760, 760)
    ),
    "log1p": Primitive(
        elementary.log1p, _long(np.log1p), np.log1p, lambda x: x.log1p(), (-0.3, 0.45, -1.0), (-1.0, np.inf)
    ),
    "logistic": Primitive(
        lambda x: elementary.logistic_pair(x)[0],
        extended.logistic,
        scipy.special.expit,
        lambda x: 1 / (1 + (-x).exp()),
        (0.35, -0.35, -36.0, -708.39),
        (-760, 760),
    ),
    "tanh": Primitive(
        transcendental.tanh_of_point, _long(np.tanh), np.tanh, lambda x: x.tanh(), (0.1733, 19.0), (-760, 760)
    ),
    "sinh": Primitive(
        transcendental.sinh_of_point, _long(np.sinh), np.sinh, lambda x: x.sinh(), (0.3466, 20.0, 710.47), (-760, 760)
    ),
    "cosh": Primitive(
        transcendental.cosh_of_point, _long(np.cosh), np.cosh, lambda x: x.cosh(), (0.3466, 20.0, 710.47), (-760, 760)
    ),
    "log": Primitive(jax.lax.log, _long(np.log), np.log, lambda x: x.log(), (1.0, 0.7071, 1.4142), (0.0, np.inf)),
    "sin": Primitive(jax.lax.sin, _long(np.sin), np.sin, lambda x: x.sin(), (np.pi, np.pi / 2)),
    "cos": Primitive(jax.lax.cos, _long(np.cos), np.cos, lambda x: x.cos(), (np.pi, np.pi / 2)),
    "atan": Primitive(jax.lax.atan, _long(np.arctan), np.arctan, lambda x: x.atan(), (0.4142, 0.66, 1.0, 2.4142)),
    "erf": Primitive(jax.lax.erf, extended.erf, scipy.special.erf, lambda x: x.erf(), (0.84375, 1.0, 1.25, 2.857, 6.0)),
    "erfc": Primitive(
        special.erfc, extended.erfc, scipy.special.erfc, lambda x: x.erfc(), (0.5, -0.5, 1.25, 4.0, 26.54), (-30, 30)
    ),
    "erf_inv": Primitive(
        special.erf_inv, None, scipy.special.erfinv, lambda x: x.erfinv(), (0.5, 0.9966, 1.0), (-1.0, 1.0)
    ),
    "exp2": Primitive(
        elementary.exp2,
        _long(np.exp2),
        np.exp2,
        lambda x: (x * flint.arb(2).log()).exp(),
        (0.5, -0.5, 1023.5, -1021.5),
        (-1100, 1100),
    ),
    "tan": Primitive(further_functions.tan_of_point, _long(np.tan), np.tan, lambda x: x.tan(), (np.pi, np.pi / 2)),
    "asin": Primitive(
        further_functions.asin_of_point, _long(np.arcsin), np.arcsin, lambda x: x.asin(), (0.5, 1.0, -1.0), (-1.0, 1.0)
    ),
    "acos": Primitive(
        further_functions.acos_of_point, _long(np.arccos), np.arccos, lambda x: x.acos(), (0.5, 1.0, -1.0), (-1.0, 1.0)
    ),
    "asinh": Primitive(
        further_functions.asinh_of_point, _long(np.arcsinh), np.arcsinh, lambda x: x.asinh(), (0.5, 1.0, 1e8)
    ),
    "acosh": Primitive(
        further_functions.acosh_of_point,
        _long(np.arccosh),
        np.arccosh,
        lambda x: x.acosh(),
        (1.0, 2.0, 1e8),
        (1.0, np.inf),
    ),
    "atanh": Primitive(
        further_functions.atanh_of_point,
        _long(np.arctanh),
        np.arctanh,
        lambda x: x.atanh(),
        (0.2, 0.5, 1.0),
        (-1.0, 1.0),
    ),
    "cbrt": Primitive(further_functions.cbrt_of_point, _long(np.cbrt), np.cbrt, _root, (1.0, 8.0)),
    "atan2": Primitive(
        planar_functions.atan2_of_point, _long(np.arctan2), np.arctan2, lambda y, x: flint.arb.atan2(y, x), arity=2
    ),
    "pow": Primitive(jax.lax.pow, _long(np.power), np.power, lambda x, y: x**y, arity=2),
}
CORRECTLY_ROUNDED = ("add", "multiply", "divide", "sqrt")


def programs(function: Callable) -> list[Callable]:
    """The same function in vector code, in scalar code (for an odd length), and without fusion emitters."""
    compiled = jax.jit(function)
    return [
        compiled,
        lambda *x: compiled(*[jnp.append(part, part[-1]) for part in x])[:-1],
        jax.jit(lambda *x: function(*x), compiler_options=quick_compilation()),
    ]


def _random_bits(generator, count: int, low: float, high: float, dtype) -> np.ndarray:
    """Numbers of the domain, all binades alike."""
    smallest, largest = NORMAL[np.dtype(dtype).name]
    exponent = generator.uniform(np.log2(smallest), np.log2(min(largest, max(abs(low), abs(high)))), count)
    x = np.exp2(exponent) * generator.choice([-1.0, 1.0], count)
    return np.clip(x, max(low, -largest), min(high, largest))


def _near(generator, count: int, place: float) -> np.ndarray:
    distance = 10.0 ** generator.uniform(-17, 0, count) * generator.choice([-1.0, 1.0], count)
    return place * generator.choice([1.0, 1.0 + 1e-3], count) + distance


def _multiples_of_a_quarter_turn(generator, count: int) -> np.ndarray:
    k = np.floor(np.exp2(generator.uniform(0, 60, count)))
    x = (k.astype(extended.Extended) * (HALF_TURN / 2)).astype(np.float64)
    return x * (1 + generator.integers(-3, 4, count) * 2.0**-52)


def _powers(generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bases near 1 and far from it, and exponents that bring the logarithm of the result to anything representable."""
    spread = generator.choice([1.0, 1e-3, 1e-8, 300.0], count)
    far = 10.0 ** generator.uniform(-300, 300, count)
    base = np.where(spread == 300.0, far, np.abs(1 + spread * generator.uniform(-1, 1, count)))
    logarithm = generator.uniform(-745, 745, count) * generator.choice([1.0, 1e-2, 1e-6], count)
    free = generator.normal(0, 3, count)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(generator.random(count) < 0.3, free, logarithm / np.log(base))
    return base, np.where(np.isfinite(exponent), exponent, 1.0)


@np.errstate(over="ignore")
def _pairs(name: str, generator, count: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Sums that cancel, products near 1, and everything else, overflow and underflow included."""
    x = _random_bits(generator, count, -np.inf, np.inf, dtype)
    near = x * generator.choice([-1.0, 1.0], count) * (1 + generator.random(count) * 2.0 ** generator.integers(-52, 3))
    others = 1 / near if name == "multiply" else near
    return x, others * generator.choice([1.0, 1e-3, 1e290 if dtype == np.float64 else 1e30], count)


def chunks(name: str, generator: np.random.Generator, dtype) -> Iterator[np.ndarray]:
    """Endless chunks of points, shape (arity, count); the regions take turns."""
    largest = NORMAL[np.dtype(dtype).name][1]
    low, high = np.clip(PRIMITIVES[name].domain, -largest, largest)
    while True:
        if name == "pow":
            regions = [_powers(generator, CHUNK)]
        elif PRIMITIVES[name].arity == 2:
            regions = [_pairs(name, generator, CHUNK, dtype)]
        else:
            reach = (max(low, -40.0), min(high, 40.0))
            regions = [
                (_random_bits(generator, CHUNK, low, high, dtype),),
                (generator.uniform(*reach, CHUNK),),
                (generator.uniform(max(low, -1.5), min(high, 1.5), CHUNK),),
                *[(_near(generator, CHUNK, place),) for place in PRIMITIVES[name].places],
            ]
            if name in ("sin", "cos", "tan"):
                regions.append((_multiples_of_a_quarter_turn(generator, CHUNK),))
        for region in regions:
            with np.errstate(over="ignore"):
                yield np.clip(np.stack(region), low, high).astype(dtype)


def errors(name: str, x: np.ndarray, y: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """In roundoffs of the type of `x`; infinite where no relative margin covers what was computed."""
    smallest, largest = NORMAL[x.dtype.name]
    u = 2.0**-53 if x.dtype == np.float64 else 2.0**-24
    low, high = PRIMITIVES[name].domain
    size = np.abs(truth)
    known = np.all(np.abs(x) >= smallest, axis=0) & ~np.isnan(truth)
    known &= np.all((x > low) & (x < high), axis=0) if PRIMITIVES[name].arity == 1 else True
    with np.errstate(all="ignore"):
        error = np.abs(np.clip(y, -largest, largest) - truth) / size / u
        error = np.where(np.isinf(y) & (size >= largest), 0.0, error)
        # A result that was flushed to 0 must have been denormal (rules add the smallest normal number then).
        flushed = np.abs(y) < smallest
        error = np.where(flushed, np.where(size <= smallest * (1 + 2.0**-10), 0.0, np.inf), error)
    return np.where(known, np.where(np.isnan(error), np.inf, error), 0.0).astype(np.float64)


class Worst:
    """The hundred points with the largest errors so far."""

    def __init__(self, arity: int):
        self.error, self.x, self.y, self.seen = np.zeros(0), np.zeros((arity, 0)), np.zeros(0), 0

    def add(self, error: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        self.seen += int(error.size)
        threshold = self.error[-1] if self.error.size == KEPT else 0.0
        candidates = np.flatnonzero(error > threshold)
        best = candidates[np.argsort(error[candidates])[-KEPT:]]
        every = np.concatenate([self.error, error[best]])
        order = np.argsort(every)[::-1][:KEPT]
        self.error = every[order]
        self.x = np.concatenate([self.x, x[:, best]], axis=1)[:, order]
        self.y = np.concatenate([self.y, y[best]])[order]

    def settled(self, name: str, dtype) -> tuple[float, str]:
        """The largest of them in ball arithmetic, and where it is."""
        u = 2.0**-53 if dtype == np.float64 else 2.0**-24
        if self.error.size and np.isinf(self.error[0]):
            return np.inf, repr(self.x[:, 0].tolist())
        found = [(0.0, "")]
        for x, y in zip(self.x.T, self.y):
            exact = PRIMITIVES[name].exact(*[flint.arb(float(part)) for part in x])
            largest = NORMAL[np.dtype(dtype).name][1]
            if np.isfinite(y) and abs(y) > 0:
                found.append((abs(float((flint.arb(float(y)) - exact) / exact)) / u, ", ".join(f"{v:.17g}" for v in x)))
            elif np.isinf(y):
                found.append((max(0.0, 1 - float(abs(exact) / largest)) / u, ", ".join(f"{v:.17g}" for v in x)))
        return max(found)


def reference(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        if x.dtype == np.float32:
            return PRIMITIVES[name].double(*x.astype(np.float64))
        if name == "erf_inv":
            return extended.erf_inv(x[0], y)
        return PRIMITIVES[name].extended(*x)


def sampled(name: str, dtype, count: int) -> Worst:
    """The worst of at least `count` random points."""
    generator = np.random.default_rng([PRIMITIVES[name].arity, len(name), ord(name[0]), ord(name[-1])])
    vector, scalar, plain = programs(PRIMITIVES[name].function)
    worst = Worst(PRIMITIVES[name].arity)
    for number, x in enumerate(chunks(name, generator, dtype)):
        if number * CHUNK >= count:
            return worst
        operands, truth = list(map(jnp.asarray, x)), None
        for program in [vector, scalar] + [plain] * (number % 8 == number // 8 % 8):
            y = np.asarray(program(*operands)).astype(np.float64)
            truth = reference(name, x, y) if truth is None else truth
            worst.add(errors(name, x, y, truth), x, y)


def exhaustive(name: str) -> Worst:
    """The worst of all float32 numbers, in vector and in scalar code, and of ten million without fusion emitters.

    The reference is the same function in float64, whose own error is a billionth of what is measured.
    """
    worst, function = sampled(name, np.float32, 10_000_000), PRIMITIVES[name].function
    step = 1 << (20 if jax.default_backend() == "cpu" else 24)  # to stay in the cache, or to fill the device
    vector, scalar, _ = programs(function)
    (smallest, largest), (low, high) = NORMAL["float32"], PRIMITIVES[name].domain

    @jax.jit
    def numbers(start):
        return jax.lax.bitcast_convert_type(start + jax.lax.iota(jnp.uint32, step), jnp.float32)

    @jax.jit
    def worst_of(x, y):
        y, truth = y.astype(jnp.float64), function(x.astype(jnp.float64))
        size = jnp.abs(truth)
        error = jnp.abs(jnp.clip(y, -largest, largest) - truth) / size * 2.0**24
        error = jnp.where(jnp.isinf(y) & (size >= largest), 0.0, error)
        flushed = jnp.where(size <= smallest * (1 + 2.0**-10), 0.0, jnp.inf)
        error = jnp.where(jnp.abs(y) < smallest, flushed, jnp.where(jnp.isnan(error), jnp.inf, error))
        known = jnp.isfinite(x) & (jnp.abs(x) >= smallest) & (x > low) & (x < high) & ~jnp.isnan(truth)
        error = jnp.where(known, error, 0.0)
        place = jnp.argmax(error)
        return error[place], x[place], y[place]

    for start in range(0, 1 << 32, step):
        x = numbers(jnp.uint32(start))
        for y in (vector(x), scalar(x)):
            error, place, found = (np.asarray(part, np.float64).reshape(1) for part in worst_of(x, y))
            worst.add(error, place[None], found)
    return worst


def margin(name: str, dtype) -> float:
    """What the rules allow for, in roundoffs."""
    if name in CORRECTLY_ROUNDED:
        return 1.0
    return transcendental.relative_error(name, dtype) / (2.0**-53 if dtype == np.float64 else 2.0**-24)


def main() -> None:
    """Prints the table; exits with 1 if a margin is too small."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000_000, help="float64 points per function")
    parser.add_argument("--skip-float32", action="store_true")
    parser.add_argument("names", nargs="*", help="functions; all by default")
    options = parser.parse_args()
    extended.check_platform()
    print(f"On {jax.devices()[0].device_kind}, JAX {jax.__version__}:\n")
    print("| primitive | type | points | worst error seen | at | margin | margin over worst | kind |")
    print("|---|---|---|---|---|---|---|---|")
    short = []
    for name in options.names or PRIMITIVES:
        for dtype in (np.float64,) if options.skip_float32 else (np.float64, np.float32):
            start = time.perf_counter()
            whole = dtype == np.float32 and PRIMITIVES[name].arity == 1
            worst = exhaustive(name) if whole else sampled(name, dtype, options.points)
            error, place = worst.settled(name, dtype)
            kind = "correctly rounded" if name in CORRECTLY_ROUNDED else "derived"
            kind = "tested" if name in transcendental.TESTED else kind
            allowed = margin(name, dtype)
            ratio = allowed / error if error else np.inf
            if ratio < (4.0 if kind == "tested" else 1.0):
                short.append(f"{name} in {np.dtype(dtype).name}")
            points = "all" if whole else f"{options.points:,}"
            print(
                f"| {name} | {np.dtype(dtype).name} | {points} | {error:.3f} | {place} | {allowed:g} | {ratio:.2f} "
                f"| {kind} |",
                flush=True,
            )
            print(f"{name} {np.dtype(dtype).name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    if short:
        raise SystemExit(f"rounding_margins: the margin is too small for {', '.join(short)}.")


if __name__ == "__main__":
    main()
