"""What interval significance costs: ranges and adjoints of all nodes against value and gradient at as many points.

One box and a batch of 256, silu networks with 7 inputs. Both are timed in turn, and the ratios are medians. Beside them
the ratio of the processor times to compile (lowering not counted). `--plot FILE` writes the ratios as a picture.

A second table has the affine method over one box, and its time per parameter and noise symbol: one symbol for each
input and each node, whose errors all later nodes and adjoints may depend on. It must not grow with the network.

    python benchmarks/enclosure_cost.py [--plot ratios.png] [--quick]
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.scoring.program import nodes_and_adjoints

BATCH, REPEATS = 256, 7
WIDTHS, DEPTHS = (32, 64, 128, 256, 512, 1024), (2, 4, 6, 8, 12)
USUAL_WIDTH, USUAL_DEPTH = 128, 6
MOST_AFFINE_WIDTH = 256


def network_of(width: int, depth: int):
    points = np.random.default_rng(0).normal(size=(64, 7))
    samples = sp.Samples(points, points.sum(axis=1))
    return sp.Surrogate.create([7, *[width] * depth, 1], samples, key=jax.random.key(0))


def compiled(function, *arguments) -> tuple:
    lowered = jax.jit(function).lower(*arguments)
    start = time.process_time()
    program = lowered.compile()
    return program, time.process_time() - start


def seconds(program, arguments) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program(*arguments))
    return time.perf_counter() - start


def compared(width: int, depth: int, batch: int | None) -> dict[str, float]:
    network = network_of(width, depth)
    centre = np.random.default_rng(1).normal(size=(7,) if batch is None else (batch, 7))
    box = Interval(centre - 0.05, centre + 0.05)

    def point(network, x):
        return jax.value_and_grad(network)(x)

    bounds = enclose(nodes_and_adjoints)
    if batch is not None:
        point, bounds = (jax.vmap(function, in_axes=(None, 0)) for function in (point, bounds))
    on_points, on_boxes = (network, jnp.asarray(centre)), (network, box)
    at_points, compile_points = compiled(point, *on_points)
    over_boxes, compile_boxes = compiled(bounds, *on_boxes)
    for program, arguments in ((at_points, on_points), (over_boxes, on_boxes)):
        seconds(program, arguments)
    pairs = [(seconds(over_boxes, on_boxes), seconds(at_points, on_points)) for _ in range(REPEATS)]
    return {
        "milliseconds": 1e3 * float(np.median([pair[0] for pair in pairs])),
        "ratio": float(np.median([a / b for a, b in pairs])),
        "compile": compile_boxes / compile_points,
    }


def affine_milliseconds(width: int, depth: int) -> float:
    network = network_of(width, depth)
    centre = np.random.default_rng(1).normal(size=7)
    arguments = network, Interval(centre - 0.05, centre + 0.05)
    program, _ = compiled(enclose(nodes_and_adjoints, method="affine"), *arguments)
    seconds(program, arguments)
    return 1e3 * float(np.median([seconds(program, arguments) for _ in range(3)]))


def affine_table(shapes) -> Table:
    table = Table("width", "depth", "parameters", "symbols", "ms, affine", "ns per parameter and symbol")
    for width, depth in shapes:
        n_parameters, symbols = network_of(width, depth).n_parameters, 7 + width * depth
        milliseconds = affine_milliseconds(width, depth)
        each = 1e6 * milliseconds / (n_parameters * symbols)
        table.add_row(str(width), str(depth), f"{n_parameters:,}", f"{symbols:,}", f"{milliseconds:.3g}", f"{each:.3g}")
    return table


def plot(found: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for axis, name, fixed in ((axes[0], "width", USUAL_DEPTH), (axes[1], "depth", USUAL_WIDTH)):
        shapes = [shape for shape in found if shape[name == "width"] == fixed]
        sizes = sorted({shape[name == "depth"] for shape in shapes})
        for kind in ("one box", f"{BATCH} boxes"):
            of = {shape[name == "depth"]: found[shape][kind]["ratio"] for shape in shapes}
            axis.plot(sizes, [of[size] for size in sizes], marker="o", label=kind)
        axis.set(xlabel=f"{name}, at {'depth' if name == 'width' else 'width'} {fixed}", xscale="log", ylim=(0, None))
        axis.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("time over value and gradient")
    axes[0].legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, help="where to write the picture")
    parser.add_argument("--quick", action="store_true", help="widths 32 and 128 at the usual depth only")
    arguments = parser.parse_args()
    shapes = dict.fromkeys([*((width, USUAL_DEPTH) for width in WIDTHS), *((USUAL_WIDTH, depth) for depth in DEPTHS)])
    if arguments.quick:
        shapes = {(32, USUAL_DEPTH): None, (USUAL_WIDTH, USUAL_DEPTH): None}
    table = Table("width", "depth", "boxes", "ms", "over value and gradient", "target", "compilation over it", "target")
    for width, depth in shapes:
        shapes[width, depth] = {}
        for kind, batch in (("one box", None), (f"{BATCH} boxes", BATCH)):
            found = shapes[width, depth][kind] = compared(width, depth, batch)
            ratio_target = "" if batch is None else "5" if width >= 128 else "8"
            if batch is None and (width, depth) == (USUAL_WIDTH, USUAL_DEPTH):
                ratio_target = "0.5 ms"
            table.add_row(
                str(width) if batch is None else "",
                str(depth) if batch is None else "",
                kind,
                f"{found['milliseconds']:.3g}",
                f"{found['ratio']:.1f}",
                ratio_target,
                f"{found['compile']:.1f}",
                "3" if batch is None else "6",
                end_section=batch is not None,
            )
    Console(width=120).print(table)
    affine = [(width, depth) for width, depth in shapes if width <= MOST_AFFINE_WIDTH]
    Console(width=120).print(affine_table(affine))
    if arguments.plot:
        plot(shapes, arguments.plot)


if __name__ == "__main__":
    main()
