"""Diffusion through a random medium: hundreds of inputs, one output, derivatives by the adjoint."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .designs import Design
from .from_function import FunctionReference, from_function
from .inputs import Gaussian


def random_medium(
    cells: int = 100,
    *,
    spread: float = 0.5,
    correlation_length: float = 0.3,
    source_noise: float = 1.0,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 4096,
) -> FunctionReference:
    """The mean concentration in the middle third of a rod of unit length, held at 0 at both ends.

    The concentration `u` obeys `-(a u')' = f`. The inputs are the logarithms of the conductivity `a` in each of
    `cells` equal cells, normal with mean 0, standard deviation `spread` and covariance `spread^2 exp(-|s -
    t|/correlation_length)`. The noise is in the source, `f = 1 + source_noise sqrt(cells) z / 10` in each cell: a
    hundredth of white noise.

    With the source constant in a cell, `a u' = q_0 - F(s)` can be integrated exactly, `F` the integral of `f`, and
    `q_0` follows from `u(1) = 0`: two cumulative sums, and two more backwards for all derivatives. The output is
    linear in `f`, so its mean is the solution with `f = 1`, exactly.

    >>> model = random_medium(cells=200)
    >>> round(float(model.value(np.zeros((1, 200)))[0]), 5)  # mean of s (1 - s) / 2 from 1/3 to 2/3
    0.12037
    """
    if cells < 3 or not spread > 0 or not correlation_length > 0 or not source_noise >= 0:
        raise InputError(
            f"random_medium was asked for cells={cells}, spread={spread}, correlation_length={correlation_length}, "
            f"source_noise={source_noise}; give at least 3 cells, and positive numbers."
        )
    middles = (np.arange(cells) + 0.5) / cells
    covariance = spread**2 * np.exp(-np.abs(middles[:, None] - middles[None, :]) / correlation_length)
    law = Gaussian(np.zeros(cells), covariance, tuple(f"log_a[{i}]" for i in range(cells)))

    def simulate(x: Float[Array, "cells"], z: Float[Array, "cells"]) -> Float[Array, ""]:
        return _mean_in_the_middle(x, 1.0 + 0.1 * source_noise * np.sqrt(cells) * z)

    return from_function(
        simulate,
        inputs=law,
        noise=cells,
        exact=lambda x: _mean_in_the_middle(x, jnp.ones(cells)),
        antithetic=antithetic,
        design=design,
        paths=paths,
        outputs="concentration",
        kind=f"concentration in a rod of {cells} cells",
        fixed={"spread": spread, "correlation_length": correlation_length, "source_noise": source_noise},
    )


def _mean_in_the_middle(log_conductivity: Float[Array, "cells"], source: Float[Array, "cells"]) -> Float[Array, ""]:
    cells = len(source)
    h = 1.0 / cells
    resistance = jnp.exp(-log_conductivity)
    # Source up to the left end of each cell, and up to its middle.
    left = h * (jnp.cumsum(source) - source)
    middle = left + 0.5 * h * source
    rise = h * resistance
    q0 = jnp.sum(rise * middle) / jnp.sum(rise)
    # The fall over a cell is its resistance times the flux, whose mean over the cell is that in its middle.
    slope = rise * (q0 - middle)
    start = jnp.cumsum(slope) - slope
    # The integral over a part [0, r h] of a cell of a flux that falls linearly, integrated once more.
    edges = np.arange(cells) / cells

    def integral_up_to(part):
        length = part * h
        inner = resistance * (0.5 * (q0 - left) * length**2 - source * length**3 / 6.0)
        return jnp.sum(start * length + inner)

    begin, end = np.clip((1.0 / 3.0 - edges) / h, 0.0, 1.0), np.clip((2.0 / 3.0 - edges) / h, 0.0, 1.0)
    return 3.0 * (integral_up_to(jnp.asarray(end)) - integral_up_to(jnp.asarray(begin)))
