"""The noise of labels, estimated from residuals: against the law it was drawn from, and what it is good for."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import sobolev_pruning as sp
from sobolev_pruning import InputError, Samples
from sobolev_pruning.training import SobolevLoss
from sobolev_pruning.training.batches import Batch
from sobolev_pruning.training.label_noise import FLOOR
from sobolev_pruning.training.normal_equations import normal_equations
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

KEY = jax.random.key(3)


def covariance(value):
    """Of the noise in value and derivatives: the larger the value the more, and common to all labels of a sample."""
    size = 0.05 + 0.2 * (1.0 + np.tanh(2.0 * value))
    common = np.array([1.0, 0.8, -0.5])
    return size[:, None, None] ** 2 * (np.outer(common, common) + 0.05 * np.eye(3))


@pytest.fixture(scope="module")
def truth():
    return surrogate_of_shape([2, 3, 1], "silu", scalar=True)


def noisy(truth, n, seed):
    generator = np.random.default_rng(seed)
    x = generator.uniform(-2.0, 2.0, (n, 2))
    value, gradient = np.asarray(truth.value(x)), np.asarray(truth.gradient(x))
    factors = np.linalg.cholesky(covariance(value))
    noise = np.einsum("nab,nb->na", factors, generator.standard_normal((n, 3)))
    return Samples(x, value + noise[:, 0], gradient + noise[:, 1:])


def test_the_covariance_is_that_of_the_noise(truth):
    samples = noisy(truth, 24_000, 0)
    noise = sp.label_noise(truth, samples)
    classes = noise.classes(samples)[:, 0]
    floor = FLOOR * np.diag(mean_squares(truth, samples))
    counts = np.bincount(classes)
    assert counts.max() - counts.min() <= 1 and counts.sum() == 24_000
    for number, whitening in enumerate(np.asarray(noise.whitening)[0]):
        found = np.linalg.inv(whitening.T @ whitening) - floor
        expected = covariance(np.asarray(truth.value(samples.x))[classes == number]).mean(axis=0)
        # Entry (a, b) of a covariance from m samples has the standard error sqrt((S_aa S_bb + S_ab^2) / m), for like S.
        variances = np.diag(expected)
        stderr = np.sqrt((np.outer(variances, variances) + expected**2) / counts[number])
        assert np.all(np.abs(found - expected) < 5.0 * stderr)


def mean_squares(truth, samples):
    """Of the noise in value and derivatives, over all samples that have them."""
    errors = np.column_stack([samples.y - truth.value(samples.x), samples.dydx - truth.gradient(samples.x)])
    return np.nanmean(errors**2, axis=0)


def holed(samples, share, seed=4):
    """Each slope missing in a share of the samples."""
    uniform = np.random.default_rng(seed).uniform(size=np.shape(samples.dydx))
    return replace(samples, dydx=np.where(uniform < share, np.nan, samples.dydx), missing=True)


def test_the_covariance_is_that_of_the_noise_where_labels_are_missing(truth):
    """Of what is known: a sample without its second slope still tells of its value and its first."""
    samples = holed(noisy(truth, 24_000, 0), 0.4)
    noise = sp.label_noise(truth, samples)
    patterns = np.asarray(noise.patterns)
    assert len(patterns) == 4
    classes = noise.classes(samples)[:, 0]
    known = ~np.isnan(np.column_stack([samples.y, samples.dydx]))
    np.testing.assert_array_equal(patterns[classes % 4], known)
    floor = FLOOR * np.diag(mean_squares(truth, samples))
    for number, whitening in enumerate(np.asarray(noise.whitening)[0]):
        pattern = patterns[number % 4]
        assert not whitening[~pattern].any() and not whitening[:, ~pattern].any()
        part = whitening[np.ix_(pattern, pattern)]
        found = np.linalg.inv(part.T @ part) - floor[np.ix_(pattern, pattern)]
        place = classes // 4 == number // 4
        expected = covariance(np.asarray(truth.value(samples.x))[place]).mean(axis=0)
        variances = np.diag(expected)
        # Both slopes are known in 0.36 of the samples.
        stderr = np.sqrt((np.outer(variances, variances) + expected**2) / (0.36 * place.sum()))
        assert np.all(np.abs(found - expected[np.ix_(pattern, pattern)]) < 5.0 * stderr[np.ix_(pattern, pattern)])


def test_the_loss_is_the_likelihood_of_the_known_labels(truth):
    samples = holed(noisy(truth, 400, 1), 0.3)
    noise = sp.label_noise(truth, samples)
    other = surrogate_of_shape([2, 3, 1], "silu", scalar=True, seed=7)
    labels = np.column_stack([samples.y, samples.dydx])
    errors = labels - np.column_stack([other.value(samples.x), other.gradient(samples.x)])
    expected = 0.0
    for error, number in zip(errors, noise.classes(samples)[:, 0]):
        known = ~np.isnan(error)
        whitened = np.asarray(noise.whitening)[0, number][np.ix_(known, known)] @ error[known]
        expected += np.sum(whitened**2) / 3 / len(samples)
    loss = SobolevLoss.of(samples, 1, noise=noise)
    found = loss(other, Batch.of(samples, 1, noise=noise)).total
    np.testing.assert_allclose(found, expected, rtol=ALGEBRAIC)


def test_a_slope_that_no_sample_has_and_samples_unlike_those_of_the_estimate(truth):
    samples = noisy(truth, 200, 0)
    values = replace(samples, dydx=np.asarray(samples.dydx) * [1.0, np.nan], missing=True)
    noise = sp.label_noise(truth, values)
    assert noise.whitening.shape[1] > 0 and not np.asarray(noise.whitening)[:, :, :, 2].any()
    fit = {"key": KEY, "optimiser": sp.LevenbergMarquardt(1), "noise": noise}
    assert np.isfinite(sp.fit(truth, values, **fit).best_held_out)
    with pytest.raises(InputError, match="Sample 0 lacks other labels than those that the noise was estimated from"):
        sp.fit(truth, samples, **fit)


def test_outputs_have_noise_of_their_own_and_values_alone_will_do():
    network = surrogate_of_shape([2, 4, 2], "silu", scalar=False)
    generator = np.random.default_rng(1)
    x = generator.uniform(-1.0, 1.0, (500, 2))
    sizes = np.array([0.1, 1.0])
    samples = Samples(x, np.asarray(network.value(x)) + sizes * generator.standard_normal((500, 2)))
    noise = sp.label_noise(network, samples, order=0)
    spread = np.sqrt(np.mean(noise.whitening[:, :, 0, 0] ** -2.0, axis=1) / (1.0 + FLOOR))
    np.testing.assert_allclose(spread, sizes, rtol=5.0 / np.sqrt(2 * 500))
    with pytest.raises(InputError, match="no dydx; give derivatives, or choose order 0"):
        sp.label_noise(network, samples)


def test_second_derivatives_are_weighed_with_the_others():
    """Loss and normal equations of order 2, two outputs and two directions, against the formula."""
    network, other = (surrogate_of_shape([2, 4, 2], "silu", scalar=False, seed=seed) for seed in (0, 1))
    generator = np.random.default_rng(2)
    x = generator.uniform(-1.0, 1.0, (600, 2))
    directions = jnp.asarray(generator.standard_normal((600, 2, 2)))
    exact = network.value(x), network.gradient(x), network.hessian_products(x, directions)
    y, dydx, hvp = (
        np.asarray(each) + size * generator.standard_normal(each.shape) for each, size in zip(exact, (0.1, 0.3, 0.5))
    )
    samples = Samples(x, y, dydx, directions, hvp)
    noise = sp.label_noise(network, samples, order=2)
    predicted = other.value(x), other.gradient(x), np.moveaxis(other.hessian_products(x, directions), 1, 2)
    labels = y, dydx, np.moveaxis(hvp, 1, 2)
    errors = np.concatenate([(a - b).reshape(600, 2, -1) for a, b in zip(predicted, labels)], axis=2)
    matrices = np.asarray(noise.whitening)[np.arange(2), noise.classes(samples)]
    expected = np.sum(np.einsum("nkab,nkb->nka", matrices, errors) ** 2) / (2 * 7 * 600)
    loss, batch = SobolevLoss.of(samples, 2, noise=noise), Batch.of(samples, 2, noise=noise)
    np.testing.assert_allclose(loss(other, batch).total, expected, rtol=ALGEBRAIC)
    _, slope, _ = normal_equations(loss, other, batch)
    gradient = jax.grad(lambda layers: loss(replace(other, layers=layers), batch).total)(other.layers)
    np.testing.assert_allclose(2.0 * slope, ravel_pytree(gradient)[0], rtol=ALGEBRAIC, atol=ALGEBRAIC)


def test_the_floor_is_in_proportion_to_the_noise(truth):
    """Noise of a ten-thousandth is told as well as noise of the labels' size."""
    samples = noisy(truth, 2048, 0)
    exact = np.asarray(truth.value(samples.x)), np.asarray(truth.gradient(samples.x))
    quieter = [label + 1e-4 * (each - label) for label, each in zip(exact, (samples.y, samples.dydx))]
    loud, quiet = (sp.label_noise(truth, each).whitening for each in (samples, Samples(samples.x, *quieter)))
    np.testing.assert_allclose(1e-4 * quiet, loud, rtol=0.01)


def test_weighing_by_the_noise_pays(truth):
    start = surrogate_of_shape([2, 3, 1], "silu", scalar=True, seed=5)
    points = np.random.default_rng(9).uniform(-2.0, 2.0, (2000, 2))
    ratios = []
    for seed in range(1, 3):
        samples = noisy(truth, 2048, seed)
        settings = {"key": KEY, "optimiser": sp.LevenbergMarquardt(30), "held_out": 0}
        first = sp.fit(start, samples, starts=4, **settings).surrogate
        second = sp.fit(first, samples, noise=sp.label_noise(first, samples), **settings).surrogate
        errors = [np.mean((network.gradient(points) - truth.gradient(points)) ** 2) for network in (first, second)]
        ratios.append(errors[1] / errors[0])
    assert max(ratios) < 0.7
    incomplete = holed(noisy(truth, 2048, 1), 0.3)
    first = sp.fit(start, incomplete, starts=4, **settings).surrogate
    second = sp.fit(first, incomplete, noise=sp.label_noise(first, incomplete), **settings).surrogate
    errors = [np.mean((network.gradient(points) - truth.gradient(points)) ** 2) for network in (first, second)]
    assert errors[1] < 0.7 * errors[0]


def test_what_it_cannot_weigh_is_refused(truth):
    samples = noisy(truth, 200, 0)
    noise = sp.label_noise(truth, samples)
    fit = {"key": KEY, "optimiser": sp.LevenbergMarquardt(1), "noise": noise}
    errors = replace(samples, y_stderr=np.ones(200), dydx_stderr=np.ones((200, 2)))
    with pytest.raises(InputError, match="leave weigh_by_stderr and fresh out"):
        sp.fit(truth, errors, weigh_by_stderr=True, **fit)
    with pytest.raises(InputError, match="noise is for 1 outputs with 3 labels each, and order 0 has other labels"):
        sp.fit(truth, samples, 0, **fit)
    with pytest.raises(InputError, match=r"20 samples are too few .* of 3 labels each; give at least 30"):
        sp.label_noise(truth, samples[np.arange(20)])
    with pytest.raises(InputError, match="order is 2, but the samples have no hvp"):
        sp.label_noise(truth, samples, order=2)
