"""The quick part of the soundness campaign (`tests/soundness`): every function, operation, activation and method."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import campaign
from oracle import ELEMENTARY, activation, ball, endpoints, outside

from sobolev_pruning._foundation.activations import ACTIVATIONS
from sobolev_pruning.enclosure.critical_points import CRITICAL_POINTS

TYPES = [np.float64, np.float32]


def clean(result) -> None:
    made, failed = result
    assert made > 0 and not failed, failed[:5]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_lie_in_their_intervals(name, dtype):
    clean(campaign.elementary(name, "interval", dtype, boxes=300, points=6))


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_lie_in_their_affine_forms(name):
    clean(campaign.elementary(name, "affine", np.float64, boxes=60, points=6))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", campaign.BINARY)
def test_operations_lie_in_their_intervals(name, dtype):
    clean(campaign.binary(name, "interval", dtype, boxes=300, points=6))


@pytest.mark.parametrize("name", campaign.BINARY)
def test_operations_lie_in_their_affine_forms(name):
    clean(campaign.binary(name, "affine", np.float64, boxes=60, points=6))


@pytest.mark.parametrize(("name", "order"), list(itertools.product(ACTIVATIONS, range(5))))
def test_activations_of_every_order_lie_in_their_intervals(name, order):
    clean(campaign.activations(name, order, "interval", TYPES[order % 2], boxes=200, points=6))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_lie_in_their_affine_forms(name):
    clean(campaign.activations(name, 1, "affine", np.float64, boxes=60, points=6))


@pytest.mark.parametrize(("method", "dtype"), [("interval", np.float32), ("affine", np.float64)])
@pytest.mark.parametrize("seed", range(2))
def test_node_values_and_adjoints_of_networks_lie_in_their_enclosures(seed, method, dtype):
    clean(campaign.networks(method, dtype, [0.02, 0.8][seed], points=12, seed=seed))


PROGRAMS = [("interval", 1), ("interval", 2), ("interval", 3), ("affine", 2), ("split", 3)]


@pytest.mark.parametrize(("method", "seed"), PROGRAMS)
def test_values_and_gradients_of_random_programs_lie_in_their_enclosures(method, seed):
    clean(campaign.expressions(method, np.float64, [1.0, 1e-6, 0.05, 0.5][seed], points=12, seed=seed))


def test_the_check_itself_sees_a_bound_that_is_one_digit_short():
    third = ball(1) / 3
    below, above = np.nextafter(1 / 3, 0), np.nextafter(1 / 3, 1)
    assert not outside(below, above, third)
    assert outside(above, 1.0, third) and outside(0.0, below, third) and outside(np.nan, np.nan, third)


@pytest.mark.parametrize(("name", "order"), list(itertools.product(ACTIVATIONS, range(5))))
def test_critical_points_are_zeros_of_the_next_derivative_and_all_of_them(name, order):
    if name in ("relu", "elu"):
        assert CRITICAL_POINTS[name][order] == ()
        return
    points = CRITICAL_POINTS[name][order]
    for point, value in points:
        truth = activation(name, ball(point), order)
        assert abs(float(truth) - value) <= 2e-16 * abs(value)
    # Between them the next derivative keeps its sign, on a grid that no root falls on.
    grid = np.linspace(-11.0, 11.0, 1103) + 1.0 / 7919
    signs = np.sign([float(activation(name, ball(x), order + 1)) for x in grid])
    changes = grid[:-1][signs[:-1] != signs[1:]]
    assert len(changes) == len(points)
    for left, (point, _) in zip(changes, points):
        assert left <= point <= left + 22.0 / 1102


def test_boxes_of_the_campaign_are_of_every_kind():
    lower, upper = endpoints(np.random.default_rng(0), 3000, np.float64)
    tiny = np.finfo(np.float64).tiny
    assert np.any(lower == upper) and np.any(np.isinf(lower)) and np.any(np.isinf(upper))
    assert np.any((lower < 0) & (upper > 0)) and np.any(upper == 0) and np.any(lower == 0)
    assert np.any((np.abs(lower) < tiny) & (lower != 0)) and np.any(np.abs(lower[np.isfinite(lower)]) > 1e200)
