"""Hard targets from label to surrogate of at most 400 parameters, beside what is asked for.

    python benchmarks/targets.py                                all targets, one seed each
    python benchmarks/targets.py worst-of asian --seeds 3       those named, three seeds

Labels are quiet (`reference.quiet`), means over Sobol replicates at every input, or the model's own that need no
more; of order 2 where the pilot finds second derivatives valid. Errors are root mean squares at points uniform in the
box: of values in hundredths of a percent of the strike (bp), or of their spread; of slopes, input by input or in the
mean over like inputs, and of gamma, over the root mean square of the true quantity. Where the truth is an estimate,
by quiet labels too, the squares of its standard errors are taken out of those of the errors; "noise of truth" is what
they are over what is left, at most. Seconds are those of pilot and labels, and of training.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.reference import black_scholes, gene_expression, heston, payoffs, pre_integrated

SPOTS = {"spot": (70.0, 130.0)}
HESTON = SPOTS | {
    "initial_variance": (0.01, 0.09),
    "mean_reversion": (0.5, 3.0),
    "volatility_of_variance": (0.2, 0.8),
    "correlation": (-0.8, -0.2),
}
BARRIER = SPOTS | {"volatility": (0.1, 0.4)}
GENE = {
    "transcription": (15.0, 25.0),
    "rna_decay": (0.8, 1.2),
    "translation": (8.0, 12.0),
    "protein_decay": (0.4, 0.6),
    "initial_rna": (4.0, 6.0),
    "initial_protein": (40.0, 60.0),
}


@dataclass(frozen=True)
class Target:
    """A model, how many inputs with how many replicates are drawn, and the network and training."""

    make: Callable
    asked: str
    inputs: int
    paths: int
    hidden: tuple[int, ...]
    iterations: int = 60
    truth_paths: int = 16_384
    points: int = 64
    labels: str | None = None  # of the model itself, which are not integrated further


def worst_of():
    """A worst-of call on five assets."""
    volatility = [0.2, 0.3, 0.25, 0.35, 0.15]
    return black_scholes(payoffs.worst_of_call, inputs=SPOTS, assets=5, volatility=volatility, correlation=0.5)


def barrier(dates: int):
    """An up-and-out call watched on so many dates."""
    return black_scholes(payoffs.up_and_out_call(130.0), inputs=BARRIER, dates=dates)


TARGETS = {
    "worst-of": Target(worst_of, "0.4 bp, 1%, 1%", 8192, 64, (16, 16)),
    "basket-20": Target(
        lambda: black_scholes(payoffs.call, inputs=SPOTS, assets=20, correlation=0.5),
        "0.25 bp, 0.3%, 1.2%",
        4096,
        16,
        (8, 8, 8),
    ),
    "asian": Target(
        lambda: black_scholes(
            payoffs.asian_call, inputs=SPOTS | {"volatility": (0.1, 0.4), "rate": (0.0, 0.1)}, dates=12
        ),
        "0.4 bp, 0.4%, 0.6%",
        8192,
        16,
        (16, 16),
    ),
    "heston-fourier": Target(
        lambda: heston(payoffs.call, inputs=HESTON, labels="fourier"),
        "0.3 bp, 0.1% spot, 3% others, 1.5%",
        16_384,
        1,
        (16, 16),
        iterations=150,
        labels="Fourier",
    ),
    "heston-simulated": Target(
        lambda: heston(payoffs.call, inputs=HESTON, conditional=True, design="sobol"),
        "2 bp, 0.5% spot, 10% others, 5%",
        16_384,
        64,
        (16, 16),
        labels="conditional",
    ),
    "up-and-out-12": Target(lambda: barrier(12), "0.6 bp, 1%, 5%", 8192, 128, (16, 16)),
    "up-and-out-daily": Target(
        lambda: barrier(252), "3 bp, 5%, stated", 4096, 64, (16, 16), truth_paths=1024, points=64
    ),
    "gene": Target(lambda: gene_expression(inputs=GENE, steps=100), "0.1% of the spread, 2%", 16_384, 32, (14, 14)),
}


class Errors(NamedTuple):
    """Of values `(k,)`; relative ones of slopes `(k, d)` and gamma `(k,)`; the largest part that noise of truth is."""

    value: np.ndarray
    slopes: np.ndarray
    gamma: np.ndarray
    noise: float

    @staticmethod
    def of(network: sp.Surrogate, points, truth, direction) -> "Errors":
        """Those of `network` at `points`."""
        n, d = points.shape
        hessian = np.asarray(network.hessian(points)).reshape(n, -1, d, d)
        gamma = np.full(hessian.shape[:2], np.nan) if direction is None else hessian @ direction @ direction
        found = network.value(points), network.gradient(points), gamma
        wanted = (truth.value, truth.value_stderr), (truth.gradient, truth.gradient_stderr)
        wanted += ((truth.gamma, truth.gamma_stderr),)
        errors, parts = [], []
        for shape, one, (exact, stderr) in zip(((n, -1), (n, -1, d), (n, -1)), found, wanted):
            exact = np.full_like(one, np.nan) if exact is None else exact
            one, exact = np.reshape(one, shape), np.reshape(exact, shape)
            noise = 0.0 if stderr is None else rms(np.reshape(stderr, shape))
            error = np.sqrt(np.maximum(rms(one - exact) ** 2 - noise**2, 0.0))
            parts.append(np.max(noise / np.maximum(error, 1e-300)))
            errors.append(error if not errors else error / rms(exact))
        return Errors(*errors, noise=float(np.nanmax(parts)))


def rms(array) -> np.ndarray:
    """Root mean square over points."""
    return np.sqrt(np.mean(np.square(np.asarray(array)), axis=0))


def row_of(name: str, seed: int) -> list[str]:
    """One row of the table."""
    target = TARGETS[name]
    model = target.make()
    start = time.perf_counter()
    reference, record = (model, None) if target.labels else pre_integrated(model)
    labels, order = target.labels or record.way, reference.label_order
    direction = reference.gamma_direction
    draw, start_weights, training = jax.random.split(jax.random.key(seed), 3)
    further = {"directions": jnp.asarray(direction)[None]} if order == 2 and direction is not None else {}
    samples = reference.sample(draw, target.inputs, order=order, paths=target.paths, **further)
    sampled = time.perf_counter()
    network = sp.Surrogate.create([model.n_inputs, *target.hidden, samples.n_outputs], samples, key=start_weights)
    network = sp.fit(
        network,
        samples,
        key=training,
        order=order,
        weight=(1.0, 0.3) if order == 2 else 1.0,
        scaled=True,
        optimiser=sp.LevenbergMarquardt(target.iterations),
        held_out=0,
    ).surrogate
    done = time.perf_counter()
    points = model.test_points(jax.random.key(99), target.points)
    known = model.exact is not None
    truth = model.truth(points) if known else reference.estimate(points, jax.random.key(98), target.truth_paths)
    found = Errors.of(network, points, truth, None if direction is None else np.asarray(direction))
    kinds = [variable.name.split("[")[0] for variable in model.inputs]
    slopes = {kind: rms(found.slopes[:, [each == kind for each in kinds]].T).max() for kind in kinds}
    spread = np.std(np.reshape(truth.value, (len(points), -1)), axis=0)
    return [
        name,
        str(network.n_parameters),
        target.asked,
        f"{(found.value / spread).max():.3%}" if name == "gene" else f"{100 * found.value.max():.2f} bp",
        " ".join(f"{error:.2%}" for error in slopes.values()),
        "" if direction is None else f"{found.gamma.max():.2%}",
        f"{labels}, order {order}",
        f"{found.noise:.2f}",
        f"{sampled - start:.0f} + {done - sampled:.0f}",
    ]


def main() -> None:
    """Prints a row for every target and seed as it is ready, and the table at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    table = Table(title="Errors on hard targets")
    headings = ("target", "parameters", "asked for", "value", "slopes", "gamma", "labels", "noise of truth", "s")
    for heading in headings:
        table.add_column(heading)
    for name in arguments.targets or TARGETS:
        for seed in range(arguments.seeds):
            row = row_of(name, seed)
            print(" | ".join(row), flush=True)
            table.add_row(*row)
    Console(width=180).print(table)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
