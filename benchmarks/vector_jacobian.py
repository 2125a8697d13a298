"""Many outputs: whole Jacobians of the simulator, or a few of their rows in every sample.

Calls of 32 strikes on an asset with volatility that depends on its price, 64 Euler steps; inputs are the price, the
volatility, its skew and the rate. For 4,096 samples with whole Jacobians, and with 1, 2 and 4 rows each: seconds of
sampling (the least of five, compiled before), and R2 of value and gradient of a network trained on them (4-24-24-32,
L-BFGS), on 512 points against the mean of 16,384 paths, whose noise is taken out. The last line spends on inputs what
one row saves: as many samples as cost the same time to draw as whole Jacobians.

    python benchmarks/vector_jacobian.py
"""

import time

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Judge

SAMPLES, STEPS, OUTPUTS = 4096, 64, 32


def simulate(x, z):
    """Discounted payoffs of all strikes after one year."""
    spot, volatility, skew, rate = x

    def step(price, noise):
        local = volatility * (1.0 + skew * (price / 100.0 - 1.0))
        return price * (1.0 + rate / STEPS + local * noise / jnp.sqrt(STEPS)), None

    price, _ = jax.lax.scan(step, spot, z)
    return jnp.exp(-rate) * jnp.maximum(price - jnp.linspace(80.0, 120.0, OUTPUTS), 0.0)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    inputs = {"spot": (80.0, 120.0), "volatility": (0.1, 0.3), "skew": (-0.5, 0.5), "rate": (0.0, 0.05)}
    model = sp.reference.from_function(simulate, inputs=inputs, noise=STEPS, antithetic=True, paths=16_384)
    points = model.test_points(jax.random.key(1), 512)
    judge = Judge(model.truth(points, order=1), points, model.gamma_direction)
    table = Table("rows", "samples", "s of sampling", "ratio", "value", "gradient", title=f"{OUTPUTS} outputs")
    whole, one_row = (timed(model, SAMPLES, rows)[1] for rows in (None, 1))
    for rows, n in ((None, SAMPLES), (4, SAMPLES), (2, SAMPLES), (1, SAMPLES), (1, round(SAMPLES * whole / one_row))):
        samples, seconds = timed(model, n, rows)
        network = sp.Surrogate.create([4, 24, 24, OUTPUTS], samples, key=jax.random.key(2))
        fitted = sp.fit(network, samples, key=jax.random.key(3), optimiser=sp.LBFGS(200), scaled=True).surrogate
        evaluation = judge(fitted)
        figures = (f"{evaluation.value.r2:.5f}", f"{evaluation.delta_scaled.r2:.5f}")
        table.add_row(str(rows or "all"), f"{n:,}", f"{seconds:.2f}", f"{seconds / whole:.2f}", *figures)
    Console().print(table)


def timed(model, n: int, rows: int | None) -> tuple[sp.Samples, float]:
    """The samples, and the least seconds of five times drawing them."""
    seconds = []
    for _attempt in range(6):
        start = time.perf_counter()
        samples = model.sample(jax.random.key(0), n, jacobian_rows=rows)
        jax.block_until_ready(samples.dydx)
        seconds.append(time.perf_counter() - start)
    return samples, min(seconds[1:])


if __name__ == "__main__":
    main()
