"""Harder targets than the seven-asset basket: a hundred assets, and an option whose gradients are not parallel.

The basket of 100 assets: an oversized network (100-128x4-1) on 65,536 antithetic pairs, then pruned and fine-tuned on
the same pairs, and once more with labels weighed by their noise. Asked for: R2 of 0.9997 / 0.9997 / 0.995 (value,
delta, gamma) with less than 1% of its parameters, on the test box and on fresh inputs of the training law.

A worst-of call on five Black-Scholes assets: the search for the smallest network within twice the oversized network's
errors, beside networks of the same size, trained on the same samples, whose survivors were drawn at random or whose
weights were. Truth is the mean of many paths; its noise is taken out of the errors, and printed.

    python benchmarks/search_targets.py [basket] [worst-of]
"""

import sys
import time

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Evaluator
from sobolev_pruning.reference import black_scholes, payoffs

POINTS = 4096


def basket(console: Console) -> None:
    """A hundred assets: errors where it is tested, and where it was trained."""
    reference = sp.reference.GaussianBasket.random(n_assets=100, seed=0)
    pairs = reference.sample(jax.random.key(1), 65_536)
    start = time.perf_counter()
    large = sp.Surrogate.create([100, 128, 128, 128, 128, 1], pairs, key=jax.random.key(2))
    large = sp.fit(large, pairs, key=jax.random.key(3), optimiser=sp.Adam(steps=2000, learning_rate=2e-3)).surrogate
    trained = time.perf_counter()
    small = large
    # Levenberg-Marquardt costs the square of the parameters times the 101 labels of a sample: for the last phase alone.
    last = sp.LevenbergMarquardt(12, prior=0.5)
    for keep, optimiser in ([4, 6, 0, 0], sp.LBFGS(40)), ([1, 4], last):
        small = sp.prune(small, keep=keep, box=reference.box, fold="sobolev")
        small = sp.fit(small, pairs, key=jax.random.key(4), optimiser=optimiser, held_out=0).surrogate
    noise = sp.label_noise(small, pairs)
    weighed = sp.fit(small, pairs, key=jax.random.key(4), optimiser=last, held_out=0, noise=noise).surrogate
    done = time.perf_counter()
    table = Table("network", "parameters", "points", "value", "delta", "gamma", title="Basket of 100 assets, R2")
    for place, points in (
        ("test box", reference.test_points(jax.random.key(5), POINTS)),
        ("training law", reference.training_inputs(jax.random.key(6), POINTS)),
    ):
        evaluator = Evaluator.of(reference, points)
        for network in (large, small, weighed):
            r2 = evaluator(network).figures("r2")
            figures = [f"{r2[quantity]:.6f}" for quantity in ("value", "delta", "gamma")]
            table.add_row(_shape(network), f"{network.n_parameters:,}", place, *figures)
    console.print(table)
    share = small.n_parameters / large.n_parameters
    console.print(
        f"{share:.2%} of the parameters; {trained - start:.0f} s and {done - trained:.0f} s.", highlight=False
    )


def worst_of(console: Console) -> None:
    """The smallest network within twice the errors, and two networks of its size that had no such start."""
    reference = black_scholes(
        payoffs.worst_of_call,
        inputs={"spot": (70.0, 130.0)},
        assets=5,
        volatility=[0.2, 0.3, 0.25, 0.35, 0.15],
        correlation=0.5,
        antithetic=True,
        design="sobol",
    )
    pairs = reference.sample(jax.random.key(1), 32_768)
    start = time.perf_counter()
    large = sp.Surrogate.create([5, 64, 64, 64, 1], pairs, key=jax.random.key(2))
    large = sp.fit(large, pairs, key=jax.random.key(3), optimiser=sp.Adam(steps=4000, learning_rate=2e-3)).surrogate
    trained = time.perf_counter()
    tolerance = sp.Tolerance(value=2.0, delta=2.0, relative=True)
    found = sp.shrink(large, reference, tolerance=tolerance, pairs=131_072)
    done = time.perf_counter()
    for candidate in found.path:
        ratios = "  ".join(f"{error / found.limits[name]:.2f}" for name, error in candidate.errors.items())
        console.print(_widths(candidate.widths), candidate.n_parameters, ratios, "holds" * candidate.accepted)
    small = found.surrogate
    samples = reference.sample(jax.random.fold_in(jax.random.key(0), 1), 131_072)  # those that the search draws
    random = sp.significance(large, reference.box, "random", seed=7)
    keep = [*small.widths[1:-1], *[0] * (len(large.layers) - len(small.layers))]
    others = {
        "found by the search": small,
        "random survivors": sp.prune(large, keep=keep, box=reference.box, significance=random, fold="sobolev"),
        "random weights": sp.Surrogate.create(small.widths, samples, key=jax.random.key(8)),
    }
    truth = reference.truth(reference.test_points(jax.random.key(9), 1024), order=1)
    evaluator = Evaluator(truth, reference.test_points(jax.random.key(9), 1024), reference.gamma_direction)
    table = Table("network", "shape", "parameters", "value", "delta", title="Worst-of call on five assets, 1 - R2")
    rows = {"oversized": large, **others}
    for name, network in rows.items():
        if name.startswith("random"):
            optimiser = sp.LevenbergMarquardt(60)
            network = sp.fit(network, samples, key=jax.random.key(4), optimiser=optimiser, held_out=0).surrogate
        r2 = evaluator(network).figures("r2")
        errors = [f"{1.0 - r2[quantity]:.2e}" for quantity in ("value", "delta")]
        table.add_row(name, _shape(network), f"{network.n_parameters:,}", *errors)
    noise = float(np.sqrt(np.mean(np.square(truth.value_stderr))) / np.std(truth.value))
    console.print(table)
    console.print(
        f"Truth: {truth.source}; noise of its values over their spread {noise:.1e}. Oversized network "
        f"{trained - start:.0f} s, search {done - trained:.0f} s.",
        highlight=False,
    )


def _shape(network: sp.Surrogate) -> str:
    return _widths(network.widths)


def _widths(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


TARGETS = {"basket": basket, "worst-of": worst_of}

if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for name in sys.argv[1:] or TARGETS:
        TARGETS[name](Console(width=110))
