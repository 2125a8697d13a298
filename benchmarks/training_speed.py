"""Fused epochs against loops that come back to Python after every step, and against the processor's own rate.

Float64, order 1, batches of 256, 7 inputs. Contenders take turns within one run, so a busy machine slows all alike;
each ratio is the median over the rounds, with the smallest and the largest. The loops differentiate the network in the
usual way, by `jax.vmap`; the fused epochs include their held-out loss, over one batch. The rate is that of a chain of
dependent products of 256x128 by 128x128 matrices, and an epoch counts 12 operations per parameter and sample.

    python benchmarks/training_speed.py
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import Adam, SobolevLoss
from sobolev_pruning.training.batches import Batch
from sobolev_pruning.training.epochs import MOST_EPOCHS, advance, start_state
from sobolev_pruning.training.optimiser import with_layers

SHAPES = {"3x2": [7, 3, 3, 1], "20x3": [7, 20, 20, 20, 1], "128x6": [7, *[128] * 6, 1]}
TARGETS = {"3x2": 12.0, "20x3": 4.0, "128x6": 1.2}
SAMPLES, BATCH = 8192, 256
ROUNDS = 7
PRODUCTS = 400
"""Dependent products in the chain that the rate is measured by."""


def main() -> None:
    """Prints the table of ratios."""
    jax.config.update("jax_enable_x64", True)
    basket = GaussianBasket.random(n_assets=7, seed=0)
    training = basket.sample(jax.random.key(0), SAMPLES)
    held = basket.sample(jax.random.key(1), BATCH)
    table = Table(title=f"Training, float64, order 1, batch {BATCH}: speed of fused epochs, median (min to max)")
    for heading in (
        "network",
        "epoch [ms]",
        "against gathering eagerly",
        "against gathering in the step",
        "share of rate",
    ):
        table.add_column(heading, justify="right")
    for name, widths in SHAPES.items():
        surrogate = Surrogate.create(widths, training, key=jax.random.key(2))
        fused, eager, inside = _contenders(surrogate, training, held)
        epochs = min(MOST_EPOCHS, max(1, 100_000 // surrogate.n_parameters))
        times = _interleaved({"fused": partial(fused, epochs), "eager": eager, "inside": inside, "chain": _chain()})
        operations = 12 * surrogate.n_parameters * SAMPLES
        epoch = times["fused"] / epochs
        rate = 2 * BATCH * 128 * 128 * PRODUCTS / times["chain"]
        table.add_row(
            name,
            f"{1e3 * np.median(epoch):.2f}",
            _spread(times["eager"] / epoch) + f", target {TARGETS[name]:g}",
            _spread(times["inside"] / epoch) + ", target 1",
            _spread(operations / epoch / rate) + (", target 0.8" if name == "128x6" else ""),
        )
    Console(width=160).print(table)


def _contenders(surrogate: Surrogate, training: Samples, held: Samples):
    """One epoch of each kind, as functions that return when the epoch is done."""
    optimiser, loss = Adam(batch_size=BATCH), SobolevLoss.of(training, 1)
    data, held_data = Batch.of(training, 1), Batch.of(held, 1)
    mask = jax.tree.map(jnp.ones_like, surrogate.layers)
    state = start_state(surrogate, optimiser, loss, len(data), held_data)
    settings = jax.tree.map(jnp.asarray, optimiser)

    def fused(epochs: int):
        key = jax.random.key(3)
        n_epochs = jnp.asarray(epochs)
        jax.block_until_ready(advance(state, n_epochs, surrogate, settings, loss, data, held_data, mask, None, key))

    transformation = optax.adam(1e-3)

    def update(layers, adam_state, batch):
        def objective(layers):
            f, gradient = jax.vmap(jax.value_and_grad(with_layers(surrogate, layers)))(batch.x)
            return loss.terms((f[:, None], gradient[:, None]), batch).total

        value, gradient = jax.value_and_grad(objective)(layers)
        updates, adam_state = transformation.update(gradient, adam_state)
        return optax.apply_updates(layers, updates), adam_state, value

    step = jax.jit(update)
    gathering_step = jax.jit(lambda layers, s, data, rows: update(layers, s, jax.tree.map(lambda a: a[rows], data)))

    def eager():
        order = jax.random.permutation(jax.random.key(3), SAMPLES)
        now, adam_state = surrogate.layers, transformation.init(surrogate.layers)
        for start in range(0, SAMPLES, BATCH):
            rows = order[start : start + BATCH]
            batch = Batch(data.x[rows], data.y[rows], data.dydx[rows])
            now, adam_state, value = step(now, adam_state, batch)
        jax.block_until_ready((now, value))

    def inside():
        order = jax.random.permutation(jax.random.key(3), SAMPLES)
        now, adam_state = surrogate.layers, transformation.init(surrogate.layers)
        for start in range(0, SAMPLES, BATCH):
            now, adam_state, value = gathering_step(now, adam_state, data, order[start : start + BATCH])
        jax.block_until_ready((now, value))

    return fused, eager, inside


def _chain():
    weight = jax.random.normal(jax.random.key(4), (128, 128), jnp.float64) / 128**0.5
    start = jax.random.normal(jax.random.key(5), (BATCH, 128), jnp.float64)
    run = jax.jit(lambda h: jax.lax.scan(lambda h, _: (h @ weight, None), h, length=PRODUCTS)[0])
    return lambda: jax.block_until_ready(run(start))


def _interleaved(contenders: dict) -> dict[str, np.ndarray]:
    """Seconds of every contender in every round, after one round that compiles."""
    for run in contenders.values():
        run()
    seconds = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.asarray(column) for name, column in seconds.items()}


def _spread(ratios: np.ndarray) -> str:
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


if __name__ == "__main__":
    main()
