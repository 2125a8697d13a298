"""Sparse training: a network that has few nonzero parameters from the start, whose places move while it learns."""

import math
from typing import Literal

import jax

from .._foundation.arrays import PRNGKey, generator_of
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..sampling import split
from ..surrogate import Dense, Surrogate
from .adam import Adam
from .batches import Batch
from .connections import Connections, as_mask, dense_gradient, moved, random_connections, silenced
from .loop import Fit, fit
from .losses import SobolevLoss
from .optimiser import Layers, with_layers

REGROWTHS = ("random", "gradient")

_MOVING = 0.75
"""The part of the steps during which connections move, as in RigL."""


def fit_sparse(
    surrogate: Surrogate,
    samples: Samples,
    order: int = 1,
    *,
    n_nonzero: int,
    key: PRNGKey,
    regrowth: Literal[REGROWTHS] = "gradient",  # type: ignore[valid-type]
    updates: int = 20,
    fraction: float = 0.3,
    optimiser: Adam | None = None,
    scaled: bool = False,
    held_out: float = 0.125,
) -> Fit:
    """Trains `surrogate` with `n_nonzero` of its parameters (weights and biases) in use, all others 0 throughout.

    Three quarters of the steps of `optimiser` are shared out over as many parts as there are `updates`, the last
    quarter is one more; each part is a run of `fit` of its own, which keeps its weights of lowest held-out loss. After
    part t = 1, 2, ... a share `fraction / 2 (1 + cos(pi t / (updates + 1)))` of the parameters in use is dropped in
    every layer, those of least magnitude, and as many are grown, with the value 0:

    - `regrowth="random"`: at random places (SET; Mocanu et al. 2018);
    - `regrowth="gradient"`: where the loss over the training samples has the largest slope (RigL; Evci et al. 2020).

    The falling share is RigL's; SET as published drops the same share each time. The first places are random, more
    densely in narrow layers (see `random_connections`), and weights there are as in `surrogate`, scaled up by the root
    of what their layer lost, so that nodes keep their spread. `scaled` is as in `fit`.

    Gives the `Fit` of the last part; its `surrogate` has at most `n_nonzero` parameters that are not 0.

    Raises `InputError` for settings that make no sense, and where `n_nonzero` does not fit the network.

    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 64)
    >>> samples = Samples(x[:, None], x**2)
    >>> start = Surrogate.create([1, 8, 8, 1], samples, key=jax.random.key(0))
    >>> found = fit_sparse(start, samples, 0, n_nonzero=20, key=jax.random.key(1), optimiser=Adam(200), updates=2)
    >>> sum(int((leaf != 0).sum()) for leaf in jax.tree.leaves(found.surrogate.layers)) <= 20
    True
    """
    if regrowth not in REGROWTHS:
        raise InputError(f"regrowth is {regrowth!r}; choose one of {', '.join(REGROWTHS)}.")
    if updates < 1 or not 0 < fraction < 1:
        raise InputError(f"There are {updates} updates of {fraction}; give at least 1, of a share between 0 and 1.")
    if surrogate.layers[-1].skip is not None:
        raise InputError("A network with a skip from the inputs cannot be trained sparsely; take one without.")
    optimiser = Adam() if optimiser is None else optimiser
    generator = generator_of(jax.random.fold_in(key, updates))
    connections = random_connections(surrogate.widths, n_nonzero, generator)
    training, held = (samples, 0.0) if held_out == 0 else split(samples, held_out, key)
    loss, data = SobolevLoss.of(training, order, scaled=scaled), Batch.of(training, order)
    current = with_layers(surrogate, _start(surrogate, connections))
    for number in range(updates + 1):
        steps = (1 - _MOVING) * optimiser.steps if number == updates else _MOVING * optimiser.steps / updates
        found = fit(
            current,
            training,
            order,
            key=jax.random.fold_in(key, number),
            optimiser=Adam(math.ceil(steps), optimiser.batch_size, optimiser.learning_rate),
            scaled=scaled,
            held_out=held,
            mask=as_mask(connections),
        )
        if number == updates:
            return found
        share = 0.5 * fraction * (1.0 + math.cos(math.pi * (number + 1) / (updates + 1)))
        if regrowth == "random":
            growth = [generator.random(mask.shape) for mask in connections]
        else:
            growth = dense_gradient(loss, found.surrogate, data)
        connections = moved(connections, found.surrogate.layers, share, growth)
        current = with_layers(found.surrogate, silenced(found.surrogate.layers, connections))


def _start(surrogate: Surrogate, connections: Connections) -> Layers:
    """The layers with the connections alone, their weights scaled up by the root of what the layer lost."""
    scaled = [
        Dense(layer.weight / math.sqrt(mask[:, :-1].mean() or 1.0), layer.bias)
        for layer, mask in zip(surrogate.layers, connections)
    ]
    return silenced(tuple(scaled), connections)
