"""What an output owes to its inputs, against functions whose indices are known."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError, Surrogate, sensitivity
from sobolev_pruning._foundation.variables import Variable
from sobolev_pruning.reference import Gaussian
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC, STANDARD_ERRORS

KEY = jax.random.key(0)
PI = np.pi


class Ishigami:
    """sin x0 + 7 sin^2 x1 + x2^4 sin(x0) / 10, whose indices over [-pi, pi]^3 are known (Ishigami and Homma 1990)."""

    inputs = tuple(map(Variable.of, ("x0", "x1", "x2")))

    def __call__(self, x):
        return jnp.sin(x[0]) + 7 * jnp.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * jnp.sin(x[0])

    def value(self, x):
        return jax.jit(jax.vmap(self))(x)

    def gradient(self, x):
        return jax.jit(jax.vmap(jax.grad(self)))(x)


def test_indices_of_the_ishigami_function(types_unchecked):
    ranges = {"x1": (-PI, PI), "x2": (-PI, PI), "x0": (-PI, PI)}
    found = sensitivity(Ishigami(), ranges, key=KEY)
    alone = np.array([0.5 * (1 + PI**4 / 50) ** 2, 49 / 8, 0.0])
    together = PI**8 * (1 / 1800 - 1 / 5000)
    variance = alone.sum() + together
    squares = [0.5 * (1 + PI**4 / 25 + PI**8 / 900), 49 / 2, 8 * PI**6 / 700]
    expected = {
        "first": alone / variance,
        "total": (alone + [together, 0, together]) / variance,
        "slope": np.zeros(3),
        "square_slope": np.array(squares),
    }
    for name, truth in expected.items():
        error, stderr = getattr(found, name) - truth, getattr(found, f"{name}_stderr")
        assert (np.abs(error) < STANDARD_ERRORS * stderr).all(), name
        # So few points are as good as this only if they fill the cube evenly.
        assert (np.abs(error) < 0.01 * (1 + np.abs(truth))).all(), name
    np.testing.assert_allclose(found.total_bound, 4 * found.square_slope / found.variance, rtol=ALGEBRAIC)
    assert (found.total <= found.total_bound).all()
    assert found.inputs == Ishigami.inputs


def affine(weights: np.ndarray) -> Surrogate:
    """A network whose value is `weights @ x` and a constant far from 0."""
    start = surrogate_of_shape([weights.shape[1], weights.shape[1], len(weights)], "identity", False)
    hidden, last = start.layers
    layers = [
        replace(hidden, weight=jnp.eye(weights.shape[1]), bias=jnp.zeros(weights.shape[1])),
        replace(last, weight=jnp.asarray(weights), bias=jnp.full(len(weights), 1e6)),
    ]
    ones, zeros = (np.full, np.zeros)
    scaling = replace(
        start.scaling,
        x_shift=jnp.zeros(weights.shape[1]),
        x_scale=jnp.asarray(ones(weights.shape[1], 1.0)),
        y_shift=jnp.asarray(zeros(len(weights))),
        y_scale=jnp.asarray(ones(len(weights), 1.0)),
    )
    return replace(start, layers=layers, scaling=scaling, inputs=("alpha", "beta", "gamma"))


def test_indices_of_affine_networks_are_shares_of_the_variance():
    weights = np.array([[1.0, -2.0, 0.5], [0.3, 0.0, 4.0]])
    network = affine(weights)
    variances = np.array([0.5, 0.1, 2.0])
    law = Gaussian([1.0, 2.0, 3.0], variances)
    shares = weights**2 * variances / (weights**2 @ variances)[:, None]
    found = sensitivity(network, law, key=KEY)
    # Of normal inputs the bound of an affine function is its index, but for the estimate of the variance.
    for name in ("first", "total", "total_bound"):
        np.testing.assert_allclose(getattr(found, name), shares, atol=2e-3, rtol=2e-3)
    assert (np.abs(found.first - shares) <= STANDARD_ERRORS * found.first_stderr + ALGEBRAIC).all()
    np.testing.assert_allclose(found.slope, weights, rtol=ALGEBRAIC)
    np.testing.assert_allclose(found.variance, weights**2 @ variances, rtol=2e-3)
    # One held fixed, and the law's order is not the network's.
    ranges = {"gamma": (0.0, 1.0), "alpha": (0.0, 2.0), "beta": 1.5}
    found = sensitivity(network, ranges, key=KEY)
    shares = weights[:, [0, 2]] ** 2 * [4, 1] / (weights[:, [0, 2]] ** 2 @ [4, 1])[:, None]
    assert [each.name for each in found.inputs] == ["alpha", "gamma"]
    np.testing.assert_allclose(found.first, shares, atol=2e-3)
    np.testing.assert_allclose(found.total_bound, 12 / PI**2 * shares, rtol=2e-3)


def test_an_output_that_never_changes_has_no_indices():
    found = sensitivity(affine(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])), (np.zeros(3), np.ones(3)), key=KEY)
    assert np.isnan(found.total[1]).all() and np.isfinite(found.total[0]).all()
    np.testing.assert_array_equal(found.slope[1], 0.0)


@pytest.mark.parametrize(
    ("inputs", "draws", "told"),
    [
        (Gaussian([0.0] * 3, np.eye(3) + 0.1), 1024, "independent inputs; give variances"),
        (lambda key, n: jax.random.normal(key, (n, 3), "float64"), 1024, "of a sampler's nobody knows; give ranges"),
        ((np.zeros(3), np.ones(3)), 31, "draws is 31; give at least 32"),
        ((np.zeros(2), np.ones(2)), 1024, "the surrogate has 3; give a law of all its inputs"),
    ],
)
def test_what_has_no_indices_is_told(inputs, draws, told):
    with pytest.raises(InputError, match=told):
        sensitivity(affine(np.ones((1, 3))), inputs, key=KEY, draws=draws)
