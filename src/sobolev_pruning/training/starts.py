"""Several starts: small networks have several valleys, and training finds the nearest."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import jax
import jax.numpy as jnp

from .._foundation.arrays import PRNGKey
from .._foundation.errors import TrainingDiverged
from .._foundation.samples import Samples
from ..sampling import split
from ..surrogate import Surrogate, random_layers
from .optimiser import Layers, with_layers

PART = 8
"""Starts are compared on one of so many parts of the samples, so that eight of them cost as much as one training."""

FEWEST = 16_384
"""No fewer samples than this: with less the noise of the labels would choose."""


class Trained(Protocol):
    """What is known of a trained network."""

    surrogate: Surrogate
    objective: float


def best_start(
    surrogate: Surrogate,
    samples: Samples,
    starts: int,
    mask: Layers,
    key: PRNGKey,
    train: Callable[[Surrogate, Samples, int], Trained],
) -> Surrogate:
    """The best of `surrogate` and of `starts - 1` networks of its shape with random weights, after a short training.

    `train(network, samples, number)` trains start `number`, counted from 0, on an eighth of `samples`, or on 16,384
    where that is more; the least objective decides. A random start that diverges is passed over. Parameters whose
    `mask` is 0 stay as they are.
    """
    part_key, *keys = jax.random.split(key, starts)
    n = max(len(samples) // PART, FEWEST)
    few = samples if n >= len(samples) else split(samples, n / len(samples), part_key)[1]
    best = train(surrogate, few, 0)
    for number, start_key in enumerate(keys, start=1):
        *drawn, last = random_layers(surrogate.widths, start_key)
        drawn = (*drawn, replace(last, skip=surrogate.layers[-1].skip))
        layers = jax.tree.map(lambda m, new, old: jnp.where(m > 0, new, old), mask, drawn, surrogate.layers)
        try:
            found = train(with_layers(surrogate, layers), few, number)
        except TrainingDiverged:
            continue
        best = min(best, found, key=lambda one: one.objective)
    return best.surrogate
