"""How far every way out of a surrogate lies from JAX: largest difference over the largest entry of the array.

    python benchmarks/agreement.py                      # a million points for the basket network, ten minutes
    python benchmarks/agreement.py --points 100000      # quicker

The basket network is trained first; those of the other activations are as they were drawn, over a tenth of the points.
`onnx.reference` is slow and sees a hundredth. Points are uniform in the box and exact in float32, so that the inputs of
the float32 files carry no error of their own. Needs gcc; and Node, FMPy and, for the system's Python,
PyTorch, or else leaves these out. The FMU, which is called point by point and has no Hessian, sees a tenth.
"""

import argparse
import ctypes
import importlib.util
import json
import runpy
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import onnx.reference
import onnxruntime
from rich.console import Console
from rich.table import Table

from sobolev_pruning.activations import ACTIVATIONS
from sobolev_pruning.interchange import save_c, save_fmu, save_javascript, save_numpy, save_onnx, save_torch
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import LevenbergMarquardt, fit

CHUNK = 20_000
ASKED = {"float64": (1e-13, 1e-12, 1e-11), "float32": (1e-5, 1e-5, 1e-5)}
NAMES = ("value", "gradient", "hessian")
C_FUNCTION = """
#include "{dtype}.h"
void run(long n, const {number} *x, {number} *v, {number} *g, {number} *h) {{ net_hessian_batch(n, x, v, g, h); }}
"""
IN_TORCH = """
import numpy, runpy, torch
net = runpy.run_path("net_torch.py")["Surrogate"]()
x = torch.tensor(numpy.load("x.npy"), requires_grad=True)
value = net(x)
(gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
again = {"retain_graph": True, "allow_unused": True}  # slopes of relu do not change with x
hessian = [torch.autograd.grad(slopes.sum(), x, **again)[0] for slopes in gradient.T]
hessian = [numpy.zeros(x.shape) if bends is None else bends.numpy() for bends in hessian]
numpy.savez("found.npz", value.detach().numpy(), gradient.detach().numpy(), numpy.stack(hessian, axis=1))
"""
IN_NODE = """
import fs from "node:fs";
import * as net from "./net.mjs";
const points = JSON.parse(fs.readFileSync("x.json"));
const found = [net.value, net.gradient, net.hessian].map((of) => points.map((x) => of(x)));
fs.writeFileSync("found.json", JSON.stringify(found));
"""
SYSTEM_PYTHON = "/usr/bin/python3"
Way = Callable[[np.ndarray], tuple[np.ndarray, ...]]


def main() -> None:
    """Prints one table per network."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    arguments = parser.parse_args()
    console = Console(width=120)
    basket = GaussianBasket.random(n_assets=7, seed=0)
    samples = basket.sample(jax.random.key(1), 8192)
    network = Surrogate.create([7, 2, 4, 1], samples, key=jax.random.key(2))
    network = fit(network, samples, key=jax.random.key(3), optimiser=LevenbergMarquardt(40)).surrogate
    compared = {"7-2-4-1 silu, the basket": (network, arguments.points)}
    for activation in ACTIVATIONS:
        created = Surrogate.create([7, 6, 5, 1], samples, activation, key=jax.random.key(4))
        compared[f"7-6-5-1 {activation}"] = (created, arguments.points // 10)
    for title, (surrogate, points) in compared.items():
        with tempfile.TemporaryDirectory() as folder:
            console.print(table_of(title, surrogate, basket.box, points, Path(folder)))


def table_of(title: str, surrogate: Surrogate, box, points: int, folder: Path) -> Table:
    """The differences of every way out."""
    ways = {
        "C float64": (compiled(surrogate, folder, "float64"), "float64", points),
        "NumPy": (numpy_module(surrogate, folder), "float64", points),
        "onnxruntime float64": (runtime(surrogate, folder, "float64"), "float64", points),
        "onnx.reference float64": (reference_runtime(folder), "float64", points // 100),
        "C float32": (compiled(surrogate, folder, "float32"), "float32", points),
        "onnxruntime float32": (runtime(surrogate, folder, "float32"), "float32", points),
    }
    if shutil.which("node"):
        ways["JavaScript"] = (in_node(surrogate, folder), "float64", points)
    if subprocess.run([SYSTEM_PYTHON, "-c", "import torch"], capture_output=True).returncode == 0:
        ways["PyTorch"] = (in_torch(surrogate, folder), "float64", points)
    if importlib.util.find_spec("fmpy"):
        ways["FMU"] = (in_unit(surrogate, folder), "float64", points // 10)
    largest, apart = np.zeros(3), {name: np.zeros(3) for name in ways}
    generator = np.random.default_rng(0)
    for start in range(0, points, CHUNK):
        n = min(CHUNK, points - start)
        x = generator.uniform(*map(np.asarray, box), (n, surrogate.widths[0])).astype(np.float32).astype(np.float64)
        truth = [np.asarray(array) for array in (surrogate.value(x), surrogate.gradient(x), surrogate.hessian(x))]
        largest = np.maximum(largest, [np.max(np.abs(array)) for array in truth])
        for name, (way, dtype, wanted) in ways.items():
            if start < wanted:
                kept = min(n, wanted - start)
                found = way(np.ascontiguousarray(x[:kept], dtype))
                here = [np.max(np.abs(one.reshape(two[:kept].shape) - two[:kept])) for one, two in zip(found, truth)]
                apart[name] = np.maximum(apart[name][: len(here)], here)
    table = Table("way out", "points", *NAMES, "asked", title=f"{title}: largest difference over largest entry")
    for name, (_, dtype, wanted) in ways.items():
        of = np.where(largest > 0, largest, 1)[: len(apart[name])]  # relu has no second derivative but 0
        ratios = apart[name] / of
        cells = [f"{ratio:.1e}" + ("" if ratio <= bound else " missed") for ratio, bound in zip(ratios, ASKED[dtype])]
        cells += ["none"] * (len(NAMES) - len(cells))
        table.add_row(name, f"{wanted:,}", *cells, " ".join(f"{bound:.0e}" for bound in ASKED[dtype]))
    return table


def compiled(surrogate: Surrogate, folder: Path, dtype: str) -> Way:
    """The C header, compiled with vector instructions of this machine."""
    save_c(surrogate, folder / f"{dtype}.h", name="net", dtype=dtype)
    number = "double" if dtype == "float64" else "float"
    (folder / f"{dtype}.c").write_text(C_FUNCTION.format(dtype=dtype, number=number))
    flags = ["-std=c99", "-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, f"{dtype}.c", "-o", f"{dtype}.so", "-lm"], cwd=folder, check=True)
    run = ctypes.CDLL(str(folder / f"{dtype}.so")).run
    d, k = surrogate.widths[0], surrogate.widths[-1]

    def way(x: np.ndarray) -> tuple[np.ndarray, ...]:
        outputs = tuple(np.empty((len(x), k, *[d] * order), dtype) for order in range(3))
        run(ctypes.c_long(len(x)), *(array.ctypes.data_as(ctypes.c_void_p) for array in (x, *outputs)))
        return outputs

    return way


def numpy_module(surrogate: Surrogate, folder: Path) -> Way:
    """The Python file."""
    save_numpy(surrogate, folder / "net.py")
    net = runpy.run_path(str(folder / "net.py"))
    return lambda x: tuple(net[name](x) for name in NAMES)


def runtime(surrogate: Surrogate, folder: Path, dtype: str) -> Way:
    """The ONNX file in onnxruntime."""
    save_onnx(surrogate, folder / f"{dtype}.onnx", derivatives=2, dtype=dtype)
    session = onnxruntime.InferenceSession(folder / f"{dtype}.onnx", providers=["CPUExecutionProvider"])
    return lambda x: tuple(session.run(None, {"x": x}))


def reference_runtime(folder: Path) -> Way:
    """The ONNX file that `runtime` wrote, in the evaluator of the standard."""
    evaluator = onnx.reference.ReferenceEvaluator(str(folder / "float64.onnx"))
    return lambda x: tuple(evaluator.run(None, {"x": x}))


def in_node(surrogate: Surrogate, folder: Path) -> Way:
    """The JavaScript module."""
    save_javascript(surrogate, folder / "net.mjs")
    (folder / "run.mjs").write_text(IN_NODE)

    def way(x: np.ndarray) -> tuple[np.ndarray, ...]:
        (folder / "x.json").write_text(json.dumps(x.tolist()))
        subprocess.run(["node", "run.mjs"], cwd=folder, check=True)
        return tuple(np.array(array) for array in json.loads((folder / "found.json").read_text()))

    return way


def in_torch(surrogate: Surrogate, folder: Path) -> Way:
    """The PyTorch module, in the system's Python, differentiated by PyTorch."""
    save_torch(surrogate, folder / "net_torch.py")

    def way(x: np.ndarray) -> tuple[np.ndarray, ...]:
        np.save(folder / "x.npy", x)
        subprocess.run([SYSTEM_PYTHON, "-c", IN_TORCH], cwd=folder, check=True)
        with np.load(folder / "found.npz") as found:
            return tuple(found[name] for name in found.files)

    return way


def in_unit(surrogate: Surrogate, folder: Path) -> Way:
    """The functional mock-up unit; its gradient by one directional derivative for each input."""
    import fmpy
    from fmpy.fmi2 import FMU2Slave

    save_fmu(surrogate, folder / "net.fmu")
    description = fmpy.read_model_description(folder / "net.fmu")
    unzipped = fmpy.extract(folder / "net.fmu", unzipdir=folder / "unit")
    unit = FMU2Slave(guid=description.guid, unzipDirectory=unzipped, modelIdentifier="net")
    unit.instantiate()
    inputs = list(range(surrogate.widths[0]))
    output = [len(inputs)]

    def at(point: np.ndarray) -> tuple[float, list[float]]:
        unit.setReal(inputs, point)
        slopes = [unit.getDirectionalDerivative(output, [i], [1.0])[0] for i in inputs]
        return unit.getReal(output)[0], slopes

    return lambda x: tuple(np.array(array) for array in zip(*map(at, x)))


if __name__ == "__main__":
    main()
