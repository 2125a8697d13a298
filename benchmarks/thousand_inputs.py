"""The whole method with 1,000 inputs: a rod of 1,000 random conductivities, from simulator to evaluation.

Sampled are pairs of value and gradient of the random medium with noise in its source; a network of 64 and 64 hidden
nodes is trained on values and all 1,000 derivatives, pruned, and fine-tuned. R2 of value and gradient are those on
inputs of the law, against the closed form. Neighbouring cells are correlated, so the 1,000 derivatives of a sample tell
as much as a few dozen that are independent: they count as much as its value (`balance="fixed"`), not a thousand times
as much. The gradient lives in as many directions as the first layer has nodes, so that layer keeps more of them.

Times include compilation, and the peak of the memory is that of the whole process. Goals: 10 minutes and 8 GiB on 2
cores.

    python benchmarks/thousand_inputs.py
"""

import resource
import sys
import time

import jax
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp

CELLS = 1000
PAIRS, TEST_POINTS = 8192, 4096
HIDDEN, KEPT = [64, 64], [32, 8]


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    table = Table("stage", "s", "peak memory, GiB", "parameters", "value", "gradient", title=f"{CELLS} inputs")
    start = last = time.perf_counter()
    test: sp.Samples | None = None

    def add_row(stage: str, network: sp.Surrogate | None = None) -> None:
        nonlocal last
        found = None if network is None else sp.evaluate(network, test).figures("r2")
        figures = ("", "", "") if found is None else (f"{network.n_parameters:,}", *map(digits, found.values()))
        now = time.perf_counter()
        table.add_row(stage, f"{now - last:.0f}", f"{peak_gibibytes():.1f}", *figures[:3])
        last = now

    def digits(r2: float | None) -> str:
        return "" if r2 is None else f"{r2:.5f}"

    model = sp.reference.random_medium(CELLS)
    pairs = model.sample(jax.random.key(1), PAIRS)
    points = model.exposure_inputs(jax.random.key(2), TEST_POINTS)
    test = sp.Samples(points, model.value(points), model.gradient(points))
    add_row("samples and truth")

    network = sp.Surrogate.create([CELLS, *HIDDEN, 1], pairs, key=jax.random.key(3))
    network = sp.fit(
        network, pairs, optimiser=sp.Adam(steps=2500, learning_rate=3e-2), key=jax.random.key(4), balance="fixed"
    ).surrogate
    add_row("oversized", network)
    network = sp.prune(network, keep=KEPT, samples=pairs, fold="sobolev")
    add_row("pruned", network)
    network = sp.fit(
        network, pairs, optimiser=sp.Adam(steps=2500, learning_rate=1e-2), key=jax.random.key(5), balance="fixed"
    ).surrogate
    add_row("fine-tuned", network)

    console = Console()
    console.print(table)
    console.print(f"{time.perf_counter() - start:.0f} s in all (goal 600), {peak_gibibytes():.1f} GiB (goal 8)")


def peak_gibibytes() -> float:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20


if __name__ == "__main__":
    main()
