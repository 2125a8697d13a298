"""Errors of every value and derivative by name: each is that of its own column."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from sobolev_pruning import InputError, Samples, evaluate
from sobolev_pruning.evaluation import Evaluator, score
from sobolev_pruning.reference import Truth
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

POINTS = jax.numpy.asarray(np.random.default_rng(0).uniform(1.0, 4.0, (50, 3)))
NAMES = {"inputs": ["spot [USD]", "vol [1/sqrt(year)]", "strike [USD]"], "outputs": ["price [USD]", "payout"]}


@pytest.fixture(scope="module")
def networks():
    return [replace(surrogate_of_shape([3, 4, 2], "tanh", False, seed=seed), **NAMES) for seed in (1, 2)]


@pytest.fixture(scope="module")
def evaluator(networks):
    truth = networks[0]
    hessian = truth.hessian(POINTS)
    found = Truth(truth.value(POINTS), truth.gradient(POINTS), None, hessian, "the first network")
    return Evaluator(found, POINTS, None, truth.inputs, truth.outputs)


def test_every_entry_is_scored_by_itself(networks, evaluator):
    entries = {entry.name: entry for entry in evaluator.by_name(networks[1])}
    assert len(entries) == 2 * (1 + 3 + 6)
    arrays = {
        size: [np.asarray(getattr(network, of)(POINTS)) for network in networks]
        for size, of in enumerate(("value", "gradient", "hessian"), start=1)
    }
    for name, entry, unit in (
        ("price", (0,), "USD"),
        ("payout", (1,), None),
        ("dprice/dvol", (0, 1), "USD/(1/sqrt(year))"),
        ("dpayout/dspot", (1, 0), None),
        ("d2price/dspot2", (0, 0, 0), "USD/USD^2"),
        ("d2price/dspotdvol", (0, 0, 1), "USD/(USD (1/sqrt(year)))"),
        ("d2payout/dvoldstrike", (1, 1, 2), None),
    ):
        true, predicted = (array[(slice(None), *entry)] for array in arrays[len(entry)])
        found = entries[name]
        assert (found.entry, found.unit, found.scores) == (entry, unit, score(predicted, true))
        np.testing.assert_allclose(found.rms, np.sqrt(np.mean(true**2)), rtol=ALGEBRAIC)
        np.testing.assert_allclose(
            found.relative, np.sqrt(np.mean((predicted - true) ** 2)) / found.rms, rtol=ALGEBRAIC
        )


def test_of_samples_what_is_known_counts_and_the_noise_is_taken_out(networks):
    labels = networks[0].label(POINTS)
    dydx = np.asarray(labels.dydx).copy()
    dydx[:, 0, 1], dydx[:10, 1, 2] = np.nan, np.nan
    samples = Samples(POINTS, labels.y, dydx, y_stderr=0.1 * np.ones((50, 2)), missing=True, **NAMES)
    entries = {entry.name: entry for entry in Evaluator.on(samples).by_name(networks[1])}
    assert len(entries) == 2 + 5 and "dprice/dvol" not in entries
    predicted = np.asarray(networks[1].gradient(POINTS))
    assert entries["dpayout/dstrike"].scores == score(predicted[10:, 1, 2], dydx[10:, 1, 2])
    value = entries["price"]
    assert value.scores.noise_rmse == pytest.approx(0.1) and value.scores.rmse > 0
    np.testing.assert_allclose(value.rms, np.sqrt(np.mean(np.asarray(labels.y)[:, 0] ** 2) - 0.01), rtol=ALGEBRAIC)
    assert evaluate(networks[1], samples).value.noise_rmse == pytest.approx(0.1)


def test_an_estimated_gamma_along_one_input_is_its_second_derivative(networks):
    gamma = np.asarray(networks[0].hessian(POINTS))[..., 1, 1]
    error = 0.01 * jax.numpy.ones((50, 2))
    truth = Truth(networks[0].value(POINTS), None, jax.numpy.asarray(gamma), None, "paths", None, None, error)
    along = jax.numpy.asarray([0.0, 1.0, 0.0])
    entries = Evaluator(truth, POINTS, along, **NAMES).by_name(networks[1])
    assert [entry.name for entry in entries] == ["price", "d2price/dvol2", "payout", "d2payout/dvol2"]
    predicted = np.asarray(networks[1].hessian(POINTS))[:, 0, 1, 1]
    expected = score(predicted, gamma[:, 0], error[:, 0])
    np.testing.assert_allclose(entries[1].scores.rmse, expected.rmse, rtol=ALGEBRAIC)
    assert entries[1].scores.noise_rmse == pytest.approx(0.01)
    assert len(Evaluator(truth, POINTS, jax.numpy.ones(3), **NAMES).by_name(networks[1])) == 2


def test_only_a_few_inputs_have_second_derivatives_one_by_one(evaluator):
    network = surrogate_of_shape([9, 2, 1], "tanh", True)
    x = jax.numpy.ones((4, 9))
    truth = Truth(network.value(x), network.gradient(x), None, network.hessian(x), "itself")
    entries = Evaluator(truth, x).by_name(network)
    assert [entry.name for entry in entries] == ["y", *(f"dy/dx{i}" for i in range(9))]
    assert all(entry.scores.rmse == 0.0 for entry in entries)


def test_a_model_of_other_variables_is_refused(networks, evaluator):
    turned = replace(networks[1], inputs=NAMES["inputs"][::-1])
    for measure in (evaluator, evaluator.by_name):
        with pytest.raises(InputError, match="are strike, vol, spot, those of the truth spot, vol, strike; give"):
            measure(turned)
    unnamed = replace(networks[1], inputs=None, outputs=None)
    assert evaluator.by_name(unnamed) == evaluator.by_name(networks[1])
