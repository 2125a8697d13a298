"""Scores against formulas written out, and evaluations against the truth they name."""

import jax
import numpy as np
import pytest

import tolerances
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.evaluation import evaluate, score, score_by_output, second_derivative_along
from sobolev_pruning.reference import from_function
from sobolev_pruning.surrogate import Scaling
from surrogates import surrogate_of_shape

RANDOM = np.random.default_rng(3)
BOX = ([-0.5, 0.5], [0.5, 1.0])


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
    # Nor has one that changes by the rounding of what computed it, as a constant slope times a spread does.
    rounded = 0.3 + 5.6e-17 * RANDOM.integers(-2, 3, 50)
    assert np.ptp(rounded) > 0 and score(rounded + 0.1, rounded).r2 is None
    assert score(1e-9 * np.arange(5.0), 1e-9 * np.arange(5.0)).r2 == 1.0


def test_every_output_is_measured_about_its_own_mean():
    """sin(3 x1 x2) and 1000 + cos(3 x1 + x2): over all entries a constant of 0 and 1000 has R2 0.999998."""
    x = RANDOM.uniform(-1.0, 1.0, (500, 2))
    truth = np.stack([np.sin(3 * x[:, 0] * x[:, 1]), 1000 + np.cos(3 * x[:, 0] + x[:, 1])], axis=1)
    constant = np.broadcast_to([0.0, 1000.0], truth.shape)
    scores = score_by_output(constant, truth)
    assert score(constant, truth).r2 > 0.999995
    for j, found in enumerate(scores.by_output):
        assert found == score(constant[:, j], truth[:, j]) and found.r2 < 0.1
    assert scores.r2 == min(found.r2 for found in scores.by_output)
    assert scores.max_abs == max(found.max_abs for found in scores.by_output)
    unknown = np.stack([np.ones(500, bool), np.zeros(500, bool)], axis=1)
    assert score_by_output(constant, truth, known=unknown).by_output == (scores.by_output[0], None)


def test_a_network_of_zero_weights_has_no_r2_to_speak_of():
    network = surrogate_of_shape([2, 3, 2], "tanh", False)
    network = type(network)(jax.tree.map(jax.numpy.zeros_like, network.layers), network.scaling, "tanh", False)
    x = RANDOM.uniform(-1.0, 1.0, (500, 2))
    y = np.stack([np.sin(3 * x[:, 0] * x[:, 1]), 1000 + np.cos(3 * x[:, 0] + x[:, 1])], axis=1)
    network = type(network)(network.layers, Scaling.of(Samples(x, y)), "tanh", False)
    found = evaluate(network, Samples(x, y))
    assert found.value.r2 == pytest.approx(0.0, abs=1e-12) and len(found.outputs) == 2
    assert [output.value.r2 for output in found.outputs] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert found.outputs[1].value.by_output is None and found.outputs[0].outputs == (found.outputs[0],)


@pytest.mark.parametrize("scalar", [True, False])
def test_the_axis_of_a_single_output_may_be_there_or_not(scalar):
    network = surrogate_of_shape([3, 4, 1], "tanh", scalar)
    x = RANDOM.normal(3.0, 2.0, (20, 3))
    other = surrogate_of_shape([3, 4, 1], "tanh", not scalar).label(x)
    assert evaluate(network, other) == evaluate(network, network.label(x))
    with pytest.raises(InputError, match=r"The model has 1 outputs and the truth \(samples\) has 2"):
        evaluate(network, surrogate_of_shape([3, 4, 2], "tanh", False).label(x))


def test_two_estimates_are_compared_less_the_noise_of_both():
    """Paths of one law under two seeds of noise: no error but noise, which is taken out."""

    def model(shift, paths):
        def simulate(x, z):
            return jax.numpy.sin(x[0]) * x[1] + x[0] * z[0] + shift

        return from_function(simulate, inputs=BOX, noise=1, paths=paths, gamma_direction=[1.0, 1.0])

    points = model(0.0, 2).test_points(jax.random.key(0), 64)
    found = evaluate(model(0.25, 128), model(0.0, 128), points)
    assert found.against == "Monte Carlo, 128 paths" and found.hessian is None
    # The noise of both, 0.026 on average each, and different for each.
    assert found.value.rmse == pytest.approx(0.25, abs=0.02) and 0.03 < found.value.noise_rmse < 0.045
    assert found.value.max_abs > 0.27
    assert found.delta.r2 > 0.8 and found.gamma.r2 > 0.8


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
        second_derivative_along(jax.numpy.asarray(hessians), jax.numpy.asarray(v)), expected, rtol=tolerances.ALGEBRAIC
    )
