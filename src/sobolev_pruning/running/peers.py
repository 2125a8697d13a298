"""What else is at hand, on the same samples: a cubic ridge and a Gaussian process, by scikit-learn."""

import math
import time
import warnings
from collections.abc import Callable

import numpy as np

from .._foundation.samples import Samples
from ..evaluation import Evaluator
from ..evaluation.scores import scorer_for
from .records import PeerRecord

_MOST_FEATURES = 1000
"""Of a polynomial."""

_MOST_RIDGE_ROWS = 8192
"""Of a polynomial: with a thousand features 33,631 rows take minutes."""

_MOST_ROWS, _MOST_PRODUCTS = 1000, 5 * 10**6
"""Of a Gaussian process: its rows, and their square times the inputs, which is what a step of its fit costs."""

_STEPS = 60
"""Of that fit. With 16 inputs scikit-learn goes on for minutes, along lengths that hardly matter."""

_MOST_POINTS = 512


def peers_of(samples: Samples, evaluator: Evaluator) -> tuple[PeerRecord, ...]:
    """The error of each peer's values at the test points; none where scikit-learn is not installed.

    They learn from values alone, as they do out of the box. Rows are taken at random where there are too many.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return ()
    x, y = np.asarray(samples.x), np.asarray(samples.y).reshape(len(samples), -1)
    points, true = np.asarray(evaluator.points), np.asarray(evaluator.truth.value)
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    points, true = points[chosen], true[chosen]
    score = scorer_for(true)
    stderr = evaluator.truth.value_stderr
    stderr = None if stderr is None else np.asarray(stderr)[chosen]
    found = []
    for name, fitted in (("ridge", _ridge), ("Gaussian process", _gaussian_process)):
        start = time.perf_counter()
        words, predict = fitted(x, y)
        predicted = np.asarray(predict(points)).reshape(true.shape)
        scores = score(predicted, true, stderr)
        found.append(PeerRecord(name, words, scores.r2, scores.rmse, time.perf_counter() - start))
    return tuple(found)


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[str, Callable]:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    d = x.shape[1]
    degree = max(k for k in (1, 2, 3) if k == 1 or math.comb(d + k, k) <= _MOST_FEATURES)
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(degree), StandardScaler(), RidgeCV(np.logspace(-8, 2, 11))
    )
    rows = np.random.default_rng(0).permutation(len(x))[:_MOST_RIDGE_ROWS]
    model.fit(x[rows], y[rows])
    return f"polynomial of degree {degree}, ridge by cross-validation, {len(rows):,} rows", model.predict


def _gaussian_process(x: np.ndarray, y: np.ndarray) -> tuple[str, Callable]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    most = min(_MOST_ROWS, int(math.sqrt(_MOST_PRODUCTS / x.shape[1])))
    rows = np.random.default_rng(0).permutation(len(x))[:most]
    kernel = ConstantKernel(1.0) * RBF(np.ones(x.shape[1])) + WhiteKernel(1e-4, (1e-12, 1e2))
    process = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=_few_steps)
    model = make_pipeline(StandardScaler(), process)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[rows], y[rows])
    return f"Gaussian kernel with a length for each input, {len(rows):,} rows", model.predict


def _few_steps(objective: Callable, start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
    """L-BFGS-B, as scikit-learn has it, with fewer steps at most."""
    from scipy.optimize import minimize

    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": _STEPS})
    return found.x, found.fun
