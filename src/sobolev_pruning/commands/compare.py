"""By how much two networks in files differ over a box: at points, and at most."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from .._foundation.errors import InputError
from .._foundation.variables import Variable, expect_same, named_first
from ..evaluation.teacher import uniform_points
from ..interchange import read_network
from .domain import find_domain, outside_training_range
from .guaranteed_distance import guaranteed_distance
from .models import describe
from .records import ComparisonRecord, Difference

ORDERS = {"value": 0, "gradient": 1, "hessian": 2}

_MOST_NODES_FOR_HESSIANS = 24
"""Hidden nodes of both networks together; enclosing Hessians of larger ones takes many minutes and gigabytes."""


def compare_models(
    first: Path,
    second: Path,
    *,
    box: str | None = None,
    columns: str | None = None,
    order: int | None = None,
    pieces: int = 20_000,
    progress: bool = False,
) -> ComparisonRecord:
    """Differences of value, gradient and Hessian, at uniform points and by certificates with `pieces` cells each.

    `order` is the highest derivative that certificates are made for: by default 2 for small networks, else 1. Networks
    of several outputs are compared over all of them together, and output by output at the points.
    """
    if order not in (None, 0, 1, 2):
        raise InputError(f"--order is {order}; choose 0 (values), 1 (gradients too) or 2 (Hessians too).")
    networks = [read_network(path) for path in (first, second)]
    ends = [(network.widths[0], network.widths[-1]) for network in networks]
    if ends[0] != ends[1]:
        raise InputError(
            f"{first} has {ends[0][0]} inputs and {ends[0][1]} outputs, {second} has {ends[1][0]} and {ends[1][1]}; "
            "compare networks of the same function."
        )
    for what in ("inputs", "outputs"):
        expect_same(*(getattr(network, what) for network in networks), str(second), what)
    known = next((network for network in networks if network.training_range is not None), networks[0])
    domain = find_domain(known, box, None, columns)
    warnings = [
        f"{path}: {sentence}"
        for path, network in zip((first, second), networks)
        for sentence in outside_training_range(network, domain.box.lower, domain.box.upper)
    ]
    points = uniform_points(domain.box, jax.random.key(0))
    if order is None:
        nodes = sum(sum(network.widths[1:-1]) for network in networks)
        order = 2 if nodes <= _MOST_NODES_FOR_HESSIANS else 1
    # Beyond its kinks a network has one derivative more than continuous ones.
    order = min(order, *(network.smoothness + 1 for network in networks))
    differences = []
    for of, derivative in ORDERS.items():
        arrays = [np.asarray(getattr(network, of)(points)).reshape(len(points), -1) for network in networks]
        size, distance = (np.linalg.norm(array, axis=1) for array in (arrays[0], arrays[0] - arrays[1]))
        largest, guaranteed = float(distance.max()), None
        if derivative <= order:
            guaranteed, reached = guaranteed_distance(*networks, domain.box, of, pieces=pieces, progress=progress)
            largest = max(largest, reached)
        rms = float(np.sqrt(np.mean(distance**2)))
        differences.append(Difference(of, float(size.max()), rms, largest, guaranteed))
        outputs = named_first(*(network.outputs for network in networks))
        differences += _by_output(of, *arrays, outputs)
    return ComparisonRecord(
        first=describe(networks[0], first),
        second=describe(networks[1], second),
        lower=np.asarray(domain.box.lower),
        upper=np.asarray(domain.box.upper),
        n_points=len(points),
        differences=tuple(differences),
        warnings=tuple(warnings),
    )


def _by_output(of: str, first: np.ndarray, second: np.ndarray, outputs: Sequence[Variable]) -> list[Difference]:
    """The differences at the points of each output by itself, which a larger one would hide; none for one output."""
    if len(outputs) == 1:
        return []
    found = []
    for j, output in enumerate(outputs):
        ours, theirs = (array.reshape(len(array), len(outputs), -1)[:, j] for array in (first, second))
        size, distance = np.linalg.norm(ours, axis=1), np.linalg.norm(ours - theirs, axis=1)
        rms = float(np.sqrt(np.mean(distance**2)))
        found.append(Difference(f"{of} of {output}", float(size.max()), rms, float(distance.max()), None))
    return found
