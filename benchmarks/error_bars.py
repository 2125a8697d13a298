"""How often error bars hold the truth: bands of 1.645 standard errors, which should in 90 of 100 cases.

    python benchmarks/error_bars.py                       the basket over 40 seeds, worst-of call and gene model over 5
    python benchmarks/error_bars.py basket --seeds 3

Asked in the mean over seeds: 85 to 95% of values and of slopes on the basket of 8,192 noisy pairs, 80 to 97% on the
others. Points are uniform in the box; nothing is calibrated but where the last columns say so, by 200 other points
where the truth is known.
"""

import argparse
import time
from collections.abc import Callable

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from targets import TARGETS

import sobolev_pruning as sp
from sobolev_pruning.reference import pre_integrated

BAND = 1.645
POINTS, CALIBRATION = 1000, 200
SEEDS = {"basket": 40, "worst-of": 5, "gene": 5}

Trained = tuple[sp.ErrorBars, sp.Samples]
"""Error bars, and points with the truth."""


def basket(seed: int) -> Trained:
    """7-1-5-1 on 8,192 antithetic pairs, noise estimated twice, as in `examples/basket_fixed_pairs.toml`."""
    model = sp.reference.GaussianBasket.random(n_assets=7, seed=seed)
    draw, start, training, test = jax.random.split(jax.random.key(seed), 4)
    samples = model.sample(draw, 8192)
    network = sp.Surrogate.create([7, 1, 5, 1], samples, key=start)
    settings = dict(key=training, optimiser=sp.LevenbergMarquardt(60, prior=0.5), held_out=0)
    network, noise = sp.fit(network, samples, starts=8, **settings).surrogate, None
    for _ in range(2):
        noise = sp.label_noise(network, samples)
        network = sp.fit(network, samples, noise=noise, **settings).surrogate
    points = model.test_points(test, POINTS + CALIBRATION)
    truth = model.truth(points, 1)
    bars = sp.error_bars(network, samples, noise=sp.label_noise(network, samples))
    return bars, sp.Samples(points, truth.value, truth.gradient)


def target(name: str) -> Callable[[int], Trained]:
    """The model `name` of `benchmarks/targets.py` with its quiet labels, trained as there, on slopes."""

    def trained(seed: int) -> Trained:
        settings = TARGETS[name]
        model = settings.make()
        reference, _ = pre_integrated(model)
        draw, start, training, test = jax.random.split(jax.random.key(seed), 4)
        samples = reference.sample(draw, settings.inputs, order=1, paths=settings.paths)
        network = sp.Surrogate.create([model.n_inputs, *settings.hidden, samples.n_outputs], samples, key=start)
        options = dict(key=training, optimiser=sp.LevenbergMarquardt(settings.iterations), held_out=0, scaled=True)
        network = sp.fit(network, samples, **options).surrogate
        points = model.test_points(test, settings.points + CALIBRATION)
        truth = (
            model.truth(points, 1)
            if model.exact is not None
            else reference.estimate(points, jax.random.key(98), settings.truth_paths)
        )
        return sp.error_bars(network, samples, scaled=True), sp.Samples(points, truth.value, truth.gradient)

    return trained


MODELS = {"basket": basket, "worst-of": target("worst-of"), "gene": target("gene")}


def shares(bars: sp.ErrorBars, truth: sp.Samples) -> tuple[float, float]:
    """Of values and of slopes that lie within the bands."""
    network, x = bars.surrogate, truth.x
    errors = network.value(x) - truth.y, network.gradient(x) - truth.dydx
    return tuple(
        float(np.mean(np.abs(np.asarray(error)) < BAND * np.asarray(bar)))
        for error, bar in zip(errors, (bars.value(x), bars.gradient(x)))
    )


def row_of(name: str, seeds: int) -> list[str]:
    """One row of the table, from so many seeds."""
    found, start = [], time.perf_counter()
    for seed in range(seeds):
        bars, truth = MODELS[name](seed)
        known, test = (
            sp.Samples(truth.x[part], truth.y[part], truth.dydx[part])
            for part in (slice(CALIBRATION), slice(CALIBRATION, None))
        )
        found.append([*shares(bars, test), *shares(sp.calibrated(bars, known), test)])
        print(name, seed, " ".join(f"{share:.3f}" for share in found[-1]), flush=True)
    middle, low, high = (function(found, axis=0) for function in (np.mean, np.min, np.max))
    cells = [f"{m:.3f} ({low_:.2f} to {high_:.2f})" for m, low_, high_ in zip(middle, low, high)]
    return [name, str(seeds), *cells, f"{(time.perf_counter() - start) / seeds:.0f}"]


def main() -> None:
    """Prints a line for every seed, and the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", choices=[*MODELS, []])
    parser.add_argument("--seeds", type=int)
    arguments = parser.parse_args()
    table = Table(title="Truth within bands for 90%: mean over seeds (from, to)")
    for heading in ("model", "seeds", "values", "slopes", "values, calibrated", "slopes, calibrated", "s a seed"):
        table.add_column(heading)
    for name in arguments.models or MODELS:
        table.add_row(*row_of(name, arguments.seeds or SEEDS[name]))
    Console(width=160).print(table)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
