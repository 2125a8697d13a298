"""Backward linear relaxations beside affine forms: widths of value and gradient of the first output, unsplit.

Over a box: what 20,000 points show, the affine form of `sp.enclose`, and `enclosure.enclose_layers` with the slopes it
starts with and after 100 steps; seconds of the first call, compilation included. The gradient's width is that of its
widest entry. Networks of random weights of PyTorch's law, and, where its file is at hand, ACAS Xu 3_3 over the box of
property 3 and a fifth of it about the same centre (those files state no licence, so they are not part of this package).

    python benchmarks/backward_bounds.py
    python benchmarks/backward_bounds.py --acas DIRECTORY
"""

import argparse
import itertools
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.activations import activate
from sobolev_pruning.certificates.maps import mapped
from sobolev_pruning.enclosure import Interval, enclose_layers

ACAS = "ACASXU_run2a_3_3_batch_2000.onnx"
PROPERTY_3 = ([-0.3035311561, -0.0095492966, 0.4933803236, 0.3, 0.3], [-0.2985528119, 0.0095492966, 0.5, 0.5, 0.5])
RANDOM = {"tanh 2-24x2-1": ([2, 24, 24, 1], "tanh"), "silu 7-32x3-1": ([7, 32, 32, 32, 1], "silu")}
RANDOM |= {"relu 5-50x6-5": ([5, *[50] * 6, 5], "relu")}


def random_layers(widths: list[int]) -> list:
    """Weights and biases uniform within one over the root of the inputs."""
    generator, layers = np.random.default_rng(0), []
    for n_in, n_out in itertools.pairwise(widths):
        end = 1.0 / np.sqrt(n_in)
        layers.append((generator.uniform(-end, end, (n_out, n_in)), generator.uniform(-end, end, n_out)))
    return layers


def cases(folder: Path | None):
    """Names, layers, activations and boxes."""
    for name, (widths, activation) in RANDOM.items():
        box = Interval(-np.ones(widths[0]), np.ones(widths[0]))
        yield name, random_layers(widths), (*[activation] * (len(widths) - 2), "identity"), box
    if folder is None or not (folder / ACAS).exists():
        Console().print("ACAS Xu 3_3 is not at hand: give the folder of its file by --acas.")
        return
    network = sp.load_onnx(folder / ACAS)
    first = mapped(network)
    layers = [(first.matrix, first.offset), *((one.weight, one.bias) for one in network.layers[1:])]
    lower, upper = (np.array(end) for end in PROPERTY_3)
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
    for name, part in (("ACAS Xu 3_3, property 3", 1.0), ("ACAS Xu 3_3, a fifth", 0.2)):
        yield name, layers, network.activations, Interval(middle - part * half, middle + part * half)


def first_output(layers, activations):
    """The first output as a function of one point."""
    floats = [tuple(part.mid() if isinstance(part, Interval) else jnp.asarray(part) for part in one) for one in layers]

    def value(x):
        for (weight, bias), activation in zip(floats, activations):
            x = activate(weight @ x + bias, activation, 0)
        return x[0]

    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--acas", type=Path, help="folder of the ACAS Xu files")
    table = Table("network", "way", "value", "gradient", "s")
    for name, layers, activations, box in cases(parser.parse_args().acas):
        value = first_output(layers, activations)
        u = np.random.default_rng(1).uniform(size=(20_000, box.shape[0]))
        points = np.asarray(box.lower) + u * (np.asarray(box.upper) - np.asarray(box.lower))
        of = [np.asarray(jax.jit(jax.vmap(f))(points)).reshape(len(points), -1) for f in (value, jax.grad(value))]
        table.add_row(name, "sampled", *(f"{np.ptp(a, axis=0).max():.4g}" for a in of), "")
        start = time.perf_counter()
        forms = [sp.enclose(f, method="affine")(box) for f in (value, jax.grad(value))]
        seconds = time.perf_counter() - start
        table.add_row("", "affine", *(f"{float(form.wid().max()):.4g}" for form in forms), f"{seconds:.1f}")
        for steps in (0, 100):
            start = time.perf_counter()
            found, jacobian = enclose_layers(layers, activations, box, steps)
            widths = float(found.wid()[0]), float(jacobian.wid()[0].max())
            seconds = time.perf_counter() - start
            words = f"backward, {steps} steps"
            table.add_row("", words, *(f"{width:.4g}" for width in widths), f"{seconds:.1f}")
    Console().print(table)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
