"""Noise of labels and of what is learnt from them, for every way to have less of it: alone and together.

    python benchmarks/variance.py

The 7-asset basket, 8,192 labels per draw. "Labels": the mean square of label less truth. "Estimate": polynomials of
degree 6 in the basket's price fitted to values and gradients; the mean square over the exposure's law of fit less the
fit to exact labels, over 20 draws. A design such as Sobol points leaves every single label as noisy as it was and makes
their errors cancel, so only the second figure sees it. Ratios are those of single paths over each way, with two paths
of an antithetic pair counted as one: larger is better.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from sobolev_pruning.reference import GaussianBasket, with_controls

LABELS, DRAWS, DEGREE = 8192, 20, 6


def single_path_labels(basket: GaussianBasket, key):
    """Values and gradients of one path per input, without its mirror image."""
    x, z = basket.inputs_and_noise(key, LABELS)
    spread = jnp.sqrt(basket.maturity - basket.exposure_time)
    loadings = spread * basket.weights @ (basket.volatilities[:, None] * jnp.linalg.cholesky(basket.correlation))
    gain = x @ basket.weights + z @ loadings - basket.strike
    return x, jnp.maximum(gain, 0.0), (gain > 0)[:, None] * basket.weights[None, :]


def labels(model, key):
    """Values and gradients of antithetic pairs."""
    samples = model.sample(key, LABELS)
    return samples.x, samples.y, samples.dydx


def estimate(basket: GaussianBasket, x, y, dydx, at):
    """Value and delta along the weights at prices `at`: least squares on both, in units of their spread."""
    price = np.asarray(x @ basket.weights)
    middle, size = price.mean(), price.std()
    along = np.asarray(dydx @ basket.weights / (basket.weights @ basket.weights)) * size
    basis = np.polynomial.chebyshev.chebvander((price - middle) / (3 * size), DEGREE)
    slopes = chebyshev_slopes((price - middle) / (3 * size)) / 3
    matrix = np.concatenate([basis / np.std(y), slopes / np.std(along)])
    target = np.concatenate([np.asarray(y) / np.std(y), along / np.std(along)])
    coefficients = np.linalg.lstsq(matrix, target, rcond=None)[0]
    place = (at - middle) / (3 * size)
    return np.polynomial.chebyshev.chebvander(place, DEGREE) @ coefficients, chebyshev_slopes(place) @ coefficients / (
        3 * size
    )


def chebyshev_slopes(place):
    """Derivatives of the basis."""
    units = np.eye(DEGREE + 1)
    derivatives = [np.polynomial.chebyshev.chebval(place, np.polynomial.chebyshev.chebder(unit)) for unit in units]
    return np.stack(derivatives, axis=1)


def main() -> None:
    """Prints the table."""
    jax.config.update("jax_enable_x64", True)
    ways = {"single paths": lambda key: single_path_labels(GaussianBasket.random(7, 0), key)}
    ways["single paths, Sobol"] = lambda key: single_path_labels(GaussianBasket.random(7, 0, design="sobol"), key)
    for design, conditional, controlled in itertools.product(("random", "sobol"), (False, True), (False, True)):
        model = GaussianBasket.random(7, 0, design=design, conditional=conditional)
        model = with_controls(model, jax.random.key(99)) if controlled else model
        parts = ["antithetic", *["Sobol"] * (design == "sobol"), *["conditional"] * conditional]
        ways[", ".join([*parts, *["controls"] * controlled])] = lambda key, model=model: labels(model, key)
    basket = GaussianBasket.random(7, 0)
    at = np.asarray(basket.exposure_inputs(jax.random.key(5), 2048) @ basket.weights)

    found = {}
    for name, draw in ways.items():
        noise, missed = [], []
        for number in range(DRAWS):
            x, y, dydx = draw(jax.random.key(number))
            value, gradient = basket.value(x), basket.gradient(x)
            noise.append([np.mean((y - value) ** 2), np.mean((dydx - gradient) ** 2)])
            fit, exact = estimate(basket, x, y, dydx, at), estimate(basket, x, value, gradient, at)
            missed.append([np.mean((f - e) ** 2) for f, e in zip(fit, exact)])
        found[name] = np.array([np.mean(noise, axis=0), np.mean(missed, axis=0)])
    table = Table(title=f"Variance ratios over single paths, {LABELS:,} labels, mean over {DRAWS} draws")
    for heading in ("way", "labels: value", "labels: delta", "estimate: value", "estimate: delta"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for name, figures in found.items():
        table.add_row(name, *(f"{ratio:.2f}" for ratio in (found["single paths"] / figures).ravel()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
