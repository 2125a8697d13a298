"""Stochastic differential equations: strong and weak orders as slopes, exact means, memory, faults."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError
from sobolev_pruning.reference import sde, truth
from sobolev_pruning.sampling import check_derivatives
from tolerances import ALGEBRAIC, STANDARD_ERRORS

KEY = jax.random.key(2)
BOX = {"growth": (0.5, 1.5), "volatility": (0.5, 1.0)}
X = jnp.asarray([1.0, 0.8])


@pytest.fixture(autouse=True)
def few_paths_look_for_jumps(monkeypatch):
    """The look for jumps takes most of the time of an estimate; with all its paths it is the subject of other tests."""
    monkeypatch.setattr(truth, "_TEST_PATHS", 1024)


def last(path, x):
    return path[-1, 0]


def geometric(steps, method, payoff=last, **options):
    """`dY = a Y dt + b Y dW`, `Y(0) = 1`: `Y(1) = exp(a - b^2/2 + b W)`."""
    return sde(
        lambda t, y, x: x[0] * y,
        lambda t, y, x: x[1] * y,
        payoff,
        initial=lambda x: jnp.ones(1),
        inputs=BOX,
        steps=steps,
        method=method,
        **options,
    )


def coarser(z):
    """Normal variables of steps twice as long, made of the same Brownian path."""
    return (z[:, 0::2] + z[:, 1::2]) / np.sqrt(2.0)


def slope(errors):
    """How fast errors fall from each number of steps to twice as many, in powers of the step."""
    return np.polyfit(np.arange(len(errors)), -np.log2(errors), 1)[0]


@pytest.mark.parametrize(("method", "order"), [("euler", 0.5), ("milstein", 1.0)])
def test_the_strong_order_is_the_stated_one(method, order):
    z = jax.random.normal(KEY, (1000, 512, 1), jnp.float64)
    exact = np.exp(X[0] - X[1] ** 2 / 2 + X[1] * np.sum(z[:, :, 0], axis=1) / np.sqrt(512))
    errors = []
    for steps in (512, 256, 128, 64):
        model = geometric(steps, method)
        found = jax.jit(jax.vmap(lambda z, model=model: model.label(X, z)))(z)
        errors.append(np.sqrt(np.mean((np.asarray(found) - exact) ** 2)))
        z = coarser(z)
    assert abs(slope(errors[::-1]) - order) < 0.1


@pytest.mark.parametrize("method", ["euler", "milstein"])
def test_the_weak_order_is_1(method):
    """The mean of each scheme is `(1 + a h)^n` in closed form here; the labels must have it, and it errs as `h`."""
    errors = []
    for steps in (2, 4, 8):
        model = geometric(steps, method)
        found = model.estimate(X[None], KEY, paths=100_000, order=1)
        scheme = (1 + 1.0 / steps) ** steps
        assert abs(found.value[0] - scheme) <= STANDARD_ERRORS * found.value_stderr[0]
        derivative = scheme / (1 + 1.0 / steps)  # d/da (1 + a h)^n
        assert abs(found.gradient[0, 0] - derivative) <= STANDARD_ERRORS * found.gradient_stderr[0, 0]
        errors.append(np.e - float(found.value[0]))
        assert found.value_stderr[0] < 0.1 * errors[-1]
    assert abs(slope(errors) - 1.0) < 0.25


def test_sra1_has_strong_order_three_halves_for_additive_noise():
    """`dY = cos(3 Y) dt + 2 (1 + t) dW` against its own solution on a much finer grid of the same Brownian path."""

    def model(steps):
        return sde(
            lambda t, y, x: jnp.cos(3.0 * y),
            lambda t, y, x: 2.0 * (1.0 + t) * x[1:],
            last,
            initial=lambda x: x[:1],
            inputs=BOX,
            steps=steps,
            method="sra1",
        )

    w, area = jax.random.normal(KEY, (2, 250, 512, 1), jnp.float64)
    found = {}
    for steps in (512, 128, 64, 32):
        while w.shape[1] > steps:
            # Of two halves, in units of their own step: the area of the whole is the mean of the halves' and a quarter
            # of the difference of their increments.
            whole = (area[:, 0::2] + area[:, 1::2]) / np.sqrt(12.0) / 2 + (w[:, 0::2] - w[:, 1::2]) / 4
            w, area = coarser(w), whole / np.sqrt(2.0) * np.sqrt(12.0)
        simulate = model(steps)
        found[steps] = jax.jit(jax.vmap(lambda z, m=simulate: m.label(X, z)))(jnp.stack([w, area], axis=1))
    errors = [np.sqrt(np.mean((np.asarray(found[steps]) - found[512]) ** 2)) for steps in (32, 64, 128)]
    assert abs(slope(errors) - 1.5) < 0.2
    samples, h = simulate.sample(KEY, 1, order=2), 1e-5
    z = jnp.stack([w[0], area[0]])
    gradient = jax.jit(jax.grad(lambda x: simulate.label(x, z)))
    v = samples.directions[0, 0]
    product = jax.jvp(gradient, (X,), (v,))[1]
    np.testing.assert_allclose(product, (gradient(X + h * v) - gradient(X - h * v)) / (2 * h), rtol=1e-5)


def test_correlated_noise_and_inputs_of_every_kind_have_the_exact_mean():
    """Two Ornstein-Uhlenbeck processes on one pair of noises; start, pull, time and correlation are inputs."""

    def diffusion(t, y, x):
        return 0.5 * jnp.stack([jnp.stack([1.0, 0.0]), jnp.stack([x[3], jnp.sqrt(1.0 - x[3] ** 2)])])

    def exact(x):
        start, pull, time, correlation = x
        covariance = 0.25 * correlation * -jnp.expm1(-2.0 * pull * time) / (2.0 * pull)
        return start**2 * jnp.exp(-2.0 * pull * time) + covariance

    model = sde(
        lambda t, y, x: -x[1] * y,
        diffusion,
        lambda path, x: path[-1, 0] * path[-1, 1],
        initial=lambda x: jnp.stack([x[0], x[0]]),
        inputs={"start": (1.0, 2.0), "pull": (0.5, 1.0), "time": (0.5, 1.0), "correlation": (-0.5, 0.5)},
        noise_size=2,
        horizon=lambda x: x[2],
        steps=32,
        exact=exact,
    )
    point = jnp.asarray([[1.5, 0.8, 0.7, 0.3]])
    expected, found = model.truth(point, order=1), model.estimate(point, KEY, paths=5000, order=1)
    assert np.all(np.abs(found.value - expected.value) <= STANDARD_ERRORS * found.value_stderr + 0.02)
    assert np.all(np.abs(found.gradient - expected.gradient) <= STANDARD_ERRORS * found.gradient_stderr + 0.04)
    assert check_derivatives(model, KEY, n_points=1, paths=256).verdict == "valid"


def test_dates_are_where_they_should_be():
    model = geometric(12, "euler", payoff=lambda path, x: path[:, 0], dates=3)
    z = jax.random.normal(KEY, (12, 1), jnp.float64)
    whole = np.cumprod(1 + 1.0 / 12 + 0.8 * np.asarray(z)[:, 0] / np.sqrt(12))
    np.testing.assert_allclose(model.label(X, z), whole[[3, 7, 11]], rtol=ALGEBRAIC)


def test_long_paths_are_computed_again_on_the_way_back():
    model = geometric(1200, "euler", payoff=lambda path, x: jnp.mean(path), dates=2)
    z = jax.random.normal(KEY, (1200, 1), jnp.float64)
    factors = 1 + X[0] / 1200 + X[1] * z[:, 0] / np.sqrt(1200)
    value, gradient = jax.value_and_grad(model.label)(X, z)
    path = jnp.cumprod(factors)
    np.testing.assert_allclose(value, (path[599] + path[1199]) / 2, rtol=ALGEBRAIC)
    slopes = jnp.cumsum(1 / 1200 / factors) * path
    np.testing.assert_allclose(gradient[0], (slopes[599] + slopes[1199]) / 2, rtol=ALGEBRAIC)

    def stored(steps):
        """Numbers that the backward pass is given by the forward one."""
        model = geometric(steps, "euler")
        residuals = jax.eval_shape(lambda x: jax.vjp(model.label, x, jnp.zeros((steps, 1)))[1], X)
        return sum(leaf.size for leaf in jax.tree.leaves(residuals)) / steps

    # The noise itself and the numbers of the steps are there anyway.
    assert stored(1200) < 2.5
    assert stored(900) > 4.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "heun"}, "method is 'heun'; choose one of euler, milstein, sra1"),
        ({"steps": 10, "dates": 3}, "whole number of steps per date"),
        ({"initial": lambda x: x[0]}, r"initial gives shape \(\)"),
        ({"drift": lambda t, y, x: y[0]}, r"drift gives shape \(\); it must give \(1,\)"),
        ({"noise_size": 2}, r"diffusion gives shape \(1,\); it must give \(1, 2\)"),
        (
            {"noise_size": 1, "diffusion": lambda t, y, x: y[:, None], "method": "milstein"},
            "needs one noise per component",
        ),
    ],
)
def test_mistakes_get_one_sentence(types_unchecked, changes, message):
    arguments = {
        "drift": lambda t, y, x: y,
        "diffusion": lambda t, y, x: y,
        "payoff": last,
        "initial": lambda x: jnp.ones(1),
        "inputs": BOX,
        "steps": 4,
    } | changes
    with pytest.raises(InputError, match=message):
        sde(arguments.pop("drift"), arguments.pop("diffusion"), arguments.pop("payoff"), **arguments)
