"""Makes `price.onnx` and `quotes.csv`: a network as somebody else trains and writes it, here by scikit-learn.

It gives the price of a call over its strike, by Black's formula without discounting, for the forward over the strike
and the volatility times the square root of the time. Needs scikit-learn and skl2onnx; run it in this folder.
"""

import numpy as np
from scipy.stats import norm
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def inputs(n: int, seed: int) -> np.ndarray:
    """Forward over strike from 0.6 to 1.5, deviation from 0.1 to 0.5."""
    return np.random.default_rng(seed).uniform([0.6, 0.1], [1.5, 0.5], (n, 2))


def price(x: np.ndarray) -> np.ndarray:
    forward, deviation = x.T
    d = np.log(forward) / deviation + 0.5 * deviation
    return forward * norm.cdf(d) - norm.cdf(d - deviation)


x = inputs(4000, seed=0)
network = MLPRegressor(
    hidden_layer_sizes=(24, 24),
    activation="tanh",
    solver="lbfgs",
    alpha=0.0,
    tol=1e-12,
    max_iter=3000,
    max_fun=40_000,
    random_state=0,
)
model = make_pipeline(StandardScaler(), network).fit(x, price(x))
written = to_onnx(model, initial_types=[("x", DoubleTensorType([None, 2]))], target_opset=17)
with open("price.onnx", "wb") as file:
    file.write(written.SerializeToString())

quotes = inputs(200, seed=1)
table = np.column_stack([quotes, price(quotes)])
np.savetxt("quotes.csv", table, fmt="%.10g", delimiter=",", header="forward,deviation,price", comments="")
