"""Less noise for the same paths: control variates and conditional smoothing, unbiased and as good as they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tolerances
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.reference import GaussianBasket, black_scholes, from_function, payoffs, with_controls

KEY = jax.random.key(3)
MARKET = {"n_assets": 3, "seed": 1, "drift": 0.07, "rate": 0.03}
N = 8192
WAYS = {
    "plain": lambda kind: GaussianBasket.random(kind=kind, **MARKET),
    "controls": lambda kind: with_controls(GaussianBasket.random(kind=kind, **MARKET), jax.random.key(9)),
    "conditional": lambda kind: GaussianBasket.random(kind=kind, conditional=True, **MARKET),
}
LEAST_RATIOS = {"controls": (10.0, 1.5), "conditional": (1.5, 2.0)}
"""Noise of plain value and derivative labels over that of better ones, at the least: half of what was measured."""


def errors(model, order=1):
    """Labels less the truth."""
    samples = model.sample(KEY, N, order=order, **({"directions": jnp.eye(3)} if order == 2 else {}))
    found = [samples.y - model.value(samples.x), samples.dydx - model.gradient(samples.x)]
    if order == 2:
        found.append(samples.hvp - model.hessian(samples.x))
    return [np.asarray(error) for error in found]


@pytest.mark.parametrize("kind", ["call", "put"])
def test_labels_are_unbiased_and_less_noisy(kind):
    noise = {}
    for way, model in WAYS.items():
        found = errors(model(kind), 2 if way == "conditional" else 1)
        for error in found:
            standard_error = error.std(axis=0) / np.sqrt(N)
            assert np.all(np.abs(error.mean(axis=0)) <= tolerances.STANDARD_ERRORS * standard_error)
        noise[way] = [np.mean(error**2) for error in found[:2]]
    for way, least in LEAST_RATIOS.items():
        assert np.all(np.divide(noise["plain"], noise[way]) > least)


def test_conditional_labels_of_one_asset_are_the_closed_form():
    basket = GaussianBasket([1.0], [0.2], [[1.0]], conditional=True)
    samples = basket.sample(KEY, 16, order=2)
    np.testing.assert_allclose(samples.y, basket.value(samples.x), atol=tolerances.ELEMENTARY)
    np.testing.assert_allclose(samples.dydx, basket.gradient(samples.x), atol=tolerances.ALGEBRAIC)
    hvp = np.einsum("ncd,nmd->nmc", basket.hessian(samples.x), samples.directions)
    np.testing.assert_allclose(samples.hvp, hvp, atol=tolerances.ALGEBRAIC)


def test_assets_are_controls_of_payoffs_on_them():
    model = black_scholes(payoffs.call, inputs={"spot": (80.0, 120.0)}, strike=100.0, volatility=0.2, maturity=1.0)
    controlled = with_controls(model, jax.random.key(9))
    plain, better = (m.sample(KEY, N) for m in (model, controlled))
    truth = np.asarray(model.value(plain.x))
    error = np.asarray(better.y) - truth
    assert abs(error.mean()) <= tolerances.STANDARD_ERRORS * error.std() / np.sqrt(N)
    assert np.var(np.asarray(plain.y) - truth) > 3 * error.var()


def test_controls_of_several_outputs():
    """Outputs that are sums of the controls are left without any noise."""

    def simulate(x, z):
        return jnp.stack([x[0] + 2.0 * x[1] * z[0], x[0] * x[1] - z[1]])

    model = from_function(
        simulate, inputs=([0.0, 1.0], [1.0, 2.0]), noise=2, controls=lambda x, z: jnp.stack([x[1] * z[0], z[1]])
    )
    samples = with_controls(model, jax.random.key(9), paths=64).sample(KEY, 32)
    x = np.asarray(samples.x)
    np.testing.assert_allclose(samples.y, np.stack([x[:, 0], x[:, 0] * x[:, 1]], axis=1), atol=tolerances.ALGEBRAIC)
    expected = np.stack([np.broadcast_to([1.0, 0.0], x.shape), x[:, ::-1]], axis=1)
    np.testing.assert_allclose(samples.dydx, expected, atol=tolerances.ALGEBRAIC)


def test_a_model_without_controls_is_named():
    model = from_function(lambda x, z: x[0] + z[0], inputs=([0.0], [1.0]), noise=1)
    with pytest.raises(InputError, match="comes without controls"):
        with_controls(model, KEY)


def test_one_way_to_smooth():
    with pytest.raises(InputError, match="choose one of them"):
        GaussianBasket.random(2, 0, smoothing=0.1, conditional=True)
