"""Training under shape constraints: what is proved at its end, and what is said where it is not."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sobolev_pruning as sp
from sobolev_pruning import InputError, Samples, Surrogate
from sobolev_pruning.certificates import check_certificate
from sobolev_pruning.constraining.penalty import Bounds
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

X = np.linspace(-2.0, 2.0, 64)[:, None]
BENT = Samples(X, np.logaddexp(0.0, 4.0 * X[:, 0]) / 4.0, 1.0 / (1.0 + np.exp(-4.0 * X)))
"""Nearly straight at both ends, where a network that fits it bends a little the wrong way."""


@pytest.fixture(scope="module")
def found():
    start = Surrogate.create([1, 4, 1], BENT, key=jax.random.key(0))
    free = sp.fit(start, BENT, key=jax.random.key(1), optimiser=sp.LevenbergMarquardt(30), held_out=0).surrogate
    return free, sp.constrain(free, BENT, "increasing; convex; gradient <= 1", key=jax.random.key(1))


def test_what_the_free_network_breaks_is_proved_at_the_end(found, tmp_path):
    free, constrained = found
    x = np.linspace(-2.0, 2.0, 2001)[:, None]
    assert float(np.min(free.gradient(x))) < 0 or float(np.max(free.gradient(x))) > 1 or np.min(free.hessian(x)) < 0
    assert constrained.proved and constrained.reason is None
    slopes, bends = np.asarray(constrained.surrogate.gradient(x)), np.asarray(constrained.surrogate.hessian(x))
    assert slopes.min() >= 0 and slopes.max() <= 1 and bends.min() >= 0
    constrained.certificate.save(tmp_path / "certificate.json")
    assert check_certificate(tmp_path / "certificate.json", constrained.surrogate)
    error = np.sqrt(np.mean((np.asarray(constrained.surrogate.value(X)) - np.asarray(BENT.y)) ** 2))
    assert error < 0.01


def test_what_cannot_be_had_is_told_with_a_point(found):
    free, _ = found
    falling = sp.constrain(free, BENT, "decreasing; gradient >= 0.5", key=jax.random.key(1), rounds=3)
    assert not falling.proved and falling.rounds == 3
    assert "is still broken at [" in falling.reason and "give it more nodes" in falling.reason


@pytest.mark.parametrize(
    ("claims", "network", "sentence"),
    [
        ("value", None, "Range is nothing to train for"),
        ("increasing", surrogate_of_shape([1, 40, 30, 1], "silu", True), "1000 at most are constrained"),
    ],
)
def test_what_is_not_trained_for_is_told(found, claims, network, sentence):
    free = found[0]
    network = free if network is None else replace(network, training_range=free.training_range)
    with pytest.raises(InputError, match=sentence):
        sp.constrain(network, BENT, claims, key=jax.random.key(0))


def test_arguments_that_say_nothing_are_told(found):
    free = found[0]
    with pytest.raises(InputError, match="give at least one"):
        sp.constrain(free, BENT, (), key=jax.random.key(0))
    with pytest.raises(InputError, match="rounds is 0"):
        sp.constrain(free, BENT, "increasing", key=jax.random.key(0), rounds=0)
    with pytest.raises(InputError, match="knows no training range; give the box"):
        sp.constrain(replace(free, training_range=None), BENT, "increasing", key=jax.random.key(0))


@pytest.mark.parametrize("last", ["identity", "softplus"])
def test_excess_is_measured_in_units_of_the_quantity_and_of_the_outputs_slope(last):
    network = replace(surrogate_of_shape([2, 3, 2], "tanh", False), activations=("tanh", last))
    x = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    free, directions = jnp.full(4, jnp.inf), jnp.array([[1.0, 0.0], [1.0, 2.0]])
    scale = jnp.arange(1.0, 5.0)
    relative = jnp.array([[True] * 4, [False] * 4])
    bounds = Bounds(directions, jnp.ones(2), jnp.zeros(4), free, scale, relative, of="curvature")
    excess = np.asarray(bounds.excess(network, jnp.asarray(x)))
    assert excess.shape == (2, 5, 4) and (excess[1] == -np.inf).all()
    for p, point in enumerate(x):
        hessians = np.asarray(network.hessian(point[None]))[0]
        slopes = np.ones(2)
        if last == "softplus":
            values = np.asarray(network.value(point[None]))[0]
            u = (values - np.asarray(network.scaling.y_shift)) / np.asarray(network.scaling.y_scale)
            slopes = 1.0 - np.exp(-u)  # the logistic function of the softplus' argument
        expected = [
            -(v @ hessians[output] @ v) / (slopes[output] * scale[2 * output + number])
            for output in range(2)
            for number, v in enumerate(np.asarray(directions))
        ]
        np.testing.assert_allclose(excess[0, p], expected, rtol=1e3 * ALGEBRAIC)


def test_outputs_without_bounds_are_scaled_and_bounded_ones_are_not():
    spread = float(np.std(BENT.y))
    for last, scale in (("softplus", spread), ("relu", spread), ("sigmoid", 1.0), ("clip(0, 6)", 1.0)):
        network = Surrogate.create([1, 2, 1], BENT, ["silu", last], key=jax.random.key(0))
        assert float(network.scaling.y_scale[0]) == pytest.approx(scale) and float(network.scaling.y_shift[0]) == 0.0
