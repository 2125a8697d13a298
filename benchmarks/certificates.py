"""What can be proved about the surrogates of the seven-asset basket over its full test box, and how fast.

    python benchmarks/certificates.py            # trains 7-1-5-1, 7-2-4-1 and 7-8x6-1 first, about a minute
    python benchmarks/certificates.py --oversized MODEL.safetensors

"Certified over sampled" divides the proved bound by the largest difference at points, 1 being perfect.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from sobolev_pruning.certificates import Convex, Distance, Range, basket_claims, certify
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Surrogate, load
from sobolev_pruning.training import Adam, LevenbergMarquardt, fit

NETWORKS = {
    "7-1-5-1": ([7, 1, 5, 1], LevenbergMarquardt(60)),
    "7-2-4-1": ([7, 2, 4, 1], LevenbergMarquardt(60)),
    "7-8x6-1": ([7, *[8] * 6, 1], Adam(steps=6000, learning_rate=4e-3)),
}
SAMPLES = 16_384


def main() -> None:
    """Prints both tables."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oversized", type=Path, help="a saved network of 7 inputs to measure the distance from")
    parser.add_argument("--pieces", type=int, default=60_000)
    arguments = parser.parse_args()
    console = Console(width=140)
    # Labels with as little noise as those that the example of the basket ends with.
    basket = GaussianBasket.random(n_assets=7, seed=0, design="sobol", conditional=True)
    networks = _trained(basket)
    for name in ("7-2-4-1", "7-1-5-1"):
        console.print(_statements(name, networks[name], basket))
    table = Table(title="Certified distances over the full test box, Euclidean norm over all entries")
    for heading in ("models", "of", "certified", "reached", "certified over reached", "pieces", "seconds"):
        table.add_column(heading, justify="left" if heading in ("models", "of") else "right")
    first_two, values = (Distance("value"), Distance("gradient")), (Distance("value"),)
    pairs = [
        ("7-1-5-1 and closed form", networks["7-1-5-1"], basket, (*first_two, Distance("hessian"))),
        ("7-2-4-1 and 7-1-5-1", networks["7-2-4-1"], networks["7-1-5-1"], first_two),
        ("7-8x6-1 and 7-2-4-1", networks["7-8x6-1"], networks["7-2-4-1"], first_two),
    ]
    if arguments.oversized:
        pairs.append(("oversized and 7-1-5-1", load(arguments.oversized), networks["7-1-5-1"], values))
    for name, network, against, claims in pairs:
        _add_distances(table, name, network, against, claims, basket.box, arguments.pieces)
    console.print(table)


def _trained(basket: GaussianBasket) -> dict[str, Surrogate]:
    samples = basket.sample(jax.random.key(1), SAMPLES)
    return {
        name: fit(
            Surrogate.create(widths, samples, key=jax.random.key(1)),
            samples,
            key=jax.random.key(3),
            optimiser=optimiser,
        ).surrogate
        for name, (widths, optimiser) in NETWORKS.items()
    }


def _statements(name: str, network: Surrogate, basket: GaussianBasket) -> Table:
    gamma = tuple(np.asarray(basket.gamma_direction).tolist())
    claims = (
        Range("value"),
        Range("gradient"),
        Range("curvature", direction=gamma),
        Convex(margin=1e-3),
        *basket_claims(basket, delta_margin=0.02, gamma_margin=1e-3),
    )
    start = time.perf_counter()
    certificate = certify(network, basket.box, claims)
    seconds = time.perf_counter() - start
    table = Table(title=f"{name} over the full test box: {certificate.pieces} pieces, {seconds:.1f} s with compilation")
    for heading in ("claim", "answer", "proved", "width over reached width, worst entry"):
        table.add_column(heading)
    for answer in certificate.answers:
        width = np.subtract(answer.upper, answer.lower)
        reached = np.subtract(answer.reached_upper, answer.reached_lower)
        ratio = np.max(width / reached) if np.isfinite(width).all() else np.inf
        lower, upper = np.min(answer.lower), np.max(answer.upper)
        what = f"{type(answer.claim).__name__} {getattr(answer.claim, 'of', '')}"
        shown = "" if np.isinf(ratio) else f"{ratio:.4f}"
        table.add_row(what, answer.status, f"[{lower:.5g}, {upper:.5g}]".replace("[", r"\["), shown)
    return table


def _add_distances(table: Table, name: str, network, against, claims, box, pieces: int) -> None:
    start = time.perf_counter()
    certificate = certify(network, box, claims, against=against, pieces=pieces)
    seconds = time.perf_counter() - start
    for answer in certificate.answers:
        certified, reached = answer.upper[0], answer.reached_upper[0]
        first = answer is certificate.answers[0]
        table.add_row(
            name if first else "",
            answer.claim.of,
            f"{certified:.4g}",
            f"{reached:.4g}",
            f"{certified / reached:.2f}",
            f"{certificate.pieces:,}" if first else "",
            f"{seconds:.1f}" if first else "",
        )


if __name__ == "__main__":
    main()
