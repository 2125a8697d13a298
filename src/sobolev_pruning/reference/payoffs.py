"""Payoffs: plain callables of a path `(dates, assets)` and the model's parameters; undiscounted, `()` or `(k,)`.

Write your own the same way: `lambda path, p: jnp.maximum(path[-1, 0] - p["strike"], 0.0)`. A strike that is an array
gives one output per strike.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from .parameters import Parameters
from .smoothing import smooth_step

Path = Float[Array, "dates assets"]
Payoff = Callable[[Path, Parameters], Float[Array, "..."]]


def call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """`(S - K)^+` of the equally weighted mean of the assets at maturity: a basket call where there are several."""
    return jnp.maximum(jnp.mean(path[-1]) - p["strike"], 0.0)


def put(path: Path, p: Parameters) -> Float[Array, "..."]:
    """`(K - S)^+` of the equally weighted mean of the assets at maturity."""
    return jnp.maximum(p["strike"] - jnp.mean(path[-1]), 0.0)


def asian_call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """Call on the arithmetic mean over the dates (and the assets)."""
    return jnp.maximum(jnp.mean(path) - p["strike"], 0.0)


def geometric_asian_call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """Call on the geometric mean over the dates (and the assets)."""
    return jnp.maximum(jnp.exp(jnp.mean(jnp.log(path))) - p["strike"], 0.0)


def spread_call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """`(S_0 - S_1 - K)^+`."""
    return jnp.maximum(path[-1, 0] - path[-1, 1] - p["strike"], 0.0)


def worst_of_call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """Call on the cheapest asset at maturity."""
    return jnp.maximum(jnp.min(path[-1]) - p["strike"], 0.0)


def digital_call(path: Path, p: Parameters) -> Float[Array, "..."]:
    """1 where the first asset ends above the strike. It jumps: smooth it, or use the likelihood ratio."""
    return jnp.where(path[-1, 0] > p["strike"], 1.0, 0.0)


def smoothed_digital_call(width: float) -> Payoff:
    """The digital with its jump spread over `width`, in units of the asset; its bias is that of `smooth_step`."""

    def payoff(path: Path, p: Parameters) -> Float[Array, "..."]:
        return smooth_step(path[-1, 0] - p["strike"], width)

    return payoff


def down_and_out_call(barrier: float, width: float | None = None) -> Payoff:
    """Call on the first asset, worth nothing if it is at or below `barrier` on any date.

    It jumps at the barrier; with a `width` the jump is smoothed, `sigmoid((lowest - barrier)/width)`.
    """

    def payoff(path: Path, p: Parameters) -> Float[Array, "..."]:
        above = jnp.min(path[:, 0]) - barrier
        alive = jnp.where(above > 0.0, 1.0, 0.0) if width is None else smooth_step(above, width)
        return alive * jnp.maximum(path[-1, 0] - p["strike"], 0.0)

    return payoff


def up_and_out_call(barrier: float, width: float | None = None) -> Payoff:
    """Call on the first asset, worth nothing if it is at or above `barrier` on any date.

    It jumps at the barrier; with a `width` the jump is smoothed, `sigmoid((barrier - highest)/width)`.
    """

    def payoff(path: Path, p: Parameters) -> Float[Array, "..."]:
        below = barrier - jnp.max(path[:, 0])
        alive = jnp.where(below > 0.0, 1.0, 0.0) if width is None else smooth_step(below, width)
        return alive * jnp.maximum(path[-1, 0] - p["strike"], 0.0)

    return payoff
