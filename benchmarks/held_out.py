"""What chooses the weights of a small network with many samples: a held-out part, or the training loss (`held_out=0`).

The Gaussian basket, 7-1-5-1, fine-tuned on 131,072 samples from a network trained on 16,384 others. Errors, 1 - R2 on
the test box, are divided by those of the paper's best column; seeds move market, data and initialisation.

    python benchmarks/held_out.py [--seeds 5]
"""

import argparse

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.running import BASKET_R2

QUANTITIES = ("value", "delta", "gamma")
WAYS = {"one in eight held out": 0.125, "training loss": 0.0}


def main() -> None:
    """Prints the table."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    paper = np.array([1.0 - BASKET_R2["finetuned-reference"][quantity] for quantity in QUANTITIES])
    ratios = {name: np.array([errors(seed, held_out) for seed in seeds]) / paper for name, held_out in WAYS.items()}
    table = Table("weights chosen by", "quantity", "median", "every seed")
    for name, rows in ratios.items():
        for quantity, row in zip(QUANTITIES, rows.T):
            table.add_row(name, quantity, f"{np.median(row):.3g}", "  ".join(f"{ratio:.3g}" for ratio in row))
    Console(width=110).print(table)


def errors(seed: int, held_out: float) -> np.ndarray:
    """Errors of the fine-tuned network; both ways start from the same one."""
    basket = sp.reference.GaussianBasket.random(n_assets=7, seed=seed, design="sobol", conditional=True)
    keys = jax.random.split(jax.random.key(seed), 4)
    few, many = basket.sample(keys[0], 16_384), basket.sample(keys[1], 131_072)
    network = sp.Surrogate.create([7, 1, 5, 1], few, key=keys[2])
    network = sp.fit(network, few, key=keys[3], optimiser=sp.LevenbergMarquardt(60)).surrogate
    network = sp.fit(network, many, key=keys[3], optimiser=sp.LevenbergMarquardt(80), held_out=held_out).surrogate
    found = sp.evaluate(network, basket).figures("r2")
    return np.array([1.0 - found[quantity] for quantity in QUANTITIES])


if __name__ == "__main__":
    main()
