"""Are pathwise derivatives the derivatives of the mean? Checked against differences before labels are trusted."""

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, PRNGKey, as_points
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from ..reference import AbstractReference
from .not_finite import likely_operation

STEP = 0.02
"""Largest step of the differences, as a part of the box's width."""

TOLERANCE = 0.02
"""How much may be missing, as a part of the derivative's size; below, label noise hides it anyway."""

SIGNIFICANT = 5.0
"""How many standard errors a difference must be away from 0 to be believed."""

_ALL_INPUTS = 16
_FEW_PATHS = 0.25


@dataclass(frozen=True)
class DerivativeCheck:
    """Differences between two derivatives of the mean at a few points, along a few directions.

    - `order`: 1 for first derivatives, 2 for second ones along the same directions.
    - `pathwise`, `differences`, `stderr` (of `differences - pathwise`, path by path with common random numbers):
      `(points, directions)`, or `(points, directions, k)`, in units of the output per width of the box.
    - `verdict`: "valid"; "jump", where a few paths carry all the difference; "formula", where most paths do; "not
      finite", where a value or a derivative of some path is NaN or infinite, however few paths that are.
    - `message`: the verdict in words, with the remedy.
    """

    order: int
    points: Float[np.ndarray, "p d"]
    pathwise: Float[np.ndarray, "p m ..."]
    differences: Float[np.ndarray, "p m ..."]
    stderr: Float[np.ndarray, "p m ..."]
    verdict: Literal["valid", "jump", "formula", "not finite"]
    message: str

    def require_valid(self) -> None:
        """Raises `InputError` with the message unless the derivatives are valid."""
        if self.verdict != "valid":
            raise InputError(self.message)


def check_derivatives(
    reference: AbstractReference,
    key: PRNGKey,
    *,
    order: Literal[1, 2] = 1,
    n_points: int = 8,
    paths: int = 16_384,
) -> DerivativeCheck:
    """Compares pathwise derivatives with central differences on the same noise, at `n_points` points of the box.

    Each path gives `D_h = (v(x + h u) - v(x - h u))/(2h) - dv(x).u` along input axes scaled by the box (random
    diagonals where there are more than 16 inputs). The bias of differences falls as `h^2` and goes with
    `(4 D_h/2 - D_h)/3`; the mass of a jump that the pathwise derivative misses does not. The derivative is called
    wrong where the mean of that is more than 5 standard errors and 2% of the derivative's size away from 0. For `order`
    2 the same is done one derivative up, with the pathwise gradient in place of the payoff, so a kink is seen as a
    jump. Before all that every path must have finite values and derivatives; where one has not, the message names the
    operation of the simulation that is the likely cause.

    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> check_derivatives(basket, jax.random.key(0)).verdict
    'valid'
    >>> check_derivatives(basket, jax.random.key(0), order=2).verdict
    'jump'
    """
    require_float64("check_derivatives")
    if order not in (1, 2) or n_points < 1 or paths < 2:
        raise InputError(
            f"check_derivatives was asked for order={order}, n_points={n_points}, paths={paths}; give an order of 1 or "
            "2, at least one point and at least two paths."
        )
    point_key, direction_key, noise_key = jax.random.split(key, 3)
    points = reference.test_points(point_key, n_points)
    lower, upper = reference.box
    d = reference.n_inputs
    if d <= _ALL_INPUTS:
        directions = jnp.diag(upper - lower)
    else:
        signs = jax.random.rademacher(direction_key, (_ALL_INPUTS, d), jnp.float64)
        directions = signs * (upper - lower)[None, :] / np.sqrt(d)
    found = _compare(reference, points, directions, noise_key, paths, order)
    pathwise, difference, stderr, share, broken = (np.asarray(array) for array in found)
    verdict, message = "valid", ""
    if broken.any():
        verdict = "not finite"
        message = _not_finite_message(reference, points, noise_key, paths, order, broken)
    scale = np.sqrt(np.mean((pathwise + difference) ** 2, axis=(0, 1)))
    excess = np.abs(difference) / np.maximum(SIGNIFICANT * stderr, TOLERANCE * scale + np.finfo(np.float64).tiny)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    if verdict == "valid" and excess[worst] > 1.0:
        verdict = "jump" if share[worst] < _FEW_PATHS else "formula"
    return DerivativeCheck(
        order=order,
        points=np.asarray(points),
        pathwise=pathwise,
        differences=pathwise + difference,
        stderr=stderr,
        verdict=verdict,
        message=message or _message(verdict, order, d, worst, pathwise, difference, stderr),
    )


def smoothing_bias(
    smoothed: AbstractReference, sharp: AbstractReference, points: ArrayOrList, key: PRNGKey, paths: int = 65_536
) -> tuple[Float[Array, "n ..."], Float[Array, "n ..."]]:
    """How far smoothing moves the mean at each point, and the standard error of that: both models on the same noise.

    The part of a surrogate's error that more samples cannot mend; the noise of the labels and the error of the fit come
    on top of it.
    """
    require_float64("smoothing_bias")
    points = as_points(points, smoothed.n_inputs)
    if sharp.n_inputs != smoothed.n_inputs:
        raise InputError(f"The two models have {smoothed.n_inputs} and {sharp.n_inputs} inputs; give one model twice.")
    return _paired_difference(smoothed, sharp, points, key, paths)


@eqx.filter_jit
def _paired_difference(smoothed, sharp, points, key, paths):
    z = smoothed.noise(key, paths)

    def at_point(x):
        difference = jax.vmap(lambda z: smoothed.label(x, z) - sharp.label(x, z))(z)
        return jnp.mean(difference, axis=0), jnp.std(difference, axis=0, ddof=1) / np.sqrt(paths)

    return jax.lax.map(at_point, points)


@eqx.filter_jit
def _compare(reference, points, directions, key, paths, order):
    """Per point and direction: mean derivative, mean extrapolated difference, its standard error, share of paths; and
    per point which paths have a value or a derivative that is not finite.
    """

    def one_path(x, u, z):
        def label(t):
            return reference.label(x + t * u, z)

        # In reverse, as labels are made, for simulators that have no derivative forwards.
        function = label if order == 1 else jax.jacrev(label)
        derivative = (jax.jacrev if order == 1 else jax.jacfwd)(function)(jnp.zeros(()))
        made = (label(jnp.zeros(())), function(jnp.zeros(())), derivative)
        broken = ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(array)) for array in made]))

        def difference(step):
            return (function(jnp.asarray(step)) - function(jnp.asarray(-step))) / (2.0 * step) - derivative

        return derivative, (4.0 * difference(0.5 * STEP) - difference(STEP)) / 3.0, broken

    def one_point(numbered):
        number, x = numbered
        z = reference.noise(jax.random.fold_in(key, number), paths)

        def along(u):
            derivative, difference, broken = jax.vmap(lambda z: one_path(x, u, z))(z)
            stderr = jnp.std(difference, axis=0, ddof=1) / np.sqrt(paths)
            # Near 1 where all paths contribute alike, near the part of paths that contribute where few do.
            squares = jnp.mean(difference**2, axis=0)
            share = jnp.mean(jnp.abs(difference), axis=0) ** 2 / jnp.where(squares > 0, squares, 1.0)
            return jnp.mean(derivative, axis=0), jnp.mean(difference, axis=0), stderr, share, broken

        *found, broken = jax.lax.map(along, directions)
        return *found, jnp.any(broken, axis=0)

    return jax.lax.map(one_point, (jnp.arange(len(points)), points))


def _not_finite_message(reference, points, key, paths: int, order: int, broken) -> str:
    number = int(np.argmax(broken.any(axis=1)))
    path = int(np.argmax(broken[number]))
    x = points[number]
    z = jax.tree.map(lambda noise: noise[path], reference.noise(jax.random.fold_in(key, number), paths))
    operation = likely_operation(lambda point: reference.label(point, z), x, order)
    share = 100.0 * broken.mean()
    cause = "no single operation was found to blame" if operation is None else f"the likely cause is {operation}"
    return (
        f"Labels or their derivatives are not finite on {share:.2g}% of the paths, first at point {np.asarray(x)}: "
        f"{cause}; keep its argument where it is smooth, in branches that jnp.where does not take too: "
        "jnp.where(ok, f(jnp.where(ok, s, 1.0)), other)."
    )


def _message(verdict, order, d, worst, pathwise, difference, stderr) -> str:
    name = "first" if order == 1 else "second"
    if verdict == "valid":
        return f"The pathwise {name} derivatives agree with differences on the same noise."
    where = f"input {worst[1]}" if d <= _ALL_INPUTS else "a diagonal of the inputs"
    where += f", output {worst[2]}" if len(worst) > 2 else ""
    figures = (
        f"along {where} the pathwise one is {pathwise[worst]:.3g} and differences on the same noise give "
        f"{(pathwise + difference)[worst]:.3g}, standard error {stderr[worst]:.1g} (per width of the box)"
    )
    if verdict == "formula":
        return (
            f"The {name} derivatives of the simulation are wrong on most paths: {figures}; look for integer casts, "
            "stop_gradient or a wrong custom derivative in simulate."
        )
    if order == 2:
        return (
            f"The pathwise second derivatives miss the mass at a kink of the payoff: {figures}; smooth the kink with "
            "reference.smooth_positive_part, use the likelihood ratio (reference.score_weight), or train with order 1."
        )
    return (
        f"The pathwise derivatives miss the mass of a jump: {figures}; smooth the jump with reference.smooth_step or "
        "reference.smooth_switch, use the likelihood ratio (reference.score_weight), or train on values alone."
    )
