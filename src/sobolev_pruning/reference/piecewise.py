"""The mean over one standard normal variable of a piecewise smooth function, differentiable though its pieces move."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Int

NODES = 10
"""Gauss-Legendre nodes of a piece."""

SPREAD = 3.0
"""Nodes lie evenly in the probability of a normal variable of this standard deviation: with 10 of them the mean of a
call on a lognormal variable of volatility up to 1 is right to 1e-6 of the strike, wherever the strike lies."""

REACH = 6.0
CELLS = 24
"""Switches are looked for within `REACH` standard deviations, in so many cells: outside is 2e-9 of the probability."""

_ROUNDS = 3


def piecewise_mean(function: Callable, switching: Callable, x: Float[Array, "d"], most: int) -> Float[Array, "..."]:
    """`E[function(x, t)]` over a standard normal `t`, for a function smooth in `x` and `t` but where one of those in
    `switching(x, t)`, `(p,)`, changes its sign (see `switches`), at most `most` times in all.

    The changes `t_k(x)` are found, and every piece between two of them is integrated by Gauss-Legendre quadrature. The
    first and second derivatives in `x` are those of the mean: where the pieces end moves with `x` by the implicit
    function theorem. Griewank, Kuo, Leoevey and Sloan 2018; Bayer, Ben Hammouda and Tempone 2023. Derivation:
    docs/derivations/quiet-labels.md.

    >>> call = lambda x, t: jnp.maximum(x[0] + t, 0.0)
    >>> mean = lambda x: piecewise_mean(call, lambda x, t: x + t, x, 1)
    >>> x = jnp.array([0.3])
    >>> [round(float(found), 5) for found in (mean(x), jax.grad(mean)(x)[0], jax.hessian(mean)(x)[0, 0])]
    [0.56676, 0.61791, 0.38139]
    """
    places, weights = np.polynomial.legendre.leggauss(NODES)
    ends = jnp.zeros(1), ndtr(switching_places(switching, x, most) / SPREAD), jnp.ones(1)
    ends = jnp.concatenate(ends)
    middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * (ends[1:] - ends[:-1])
    t = SPREAD * ndtri((middle[:, None] + half[:, None] * places[None, :]).reshape(-1))
    weight = (half[:, None] * weights[None, :]).reshape(-1) * SPREAD * norm.pdf(t) / norm.pdf(t / SPREAD)
    return jnp.tensordot(weight, jax.vmap(function, (None, 0))(x, t), (0, 0))


def switching_places(switching: Callable, x: Float[Array, "d"], most: int) -> Float[Array, "most"]:
    """Where the functions change their signs, in ascending order, differentiable in `x`; the rest lie at `REACH`.

    A chord's step `t - h(x, t)/s` with the slope `s` held fixed has at a root the derivative of the root in `x`, and
    the second of two steps has the second derivative too.
    """
    if most == 0:
        return jnp.zeros(0)
    fixed = jax.lax.stop_gradient(x)
    which, start, width, is_place = _brackets(lambda t: switching(fixed, t), most)

    def one(i, t, width, is_place):
        slope = jax.jvp(lambda t: switching(fixed, t)[i], (t,), (jnp.ones(()),))[1]
        # A root where the function just touches 0 has no motion to speak of.
        moves = is_place & (jnp.abs(slope) * width > jnp.abs(switching(fixed, t)[i]))
        slope = jax.lax.stop_gradient(jnp.where(moves, slope, 1.0))
        for _ in range(2):
            t = t - jnp.where(moves, switching(x, t)[i] / slope, 0.0)
        return jnp.where(is_place, t, REACH)

    return jnp.sort(jax.vmap(one)(which, jax.lax.stop_gradient(start), width, is_place))


def n_switching_places(switching: Callable, x: Float[Array, "d"]) -> Int[Array, ""]:
    """How often the functions change their signs."""
    return jnp.sum(_changes(jax.vmap(lambda t: switching(x, t))(_grid())))


def _grid() -> Float[Array, "places"]:
    return jnp.linspace(-REACH, REACH, CELLS + 1)


def _changes(values: Float[Array, "places ..."]):
    return (values[:-1] > 0.0) != (values[1:] > 0.0)


def _brackets(switching: Callable, most: int):
    """For up to `most` changes of sign: which function, where, how far that may be off, and whether there is one."""
    grid = _grid()
    values = jax.vmap(switching)(grid)
    changes = _changes(values)
    n_functions = values.shape[1]
    is_place, chosen = jax.lax.top_k(changes.reshape(-1).astype(jnp.float32), min(most, changes.size))
    is_place, cell, which = is_place > 0.0, chosen // n_functions, chosen % n_functions

    def narrow(i, left, right, at_left, at_right):
        # Ridders' method: two calls halve the bracket at least, and square the error of a smooth function.
        def one_round(_, bracket):
            left, right, at_left, at_right = bracket
            middle = 0.5 * (left + right)
            at_middle = switching(middle)[i]
            root = jnp.sqrt(jnp.maximum(at_middle**2 - at_left * at_right, 1e-300))
            step = (middle - left) * jnp.sign(at_left - at_right) * at_middle / root
            new = jnp.clip(middle + step, left, right)
            at_new = switching(new)[i]
            first, second = jnp.minimum(middle, new), jnp.maximum(middle, new)
            at_first, at_second = jnp.where(
                middle < new, jnp.stack([at_middle, at_new]), jnp.stack([at_new, at_middle])
            )
            # The first pair of neighbours with opposite signs.
            places, heights = (
                jnp.stack([left, first, second, right]),
                jnp.stack([at_left, at_first, at_second, at_right]),
            )
            k = jnp.argmax(_changes(heights))
            return places[k], places[k + 1], heights[k], heights[k + 1]

        left, right, at_left, at_right = jax.lax.fori_loop(0, _ROUNDS, one_round, (left, right, at_left, at_right))
        rise = at_right - at_left
        return left - at_left * (right - left) / jnp.where(rise == 0.0, 1.0, rise), right - left

    place, width = jax.vmap(narrow)(which, grid[cell], grid[cell + 1], values[cell, which], values[cell + 1, which])
    # Where there is no change the search went anywhere.
    return which, jnp.where(is_place, place, 0.0), jnp.maximum(width, 1e-9), is_place
