"""What one call costs: value, gradient and gamma of the seven-asset basket, on one core, in every way it can be had.

The small network has 40 parameters, the oversized one 83,713; neither is trained, which makes no difference to time.
onnxruntime and JAX run the same networks, alone and 4,096 points at a time. The closed form and the Monte Carlo
(10,000 paths, gradient by path, gamma by the score of the normal law) are C, compiled like the headers: see calls.c.
Times are the best of many calls; those of C are CPU time. Needs gcc.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from sobolev_pruning.interchange import save_c, save_onnx
from sobolev_pruning.interchange.write.c import c_array
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Surrogate

PROGRAM = Path(__file__).with_name("calls.c")
FLAGS = {"-O3": ["-O3"], "-O3 -march=native": ["-O3", "-march=native"]}
BATCHES = {1: 300, 4096: 15}
WIDTHS = {"small": [7, 3, 3, 1], "large": [7, *[128] * 6, 1]}
ASKED = {"single": 120, "batch": 40}
TITLES = {
    "single": "C, one point",
    "batch": "C, batch of 4,096",
    "large-single": "C, oversized, one point",
    "large-batch": "C, oversized, batch of 64",
    "closed-form": "closed form in C",
    "monte-carlo": "Monte Carlo of 10,000 paths in C",
}


def main() -> None:
    """Prints the table; factors are over one point in C without special flags."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before the libraries start their threads
    jax.config.update("jax_enable_x64", True)
    basket = GaussianBasket.random(n_assets=7, seed=0)
    samples = basket.sample(jax.random.key(0), 256)
    networks = {name: Surrogate.create(w, samples, key=jax.random.key(1)) for name, w in WIDTHS.items()}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for flags, timed in in_c(networks, basket, Path(folder)).items():
            rows += [(f"{TITLES[name]}, {flags}", ns, ASKED.get(name)) for name, ns in timed.items()]
        for name, network in networks.items():
            size = "" if name == "small" else ", oversized"
            for batch, repeats in BATCHES.items():
                x = np.asarray(basket.test_points(jax.random.key(2), batch))
                runs = {"onnxruntime": in_onnxruntime(network, Path(folder), x, repeats)}
                runs["JAX"] = in_jax(network, x, repeats)
                rows += [(f"{way}{size}, batch {batch:,}", ns, None) for way, ns in runs.items()]
    table = Table(title="Value, gradient and gamma on one core")
    for heading in ("way", "ns per point", "asked", "times the small network, one point in C"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    unit = rows[0][1]
    for title, nanoseconds, asked in rows:
        table.add_row(title, f"{nanoseconds:,.1f}", str(asked or ""), f"{nanoseconds / unit:,.2f}")
    Console(width=120).print(table)


def in_c(networks: dict[str, Surrogate], basket: GaussianBasket, folder: Path) -> dict[str, dict[str, float]]:
    """Nanoseconds per point for each choice of flags; checks the closed form and the Monte Carlo on the way."""
    for name, network in networks.items():
        save_c(network, folder / f"{name}.h", name=name)
    factor = np.asarray(basket.volatilities)[:, None] * np.linalg.cholesky(np.asarray(basket.correlation))
    factor = factor * np.sqrt(float(basket.maturity - basket.exposure_time))
    spread = np.linalg.norm(np.asarray(basket.weights) @ factor)
    arrays = {"weights": basket.weights, "factor": factor, "lower": basket.box[0], "upper": basket.box[1]}
    lines = [c_array(name, np.asarray(array), "double") for name, array in arrays.items()]
    lines += [f"static const double strike = {float(basket.strike)!r}, spread = {float(spread)!r};"]
    lines += ["#define D 7", f"#define ONES {{{', '.join(['1.0'] * 7)}}}"]
    (folder / "basket.h").write_text("\n".join(lines) + "\n")
    middle = 0.5 * (basket.box[0] + basket.box[1])[None, :]
    truth = np.array([basket.value(middle)[0], jnp.sum(basket.hessian(middle))])
    found = {}
    for title, flags in FLAGS.items():
        build = ["gcc", "-std=c99", *flags, f"-I{folder}", str(PROGRAM), "-o", str(folder / "calls"), "-lm"]
        subprocess.run(build, check=True)
        output = subprocess.run([folder / "calls"], check=True, capture_output=True, text=True).stdout
        lines = {line.split()[0]: np.array(line.split()[1:], float) for line in output.splitlines()}
        np.testing.assert_allclose(lines["closed-form"][1:], truth, rtol=1e-12)
        np.testing.assert_allclose(lines["monte-carlo"][1:], truth, rtol=0.1)
        found[title] = {name: float(numbers[0]) for name, numbers in lines.items()}
    return found


def in_onnxruntime(network: Surrogate, folder: Path, x: np.ndarray, repeats: int) -> float:
    """Nanoseconds per point; gamma comes from the Hessian-vector product."""
    save_onnx(network, folder / "net.onnx", derivatives=1, hessian_vector_product=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, providers=["CPUExecutionProvider"])
    inputs = {"x": x, "direction": np.ones_like(x)}
    return best(lambda: session.run(None, inputs)[2].sum(axis=-1), repeats) / len(x)


def in_jax(network: Surrogate, x: np.ndarray, repeats: int) -> float:
    """Nanoseconds per point of a compiled call."""

    def greeks(point):
        value, gradient = jax.value_and_grad(network)(point)
        return value, gradient, jnp.sum(jax.jvp(jax.grad(network), (point,), (jnp.ones_like(point),))[1])

    compiled = jax.jit(jax.vmap(greeks))
    points = jnp.asarray(x)
    jax.block_until_ready(compiled(points))
    return best(lambda: jax.block_until_ready(compiled(points)), repeats) / len(x)


def best(call, repeats: int) -> float:
    """The fastest of `repeats` calls in nanoseconds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start)
    return min(taken)


if __name__ == "__main__":
    main()
