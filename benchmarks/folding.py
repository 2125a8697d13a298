"""What a network keeps when most of its nodes go at once, without retraining: choices of survivors and folds compared.

    python benchmarks/folding.py                        # 10 seeds, 8 and 32 of 128 nodes kept in each of 6 layers
    python benchmarks/folding.py --seeds 2 --keep 16    # quicker

Each seed is a market, data and an initialisation of its own; the oversized network is trained on 8,192 pairs by the
order-1 loss. R2 is against the closed form over the test box, divided by that of the oversized network: 1 is nothing
lost.
"""

import argparse
import time

import jax
import numpy as np
import scipy.linalg
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sobolev_pruning.evaluation import Evaluator
from sobolev_pruning.pruning import prune
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.scoring import significance
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import Adam, fit

QUANTITIES = ("value", "delta", "gamma")
SAMPLES = 8192


def pivoted_qr(surrogate, box, samples):
    """Survivors in the order of a pivoted QR of the centred nodes, each times the root mean square of its adjoint."""
    points = np.random.default_rng(0).uniform(*map(np.asarray, box), (1024, surrogate.widths[0]))
    sizes = significance(surrogate, box, "sampled").adjoint_sizes
    scores = []
    for nodes, size in zip(surrogate.nodes(points), sizes):
        nodes = np.asarray(nodes)
        pivots = scipy.linalg.qr((nodes - nodes.mean(axis=0)) * size, mode="r", pivoting=True)[1]
        ranks = np.empty(len(pivots))
        ranks[pivots] = np.arange(len(pivots))
        scores.append(-ranks)
    return scores


WAYS = {
    ("interval significance", "midpoint"): lambda s, b: significance(s, b, "interval"),
    ("sampled significance", "midpoint"): lambda s, b: significance(s, b, "sampled"),
    ("sampled significance", "mean"): lambda s, b: significance(s, b, "sampled"),
    ("sampled significance", "sobolev"): lambda s, b: significance(s, b, "sampled"),
    ("random", "sobolev"): lambda s, b: significance(s, method="random"),
    ("pivoted QR", "sobolev"): lambda s, b: pivoted_qr,
    ("chosen for the fold", "least-squares"): lambda s, b: None,
    ("chosen for the fold", "sobolev"): lambda s, b: None,
}


def main() -> None:
    """Prints one table per number of nodes kept: mean and median over seeds, every seed of gamma, and seconds."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--hidden", type=int, nargs="+", default=[128] * 6)
    arguments = parser.parse_args()
    console = Console(width=160)
    found: dict[tuple, list] = {}
    oversized = []
    for seed in track(range(arguments.seeds), "seeds", console=Console(stderr=True)):
        basket = GaussianBasket.random(n_assets=7, seed=seed)
        network = trained(basket, arguments.hidden, seed)
        evaluator = Evaluator.of(basket, basket.test_points(jax.random.key(seed), 4096))
        before = figures(evaluator, network)
        oversized.append(before)
        for keep in arguments.keep:
            for way, criterion in WAYS.items():
                start = time.perf_counter()
                small = prune(network, keep, box=basket.box, significance=criterion(network, basket.box), fold=way[1])
                seconds = time.perf_counter() - start
                found.setdefault((keep, *way), []).append((figures(evaluator, small) / before, seconds))
    console.print(f"oversized, mean R2 of {', '.join(QUANTITIES)}: {np.mean(oversized, axis=0).round(6)}")
    for keep in arguments.keep:
        console.print(table_of({key[1:]: rows for key, rows in found.items() if key[0] == keep}, keep))


def trained(basket: GaussianBasket, hidden: list[int], seed: int) -> Surrogate:
    """The oversized network of one seed."""
    samples = basket.sample(jax.random.key(100 + seed), SAMPLES)
    start = Surrogate.create([7, *hidden, 1], samples, key=jax.random.key(200 + seed))
    optimiser = Adam(steps=2000, learning_rate=2e-3)
    return fit(start, samples, 1, key=jax.random.key(300 + seed), optimiser=optimiser, balance="fixed").surrogate


def figures(evaluator: Evaluator, network: Surrogate) -> np.ndarray:
    """R2 of value, delta and gamma."""
    r2 = evaluator(network).figures("r2")
    return np.array([r2[name] for name in QUANTITIES])


def table_of(rows: dict, keep: int) -> Table:
    """R2 over that of the oversized network."""
    table = Table(title=f"{keep} nodes kept per layer: R2 over the oversized network's, mean (median) over seeds")
    for heading in ("survivors", "fold", *QUANTITIES, "gamma, every seed", "seconds"):
        table.add_column(heading, justify="left" if heading in ("survivors", "fold", "gamma, every seed") else "right")
    for way, results in rows.items():
        ratios = np.array([ratio for ratio, _ in results])
        cells = [f"{mean:.5f} ({median:.5f})" for mean, median in zip(ratios.mean(axis=0), np.median(ratios, axis=0))]
        every = " ".join(f"{ratio:.3f}" for ratio in ratios[:, 2])
        table.add_row(*way, *cells, every, f"{np.median([seconds for _, seconds in results]):.1f}")
    return table


if __name__ == "__main__":
    main()
