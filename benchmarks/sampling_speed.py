"""How fast samples are drawn: ratios measured in one run, each the median of several.

python benchmarks/sampling_speed.py
"""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.sampling import ProcessExecutor, run_black_box

SAMPLES = 65_536
REPEATS = 9
PRICER_POINTS = 400


def seconds(call) -> float:
    """The median time of a call, after one that compiles."""
    jax.block_until_ready(call())
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def numpy_samples(basket: GaussianBasket, generator: np.random.Generator):
    """Inputs, antithetic labels and their derivatives by vectorised NumPy, the derivative written out by hand."""
    weights, d = np.asarray(basket.weights), basket.n_inputs
    factor = np.asarray(basket.volatilities)[:, None] * np.linalg.cholesky(np.asarray(basket.correlation))
    x = 1.0 + 1.5 * generator.standard_normal((SAMPLES, d)) @ factor.T
    shock = generator.standard_normal((SAMPLES, d)) @ factor.T
    up, down = (x + shock) @ weights - 1.1, (x - shock) @ weights - 1.1
    y = 0.5 * (np.maximum(up, 0.0) + np.maximum(down, 0.0))
    return x, y, 0.5 * ((up > 0.0).astype(float) + (down > 0.0))[:, None] * weights


def quantlib_price(x, seed):
    """A Heston call by QuantLib; x = (spot, initial variance)."""
    import QuantLib as ql

    today = ql.Date(1, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    curve = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    quote = ql.QuoteHandle(ql.SimpleQuote(float(x[0])))
    process = ql.HestonProcess(curve, curve, quote, float(x[1]), 1.5, 0.04, 0.4, -0.6)
    option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, 100.0), ql.EuropeanExercise(today + 365))
    option.setPricingEngine(ql.FdHestonVanillaEngine(ql.HestonModel(process), 50, 100, 50))
    return option.NPV()


def pricer_seconds(workers: int) -> float:
    points = np.random.default_rng(0).uniform([60.0, 0.01], [140.0, 0.1], (PRICER_POINTS, 2))
    with ProcessExecutor(workers) as pool:
        # The interpreters are started and QuantLib is imported before the clock is.
        run_black_box(quantlib_price, points[: 4 * workers], executor=pool)
        start = time.perf_counter()
        run_black_box(quantlib_price, points, executor=pool)
        return time.perf_counter() - start


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    basket = GaussianBasket.random(n_assets=7, seed=0)
    key = jax.random.key(0)

    @jax.jit
    def draw(key):
        return basket.draw(key, SAMPLES)

    @jax.jit
    def plain(key):
        """The inputs' and the noise's normal variables and the payoff alone."""
        x, z = jax.random.normal(key, (2, SAMPLES, basket.n_inputs), jnp.float64)
        return x, jax.vmap(basket.label)(x, z)

    @jax.jit
    def values(key):
        x, z = basket.inputs_and_noise(key, SAMPLES)
        return x, jax.vmap(basket.label)(x, z)

    generator = np.random.default_rng(0)
    with_derivatives = seconds(lambda: draw(key))
    rows = [
        (
            "labels with derivatives / normal variables and payoff",
            with_derivatives / seconds(lambda: plain(key)),
            "<= 2",
        ),
        ("labels with derivatives / labels without", with_derivatives / seconds(lambda: values(key)), "<= 4"),
        (
            "NumPy / labels with derivatives",
            seconds(lambda: numpy_samples(basket, generator)) / with_derivatives,
            ">= 5",
        ),
        ("QuantLib pricer, one process / two", pricer_seconds(1) / pricer_seconds(2), ">= 1.7"),
    ]
    table = Table("ratio of times", "measured", "goal", title=f"Sampling, 7 assets, {SAMPLES} samples, float64")
    for name, ratio, goal in rows:
        table.add_row(name, f"{ratio:.2f}", goal)
    console = Console()
    console.print(table)
    console.print(f"{SAMPLES / with_derivatives:,.0f} samples with derivatives per second")


if __name__ == "__main__":
    main()
