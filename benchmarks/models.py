"""Every model from samples to a pruned surrogate: how good it is on points of its own, against the model's truth.

An oversized network is trained on pairs of values and pathwise derivatives, pruned with Sobolev folding, and trained
again on more pairs. R2 is that of the pruned network, over the middle four fifths of every input's range (training
samples cover all of it, as a network is worst at the edge of what it has seen); for the random media, over inputs of
their law. Where the truth is an estimate its noise is taken out, and printed beside: the root mean square of the
standard errors of the value over its spread.

    python benchmarks/models.py               all models; their table goes into docs/models.md
    python benchmarks/models.py heston gene   those named

Either way each model's picture, predicted over true entries, goes into docs/pictures.
"""

import re
import sys
import time
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Scores, score, score_by_output, second_derivative_along
from sobolev_pruning.reference import GaussianBasket, black_scholes, gene_expression, heston, payoffs, random_medium

DOCS = Path(__file__).parent.parent / "docs"
COLUMNS = ("model", "inputs", "outputs", "parameters", "value", "delta", "gamma", "noise of truth", "truth", "s")
SAMPLES = 16_384
FINAL_SAMPLES = 131_072
POINTS = 256
OVERSIZED, KEPT = [32, 32], [8, 8]
MANY_OVERSIZED, MANY_KEPT = [192, 64], [96, 16]
ITERATIONS = 300

SPOTS = {"spot": (70.0, 130.0)}
CORRELATED = {"assets": 3, "volatility": [0.2, 0.3, 0.25], "correlation": 0.5, "antithetic": True, "design": "sobol"}
MODELS = {
    "basket": lambda: GaussianBasket.random(n_assets=7, seed=0),
    "call": lambda: black_scholes(
        payoffs.call, inputs={"spot": (70, 130), "volatility": (0.15, 0.35), "maturity": (0.5, 1.5)}, antithetic=True
    ),
    "basket-call": lambda: black_scholes(payoffs.call, inputs=SPOTS, **CORRELATED),
    "asian": lambda: black_scholes(
        payoffs.asian_call, inputs={"spot": (70, 130), "volatility": (0.15, 0.35)}, dates=12, antithetic=True
    ),
    "worst-of": lambda: black_scholes(payoffs.worst_of_call, inputs=SPOTS, **CORRELATED),
    "digital": lambda: black_scholes(
        payoffs.smoothed_digital_call(5.0), inputs={"spot": (70, 130), "volatility": (0.15, 0.35)}, antithetic=True
    ),
    "heston": lambda: heston(
        payoffs.call, inputs={"spot": (70, 130), "initial_variance": (0.02, 0.1)}, conditional=True, antithetic=True
    ),
    "gene": lambda: gene_expression(
        inputs={"transcription": (15, 25), "translation": (8, 12), "protein_decay": (0.4, 0.6)}, antithetic=True
    ),
    "medium-100": lambda: random_medium(100, antithetic=False),
    "medium-1000": lambda: random_medium(1000, antithetic=False),
}


def inner_points(model):
    """Uniform in the middle four fifths of every input's range."""
    lower, upper = model.box
    points = model.test_points(jax.random.key(4), POINTS)
    return 0.5 * (lower + upper) + 0.8 * (points - 0.5 * (lower + upper))


def train(model, many: bool) -> tuple[sp.Surrogate, sp.Surrogate]:
    """The oversized and the pruned and fine-tuned network; `many` inputs, which are correlated, get a recipe of theirs.

    The gradient lives in as many directions as the first layer has nodes: those of the media need 64 of them for R2 of
    0.995, however they are chosen. Neighbouring inputs tell the same.
    """
    pairs = model.sample(jax.random.key(1), 4 * SAMPLES if many else SAMPLES)
    hidden, keep = (MANY_OVERSIZED, MANY_KEPT) if many else (OVERSIZED, KEPT)
    widths = [model.n_inputs, *hidden, pairs.n_outputs]
    settings = {"balance": "fixed"} if many else {"scaled": True}
    first = sp.Adam(steps=5000, learning_rate=3e-2) if many else sp.LBFGS(iterations=ITERATIONS)
    last = sp.Adam(steps=5000, learning_rate=1e-2) if many else sp.LevenbergMarquardt(iterations=60)
    large = sp.Surrogate.create(widths, pairs, key=jax.random.key(2))
    large = sp.fit(large, pairs, optimiser=first, key=jax.random.key(3), **settings).surrogate
    small = sp.prune(large, keep=keep, samples=pairs, fold="sobolev")
    more = pairs if many else model.sample(jax.random.key(5), FINAL_SAMPLES)
    return large, sp.fit(small, more, optimiser=last, key=jax.random.key(3), **settings).surrogate


def evaluator(model, network: sp.Surrogate, points, many: bool) -> tuple[dict[str, tuple], dict[str, Scores], str]:
    """Predicted and true value, gradient (per spread of its input) and gamma, their scores, and the truth's kind."""
    truth = model.truth(points, order=1 if many else 2)
    spread = np.asarray(points).std(axis=0)
    scaled_stderr = None if truth.gradient_stderr is None else truth.gradient_stderr * spread
    found = {
        "value": (network.value(points), truth.value, truth.value_stderr),
        "delta": (np.asarray(network.gradient(points)) * spread, np.asarray(truth.gradient) * spread, scaled_stderr),
    }
    if truth.gamma is not None:
        gamma = second_derivative_along(network.hessian(points), model.gamma_direction)
        found["gamma"] = (gamma, truth.gamma, truth.gamma_stderr)
    measured = score if found["value"][1].ndim == 1 else score_by_output
    return found, {name: measured(*arrays) for name, arrays in found.items()}, truth.source


def draw(name: str, found: dict[str, tuple], scores: dict[str, Scores]) -> None:
    """A panel for each quantity, predicted over true; bars are two standard errors of an estimated truth."""
    titles = {"value": "value", "delta": "slopes per spread of the input", "gamma": "gamma"}
    figure, panels = plt.subplots(1, len(found), figsize=(3.2 * len(found), 3.2), squeeze=False)
    for panel, (quantity, (predicted, true, stderr)) in zip(panels[0], found.items()):
        true, predicted = np.ravel(true), np.ravel(predicted)
        shown = slice(None, None, -(-true.size // 4000))
        if stderr is not None:
            bars = 2.0 * np.ravel(stderr)[shown]
            panel.errorbar(true[shown], predicted[shown], xerr=bars, fmt="none", ecolor="0.8", linewidth=0.6, zorder=1)
        panel.plot(true[shown], predicted[shown], ".", markersize=2.5, zorder=2)
        ends = [true.min(), true.max()]
        panel.plot(ends, ends, color="black", linewidth=0.6, zorder=3)
        panel.set_title(f"{titles[quantity]}, R² {scores[quantity].r2:.4f}", fontsize=9)
        panel.set_xlabel("true", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.locator_params(nbins=5)
        panel.ticklabel_format(scilimits=(-2, 4))
    panels[0][0].set_ylabel("predicted", fontsize=8)
    figure.tight_layout()
    figure.savefig(DOCS / "pictures" / f"model-{name}.png", dpi=80)
    plt.close(figure)


def row_of(name: str) -> tuple[str, ...]:
    """Trains, judges and draws one model; the entries of `COLUMNS`."""
    start = time.perf_counter()
    model = MODELS[name]()
    # With hundreds of correlated inputs the box is nearly all corners that the law never meets.
    many = model.n_inputs > 20
    large, small = train(model, many)
    points = model.exposure_inputs(jax.random.key(4), POINTS) if many else inner_points(model)
    found, scores, source = evaluator(model, small, points, many)
    draw(name, found, scores)
    noise = scores["value"].noise_rmse / float(np.std(found["value"][1]))
    return (
        name,
        str(model.n_inputs),
        str(small.widths[-1]),
        f"{large.n_parameters} to {small.n_parameters}",
        f"{scores['value'].r2:.5f}",
        f"{scores['delta'].r2:.5f}",
        f"{scores['gamma'].r2:.4f}" if "gamma" in scores else "",
        f"{noise:.1e}" if noise else "none",
        source,
        f"{time.perf_counter() - start:.0f}",
    )


def write_table(rows: list[tuple[str, ...]]) -> None:
    """Puts the table between its two marks in docs/models.md."""
    page = DOCS / "models.md"
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    marked = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
    page.write_text(marked.sub(lambda _: table + "\n", page.read_text()))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    plt.switch_backend("agg")
    console = Console(width=140)
    rows = []
    for name in sys.argv[1:] or MODELS:
        if name not in MODELS:
            sys.exit(f"There is no model {name}; choose among {', '.join(MODELS)}.")
        rows.append(row_of(name))
        console.print("  ".join(rows[-1]))  # a run may be long; the table comes last
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if len(rows) == len(MODELS):
        write_table(rows)


if __name__ == "__main__":
    main()
