"""Many outputs: whole Jacobians of the simulator, or a few of their rows in every sample.

Calls of 32 strikes on an asset whose volatility is a curve of 32 values in time, falling with the price, in 64 Euler
steps; inputs are the price and the curve. For 2,048 samples with whole Jacobians, and with 1 and 4 rows each: seconds
of sampling (the least of five, compiled before), and R2 of value and gradient of a network trained on them by L-BFGS
(33-16-16-32), on 256 points against the mean of 16,384 paths, whose noise is taken out. The last line spends on inputs
what one row saves: as many samples as cost the same time to draw as whole Jacobians.

    python benchmarks/vector_jacobian.py
"""

import time

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Evaluator

SAMPLES, STEPS, OUTPUTS, CURVE = 2048, 64, 32, 32


def simulate(x, z):
    """Payoffs of all strikes after one year."""
    spot, curve = x[0], jnp.repeat(x[1:], STEPS // CURVE)

    def step(price, now):
        volatility, noise = now
        local = volatility * jnp.exp(0.5 * (1.0 - price / 100.0))
        return price * (1.0 + local * noise / jnp.sqrt(STEPS)), None

    price, _ = jax.lax.scan(step, spot, (curve, z))
    return jnp.maximum(price - jnp.linspace(80.0, 120.0, OUTPUTS), 0.0)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    inputs = sp.reference.Box([80.0] + CURVE * [0.1], [120.0] + CURVE * [0.3])
    model = sp.reference.from_function(simulate, inputs=inputs, noise=STEPS, antithetic=True, paths=16_384)
    points = model.test_points(jax.random.key(1), 256)
    evaluator = Evaluator(model.truth(points, order=1), points, model.gamma_direction)
    table = Table("rows", "samples", "s of sampling", "ratio", "value", "gradient", title=f"{OUTPUTS} outputs")
    whole, one_row = (timed(model, SAMPLES, rows)[1] for rows in (None, 1))
    for rows, n in ((None, SAMPLES), (4, SAMPLES), (1, SAMPLES), (1, round(SAMPLES * whole / one_row))):
        samples, seconds = timed(model, n, rows)
        network = sp.Surrogate.create([1 + CURVE, 16, 16, OUTPUTS], samples, key=jax.random.key(2))
        fitted = sp.fit(network, samples, key=jax.random.key(3), optimiser=sp.LBFGS(100), scaled=True).surrogate
        evaluation = evaluator(fitted)
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
