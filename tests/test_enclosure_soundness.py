"""The quick part of the soundness campaign (`tests/soundness`): every function, operation, activation and method."""

import itertools
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import campaign
from oracle import activation, ball, endpoints, outside

from sobolev_pruning.activations import ACTIVATIONS, CRITICAL_POINTS

FUNCTIONS, OPERATIONS = list(campaign.PROGRAMS), list(campaign.BINARY)


def clean(record: campaign.Record, at_least: int) -> None:
    """Nothing failed, and nearly all of the checks asked for could be made."""
    assert record.made >= at_least and not record.failed, (record.made, record.failed[:5])


def test_functions_and_their_adjoints_lie_in_their_intervals():
    clean(campaign.elementary(FUNCTIONS, ["interval"], np.float64, boxes=150, points=6), 30_000)


def test_functions_lie_in_their_intervals_in_float32():
    clean(campaign.elementary(FUNCTIONS, ["interval"], np.float32, boxes=150, points=6, adjoint=False), 15_000)


def test_functions_lie_in_their_affine_forms():
    names = ["reciprocal", "cube", "sqrt", "exp", "log", "sin", "tanh", "erf"]
    clean(campaign.elementary(names, ["affine"], np.float64, boxes=60, points=6, adjoint=False), 2_000)


def test_operations_and_their_adjoints_lie_in_their_intervals():
    clean(campaign.binary(OPERATIONS, ["interval"], np.float64, boxes=150, points=6), 25_000)


def test_operations_lie_in_their_intervals_in_float32():
    clean(campaign.binary(OPERATIONS, ["interval"], np.float32, boxes=150, points=6, adjoint=False), 8_000)


def test_operations_lie_in_their_affine_forms():
    names = ["add", "multiply", "divide", "maximum"]
    clean(campaign.binary(names, ["affine"], np.float64, boxes=60, points=6, adjoint=False), 2_000)


def test_activations_of_every_order_lie_in_their_intervals():
    clean(campaign.activations(ACTIVATIONS, ["interval"], np.float64, boxes=150, points=6), 25_000)


def test_activations_lie_in_their_intervals_in_float32():
    clean(campaign.activations(ACTIVATIONS, ["interval"], np.float32, boxes=150, points=6, highest=1), 10_000)


def test_activations_lie_in_their_affine_forms():
    clean(campaign.activations(["silu", "gelu", "elu", "relu"], ["affine"], np.float64, 60, 6, highest=1), 2_000)


@pytest.mark.parametrize(("method", "dtype", "which"), [("interval", np.float32, 0), ("affine", np.float64, 1)])
def test_node_values_and_adjoints_of_networks_lie_in_their_enclosures(method, dtype, which):
    clean(campaign.networks(campaign.NETWORKS[which], [method], dtype, boxes=12, points=8, width=3), 1_500)


PROGRAMS = [("interval", 1, 6), ("affine", 2, 3), ("split", 6, 3)]


@pytest.mark.parametrize(("method", "seed", "length"), PROGRAMS)
def test_values_and_gradients_of_random_programs_lie_in_their_enclosures(method, seed, length):
    clean(campaign.expressions([method], np.float64, 10, 8, seed=seed, inputs=2, length=length), 200)


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


def test_programs_of_this_file_are_optimised_as_those_of_users_are():
    """Only then are products contracted into sums; other files' programs are not optimised."""
    assert not jax.config.read("jax_disable_most_optimizations")


def test_boxes_of_the_campaign_are_of_every_kind():
    lower, upper = endpoints(np.random.default_rng(0), 3000, np.float64)
    tiny = np.finfo(np.float64).tiny
    assert np.any(lower == upper) and np.any(np.isinf(lower)) and np.any(np.isinf(upper))
    assert np.any((lower < 0) & (upper > 0)) and np.any(upper == 0) and np.any(lower == 0)
    assert np.any((np.abs(lower) < tiny) & (lower != 0)) and np.any(np.abs(lower[np.isfinite(lower)]) > 1e200)
