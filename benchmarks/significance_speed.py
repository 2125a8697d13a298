"""Interval significance of the oversized network against one training step of it, in one run."""

import time

import equinox as eqx
import jax
import numpy as np
from rich.console import Console

from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.scoring import significance
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import SobolevLoss
from sobolev_pruning.training.batches import Batch

REPEATS = 30


def seconds(call) -> float:
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    basket = GaussianBasket.random(n_assets=7, seed=0)
    samples = basket.sample(jax.random.key(0), 256)
    network = Surrogate.create([7, *[128] * 6, 1], samples, key=jax.random.key(1))
    loss, batch, box = SobolevLoss.of(samples, 1), Batch.of(samples, 1), basket.box
    gradient = eqx.filter_jit(lambda surrogate: eqx.filter_grad(lambda s: loss(s, batch).total)(surrogate))
    # Taken in turn, so that a machine whose speed drifts treats both alike.
    pairs = [
        (seconds(lambda: significance(network, box).scores), seconds(lambda: gradient(network))) for _ in range(REPEATS)
    ]
    ratios = np.array([score / step for score, step in pairs])
    score, step = np.median(pairs, axis=0)
    Console().print(
        f"interval significance of 7-128x6-1: {1e3 * score:.2f} ms; gradient of the order-1 loss on 256 samples: "
        f"{1e3 * step:.2f} ms; ratio {np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f}), target below 1"
    )


if __name__ == "__main__":
    main()
