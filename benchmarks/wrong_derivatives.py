"""Where derivative labels hurt: a digital call, whose pathwise slopes are 0 and miss what happens at the jump.

A network (2-16-16-1, L-BFGS) learns the price of a digital call over spot and volatility from 16,384 antithetic pairs:
from values alone, from values and these slopes at several weights, and from values and slopes of the payoff smoothed
over 5 units of the spot, whose bias is stated by `sampling.smoothing_bias`. R2 on points of the box against the closed
form.

    python benchmarks/wrong_derivatives.py
"""

import jax
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.evaluation import Evaluator
from sobolev_pruning.reference import black_scholes, payoffs


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    inputs = {"spot": (70.0, 130.0), "volatility": (0.15, 0.35)}

    def digital(width: float):
        payoff = payoffs.digital_call if width == 0 else payoffs.smoothed_digital_call(width)
        return black_scholes(payoff, inputs=inputs, antithetic=True)

    points = digital(0.0).test_points(jax.random.key(1), 4096)
    evaluator = Evaluator.of(digital(0.0), points)
    table = Table("labels", "order", "weight of the slopes", "value", "slopes", title="A digital call, R2")
    for kind, width, order, weight in (
        ("as they come", 0.0, 0, 0.0),
        ("as they come", 0.0, 1, 0.1),
        ("as they come", 0.0, 1, 1.0),
        ("smoothed", 5.0, 1, 1.0),
    ):
        samples = digital(width).sample(jax.random.key(2), 16_384)
        start = sp.Surrogate.create([2, 16, 16, 1], samples, key=jax.random.key(3))
        settings = {"key": jax.random.key(4), "optimiser": sp.LBFGS(200), "scaled": True}
        network = sp.fit(start, samples, order, weight=weight, **settings).surrogate
        found = evaluator(network)
        figures = (f"{found.value.r2:.4f}", f"{found.delta_scaled.r2:.4f}")
        table.add_row(kind, str(order), f"{weight:g}" if order else "", *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
