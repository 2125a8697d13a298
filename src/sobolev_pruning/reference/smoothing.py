"""Payoffs with a jump or a kink, made differentiable: smoothed, with the bias stated, or by the likelihood ratio."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


@jax.jit
def smoothing_sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The sigmoid, compiled by a name of its own so that programs that smooth can be told from others."""
    return jax.nn.sigmoid(x)


def smooth_step(x: Float[Array, "..."], width: float) -> Float[Array, "..."]:
    """`sigmoid(x / width)` for the jump `1{x > 0}`.

    Where `x` is random with density `p`, the mean moves by `-(pi^2/6) width^2 p'(0)`, to leading order. The pathwise
    derivative becomes that of the mean; its variance grows as `1/width`.

    >>> round(float(smooth_step(jnp.asarray(0.1), 0.1)), 3)
    0.731
    """
    return smoothing_sigmoid(x / width)


def smooth_switch(
    x: Float[Array, "..."], at: float, below: Float[Array, "..."], above: Float[Array, "..."], width: float
) -> Float[Array, "..."]:
    """`(1 - s) below + s above` with `s = sigmoid((x - at)/width)`, for `below` where `x < at` and `above` elsewhere.

    With `g = above - below` as a function of `x`, the mean moves by `-(pi^2/6) width^2 (g p)'(at)`, to leading order.
    """
    s = smooth_step(x - at, width)
    return (1.0 - s) * below + s * above


def smooth_positive_part(x: Float[Array, "..."], width: float) -> Float[Array, "..."]:
    """`x sigmoid(x / width)` for `max(x, 0)`; the mean moves by `-(pi^2/6) width^2 p(0)`, to leading order.

    Its second derivative is no longer 0 almost everywhere, so pathwise second derivatives see the kink.
    """
    return x * smoothing_sigmoid(x / width)


def score_weight(log_density: ArrayLike) -> Array:
    """A weight of value 1 whose derivatives are those of the density: the likelihood-ratio (score) method.

    Simulate the state `s` from `x`, hide the dependence by `jax.lax.stop_gradient`, and multiply the payoff by
    `score_weight(log p(s; x))`. The derivatives of the product, of any order, are then those of the mean, however
    discontinuous the payoff is. The price is variance, which grows as the noise of one step gets small.

    `exp(l - stop_gradient(l))` (Foerster et al., DiCE, 2018).

    >>> state, mean = jax.lax.stop_gradient(1.5), 1.0
    >>> label = lambda m: jnp.where(state > 1.2, score_weight(-0.5 * (state - m) ** 2), 0.0)
    >>> float(label(mean)), float(jax.grad(label)(mean))
    (1.0, 0.5)
    """
    log_density = jnp.asarray(log_density)
    return jnp.exp(log_density - jax.lax.stop_gradient(log_density))
