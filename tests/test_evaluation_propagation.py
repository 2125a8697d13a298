"""Uncertain inputs through a surrogate: three ways that must agree where they can."""

import itertools
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import propagate
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.evaluation.propagation import _moments_of, delta_gamma
from sobolev_pruning.reference import Gaussian, InputSampler
from sobolev_pruning.reference.inputs import inputs_from
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC, STANDARD_ERRORS

KEY = jax.random.key(0)
MEAN = np.array([0.3, -0.2, 0.5])
FACTOR = np.array([[0.5, 0.0, 0.0], [0.2, 0.4, 0.0], [-0.1, 0.3, 0.6]])


def expectation(function, mean, factor):
    """The mean of a function of normal inputs, by Gauss-Hermite quadrature with 12 nodes along each input."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    grid = np.array(list(itertools.product(nodes, repeat=len(mean))))
    weight = np.prod(list(itertools.product(weights / weights.sum(), repeat=len(mean))), axis=1)
    return np.tensordot(weight, np.asarray(function(jnp.asarray(mean + grid @ factor.T))), 1)


def test_delta_gamma_is_exact_for_quadratic_functions_of_normal_inputs():
    generator = np.random.default_rng(3)
    value, gradient, root = generator.normal(size=2), generator.normal(size=(2, 3)), generator.normal(size=(2, 3, 3))
    hessian = root + root.swapaxes(1, 2)

    def quadratic(x):
        e = np.asarray(x) - MEAN
        return value + e @ gradient.T + 0.5 * np.einsum("na,kab,nb->nk", e, hessian, e)

    found = delta_gamma(value, gradient, hessian, FACTOR @ FACTOR.T)
    mean = expectation(quadratic, MEAN, FACTOR)
    variance = expectation(lambda x: (quadratic(x) - mean) ** 2, MEAN, FACTOR)
    np.testing.assert_allclose(found.mean, mean, rtol=ALGEBRAIC)
    np.testing.assert_allclose(found.std, np.sqrt(variance), rtol=ALGEBRAIC)


def test_sampling_and_delta_gamma_agree_with_quadrature_and_bounds_hold_in_their_box():
    surrogate = surrogate_of_shape([3, 5, 4, 2], "silu", False)
    law, box = Gaussian(MEAN, 0.16 * FACTOR @ FACTOR.T), (MEAN - 0.5, MEAN + 0.25)
    found = propagate(surrogate, law, key=KEY, draws=8192, box=box, pieces=16)
    derivatives = [np.asarray(f(MEAN[None])[0]) for f in (surrogate.value, surrogate.gradient, surrogate.hessian)]
    errors = []
    for size in (0.4, 0.2):
        mean = expectation(surrogate.value, MEAN, size * FACTOR)
        square = expectation(lambda x: (np.asarray(surrogate.value(x)) - mean) ** 2, MEAN, size * FACTOR)  # noqa: B023
        if size == 0.4:
            for name, expected in (("mean", mean), ("std", np.sqrt(square))):
                error = (getattr(found.sampled, name) - expected) / getattr(found.sampled, f"{name}_stderr")
                assert (np.abs(error) < STANDARD_ERRORS).all()
        moments = delta_gamma(*derivatives, size**2 * FACTOR @ FACTOR.T)
        errors.append([np.abs(moments.mean - mean).max(), np.abs(moments.std - np.sqrt(square)).max()])
    np.testing.assert_allclose(
        found.delta_gamma.std, delta_gamma(*derivatives, 0.16 * FACTOR @ FACTOR.T).std, rtol=ALGEBRAIC
    )
    # What delta-gamma leaves out are terms of fourth order in the mean, and of third in the standard deviation.
    slopes = np.log2(np.divide(*errors))
    assert slopes[0] > 3.5 and slopes[1] > 2.5
    corners = np.asarray(surrogate.value(np.array(list(itertools.product(*zip(*box))))))
    assert (found.bounds.lower <= corners.min(axis=0)).all() and (corners.max(axis=0) <= found.bounds.upper).all()
    assert (found.bounds.wid() < 3.0 * np.ptp(corners, axis=0)).all()
    quantiles = np.array(list(found.quantiles.values()))
    assert (np.diff(quantiles, axis=0) > 0).all() and (quantiles[0] < found.sampled.mean).all()


def test_the_moments_of_a_law_are_those_of_its_draws():
    box = inputs_from((MEAN - 0.5, MEAN + [0.5, 1.0, 1.5]))
    draws = np.asarray(box.sample(KEY, 65_536))
    for law in (box, Gaussian(MEAN, FACTOR @ FACTOR.T)):
        points = np.asarray(law.sample(KEY, 65_536))
        mean, covariance = _moments_of(law, points)
        np.testing.assert_allclose(mean, points.mean(axis=0), atol=STANDARD_ERRORS * 0.7 / 256)
        np.testing.assert_allclose(covariance, np.cov(points.T), atol=STANDARD_ERRORS * 0.7 / 256)
    mean, covariance = _moments_of(InputSampler(box.sample), draws)
    np.testing.assert_array_equal(covariance, np.cov(draws.T))


def test_inputs_are_matched_by_name_and_may_be_held_fixed():
    surrogate = replace(surrogate_of_shape([3, 5, 4, 2], "silu", False), inputs=("beta", "gamma", "delta"))
    ranges = {"delta": (0.3, 0.9), "beta": (-0.2, 0.4), "gamma": 0.5}
    found = propagate(surrogate, ranges, key=KEY, draws=8192, pieces=16)
    law = inputs_from(([-0.2, 0.3], [0.4, 0.9]))
    x = np.asarray(law.sample(jax.random.key(1), 8192))
    values = np.asarray(surrogate.value(np.stack([x[:, 0], np.full(8192, 0.5), x[:, 1]], axis=1)))
    error = (found.sampled.mean - values.mean(axis=0)) / found.sampled.mean_stderr
    assert (np.abs(error) < STANDARD_ERRORS * np.sqrt(2)).all()
    np.testing.assert_array_equal(found.box.lower, [-0.2, 0.5, 0.3])
    np.testing.assert_array_equal(found.box.upper, [0.4, 0.5, 0.9])
    # The variance of an input that stays fixed is none.
    gradient, hessian = (np.asarray(f([[0.1, 0.5, 0.6]])[0]) for f in (surrogate.gradient, surrogate.hessian))
    value = np.asarray(surrogate.value([[0.1, 0.5, 0.6]])[0])
    expected = delta_gamma(value, gradient, hessian, np.diag([0.6**2, 0.0, 0.6**2]) / 12.0)
    np.testing.assert_allclose(found.delta_gamma.std, expected.std, rtol=ALGEBRAIC)
    np.testing.assert_allclose(found.delta_gamma.mean, expected.mean, rtol=ALGEBRAIC)
    turned = Gaussian(MEAN[[2, 0, 1]], np.array([0.01, 0.04, 0.09]), names=("delta", "beta", "gamma"))
    straight = Gaussian(MEAN, np.array([0.04, 0.09, 0.01]))
    kept = [propagate(surrogate, law, key=KEY, draws=8192, pieces=16).delta_gamma for law in (turned, straight)]
    np.testing.assert_allclose(kept[0].std, kept[1].std, rtol=ALGEBRAIC)


@pytest.mark.parametrize(
    ("inputs", "names", "message"),
    [
        (
            {"apples": (0, 1), "beta": (0, 1)},
            ("beta", "gamma"),
            "'apples', which is none of the 2; there are beta",
        ),
        (
            {"gama": (0, 1), "beta": (0, 1)},
            ("beta", "gamma"),
            "'gama', which is none of the 2; did you mean 'gamma'",
        ),
        ({"beta": (0, 1)}, ("beta", "gamma"), "Nothing is said of the input 'gamma'"),
        ({"beta": (0, 1), "gamma": (0, 1)}, None, "names 'beta', which is none of the 2; there are x0, x1"),
        ({"x0": 1.0, "x1": 2.0}, None, "Every input is held fixed"),
        ({"x1": (0, 1), "x0": np.nan}, None, r"inputs\['x0'\] is nan"),
    ],
)
def test_names_that_do_not_match_are_refused(inputs, names, message):
    surrogate = replace(surrogate_of_shape([2, 4, 1], "silu", True), inputs=names)
    with pytest.raises(InputError, match=message):
        propagate(surrogate, inputs, key=KEY)


def test_a_law_outside_the_training_range_is_told(monkeypatch):
    surrogate = surrogate_of_shape([3, 5, 4, 2], "silu", False)
    surrogate = replace(surrogate, training_range=(jnp.zeros(3), jnp.ones(3)))
    module = sys.modules["sobolev_pruning.evaluation.propagation"]
    monkeypatch.setattr(module, "enclose", lambda *_, **__: lambda box: box)
    with pytest.warns(UserWarning, match="Input x1 reaches from 0.5 to 1.5, but the network was trained from 0 to 1"):
        propagate(surrogate, ([0.0, 0.5, 0.0], [1.0, 1.5, 1.0]), key=KEY, draws=8192)


@pytest.mark.parametrize(
    ("activation", "d", "draws", "message"),
    [
        ("silu", 2, 16, "The inputs are 2 and the surrogate has 3"),
        ("silu", 3, 1, "draws is 1; give at least 2"),
        ("relu", 3, 16, "relu has kinks"),
    ],
)
def test_what_cannot_be_propagated_is_told(activation, d, draws, message):
    surrogate = surrogate_of_shape([3, 4, 1], activation, True)
    with pytest.raises(InputError, match=message):
        propagate(surrogate, (np.zeros(d), np.ones(d)), key=KEY, draws=draws)
