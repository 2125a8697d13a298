"""Measures the errors behind the tested margins, and prints the table of docs/derivations/rounding-margins.md.

float32: all numbers of the type, against the same function in float64 (whose own error is a billionth of what is
measured). float64: points over the whole range and in the known bad regions, against ball arithmetic.
Run: python tests/soundness/margins.py [--points N] [--skip-float32] [name ...]
"""

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from oracle import DOMAINS, ELEMENTARY, ball  # noqa: E402

from sobolev_pruning.enclosure import elementary, special, transcendental  # noqa: E402

FUNCTIONS = {
    "log": jax.lax.log,
    "sin": jax.lax.sin,
    "cos": jax.lax.cos,
    "atan": jax.lax.atan,
    "erf": jax.lax.erf,
    "erfc": special.erfc,
    "erf_inv": special.erf_inv,
    "sqrt": jax.lax.sqrt,
    "exp": elementary.exp,
    "expm1": elementary.expm1,
    "log1p": elementary.log1p,
    "logistic": lambda x: elementary.logistic_pair(x)[0],
    "tanh": transcendental.tanh_of_point,
    "sinh": transcendental.sinh_of_point,
    "cosh": transcendental.cosh_of_point,
}

SYMMETRIC = ("sin", "cos", "atan", "erf", "erf_inv", "tanh", "sinh", "cosh")
"""Odd and even functions: the positive numbers are enough."""

# Where errors are known to be large: near zeros and poles, at changes of formula, where results become denormal.
BAD = {
    "log": [1.0],
    "sin": [np.pi, 2 * np.pi, 1e3 * np.pi],
    "cos": [np.pi / 2, 1.5 * np.pi],
    "erf": [0.0, 0.84375, 1.0],
    "erfc": [0.0, 0.5, 1.25, 4.0, 8.0, 20.0, 26.0],
    "erf_inv": [0.0, 0.5, 1.0, -1.0],
    "atan": [0.4142, 1.0, 2.414],
    "exp": [0.0, 0.3466],
    "expm1": [0.0, 0.3466, -0.3466],
    "log1p": [0.0, -0.3, 0.45],
    "logistic": [0.0, -36.0],
    "tanh": [0.0, 0.17],
    "sinh": [0.0, 20.0],
    "cosh": [0.0, 20.0],
}


def points_float64(name: str, count: int, generator: np.random.Generator) -> np.ndarray:
    low, high = DOMAINS.get(name, (-np.inf, np.inf))
    sign = generator.choice([-1.0, 1.0], count)
    scattered = sign * 10.0 ** generator.uniform(-300, 300 if name in ("log", "sqrt", "atan") else 3, count)
    few = count // 4
    near = [c + generator.normal(0, 1, few) * 10.0 ** generator.uniform(-12, 0, few) for c in BAD.get(name, [])]
    ordinary = generator.uniform(-40, 40, count)
    inside = generator.uniform(-1, 1, count)
    x = np.concatenate([scattered, ordinary, inside, *near])
    if low == 0.0:
        x = np.abs(x)
    return x[(x > low) & (x < high)]


def worst_float64(name: str, count: int, batch: int = 20_000) -> tuple[float, float, int]:
    """The largest relative error in roundoffs, where, and over how many points."""
    generator = np.random.default_rng(len(name))
    function = jax.jit(FUNCTIONS[name])
    u, tiny = 2.0**-53, np.finfo(np.float64).tiny
    worst, place, made = 0.0, np.nan, 0
    while made < count:
        x = points_float64(name, batch // 4, generator)
        y = np.asarray(function(jnp.asarray(x)))
        for a, b in zip(x, y):
            if not np.isfinite(b) or abs(b) < 4 * tiny or abs(a) < tiny:
                continue
            truth = ELEMENTARY[name](ball(a))
            error = abs(float((ball(b) - truth) / truth)) / u
            made += 1
            if error > worst:
                worst, place = error, a
    return worst, place, made


def worst_float32(name: str) -> tuple[float, float]:
    """Over all float32 numbers, the largest relative error in roundoffs, and where."""
    single = jax.jit(FUNCTIONS[name])
    u, tiny = 2.0**-24, float(np.finfo(np.float32).tiny)

    @jax.jit
    def errors(x):
        y = single(x).astype(jnp.float64)
        truth = FUNCTIONS[name](x.astype(jnp.float64))
        usable = jnp.isfinite(y) & jnp.isfinite(truth) & (jnp.abs(truth) >= 4 * tiny) & (jnp.abs(x) >= tiny)
        error = jnp.where(usable, jnp.abs(y - truth) / jnp.abs(truth) / u, 0.0)
        best = jnp.argmax(error)
        return error[best], x[best]

    worst, place = 0.0, np.nan
    chunk = 1 << 22
    infinity = 0x7F800000
    halves = [(0x00800000, infinity)]
    if name not in ("log", "sqrt", *SYMMETRIC):
        halves.append((0x80800000, 0x80000000 + infinity))
    for start in itertools.chain.from_iterable(range(*half, chunk) for half in halves):
        bits = np.arange(start, start + chunk, dtype=np.uint64).astype(np.uint32)
        error, where = errors(jnp.asarray(bits.view(np.float32)))
        if float(error) > worst:
            worst, place = float(error), float(where)
    return worst, place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000, help="float64 points per function")
    parser.add_argument("--skip-float32", action="store_true")
    parser.add_argument("names", nargs="*", default=list(FUNCTIONS))
    options = parser.parse_args()
    print("| function | float64: worst seen | at | points | margin | float32: worst of all | at | margin |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.names or FUNCTIONS:
        error, place, made = worst_float64(name, options.points)
        single = (np.nan, np.nan) if options.skip_float32 else worst_float32(name)
        margins = [
            transcendental.relative_error(name, d) / u if name != "sqrt" else 1.0
            for d, u in ((np.float64, 2.0**-53), (np.float32, 2.0**-24))
        ]
        print(
            f"| {name} | {error:.2f} | {place:.17g} | {made:,} | {margins[0]:g} "
            f"| {single[0]:.2f} | {single[1]:.9g} | {margins[1]:g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
