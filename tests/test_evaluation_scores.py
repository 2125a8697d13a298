"""Scores against formulas written out, and evaluations against the truth they name."""

import jax
import numpy as np
import pytest

import tolerances
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.evaluation import along, evaluate, score
from surrogates import surrogate_of_shape

RANDOM = np.random.default_rng(3)


def test_scores_are_the_written_out_formulas():
    truth = RANDOM.normal(2.0, 1.0, (50, 3)) * [1.0, 5.0, 0.2]
    predicted = truth + RANDOM.normal(0.0, 0.3, truth.shape)
    scores = score(predicted, truth)
    errors = [abs(p - t) for p, t in zip(predicted.ravel(), truth.ravel())]
    grand_mean = sum(truth.ravel()) / truth.size
    r2 = 1 - sum(e * e for e in errors) / sum((t - grand_mean) ** 2 for t in truth.ravel())
    assert scores.r2 == pytest.approx(r2, rel=tolerances.ALGEBRAIC)
    assert scores.rmse == pytest.approx((sum(e * e for e in errors) / len(errors)) ** 0.5, rel=tolerances.ALGEBRAIC)
    assert scores.max_abs == max(errors)
    assert sorted(errors)[-3] <= scores.p99 <= sorted(errors)[-2]
    for c, found in enumerate(scores.r2_by_component):
        column = truth[:, c]
        expected = 1 - np.sum((predicted[:, c] - column) ** 2) / np.sum((column - column.mean()) ** 2)
        assert found == pytest.approx(expected, rel=tolerances.ALGEBRAIC)


def test_a_truth_that_never_changes_has_no_r2():
    assert score([1.0, 2.0], [3.0, 3.0]).r2 is None
    columns = score([[1.0, 1.0], [2.0, 2.0]], [[3.0, 1.0], [3.0, 2.0]]).r2_by_component
    assert columns == (None, 1.0)


def test_a_column_is_not_compared_with_a_row():
    with pytest.raises(InputError, match=r"shape \(4,\) cannot be scored against \(4, 1\)"):
        score(np.zeros(4), np.zeros((4, 1)))


def test_against_the_closed_form(basket, surrogate):
    points = basket.test_points(jax.random.key(7), 64)
    found = evaluate(surrogate, basket, points)
    assert (found.against, found.n_points) == ("closed form", 64)
    assert found.value == score(surrogate.value(points), basket.value(points))
    assert found.delta == score(surrogate.gradient(points), basket.gradient(points))
    assert found.hessian == score(surrogate.hessian(points), basket.hessian(points))
    spread = np.asarray(points).std(axis=0)
    ours, truth = (np.asarray(gradient) * spread for gradient in (surrogate.gradient(points), basket.gradient(points)))
    assert found.delta_scaled == score(ours, truth)
    direction = np.asarray(basket.gamma_direction)
    ours, truth = (
        np.array([direction @ h @ direction for h in np.asarray(hessians)])
        for hessians in (surrogate.hessian(points), basket.hessian(points))
    )
    assert found.gamma.r2 == pytest.approx(score(ours, truth).r2, rel=tolerances.ALGEBRAIC)
    assert found.figures("rmse")["delta"] == found.delta.rmse


def test_the_default_points_are_the_references_own(basket, surrogate):
    points = basket.test_points(jax.random.key(2))
    assert evaluate(surrogate, basket, seed=2) == evaluate(surrogate, basket, points)


@pytest.mark.parametrize("scalar", [True, False])
def test_against_samples(scalar):
    network = surrogate_of_shape([3, 4, 1 if scalar else 2], "tanh", scalar)
    x = RANDOM.normal(3.0, 2.0, (20, 3))
    y, dydx = np.asarray(network.value(x)), np.asarray(network.gradient(x))
    exact = evaluate(network, Samples(x, y, dydx))
    assert (exact.value.r2, exact.delta.max_abs, exact.gamma, exact.hessian) == (1.0, 0.0, None, None)
    moved = evaluate(network, Samples(x, y + 0.5))
    assert moved.value.rmse == pytest.approx(0.5, rel=tolerances.ALGEBRAIC)
    assert moved.delta is moved.delta_scaled is None
    assert moved.figures("r2")["delta"] is None


def test_unknown_derivatives_are_left_out():
    network = surrogate_of_shape([3, 4, 1], "tanh", True)
    x = RANDOM.normal(3.0, 2.0, (20, 3))
    y, dydx = np.asarray(network.value(x)), np.asarray(network.gradient(x)).copy()
    dydx[:10, 1] += 0.25
    dydx[5:, 0] = dydx[:, 2] = np.nan
    found = evaluate(network, Samples(x, y, dydx, missing=True)).delta
    assert found.rmse == pytest.approx(np.sqrt(10 * 0.25**2 / 25), rel=tolerances.ALGEBRAIC)
    assert found.r2_by_component[0] == 1.0 and found.r2_by_component[2] is None


def test_points_with_samples_are_refused(surrogate, samples):
    with pytest.raises(InputError, match="points belong to a reference"):
        evaluate(surrogate, samples, samples.x)


def test_along_several_outputs():
    hessians = RANDOM.normal(size=(4, 2, 3, 3))
    v = np.array([1.0, -2.0, 0.5])
    expected = [[v @ h @ v for h in outputs] for outputs in hessians]
    np.testing.assert_allclose(
        along(jax.numpy.asarray(hessians), jax.numpy.asarray(v)), expected, rtol=tolerances.ALGEBRAIC
    )
