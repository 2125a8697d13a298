"""Errors against the number of pairs and against seconds, for two kinds of labels, with the oracle's on the same ones.

The basket's network of 24 parameters (7-1-5-1), begun from the pruned oversized network, is fine-tuned on 1,024 to
262,144 pairs:

- "plain": antithetic pairs as they come; order 1, a prior, and once more with labels weighed by their noise;
- "quiet": scrambled Sobol points, one coordinate of the noise integrated out; order 2, six starts, as in the example.

Errors are 1 - R2 on the test box over those of the paper's best column, means over the seeds; seconds are those of
fine-tuning, compilation included where a shape is new. The oracle knows the formula and fits its nine numbers to the
values and slopes of the same pairs.

    python benchmarks/pairs_curve.py [--seeds 3] [--plot docs/pictures/pairs.png]
"""

import argparse
import time
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Evaluator, fit_oracle
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.running import BASKET_R2

QUANTITIES = ("value", "delta", "gamma")
PAIRS = [2**exponent for exponent in (10, 12, 14, 16, 18)]
PAPER = np.array([1.0 - BASKET_R2["finetuned-reference"][quantity] for quantity in QUANTITIES])


def pruned_network(basket: GaussianBasket, seed: int) -> sp.Surrogate:
    """From the oversized network in two phases, all on 8,192 pairs."""
    pairs = basket.sample(jax.random.key(100 + seed), 8192)
    network = sp.Surrogate.create([7, *[128] * 6, 1], pairs, key=jax.random.key(200 + seed))
    network = sp.fit(network, pairs, key=jax.random.key(3), optimiser=sp.Adam(steps=1000, learning_rate=2e-3)).surrogate
    for keep in ([4, 6, 0, 0, 0, 0], [1, 5]):
        network = sp.prune(network, keep=keep, box=basket.box, fold="sobolev")
        network = sp.fit(network, pairs, key=jax.random.key(4), optimiser=sp.LevenbergMarquardt(15)).surrogate
    return network


def on_plain(network: sp.Surrogate, samples: sp.Samples) -> sp.Surrogate:
    """As noisy labels are best used."""
    settings = {"key": jax.random.key(5), "optimiser": sp.LevenbergMarquardt(40, prior=0.5), "held_out": 0}
    first = sp.fit(network, samples, **settings).surrogate
    return sp.fit(first, samples, noise=sp.label_noise(first, samples), **settings).surrogate


def on_quiet(network: sp.Surrogate, samples: sp.Samples) -> sp.Surrogate:
    """As in the example."""
    settings = {"key": jax.random.key(5), "optimiser": sp.LevenbergMarquardt(60), "held_out": 0}
    return sp.fit(network, samples, 2, weight=(1.0, 0.1), starts=6, **settings).surrogate


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    errors: dict[tuple[str, int], list[np.ndarray]] = {}
    oracles: dict[tuple[str, int], list[np.ndarray]] = {}
    seconds: dict[tuple[str, int], list[float]] = {}
    for seed in range(arguments.seeds):
        plain = GaussianBasket.random(n_assets=7, seed=seed)
        quiet = GaussianBasket.random(n_assets=7, seed=seed, conditional=True, design="sobol")
        evaluator = Evaluator.of(plain, plain.test_points(jax.random.key(6)))
        start = pruned_network(plain, seed)

        def over_paper(model, evaluator=evaluator) -> np.ndarray:
            r2 = evaluator(model).figures("r2")
            return (1.0 - np.array([r2[quantity] for quantity in QUANTITIES])) / PAPER

        for kind, basket, train, order in (("plain", plain, on_plain, 1), ("quiet", quiet, on_quiet, 2)):
            for n in PAIRS:
                samples = basket.sample(jax.random.key(300 + seed), n, order=order)
                begun = time.perf_counter()
                network = train(start, samples)
                seconds.setdefault((kind, n), []).append(time.perf_counter() - begun)
                errors.setdefault((kind, n), []).append(over_paper(network))
                oracles.setdefault((kind, n), []).append(over_paper(fit_oracle(plain, samples)))
    table = Table("labels", "pairs", "s", *QUANTITIES, *(f"oracle {q}" for q in QUANTITIES))
    for (kind, n), rows in errors.items():
        figures = [*np.mean(rows, axis=0), *np.mean(oracles[kind, n], axis=0)]
        table.add_row(kind, f"{n:,}", f"{np.mean(seconds[kind, n]):.1f}", *(f"{figure:.3g}" for figure in figures))
    Console(width=120).print(table)
    if arguments.plot is not None:
        draw(errors, oracles, seconds, arguments.plot)


def draw(errors, oracles, seconds, path: Path) -> None:
    """A column for each quantity: against pairs above, against seconds below."""
    plt.switch_backend("agg")
    figure, panels = plt.subplots(2, 3, figsize=(9.6, 5.6), sharey="col")
    for column, quantity in enumerate(QUANTITIES):
        for kind, colour in (("plain", "C1"), ("quiet", "C0")):
            mean, oracle = ([np.mean(found[kind, n], axis=0)[column] for n in PAIRS] for found in (errors, oracles))
            time_taken = [np.mean(seconds[kind, n]) for n in PAIRS]
            panels[0][column].loglog(PAIRS, mean, "o-", color=colour, markersize=3, label=f"{kind} labels")
            panels[0][column].loglog(PAIRS, oracle, "--", color=colour, linewidth=1, label=f"oracle, {kind}")
            panels[1][column].loglog(time_taken, mean, "o-", color=colour, markersize=3)
        for panel in panels[:, column]:
            panel.axhline(0.05, color="0.6", linewidth=0.8)
            panel.tick_params(labelsize=7)
        panels[0][column].set_title(quantity, fontsize=10)
        panels[0][column].set_xlabel("pairs", fontsize=8)
        panels[1][column].set_xlabel("seconds of fine-tuning", fontsize=8)
        panels[1][column].set_xticks(ticks := (5, 10, 20, 50, 100), map(str, ticks))
        panels[1][column].minorticks_off()
    for row in panels:
        row[0].set_ylabel("error over the paper's best", fontsize=8)
    panels[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    main()
