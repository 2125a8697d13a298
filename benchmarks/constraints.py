"""A call's surrogate with proved constraints, beside the free network of the same shape and start.

    python benchmarks/constraints.py --seeds 3

Black-Scholes call in spot, volatility and maturity, quiet labels: increasing in all three, convex in spot, a slope in
the spot between 0 and 1, and no negative price, over the whole box. Asked: proved, with at most 1.5 times the errors of
the free network. Errors as in `benchmarks/targets.py`; the free network is trained once more, as long as the other.
"""

import argparse
import time

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.reference import black_scholes, payoffs, pre_integrated

INPUTS = {"spot": (60.0, 140.0), "volatility": (0.1, 0.4), "maturity": (0.25, 2.0)}
CLAIMS = "increasing; convex in spot; 0 <= dprice/dspot <= 1; value >= 0"
ITERATIONS = 100


def rms(array) -> np.ndarray:
    """Root mean square over points."""
    return np.sqrt(np.mean(np.square(np.asarray(array)), axis=0))


def errors(network: sp.Surrogate, points, truth) -> np.ndarray:
    """Of the value in hundredths of a percent of the strike, of each slope over its size, of gamma over its size."""
    gamma, exact = np.asarray(network.hessian(points))[:, 0, 0], np.asarray(truth.hessian)[:, 0, 0]
    slopes = rms(network.gradient(points) - truth.gradient) / rms(truth.gradient)
    return np.array([100 * rms(network.value(points) - truth.value), *slopes, rms(gamma - exact) / rms(exact)])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--hidden", default="8-8")
    arguments = parser.parse_args()
    model = black_scholes(payoffs.call, inputs=INPUTS)
    reference, _ = pre_integrated(model)
    points = model.test_points(jax.random.key(99), 4000)
    truth = model.truth(points)
    hidden = [int(width) for width in arguments.hidden.split("-")]
    table = Table(
        title=f"{CLAIMS}: free network and constrained one, 3-{arguments.hidden}-1 with softplus at the output"
    )
    for heading in ("seed", "network", "value, bp", "slopes", "gamma", "proved", "rounds", "cells", "s"):
        table.add_column(heading)
    for seed in range(arguments.seeds):
        draw, start, training = jax.random.split(jax.random.key(seed), 3)
        samples = reference.sample(draw, 8192)
        activations = ["silu"] * len(hidden) + ["softplus"]
        network = sp.Surrogate.create([3, *hidden, 1], samples, activations, key=start)
        settings = dict(key=training, scaled=True, held_out=0)
        network = sp.fit(network, samples, optimiser=sp.LevenbergMarquardt(ITERATIONS), **settings).surrogate
        before = time.perf_counter()
        found = sp.constrain(network, samples, CLAIMS, box=model.box, scaled=True, key=training)
        seconds = time.perf_counter() - before
        more = sp.LevenbergMarquardt(12 * found.rounds)
        free = sp.fit(network, samples, optimiser=more, **settings).surrogate
        rows = (
            ("free", free, "", "", "", ""),
            (
                "constrained",
                found.surrogate,
                ", ".join(answer.status for answer in found.certificate.answers),
                str(found.rounds),
                f"{found.certificate.pieces:,}",
                f"{seconds:.0f}",
            ),
        )
        for name, net, *more in rows:
            value, *slopes, gamma = errors(net, points, truth)
            cells = [f"{value:.3f}", " ".join(f"{slope:.3%}" for slope in slopes), f"{gamma:.2%}", *more]
            print(seed, name, *cells, flush=True)
            table.add_row(str(seed), name, *cells)
        if found.reason:
            print(found.reason)
    Console(width=170).print(table)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
