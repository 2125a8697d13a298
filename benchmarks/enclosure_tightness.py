"""How tight the enclosures of nodes and adjoints are, layer by layer: their sizes over those that sampling finds.

Two networks, 7-128x6-1 and 5-64x4-1, with silu, trained on values and first derivatives: the Gaussian basket, whose
gradients are all parallel, and a call on the worst of 5 correlated Black-Scholes assets, whose gradients are not. Two
boxes: the whole test box, and the one of half the width with the same centre. Medians over the nodes of a layer of the
enclosure's width, and of its largest adjoint, over those found by sampling; the rank correlation of the significances;
and seconds of a second call, which compiles nothing: wall clock, and of all processors together.

    python benchmarks/enclosure_tightness.py                   everything
    python benchmarks/enclosure_tightness.py basket half       one network, one box
"""

import sys
import time

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

import sobolev_pruning as sp
from sobolev_pruning.reference import GaussianBasket, black_scholes, payoffs
from sobolev_pruning.scoring import significance

SAMPLES = 8192
HALF_PIECES, WHOLE_PIECES = 16, 512


def basket():
    return GaussianBasket.random(n_assets=7, seed=0), [128] * 6


def worst_of():
    return (
        black_scholes(
            payoffs.worst_of_call,
            assets=5,
            inputs={"spot": (70.0, 130.0)},
            volatility=[0.2, 0.3, 0.25, 0.35, 0.15],
            correlation=0.3,
            antithetic=True,
        ),
        [64] * 4,
    )


NETWORKS = {"basket": basket, "worst-of": worst_of}
BOXES = {"half": 0.5, "whole": 1.0}


def trained(name: str) -> tuple:
    reference, hidden = NETWORKS[name]()
    samples = reference.sample(jax.random.key(0), SAMPLES)
    widths = [reference.n_inputs, *hidden, 1]
    start = sp.Surrogate.create(widths, samples, activation="silu", key=jax.random.key(1))
    optimiser = sp.Adam(steps=1000, learning_rate=2e-3)
    return reference, sp.fit(start, samples, order=1, optimiser=optimiser, key=jax.random.key(2)).surrogate


def add_rows(table: Table, box_name: str, method: str, found, true, wall: float, processor: float) -> None:
    layers = list(zip(found.range_widths, true.range_widths, found.adjoint_sizes, true.adjoint_sizes))
    rows = {
        "width": [np.median(width / within) for width, within, _, _ in layers],
        "adjoint": [np.median(size / within) for _, _, size, within in layers],
        "rank": [spearmanr(*pair).statistic for pair in zip(found.scores, true.scores)],
    }
    for place, (quantity, values) in enumerate(rows.items()):
        first = [box_name, method] if place == 0 else ["", ""]
        times = [f"{wall:.3g}", f"{processor:.3g}"] if place == 0 else ["", ""]
        table.add_row(*first, quantity, *[f"{value:.3g}" for value in values], *times, end_section=place == 2)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    console = Console(width=130)
    names = [name for name in sys.argv[1:] if name in NETWORKS] or list(NETWORKS)
    boxes = [name for name in sys.argv[1:] if name in BOXES] or list(BOXES)
    for name in names:
        reference, network = trained(name)
        error = ""
        if isinstance(reference, GaussianBasket):
            error = f", R2 of the value {sp.evaluate(network, reference).value.r2:.5f}"
        depth = len(network.widths) - 2
        table = Table("box", "method", "", *[f"layer {k + 1}" for k in range(depth)], "s", "processor s")
        table.title = f"{name}, {'-'.join(map(str, network.widths))}{error}"
        for box_name in boxes:
            lower, upper = (np.asarray(end) for end in reference.box)
            middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower) * BOXES[box_name]
            box = (middle - half, middle + half)
            true = significance(network, box, "sampled")
            for method in ("interval", "affine", "split"):
                pieces = HALF_PIECES if box_name == "half" else WHOLE_PIECES
                significance(network, box, method, pieces=pieces)
                wall, processor = time.perf_counter(), time.process_time()
                found = significance(network, box, method, pieces=pieces)
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
                label = f"split, {pieces}" if method == "split" else method
                add_rows(table, box_name, label, found, true, wall, processor)
        console.print(table)


if __name__ == "__main__":
    main()
