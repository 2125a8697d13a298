"""Steps and seconds that each optimiser needs to a given held-out loss, at four network sizes.

Every optimiser trains the same network on the same 8,192 noisy pairs of the 7-asset basket from the same starts. The
goal is 0.1% above the best held-out loss that any of them reaches from that start. Steps and seconds are medians over
the starts that got there, without compilation; beside them the seconds of a whole first run, compilation included. The
default of `fit` follows from this table.

    python benchmarks/optimisers.py
"""

import time

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import LBFGS, Adam, LevenbergMarquardt, fit

SHAPES = [[7, 1, 4, 1], [7, 3, 3, 1], [7, *[8] * 6, 1], [7, 128, 128, 1]]
CONTENDERS = {
    "Adam": lambda p: Adam(steps=4000, learning_rate=1e-2 if p < 1000 else 3e-3),
    "L-BFGS": lambda p: LBFGS(iterations=300),
    "Levenberg-Marquardt": lambda p: LevenbergMarquardt(iterations=100 if p < 100 else 30),
}
LARGEST_FOR_LEVENBERG_MARQUARDT = 1000
"""Beyond, one iteration takes minutes: the matrix grows with the square of the parameters."""
PAIRS, STARTS, MARGIN = 8192, 3, 1.001


def main() -> None:
    """Prints one table."""
    jax.config.update("jax_enable_x64", True)
    samples = GaussianBasket.random(n_assets=7, seed=0).sample(jax.random.key(0), PAIRS)
    table = Table(title=f"To within {MARGIN - 1:.1%} of the best held-out loss, {PAIRS} pairs, {STARTS} starts")
    headings = (
        "network",
        "parameters",
        "optimiser",
        "reached",
        "steps",
        "seconds",
        "first run, all steps",
        "best loss",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for widths in SHAPES:
        starts = [Surrogate.create(widths, samples, key=jax.random.key(10 + i)) for i in range(STARTS)]
        p = starts[0].n_parameters
        names = [name for name in CONTENDERS if "Marquardt" not in name or p <= LARGEST_FOR_LEVENBERG_MARQUARDT]
        runs = {
            name: [_run(start, samples, CONTENDERS[name](p), i == 0) for i, start in enumerate(starts)]
            for name in names
        }
        goals = [MARGIN * min(runs[name][i][0].best_held_out for name in names) for i in range(STARTS)]
        for name in names:
            reached = [_reached(fitted, goal, seconds) for (fitted, seconds, _), goal in zip(runs[name], goals)]
            found = [entry for entry in reached if entry is not None]
            steps, seconds = (f"{np.median(column):.3g}" for column in zip(*found)) if found else ("-", "-")
            best = np.median([fitted.best_held_out for fitted, _, _ in runs[name]])
            row = ("-".join(map(str, widths)), str(p), name, f"{len(found)} of {STARTS}", steps, seconds)
            table.add_row(*row, f"{runs[name][0][2]:.1f}", f"{best:.5f}")
        table.add_section()
    Console(width=140).print(table)


def _run(start, samples, optimiser, compiles: bool):
    """The fit, its seconds once compiled, and its seconds with compilation where this is the first of its kind."""
    first = time.perf_counter()
    if compiles:
        fit(start, samples, key=jax.random.key(1), optimiser=optimiser)
    second = time.perf_counter()
    fitted = fit(start, samples, key=jax.random.key(1), optimiser=optimiser)
    return fitted, time.perf_counter() - second, second - first


def _reached(fitted, goal: float, seconds: float) -> tuple[int, float] | None:
    """Step, and share of the seconds, at which the held-out loss first meets the goal."""
    met = np.flatnonzero(fitted.history.held_out_total <= goal)
    if not met.size:
        return None
    return int(fitted.history.step[met[0]]), seconds * (met[0] + 1) / len(fitted.history)


if __name__ == "__main__":
    main()
