"""Real data with gradients, beside `jenn`, a gradient-enhanced neural network in NumPy, on the same split.

The airfoil data, 42,039 points with 16 inputs (14 shape modes, Mach number, angle of attack) and the drag coefficient
with its gradient, and the engine data, 1,056 points with 3 inputs (Mach number, altitude, throttle) and thrust and fuel
consumption with their Jacobians, are those that the package `smt` carries. A fifth of the points, at random, is for the
test. An oversized network is trained on the rest by the order-1 loss in units of the inputs' spreads (`scaled=True`),
pruned with Sobolev folding, and fine-tuned on the same points.

`jenn` trains the network that `smt` calls it with by default (two layers of 12, normalised) by its Adam on batches of
256 with learning rate 0.01: of the five settings tried, that of smt's own script for the airfoil among them, this one
came closest in equal time. It is given ten times as long as our training, pruning and fine-tuning together took with
compilation: its epochs are counted out by the time that one of them takes.

    python benchmarks/real_data.py                        both sets
    python benchmarks/real_data.py airfoil --picture FILE  one of them, with a picture
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jenn
import numpy as np
from rich.console import Console
from rich.table import Table
from smt.examples.airfoil_parameters.learning_airfoil_parameters import load_cd_training_data
from smt.examples.b777_engine.b777_engine import get_b777_engine

import sobolev_pruning as sp
from sobolev_pruning import sampling
from sobolev_pruning.evaluation import score

TIMES_OURS = 10.0
JENN_HIDDEN = [12, 12]


@dataclass(frozen=True)
class Example:
    """A data set and the recipe for it; `keep` nodes stay in each hidden layer."""

    samples: Callable[[], sp.Samples]
    hidden: list[int]
    keep: int
    first: sp.Adam | sp.LBFGS
    last: sp.Adam | sp.LBFGS


@dataclass(frozen=True)
class Row:
    """A model: its name, value and gradient at points, size, and the seconds of training up to it."""

    name: str
    value: Callable
    gradient: Callable
    n_parameters: int
    seconds: float


EXAMPLES = {
    "airfoil": Example(
        lambda: sp.Samples(*map(np.float64, load_cd_training_data())),
        [64, 64, 64],
        28,
        sp.Adam(steps=6000, learning_rate=1e-2),
        sp.Adam(steps=8000, learning_rate=5e-3),
    ),
    "engine": Example(
        lambda: sp.Samples(*get_b777_engine()[:3]), [48, 48], 16, sp.LBFGS(iterations=600), sp.LBFGS(iterations=600)
    ),
}


def ours(example: Example, training: sp.Samples) -> list[Row]:
    """The oversized, the pruned and the fine-tuned network."""
    rows = []
    start = time.perf_counter()

    def keep(name: str, network: sp.Surrogate) -> sp.Surrogate:
        seconds = time.perf_counter() - start
        rows.append(Row(name, network.value, network.gradient, network.n_parameters, seconds))
        return network

    widths = [training.n_inputs, *example.hidden, training.n_outputs]
    network = sp.Surrogate.create(widths, training, key=jax.random.key(1))
    settings = {"scaled": True, "held_out": 0.05}
    large = sp.fit(network, training, optimiser=example.first, key=jax.random.key(2), **settings).surrogate
    small = sp.prune(keep("oversized", large), keep=example.keep, samples=training, fold="sobolev")
    small = keep("pruned", small)
    keep("fine-tuned", sp.fit(small, training, optimiser=example.last, key=jax.random.key(3), **settings).surrogate)
    return rows


def jenn_row(training: sp.Samples, seconds: float) -> Row:
    """`jenn` after about so many seconds of training."""
    n, d, k = len(training), training.n_inputs, training.n_outputs
    x, y = np.asarray(training.x).T, np.asarray(training.y).reshape(n, k).T
    dydx = np.asarray(training.dydx).reshape(n, k, d).transpose(1, 2, 0)
    network = jenn.NeuralNet([d, *JENN_HIDDEN, k])

    def train(epochs: int) -> float:
        start = time.perf_counter()
        settings = {"is_normalize": True, "alpha": 0.01, "batch_size": 256, "max_iter": 1, "random_state": 0}
        network.fit(x, y, dydx, epochs=epochs, **settings)
        return time.perf_counter() - start

    epochs = max(1, round(seconds / min(train(1), train(1))))
    taken = train(epochs)
    outputs = () if training.is_scalar else (k,)
    return Row(
        f"jenn, {epochs} epochs",
        lambda points: network.predict(np.asarray(points).T).T.reshape(-1, *outputs),
        lambda points: network.predict_partials(np.asarray(points).T).transpose(2, 0, 1).reshape(-1, *outputs, d),
        sum(a.size for a in (*network.parameters.W[1:], *network.parameters.b[1:])),
        taken,
    )


def by_output(row: Row, test: sp.Samples) -> tuple[str, str]:
    """R2 of value and scaled gradient, each output on its own: their sizes may differ by powers of ten."""
    n, d, k = len(test), test.n_inputs, test.n_outputs
    spread = np.asarray(test.x).std(axis=0)
    pairs = (
        (np.reshape(row.value(test.x), (n, k)), np.reshape(test.y, (n, k))),
        (np.reshape(row.gradient(test.x), (n, k, d)) * spread, np.reshape(test.dydx, (n, k, d)) * spread),
    )
    return tuple("  ".join(f"{score(found[:, j], truth[:, j]).r2:.5f}" for j in range(k)) for found, truth in pairs)


def draw(rows: list[Row], test: sp.Samples, path: Path) -> None:
    """Predicted over true gradient components in units of the inputs' spreads, a panel for each model."""
    import matplotlib.pyplot as plt

    spread = np.asarray(test.x).std(axis=0)
    truth = np.asarray(test.dydx) * spread
    ends = [truth.min(), truth.max()]
    figure, panels = plt.subplots(1, len(rows), figsize=(4.2 * len(rows), 4.0), sharex=True, sharey=True, squeeze=False)
    for panel, row in zip(panels[0], rows):
        predicted = np.asarray(row.gradient(test.x)) * spread
        panel.plot(truth.ravel(), predicted.ravel(), ".", markersize=1.5, alpha=0.25, rasterized=True)
        panel.plot(ends, ends, color="black", linewidth=0.7)
        panel.set_title(f"{row.name} ({row.n_parameters:,} parameters)")
        panel.set_xlabel("true slope of the drag, per spread of the input")
        panel.set_ylim(1.1 * np.array(ends))
    panels[0][0].set_ylabel("predicted")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXAMPLES))
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in EXAMPLES:
            parser.error(f"there is no set {name}; choose {' or '.join(EXAMPLES)}")
    console = Console(width=120)
    for name in arguments.names or EXAMPLES:
        training, test = sampling.split(EXAMPLES[name].samples(), 0.2, jax.random.key(0))
        rows = ours(EXAMPLES[name], training)
        rows.append(jenn_row(training, TIMES_OURS * rows[-1].seconds))
        table = Table("model", "parameters", "R2 of value", "R2 of scaled gradient", "s", title=name)
        for row in rows:
            figures = by_output(row, test)
            table.add_row(row.name, f"{row.n_parameters:,}", *figures, f"{row.seconds:.0f}")
        console.print(table)
        if arguments.picture:
            draw(rows[-2:], test, arguments.picture)


if __name__ == "__main__":
    main()
