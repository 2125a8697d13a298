"""The basket: closed form, paths and their derivatives, each against a second opinion."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from sobolev_pruning import InputError
from sobolev_pruning.reference import GaussianBasket
from tolerances import AD_AGAINST_DIFFERENCES, ALGEBRAIC, QUADRATURE, STANDARD_ERRORS

CORRELATION = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.5], [-0.2, 0.5, 1.0]])


def market(**changes) -> GaussianBasket:
    arguments = {"weights": [0.5, 0.2, 0.3], "volatilities": [0.2, 0.4, 0.3], "correlation": CORRELATION}
    return GaussianBasket(**(arguments | {"drift": 0.07, "rate": 0.03, "strike": 1.05} | changes))


POINTS = np.random.default_rng(1).uniform(0.2, 2.0, (20, 3))

CONTRACTS = pytest.mark.parametrize(
    "contract",
    [
        {},
        {"kind": "put"},
        {"drift": 0.0, "rate": 0.0},
        {"drift": -0.3, "rate": 0.1, "exposure_time": 0.5, "maturity": 3.0, "strike": 0.5},
        {"weights": [1.0, -0.5, 0.5], "kind": "put"},
    ],
    ids=["call", "put", "driftless", "long", "spread"],
)


@CONTRACTS
def test_the_closed_form_is_the_integral_of_the_payoff(contract):
    basket = market(**contract)
    tau = float(basket.maturity - basket.exposure_time)
    drift, rate = float(basket.drift), float(basket.rate)
    weights = np.asarray(basket.weights)
    covariance = CORRELATION * np.outer(basket.volatilities, basket.volatilities)
    # The variance as an integral over time, so that the formula with expm1 has a second opinion.
    growth, _ = scipy.integrate.quad(lambda t: np.exp(2 * drift * t), 0.0, tau)
    deviation = np.sqrt(weights @ covariance @ weights * growth)
    sign = 1.0 if basket.kind == "call" else -1.0
    strike = float(basket.strike)
    for point, value in zip(POINTS[:5], np.asarray(basket.value(POINTS[:5]))):
        law = scipy.stats.norm(np.exp(drift * tau) * weights @ point, deviation)
        expected = law.expect(
            lambda s: np.maximum(sign * (s - strike), 0.0),
            lb=law.mean() - 12 * deviation,
            ub=law.mean() + 12 * deviation,
            points=[strike],
            epsabs=1e-13,
        )
        np.testing.assert_allclose(value, np.exp(-rate * tau) * expected, rtol=0, atol=QUADRATURE)


@CONTRACTS
def test_gradient_and_hessian_are_the_derivatives_of_the_value(contract):
    basket = market(**contract)
    value = lambda point: basket.value(point[None, :])[0]  # noqa: E731
    points = jnp.asarray(POINTS)
    np.testing.assert_allclose(basket.gradient(points), jax.vmap(jax.grad(value))(points), atol=ALGEBRAIC)
    np.testing.assert_allclose(basket.hessian(points), jax.vmap(jax.hessian(value))(points), atol=ALGEBRAIC)


@CONTRACTS
def test_labels_have_the_closed_form_as_their_mean(contract):
    basket = market(**contract)
    point = jnp.asarray([1.1, 0.9, 1.05])
    noise = jax.random.normal(jax.random.key(2), (100_000, 3), jnp.float64)
    labels, slopes = jax.vmap(jax.value_and_grad(basket.label), in_axes=(None, 0))(point, noise)
    truth = (basket.value(point[None, :])[0], basket.gradient(point[None, :])[0])
    for found, expected in zip((labels, slopes), truth):
        error = np.std(found, axis=0) / np.sqrt(len(noise))
        assert np.all(np.abs(np.mean(found, axis=0) - expected) <= STANDARD_ERRORS * error)
        assert np.all(error < 0.01)


@CONTRACTS
def test_the_pathwise_derivative_is_the_analytic_one(contract):
    basket = market(**contract)
    key = jax.random.key(4)
    x, _, dydx, _ = basket.draw(key, 500)
    z = jax.random.normal(jax.random.split(key)[1], (500, 3), jnp.float64)
    tau, mu = float(basket.maturity - basket.exposure_time), float(basket.drift)
    spread = np.sqrt(tau if mu == 0 else np.expm1(2 * mu * tau) / (2 * mu))
    cholesky = np.linalg.cholesky(CORRELATION * np.outer(basket.volatilities, basket.volatilities))
    sign = 1.0 if basket.kind == "call" else -1.0
    exercised = 0.0
    for side in (1.0, -1.0):
        spots = np.exp(mu * tau) * np.asarray(x) + side * spread * np.asarray(z) @ cholesky.T
        exercised += 0.5 * (sign * (spots @ np.asarray(basket.weights) - float(basket.strike)) > 0)
    analytic = sign * np.exp((mu - float(basket.rate)) * tau) * exercised[:, None] * np.asarray(basket.weights)
    np.testing.assert_allclose(dydx, analytic, atol=ALGEBRAIC)
    assert 0.1 < exercised.mean() < 0.9


def test_call_and_put_differ_by_the_forward():
    call, put = market(), market(kind="put")
    forward = np.exp(0.07) * POINTS @ np.asarray(call.weights) - 1.05
    np.testing.assert_allclose(call.value(POINTS) - put.value(POINTS), np.exp(-0.03) * forward, atol=ALGEBRAIC)


@pytest.mark.parametrize("drift", [0.0, 1e-12, -1e-9, 4.9e-6, 5.1e-6, -5.1e-6, 1e-3])
def test_the_drift_passes_through_0_smoothly(drift):
    point = jnp.asarray(POINTS[:1])
    # Near 0 the value is a power series in the drift: a cubic through far points predicts it.
    nodes = np.array([-0.01, -0.004, 0.003, 0.009])
    values = [float(market(drift=node).value(point)[0]) for node in nodes]
    predicted = np.polyval(np.polyfit(nodes, values, 3), drift)
    basket = market(drift=drift)
    np.testing.assert_allclose(basket.value(point)[0], predicted, atol=1e-10)

    def value(mu):
        return eqx.tree_at(lambda b: b.drift, basket, mu).value(point)[0]

    h = 1e-5
    slope = (value(basket.drift + h) - value(basket.drift - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(value)(basket.drift), slope, atol=AD_AGAINST_DIFFERENCES)


def test_the_antithetic_pair_has_less_variance_than_two_paths():
    basket = market(strike=0.5)
    noise = jax.random.normal(jax.random.key(2), (4000, 3), jnp.float64)
    point = jnp.asarray([1.0, 1.0, 1.0])
    pair = jax.vmap(basket.label, in_axes=(None, 0))(point, noise)
    assert np.allclose(pair, jax.vmap(basket.label, in_axes=(None, 0))(point, -noise))
    payoffs = 2 * basket.weights @ basket.spot  # deep in the money the payoff is linear and the pair has no variance
    assert np.std(pair) < 0.05 * float(payoffs)


def test_the_market_follows_the_law_of_the_paper():
    for n_assets in (1, 7):
        basket = GaussianBasket.random(n_assets, seed=3)
        weights, volatilities = np.asarray(basket.weights), np.asarray(basket.volatilities)
        correlation = np.asarray(basket.correlation)
        assert weights.sum() == pytest.approx(1.0)
        assert weights.max() / weights.min() <= 10.0
        assert volatilities.max() / volatilities.min() <= 10.0
        scaled = weights * volatilities
        assert np.sqrt(scaled @ correlation @ scaled) == pytest.approx(0.2)
        np.testing.assert_array_equal(np.diag(correlation), 1.0)
        assert (float(basket.strike), float(basket.exposure_time), float(basket.maturity)) == (1.1, 1.0, 2.0)
        np.testing.assert_array_equal(basket.spot, 1.0)


def test_the_market_is_drawn_once_and_depends_on_the_seed():
    first, again, other = (GaussianBasket.random(4, seed) for seed in (1, 1, 2))
    assert eqx.tree_equal(first, again)
    assert not np.allclose(first.weights, other.weights)
    before = np.asarray(first.weights)
    first.sample(jax.random.key(0), 10)
    np.testing.assert_array_equal(first.weights, before)


def test_inputs_follow_the_exposure_and_training_inputs_are_wider():
    basket, n = market(exposure_time=1.5), 40_000
    covariance = 1.5 * CORRELATION * np.outer(basket.volatilities, basket.volatilities)
    for inputs, factor in ((basket.exposure_inputs, 1.0), (basket.training_inputs, 1.5)):
        x = np.asarray(inputs(jax.random.key(8), n))
        spread = factor * np.sqrt(np.diag(covariance))
        assert np.all(np.abs(x.mean(axis=0) - 1.0) <= STANDARD_ERRORS * spread / np.sqrt(n))
        # The standard error of a sample covariance of normal variables is sqrt((s_ii s_jj + s_ij^2) / n).
        expected = factor**2 * covariance
        error = np.sqrt((np.outer(spread, spread) ** 2 + expected**2) / n)
        assert np.all(np.abs(np.cov(x.T) - expected) <= STANDARD_ERRORS * error)


def test_box_and_test_points():
    basket = GaussianBasket.random(7, seed=0)
    lower, upper = map(np.asarray, basket.box)
    half = 0.5 * (1 + np.sqrt(6 / 12) / 2)
    np.testing.assert_allclose(lower, 1 - half)
    np.testing.assert_allclose(upper, 1 + half)
    points = np.asarray(basket.test_points(jax.random.key(0)))
    assert points.shape == (4096, 7)
    assert scipy.stats.kstest(((points - lower) / (upper - lower)).ravel(), "uniform").pvalue > 1e-4


def test_the_same_key_gives_the_same_samples(basket):
    first, again = (basket.sample(jax.random.key(1), 20) for _ in range(2))
    other = basket.sample(jax.random.key(2), 20)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


def test_assets_that_move_together_exactly_are_one_asset():
    """Singular correlations: all assets one, and two of them one."""
    weights, volatilities = np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.3])
    points = np.random.default_rng(0).uniform(0.8, 1.4, (20, 3))
    together = market(weights=weights, volatilities=volatilities, correlation=np.ones((3, 3)))
    single = market(weights=[1.0], volatilities=[weights @ volatilities], correlation=[[1.0]])
    expected = single.value((points @ weights)[:, None])
    np.testing.assert_allclose(together.value(points), expected, rtol=ALGEBRAIC)
    samples = together.sample(jax.random.key(0), 16)
    moves = (np.asarray(samples.x) - 1.0) / volatilities
    np.testing.assert_allclose(moves, np.repeat(moves[:, :1], 3, axis=1), atol=ALGEBRAIC)
    assert np.isfinite(samples.y).all() and np.isfinite(samples.dydx).all()
    pair = np.array([[1.0, 1.0, 0.3], [1.0, 1.0, 0.3], [0.3, 0.3, 1.0]])
    factor = np.asarray(market(weights=weights, volatilities=volatilities, correlation=pair).factor)
    np.testing.assert_allclose(factor @ factor.T, pair, atol=ALGEBRAIC)
    assert (np.triu(factor, 1) == 0).all() and (np.diag(factor) >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": [0.5, 0.5]}, r"volatilities has shape \(3,\); for 2 weights it must be \(2,\)"),
        ({"weights": []}, "give one weight per asset"),
        ({"weights": [0.0, 0.0, 0.0]}, "weights are all 0"),
        ({"weights": ["a", 1, 2]}, "weights cannot be read as an array of real numbers"),
        ({"weights": [np.nan, 1.0, 1.0]}, "weights holds a number that is not finite"),
        ({"volatilities": [0.1, -0.2, 0.1]}, r"volatilities\[1\] is -0.2; it must be above 0"),
        ({"correlation": np.eye(2)}, r"correlation has shape \(2, 2\); for 3 weights it must be \(3, 3\)"),
        ({"correlation": np.eye(3) + np.eye(3, k=1)}, "correlation is not symmetric"),
        ({"correlation": 2 * np.eye(3)}, "correlation is not symmetric with ones on its diagonal"),
        (
            {"correlation": np.ones((3, 3)), "weights": [1.0, 1.0, -2.0], "volatilities": [0.2] * 3},
            "so the basket does not move",
        ),
        ({"correlation": 1.8 * np.eye(3) - 0.8}, r"not positive semidefinite \(smallest eigenvalue -0.6"),
        ({"spot": [1.0, 1.0]}, r"spot has shape \(2,\); for 3 weights it must be \(3,\)"),
        ({"strike": np.inf}, "strike holds a number that is not finite"),
        ({"strike": [1.0, 2.0]}, r"strike has shape \(2,\); give one number"),
        ({"drift": np.nan}, "drift holds a number that is not finite"),
        ({"exposure_time": 0.0}, "exposure_time is 0.0; it must be a positive number of years"),
        ({"maturity": -1.0}, "maturity is -1.0; it must lie after exposure_time, 1.0"),
        ({"kind": "straddle"}, 'kind is \'straddle\'; choose "call" or "put"'),
    ],
)
def test_impossible_markets_are_refused(types_unchecked, changes, message):
    with pytest.raises(InputError, match=message):
        market(**changes)


def test_points_of_the_wrong_shape_are_refused():
    for points in (POINTS[0], POINTS[:, :2]):
        with pytest.raises(InputError, match=r"give \(n, 3\), one row per point"):
            market().value(points)
