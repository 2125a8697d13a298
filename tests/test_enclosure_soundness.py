"""The quick part of the soundness campaign (`tests/soundness`): every function, operation, activation and method."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import campaign
from oracle import activation_derivatives, ball, endpoints, outside

from activation_names import EVERY
from sobolev_pruning.activations import activation

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
    clean(campaign.activations(EVERY, ["interval"], np.float64, boxes=150, points=6), 25_000)


def test_activations_lie_in_their_intervals_in_float32():
    clean(campaign.activations(EVERY, ["interval"], np.float32, boxes=150, points=6, highest=1), 10_000)


def test_activations_lie_in_their_affine_forms():
    names = ["silu", "gelu", "elu", "relu", "mish", "hard_swish", "swish(1.702)"]
    clean(campaign.activations(names, ["affine"], np.float64, 60, 6, highest=1), 3_500)


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


@pytest.mark.parametrize("name", [name for name in EVERY if not activation(name).is_plain])
def test_extremes_are_zeros_of_the_next_derivative_and_all_of_them(name):
    known = activation(name)
    kinks = [point.place for point in known.breakpoints]
    # On a grid that no root falls on.
    grid = np.linspace(-11.0, 11.0, 1103) + 1.0 / 7919
    derivatives = [activation_derivatives(name, ball(x), 5) for x in grid]
    for order, points in enumerate(known.extremes):
        for point, value in points:
            truth = activation_derivatives(name, ball(point), order)[order]
            assert abs(float(truth) - value) <= 4e-16 * abs(value)
        # Between them and the breakpoints the next derivative keeps its sign.
        signs = np.sign([float(of_all[order + 1]) for of_all in derivatives])
        changes = grid[:-1][signs[:-1] != signs[1:]]
        places = sorted({point for point, _ in points} | set(kinks))
        assert all(any(left <= place <= left + 22.0 / 1102 for place in places) for left in changes)
        if not kinks:
            assert len(changes) == len(points)


def test_programs_of_this_file_are_optimised_as_those_of_users_are():
    """Only then are products contracted into sums; other files' programs are not optimised."""
    assert not jax.config.read("jax_disable_most_optimizations")


def test_boxes_of_the_campaign_are_of_every_kind():
    lower, upper = endpoints(np.random.default_rng(0), 3000, np.float64)
    tiny = np.finfo(np.float64).tiny
    assert np.any(lower == upper) and np.any(np.isinf(lower)) and np.any(np.isinf(upper))
    assert np.any((lower < 0) & (upper > 0)) and np.any(upper == 0) and np.any(lower == 0)
    assert np.any((np.abs(lower) < tiny) & (lower != 0)) and np.any(np.abs(lower[np.isfinite(lower)]) > 1e200)
