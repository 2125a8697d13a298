"""The estimator among scikit-learn's own tools, and what it adds to them: slopes."""

import pickle
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import sobolev_pruning as sp
from sobolev_pruning.sklearn import SobolevRegressor
from tolerances import AD_AGAINST_DIFFERENCES, ALGEBRAIC, EXACT

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(-1.0, 1.0, (48, 2))
STEPS = sp.LevenbergMarquardt(iterations=8)


def wave(x):
    return np.sin(2.0 * x[:, 0]) + x[:, 0] * x[:, 1]


def slopes(x):
    return np.stack([2.0 * np.cos(2.0 * x[:, 0]) + x[:, 1], x[:, 0]], axis=1)


def both(x):
    """Two outputs and their derivatives."""
    values, derivatives = np.stack([wave(x), 3.0 - x[:, 1]], axis=1), np.zeros((len(x), 2, 2))
    derivatives[:, 0], derivatives[:, 1, 1] = slopes(x), -1.0
    return values, derivatives


def regressor(**settings) -> SobolevRegressor:
    return SobolevRegressor(**({"hidden": (4,), "optimiser": STEPS, "random_state": 0} | settings))


@pytest.fixture(scope="module")
def fitted() -> SobolevRegressor:
    return regressor(hidden=(8,), optimiser=sp.LevenbergMarquardt(iterations=40)).fit(X, wave(X), dydx=slopes(X))


# The same shapes as the fits below.
@parametrize_with_checks([regressor(random_state=None)])
def test_it_keeps_the_contract_of_estimators(estimator, check):
    check(estimator)


def test_slopes_are_learnt_and_are_those_of_the_prediction(fitted):
    points = GENERATOR.uniform(-0.9, 0.9, (200, 2))
    gradient = fitted.predict_gradient(points)
    assert np.abs(gradient - slopes(points)).max() < 0.05
    step = 1e-5
    for c in range(2):
        ends = [fitted.predict(points + sign * step * np.eye(2)[c]) for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(gradient[:, c], difference, atol=AD_AGAINST_DIFFERENCES)
    # Values of an eighth of the points alone are not enough for this network.
    few = slice(0, 8)
    errors = []
    for dydx in (None, slopes(X)[few]):
        model = regressor(hidden=(8,)).fit(X[few], wave(X)[few], dydx=dydx)
        errors.append(np.mean((model.predict_gradient(points) - slopes(points)) ** 2))
    assert errors[1] < 0.5 * errors[0]


def test_standard_errors_are_those_of_error_bars_and_survive_pickling(fitted):
    value, found = fitted.predict(X[:5], return_std=True)
    samples = sp.Samples(X, wave(X), slopes(X))
    np.testing.assert_allclose(found, sp.error_bars(fitted.surrogate_, samples).value(X[:5]), rtol=ALGEBRAIC)
    np.testing.assert_array_equal(value, fitted.predict(X[:5]))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X[:5], return_std=True)[1], found)


def test_several_outputs_and_slopes_that_are_not_known():
    values, derivatives = both(X)
    derivatives[::3, 0, 1] = np.nan
    model = regressor().fit(X, values, dydx=derivatives)
    assert model.predict(X[:5]).shape == (5, 2) and model.predict_gradient(X[:5]).shape == (5, 2, 2)
    assert model.surrogate_.widths == (2, 4, 2)
    with pytest.raises(sp.InputError, match=r"dydx has shape \(48, 2\); to match x and y it must be \(48, 2, 2\)"):
        regressor().fit(X, values, dydx=slopes(X))


def test_it_goes_with_pipelines_searches_and_cross_validation():
    scaler = StandardScaler().fit(X)
    line = make_pipeline(StandardScaler(), regressor())
    line.fit(X, wave(X), sobolevregressor__dydx=slopes(X) * scaler.scale_)
    assert line.score(X, wave(X)) > 0.95
    search = GridSearchCV(regressor(), {"hidden": [(1,), (4,)]}, cv=2).fit(X, wave(X), dydx=slopes(X))
    assert search.best_params_ == {"hidden": (4,)}
    # The rows of the slopes go with those of the values.
    scores = cross_val_score(regressor(), X, wave(X), cv=2, params={"dydx": slopes(X)})
    shuffled = cross_val_score(regressor(), X, wave(X), cv=2, params={"dydx": slopes(X)[::-1]})
    assert scores.min() > 0.9 and scores.min() > shuffled.max()


def test_columns_of_a_data_frame_name_the_inputs(tmp_path, fitted):
    frame = pd.DataFrame(X, columns=["spot [USD]", "vol"])
    model = regressor(hidden=(8,), optimiser=sp.LevenbergMarquardt(iterations=40))
    model.fit(frame, pd.Series(wave(X)), dydx=slopes(X))
    assert [str(each) for each in model.surrogate_.inputs] == ["spot [USD]", "vol"]
    np.testing.assert_array_equal(model.predict(frame), fitted.predict(X), strict=True)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["vol", "spot [USD]"]])
    model.surrogate_.save(tmp_path / "net.safetensors")
    np.testing.assert_allclose(sp.load(tmp_path / "net.safetensors").value(X), model.predict(frame), rtol=ALGEBRAIC)


def test_it_computes_in_float64_whatever_jax_is_set_to(fitted):
    with jax.enable_x64(False):
        model = regressor(hidden=(8,), optimiser=sp.LevenbergMarquardt(iterations=40))
        model.fit(X, wave(X), dydx=slopes(X))
        again = pickle.loads(pickle.dumps(model))
        found = [each.predict(X) for each in (model, again)] + [again.predict_gradient(X)]
        assert not jax.config.jax_enable_x64
    expected = [fitted.predict(X), fitted.predict(X), fitted.predict_gradient(X)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT)
        assert one.dtype == np.float64


def test_the_smallest_network_is_searched_for():
    x = GENERATOR.uniform(-1.0, 1.0, (256, 2))
    model = regressor(hidden=(8,), tolerance=0.99, optimiser=sp.LevenbergMarquardt(iterations=20))
    model.fit(x, wave(x), dydx=slopes(x))
    assert model.surrogate_.n_parameters < 33 and model.score(x, wave(x)) > 0.985
    with pytest.raises(sp.InputError, match=r"The R2 asked of value is 2; give a number between 0 and 1"):
        regressor(tolerance=2).fit(X, wave(X))


def test_without_scikit_learn_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "sobolev_pruning.sklearn")
    with pytest.raises(ImportError, match=r"pip install 'sobolev-pruning\[sklearn\]'"):
        import sobolev_pruning.sklearn  # noqa: F401
