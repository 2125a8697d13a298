"""Jacobians sampled by rows: rows are right, all come up alike, and the loss is in the mean that of full Jacobians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.reference import from_function
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import LBFGS, SobolevLoss, fit
from sobolev_pruning.training.batches import Batch
from tolerances import ALGEBRAIC, STANDARD_ERRORS

STRIKES = jnp.asarray([0.5, 1.0, 30.0, 2.0])


def simulate(x, z):
    """Four outputs, one of a much larger scale."""
    return STRIKES * jnp.sin(x[0] * jnp.asarray([1.0, 2.0, 0.5, 1.5]) + x[1] ** 2) + 0.1 * z[0] * x[1] * STRIKES


@pytest.fixture(scope="module")
def model():
    return from_function(simulate, inputs=([0.0, 0.0], [1.0, 1.0]), noise=1)


@pytest.fixture(scope="module")
def rows(model):
    return model.sample(jax.random.key(0), 600, jacobian_rows=1)


def test_rows_are_those_of_the_full_jacobian_and_all_come_up_alike(model, rows):
    known = ~np.isnan(np.asarray(rows.dydx))
    assert rows.missing and rows.dydx.shape == (600, 4, 2)
    assert np.all(known.all(axis=2).sum(axis=1) == 1) and np.all(known.any(axis=2) == known.all(axis=2))
    shares = known[..., 0].mean(axis=0)
    assert np.all(np.abs(shares - 0.25) < STANDARD_ERRORS * np.sqrt(0.25 * 0.75 / 600))
    # The noise of a sample is what its value, linear in it, says.
    strikes, x = np.asarray(STRIKES), np.asarray(rows.x)
    mean = np.asarray(jax.vmap(lambda point: simulate(point, jnp.zeros(1)))(rows.x))
    z = (np.asarray(rows.y) - mean)[:, 0] / (0.1 * x[:, 1] * strikes[0])
    full = np.asarray(jax.vmap(jax.jacfwd(simulate))(rows.x, jnp.asarray(z[:, None])))
    np.testing.assert_allclose(np.asarray(rows.dydx)[known], full[known], rtol=1e-8, atol=1e-8)


def test_several_paths_share_their_rows(model):
    samples = model.sample(jax.random.key(1), 30, jacobian_rows=2, paths=3)
    known = ~np.isnan(np.asarray(samples.dydx))
    assert np.all(known.all(axis=2).sum(axis=1) == 2)
    np.testing.assert_array_equal(known, ~np.isnan(np.asarray(samples.dydx_stderr)))


def test_all_rows_are_the_full_jacobian_and_one_output_has_one_row(model):
    assert model.sample(jax.random.key(2), 5, jacobian_rows=9).n_unknown == 0
    single = from_function(lambda x, z: x[0] * z[0], inputs=([0.0], [1.0]), noise=1)
    samples = single.sample(jax.random.key(2), 5, jacobian_rows=1)
    assert samples.dydx.shape == (5, 1) and samples.n_unknown == 0


def test_the_loss_is_in_the_mean_that_of_full_jacobians(model, rows):
    """Over many draws of the rows of the same labels."""
    full = model.sample(jax.random.key(3), 200)
    network = Surrogate.create([2, 3, 4], full, key=jax.random.key(4))
    loss = SobolevLoss.of(full, 1, "dimension", 1.0)
    expected = loss(network, Batch.of(full, 1)).derivative
    generator, draws = np.random.default_rng(5), []
    for _ in range(100):
        dydx = np.array(full.dydx)
        hidden = np.ones(dydx.shape[:2], bool)
        hidden[np.arange(200), generator.integers(0, 4, 200)] = False
        dydx[hidden] = np.nan
        part = type(full)(full.x, full.y, dydx, missing=True)
        draws.append(float(loss(network, Batch.of(part, 1)).derivative))
    error = np.mean(draws) - float(expected)
    assert abs(error) < STANDARD_ERRORS * np.std(draws) / 10.0 + ALGEBRAIC


def test_training_on_rows_reaches_what_full_jacobians_reach(model, rows):
    points = np.random.default_rng(6).uniform(0.0, 1.0, (300, 2))
    truth = np.asarray(jax.vmap(lambda point: jax.jacfwd(simulate)(point, jnp.zeros(1)))(jnp.asarray(points)))
    errors = []
    for samples in (rows, model.sample(jax.random.key(0), 600)):
        network = Surrogate.create([2, 6, 4], samples, "tanh", key=jax.random.key(7))
        network = fit(network, samples, key=jax.random.key(8), optimiser=LBFGS(120)).surrogate
        residual = (np.asarray(network.gradient(points)) - truth) / truth.std(axis=(0, 2))[:, None]
        errors.append(np.mean(residual**2))
    assert errors[0] < 4.0 * errors[1] + 1e-3 and errors[0] < 0.05


@pytest.mark.parametrize("settings", [{"jacobian_rows": 0}, {"jacobian_rows": 1, "order": 2}])
def test_rows_that_cannot_be_are_refused(model, settings):
    with pytest.raises(InputError, match="give 1 or more, with order=1"):
        model.sample(jax.random.key(0), 5, **settings)
