"""A user's simulator as a reference: samples, derivatives of both orders, laws of inputs and noise, the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from sobolev_pruning import InputError
from sobolev_pruning.reference import (
    Gaussian,
    GaussianBasket,
    InputSampler,
    NoiseSampler,
    Normal,
    Uniform,
    from_function,
)
from sobolev_pruning.reference.designs import unit_points
from tolerances import ALGEBRAIC, STANDARD_ERRORS

KEY = jax.random.key(3)
BOX = ([-0.5, 0.2], [0.5, 0.6])


def lognormal(x, z):
    return jnp.exp(x[0] + x[1] * z[0])


def lognormal_mean(x):
    return jnp.exp(x[0] + 0.5 * x[1] ** 2)


def two_outputs(x, z):
    """Outputs of different scale, one of them with a kink."""
    return jnp.stack([100.0 * lognormal(x, z), jnp.maximum(x[0] + x[1] * z[1], 0.0)])


def two_means(x):
    d = x[0] / x[1]
    kinked = x[0] * jax.scipy.stats.norm.cdf(d) + x[1] * jax.scipy.stats.norm.pdf(d)
    return jnp.stack([100.0 * lognormal_mean(x), kinked])


def assert_estimated(truth, stderr, expected, bias=0.0):
    distance = np.maximum(np.abs(np.asarray(truth) - np.asarray(expected)) - bias, 0.0)
    assert np.all(np.asarray(stderr) >= 0.0)
    assert np.all(distance <= STANDARD_ERRORS * np.asarray(stderr))


def test_samples_carry_the_pathwise_derivatives_of_both_orders():
    reference = from_function(two_outputs, inputs=BOX, noise=2)
    samples = reference.sample(KEY, 40, order=2, directions=3)
    assert (samples.y.shape, samples.dydx.shape) == ((40, 2), (40, 2, 2))
    assert (samples.directions.shape, samples.hvp.shape) == ((40, 3, 2), (40, 3, 2, 2))
    # The noise is recovered from the labels themselves, and the derivatives written out by hand from it.
    x, y = np.asarray(samples.x), np.asarray(samples.y)
    z0 = (np.log(y[:, 0] / 100.0) - x[:, 0]) / x[:, 1]
    gradient = y[:, :1] * np.stack([np.ones(40), z0], axis=1)
    np.testing.assert_allclose(samples.dydx[:, 0], gradient, rtol=ALGEBRAIC)
    inner = np.einsum("nmc,nc->nm", samples.directions, np.stack([np.ones(40), z0], axis=1))
    np.testing.assert_allclose(samples.hvp[:, :, 0], inner[:, :, None] * gradient[:, None, :], rtol=1e-10)
    positive = y[:, 1] > 0
    np.testing.assert_allclose(samples.dydx[:, 1, 0], positive, atol=0)
    np.testing.assert_array_equal(samples.hvp[:, :, 1], 0.0)
    assert 0.2 < positive.mean() < 0.8


def test_directions_have_the_unit_matrix_as_their_mean_square():
    samples = from_function(lognormal, inputs=BOX, noise=1).sample(KEY, 4000, order=2, directions=2)
    v = np.asarray(samples.directions).reshape(-1, 2)
    assert np.all(np.abs(v.T @ v / len(v) - np.eye(2)) <= STANDARD_ERRORS * np.sqrt(2.0 / len(v)))


@pytest.mark.parametrize("order", [0, 1])
def test_the_mean_of_paths_has_the_stated_standard_error(order):
    reference = from_function(two_outputs, inputs=BOX, noise=2)
    samples = reference.sample(KEY, 400, order=order, paths=64)
    expected = jax.vmap(two_means)(samples.x)
    normalised = np.asarray((samples.y - expected) / samples.y_stderr)[:, 0]
    # A mean of 64 skewed labels is not quite normal: the spread of the normalised errors is 1 within a tenth.
    assert abs(normalised.std() - 1.0) < 0.1
    assert abs(normalised.mean()) < 0.25
    assert (samples.dydx is None) == (samples.dydx_stderr is None) == (order == 0)
    assert from_function(lognormal, inputs=BOX, noise=1).sample(KEY, 3).y_stderr is None


def test_the_estimated_truth_agrees_with_the_closed_form_within_its_standard_error():
    reference = from_function(two_outputs, inputs=BOX, noise=2, paths=20_000, gamma_direction=[1.0, 1.0])
    exact = from_function(two_outputs, inputs=BOX, noise=2, exact=two_means, gamma_direction=[1.0, 0.0])
    points = reference.test_points(KEY, 6)
    found, known = reference.truth(points), exact.truth(points)
    assert found.source == "Monte Carlo, 20000 paths"
    assert known.source == "closed form"
    assert found.hessian is None and known.value_stderr is None
    assert_estimated(found.value, found.value_stderr, known.value)
    assert_estimated(found.gradient, found.gradient_stderr, known.gradient)
    along_both = np.asarray(exact.hessian(points)).sum(axis=(-2, -1))
    # The step is a hundredth of the smaller range, 0.004; the fourth derivatives are below 100 x 8 and 40.
    assert_estimated(found.gamma, found.gamma_stderr, along_both, bias=0.004**2 / 6 * np.array([800.0, 40.0]))
    np.testing.assert_allclose(known.gamma, np.asarray(exact.hessian(points))[..., 0, 0], rtol=ALGEBRAIC)
    np.testing.assert_array_equal(found.value, reference.value(points))
    np.testing.assert_array_equal(found.gradient, reference.gradient(points))


def test_the_truth_of_a_block_of_paths_is_that_of_plain_means(monkeypatch):
    """Blocks of unequal length, the last one cut, are merged into the mean and standard error of all paths."""
    monkeypatch.setattr("sobolev_pruning.reference.truth._BLOCK_NUMBERS", 600)
    reference = from_function(lognormal, inputs=BOX, noise=1)
    point = jnp.asarray([[0.1, 0.4]])
    truth = reference.estimate(point, KEY, paths=1000, order=1)
    key = jax.random.fold_in(KEY, 0)
    noise = np.concatenate([reference.noise(jax.random.fold_in(key, i), 300) for i in range(4)])[:1000]
    labels = np.exp(0.1 + 0.4 * noise[:, 0])
    np.testing.assert_allclose(truth.value[0], labels.mean(), rtol=ALGEBRAIC)
    np.testing.assert_allclose(truth.value_stderr[0], labels.std(ddof=1) / np.sqrt(1000), rtol=ALGEBRAIC)
    slopes = labels * noise[:, 0]
    np.testing.assert_allclose(truth.gradient_stderr[0, 1], slopes.std(ddof=1) / np.sqrt(1000), rtol=ALGEBRAIC)


def test_large_samples_are_drawn_in_blocks_of_bounded_memory(monkeypatch):
    reference = from_function(lognormal, inputs=BOX, noise=1)
    whole = reference.sample(KEY, 100)
    monkeypatch.setattr("sobolev_pruning.reference.model._BLOCK_NUMBERS", 40)
    parts = reference.sample(KEY, 100)
    assert parts.dydx.shape == whole.dydx.shape
    assert len(np.unique(parts.y)) == 100


@pytest.mark.parametrize("design", ["random", "sobol", "latin-hypercube"])
def test_every_design_draws_uniform_points_and_only_sobol_fills_pairs_evenly(design):
    points = np.asarray(unit_points(design, KEY, 1024, 5))
    assert 0.0 < points.min() and points.max() < 1.0
    for column in points.T:
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-4
    slices = np.sort(np.floor(1024 * points), axis=0) == np.arange(1024)[:, None]
    assert slices.all() == (design != "random")
    discrepancy = scipy.stats.qmc.discrepancy(points)
    peer = scipy.stats.qmc.discrepancy(scipy.stats.qmc.Sobol(5, rng=1).random(1024))
    assert (discrepancy < 2 * peer) == (design == "sobol")
    assert not np.array_equal(points, unit_points(design, jax.random.key(4), 1024, 5))


def test_sobol_points_of_inputs_and_noise_integrate_better_than_chance():
    errors = {}
    for design in ("random", "sobol"):
        reference = from_function(lognormal, inputs=BOX, noise=1, design=design)
        means = [float(np.mean(reference.sample(jax.random.key(i), 4096, order=0).y)) for i in range(8)]
        exact = float(
            np.mean(
                jax.vmap(lognormal_mean)(
                    unit_points("sobol", KEY, 2**16, 2) * jnp.array([[1.0, 0.4]]) + jnp.array([[-0.5, 0.2]])
                )
            )
        )
        errors[design] = np.sqrt(np.mean((np.array(means) - exact) ** 2))
    assert errors["sobol"] < 0.1 * errors["random"]
    basket = GaussianBasket.random(2, seed=0, design="sobol")
    random = GaussianBasket.random(2, seed=0)
    spread = [np.std([np.mean(b.sample(jax.random.key(i), 1024).y) for i in range(8)]) for b in (basket, random)]
    assert spread[0] < 0.2 * spread[1]


def test_the_antithetic_label_is_the_mean_over_the_mirrored_noise():
    for noise, mirror in ((Normal(1), lambda z: -z), (Uniform(1), lambda z: 1.0 - z)):
        reference = from_function(lognormal, inputs=BOX, noise=noise, antithetic=True)
        x, z = jnp.asarray([0.1, 0.4]), jnp.asarray([0.3])
        np.testing.assert_allclose(
            reference.label(x, z), 0.5 * (lognormal(x, z) + lognormal(x, mirror(z))), rtol=ALGEBRAIC
        )


def test_laws_of_inputs_have_their_moments_and_boxes():
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    law = Gaussian([1.0, 2.0], covariance, names=("spot", "rate"))
    reference = from_function(lognormal, inputs=law, noise=1, exposure=BOX)
    assert [str(variable) for variable in reference.inputs] == ["spot", "rate"]
    x = np.asarray(reference.training_inputs(KEY, 20_000))
    assert np.all(np.abs(x.mean(axis=0) - [1.0, 2.0]) <= STANDARD_ERRORS * np.sqrt(np.diag(covariance) / 20_000))
    assert np.all(np.abs(np.cov(x.T) - covariance) <= STANDARD_ERRORS * 0.09 * np.sqrt(2.0 / 20_000))
    np.testing.assert_allclose(law.box, np.quantile(x, [0.01, 0.99], axis=0), rtol=0.02)
    np.testing.assert_array_equal(reference.box, BOX)
    filled = np.asarray(law.from_uniform(unit_points("sobol", KEY, 4096, 2)))
    np.testing.assert_allclose(np.cov(filled.T), covariance, atol=0.002)
    exposure = np.asarray(reference.exposure_inputs(KEY, 1000))
    assert exposure.min() >= -0.5 and exposure.max() <= 0.6
    named = from_function(lognormal, inputs={"level": (-0.5, 0.5), "spread": (0.2, 0.6)}, noise=1)
    assert [variable.name for variable in named.inputs] == ["level", "spread"]
    np.testing.assert_array_equal(named.box, BOX)


def test_a_covariance_that_is_none_is_refused():
    for off_diagonal in ([0.5, 0.4], [2.0, 2.0]):
        with pytest.raises(InputError, match=r"covariance is not (symmetric and )?positive semidefinite"):
            Gaussian([0.0, 0.0], [[1.0, off_diagonal[0]], [off_diagonal[1], 1.0]])
    with pytest.raises(InputError, match="Input 1 has the variance 0; give it a range, or leave it out"):
        Gaussian([0.0, 0.0], [1.0, 0.0])


def test_inputs_that_follow_from_others_are_a_law():
    """The third input is the sum of the first two."""
    covariance = np.array([[1.0, 0.2, 1.2], [0.2, 2.0, 2.2], [1.2, 2.2, 3.4]])
    drawn = np.asarray(Gaussian([1.0, 2.0, 3.0], covariance).sample(KEY, 4096))
    np.testing.assert_allclose(drawn[:, 2], drawn[:, 0] + drawn[:, 1], atol=ALGEBRAIC)
    spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 4096)
    assert (np.abs(np.cov(drawn.T) - covariance) < 5.0 * spread).all()


def test_a_users_samplers_serve_as_laws():
    def inputs(key, n):
        return jax.random.exponential(key, (n, 2), jnp.float64)

    def noise(key):
        first, second = jax.random.split(key)
        return {"jumps": jax.random.poisson(first, 2.0), "size": jax.random.normal(second, (3,), jnp.float64)}

    def simulate(x, z):
        return x[0] * z["jumps"].astype(jnp.float64) + x[1] * jnp.sum(z["size"])

    reference = from_function(simulate, inputs=inputs, noise=noise, paths=4000)
    assert reference.sample(KEY, 20).dydx.shape == (20, 2)
    np.testing.assert_allclose(reference.box[1], -np.log(0.01), rtol=0.1)
    truth = reference.truth([[1.0, 2.0]], order=1)
    assert_estimated(truth.value, truth.value_stderr, [2.0])
    assert_estimated(truth.gradient, truth.gradient_stderr, [[2.0, 0.0]])
    boxed = InputSampler(inputs, box=([0.0, 0.0], [1.0, 2.0]))
    np.testing.assert_array_equal(from_function(simulate, inputs=boxed, noise=noise).box[1], [1.0, 2.0])


def test_a_second_sample_compiles_nothing_new():
    compiled = []

    def simulate(x, z):
        compiled.append(None)
        return lognormal(x, z)

    reference = from_function(simulate, inputs=BOX, noise=1)
    reference.sample(KEY, 10)
    before = len(compiled)
    reference.sample(jax.random.key(9), 10)
    assert len(compiled) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ([0.0, 1.0], [1.0, 1.0])}, r"The box is empty in input 1: \[1, 1\]"),
        ({"inputs": ([0.0], [1.0, 2.0])}, "two arrays of one length"),
        ({"inputs": ([0.0], [1.0], [2.0])}, "A box has two corners, not 3"),
        ({"inputs": {"a": (0.0, 1.0), "b": 2.0}}, r"inputs\['b'\] has shape \(\); give its range"),
        ({"inputs": "box"}, "inputs is a str; give corners"),
        ({"inputs": lambda key, n: jnp.zeros(n)}, r"The sampler gave shape \(10000,\)"),
        ({"inputs": lambda key, n: jnp.zeros((n, 2), jnp.float32)}, "The sampler gave float32"),
        ({"inputs": lambda key, n: jnp.full((n, 2), jnp.nan)}, "points that are not finite"),
        (
            {"inputs": InputSampler(lambda key, n: jax.random.normal(key, (n, 2), jnp.float64)), "design": "sobol"},
            "needs",
        ),
        ({"noise": "normal"}, "noise is a str"),
        ({"noise": (2, -1)}, "whole numbers, 0 or more"),
        ({"noise": NoiseSampler(lambda key: jnp.zeros(1)), "antithetic": True}, "has no mirror image"),
        ({"noise": NoiseSampler(lambda key: jnp.zeros(1)), "design": "sobol"}, "needs Box or Gaussian inputs"),
        ({"design": "halton"}, "design is 'halton'; choose one of random, sobol, latin-hypercube"),
        ({"paths": 1}, "give at least 2"),
        ({"gamma_direction": [1.0]}, r"gamma_direction has shape \(1,\)"),
        ({"exposure": ([0.0], [1.0])}, "exposure has 1 inputs and inputs has 2"),
        ({"simulate": lambda x, z: np.exp(x[0])}, "does what JAX cannot follow"),
        ({"simulate": lambda x, z: x[0] if x[0] > 0 else x[1]}, "does what JAX cannot follow"),
        ({"simulate": lambda x, z: x[5:6] @ z}, "simulate failed on arguments of shape"),
        ({"simulate": lambda x, z: x[None, :]}, r"simulate gives \(1, 2\)"),
        ({"simulate": lambda x, z: (x[0], x[1])}, "simulate gives tuple"),
        ({"simulate": lambda x, z: x[0].astype(jnp.float32)}, "simulate gives float32"),
        ({"exact": lambda x: x}, "exact and simulate give different shapes"),
    ],
)
def test_mistakes_get_one_sentence(types_unchecked, changes, message):
    arguments = {"simulate": lognormal, "inputs": BOX, "noise": 2} | changes
    with pytest.raises(InputError, match=message):
        from_function(arguments.pop("simulate"), **arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.sample(KEY, 0), "give an order of 0, 1 or 2 and at least one"),
        (lambda r: r.sample(KEY, 5, order=3), "order=3"),
        (lambda r: r.estimate([[0.0, 0.5]], KEY, paths=1), "give at least 2"),
        (lambda r: r.hessian([[0.0, 0.5]]), "has no closed form"),
        (lambda r: r.truth([[0.0]]), r"give \(n, 2\)"),
    ],
)
def test_impossible_requests_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call(from_function(lognormal, inputs=BOX, noise=1))
