"""Every model from samples to a pruned surrogate: how good it is on points of its own, against the model's truth.

An oversized network is trained on pairs of values and pathwise derivatives, pruned with Sobolev folding, and trained
again on more pairs. R2 is that of the pruned network, over the middle four fifths of every input's range (training
samples cover all of it, as a network is worst at the edge of what it has seen); for the random media, over inputs of
their law. Where the truth is an estimate its noise is taken out, and printed beside: the root mean square of the
standard errors of the value over its spread.

    python benchmarks/models.py              all models
    python benchmarks/models.py heston gene   those named
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.reference import (
    GaussianBasket,
    black_scholes,
    gene_expression,
    heston,
    payoffs,
    random_medium,
)

SAMPLES = 16_384
FINAL_SAMPLES = 131_072
POINTS = 256
OVERSIZED, KEPT = [32, 32], [8, 8]
ITERATIONS = 300

SPOTS = {"spot": (70.0, 130.0)}
CORRELATED = {"assets": 3, "volatility": [0.2, 0.3, 0.25], "correlation": 0.5, "antithetic": True, "design": "sobol"}
MODELS = {
    "basket": lambda: GaussianBasket.random(n_assets=7, seed=0),
    "call": lambda: black_scholes(
        payoffs.call, inputs={"spot": (70, 130), "volatility": (0.15, 0.35), "maturity": (0.5, 1.5)}, antithetic=True
    ),
    "basket-call": lambda: black_scholes(payoffs.call, inputs=SPOTS, **CORRELATED),
    "asian": lambda: black_scholes(
        payoffs.asian_call, inputs={"spot": (70, 130), "volatility": (0.15, 0.35)}, dates=12, antithetic=True
    ),
    "worst-of": lambda: black_scholes(payoffs.worst_of_call, inputs=SPOTS, **CORRELATED),
    "digital": lambda: black_scholes(
        payoffs.smoothed_digital_call(5.0), inputs={"spot": (70, 130), "volatility": (0.15, 0.35)}, antithetic=True
    ),
    "heston": lambda: heston(
        payoffs.call, inputs={"spot": (70, 130), "initial_variance": (0.02, 0.1)}, conditional=True, antithetic=True
    ),
    "gene": lambda: gene_expression(
        inputs={"transcription": (15, 25), "translation": (8, 12), "protein_decay": (0.4, 0.6)}, antithetic=True
    ),
    "medium-100": lambda: random_medium(100, antithetic=False),
    "medium-1000": lambda: random_medium(1000, antithetic=False),
}


def inner_points(model):
    """Uniform in the middle four fifths of every input's range."""
    lower, upper = model.box
    points = model.test_points(jax.random.key(4), POINTS)
    return 0.5 * (lower + upper) + 0.8 * (points - 0.5 * (lower + upper))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    console = Console(width=140)
    table = Table("model", "inputs", "outputs", "parameters", "value", "delta", "gamma", "noise of truth", "truth", "s")
    for name in sys.argv[1:] or MODELS:
        start = time.perf_counter()
        model = MODELS[name]()
        # With hundreds of correlated inputs the box is nearly all corners that the law never meets.
        many = model.n_inputs > 20
        pairs = model.sample(jax.random.key(1), SAMPLES if model.n_inputs <= 200 else SAMPLES // 4)
        widths = [model.n_inputs, *OVERSIZED, pairs.n_outputs]
        large = sp.Surrogate.create(widths, pairs, key=jax.random.key(2))
        large = sp.fit(large, pairs, optimiser=sp.LBFGS(iterations=ITERATIONS), key=jax.random.key(3)).surrogate
        small = sp.prune(large, keep=KEPT, samples=pairs, box=model.box, fold="sobolev")
        more = pairs if many else model.sample(jax.random.key(5), FINAL_SAMPLES)
        optimiser = sp.LBFGS(iterations=ITERATIONS) if many else sp.LevenbergMarquardt(iterations=60)
        small = sp.fit(small, more, optimiser=optimiser, key=jax.random.key(3)).surrogate
        points = model.exposure_inputs(jax.random.key(4), POINTS) if many else inner_points(model)
        truth = model.truth(points, order=1 if many else 2)
        direction = model.gamma_direction
        found = sp.evaluate(
            small,
            sp.Samples(
                points, truth.value, truth.gradient, y_stderr=truth.value_stderr, dydx_stderr=truth.gradient_stderr
            ),
        )
        gamma = None
        if truth.gamma is not None:
            predicted = jnp.einsum("...ab,a,b->...", small.hessian(points), direction, direction)
            noise = 0.0 if truth.gamma_stderr is None else np.sum(np.square(truth.gamma_stderr))
            residual = np.sum(np.square(predicted - truth.gamma)) - noise
            gamma = 1.0 - residual / (np.sum(np.square(truth.gamma - np.mean(truth.gamma))) - noise)
        noise = (
            0.0
            if truth.value_stderr is None
            else float(np.sqrt(np.mean(np.square(truth.value_stderr))) / np.std(truth.value))
        )
        row = (
            name,
            str(model.n_inputs),
            str(pairs.n_outputs),
            f"{large.n_parameters} to {small.n_parameters}",
            f"{found.value.r2:.5f}",
            f"{found.delta_scaled.r2:.5f}",
            "" if gamma is None else f"{gamma:.4f}",
            f"{noise:.1e}",
            truth.source,
            f"{time.perf_counter() - start:.0f}",
        )
        table.add_row(*row)
        console.print("  ".join(row))  # a run may be long; the table comes last
    console.print(table)


if __name__ == "__main__":
    main()
