"""What a reference says is true at given points, and how far it can be trusted."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import Gradients, Hessians, Points, PRNGKey, Values
from .._foundation.errors import InputError
from .differences import differences, gamma_stencil, gradient_stencil, missing_mass, with_truncation
from .pathwise import value_and_jacobian
from .programs import is_smoothed, may_jump

GAMMA_STEP = 0.01
"""Step of the differences for gamma, as a part of the box's width; their bias is of the order of its square."""

_BLOCK_NUMBERS = 2**19

_TEST = 7
_TEST_POINTS = 4
_TEST_PATHS = 16_384
_SIGNIFICANT = 5.0


@dataclass(frozen=True)
class Truth:
    """Value, first derivatives and second derivatives at points, with standard errors where they are estimates.

    - `value` `(n,)` or `(n, k)`; `gradient` with a last axis `d`; `hessian` with two.
    - `gamma`: the second derivative along the reference's `gamma_direction`, shaped as `value`; None without one.
    - `..._stderr`: standard errors of the same shapes, None where there is none to speak of.
    - `source`: where the numbers come from, as "closed form" or "Monte Carlo, 65536 paths". It says where derivatives
      are differences of values, and where the model itself is smoothed: then the smoothed model is the truth, and its
      distance from the sharp one is part of no error (see `sampling.smoothing_bias`).

    What was not asked for or is not known is None.
    """

    value: Values
    gradient: Gradients | None
    gamma: Values | None
    hessian: Hessians | None
    source: str
    value_stderr: Values | None = None
    gradient_stderr: Gradients | None = None
    gamma_stderr: Values | None = None


def exact_truth(reference, points: Points, order: int, source: str = "closed form") -> Truth:
    """The truth by the methods `value`, `gradient` and `hessian` of a reference that knows it."""
    hessian, gamma = reference.hessian(points) if order > 1 else None, None
    direction = reference.gamma_direction
    if hessian is not None and direction is not None:
        gamma = jnp.einsum("...ab,a,b->...", hessian, direction, direction)
    return Truth(
        value=reference.value(points),
        gradient=reference.gradient(points) if order > 0 else None,
        gamma=gamma,
        hessian=hessian,
        source=source,
    )


def monte_carlo_truth(reference, points: Points, key: PRNGKey, paths: int, order: int) -> Truth:
    """The truth at `points` by many paths each, with fresh noise at every point so that their errors are independent.

    First derivatives are pathwise where those are derivatives of the mean. Gamma is the central difference of the
    pathwise gradient along `gamma_direction` with common random numbers, which is right at kinks of the payoff too,
    where a pathwise second derivative misses mass.

    Where paths jump, pathwise derivatives miss the mass of the jump (see `pathwise_misses`), and where an operation of
    the simulation has no finite slope they are not finite: all derivatives are then differences of the values with
    common random numbers, over five points, right to fourth order. Their standard errors count the noise and, as far as
    it shows when the step is halved, the step.

    Raises `InputError` for fewer than two paths, and where the simulation gives values that are not finite.
    """
    if paths < 2:
        raise InputError(f"paths is {paths}; give at least 2, or there is no standard error.")
    order = order if reference.gamma_direction is not None else min(order, 1)
    by_differences = order > 0 and pathwise_misses(reference, points, key)
    mean, stderr = _estimate(reference, points, key, paths, order, by_differences)
    if order > 0 and not by_differences and not all(np.isfinite(found).all() for found in mean.values()):
        by_differences = True
        mean, stderr = _estimate(reference, points, key, paths, order, by_differences)
    wrong = np.flatnonzero(~np.isfinite(np.asarray(mean["value"]).reshape(len(points), -1)).all(axis=1))
    if wrong.size:
        raise InputError(
            f"The simulation gives values that are not finite at point {wrong[0]}, {np.asarray(points)[wrong[0]]} "
            f"({wrong.size} such points in all), so nothing is known there; correct simulate, or leave them out."
        )
    source = f"Monte Carlo, {paths} paths"
    if is_smoothed(reference.label, *_one_path_of(reference)):
        source += " of the smoothed model"
    if by_differences:
        source += ", derivatives by differences"
    return Truth(
        value=mean["value"],
        gradient=mean.get("gradient"),
        gamma=mean.get("gamma"),
        hessian=None,
        source=source,
        value_stderr=stderr["value"],
        gradient_stderr=stderr.get("gradient"),
        gamma_stderr=stderr.get("gamma"),
    )


def pathwise_misses(reference, points: Points, key: PRNGKey) -> bool:
    """Whether pathwise first derivatives are not those of the mean, by a test against differences on the same paths.

    Not looked at where no operation that could jump sees the inputs (`may_jump`). Else, at up to 4 of the points and 4
    of the box, with 16,384 paths each, the mean over paths of `differences - pathwise` is compared with its standard
    error along every input: "misses" is said where it is more than 5 of them, and twice what halving the step moves it,
    away from 0. For a right derivative each comparison has a chance of 6e-7 of that; a jump of size `J`, met with a
    density `p` per width of the box, is found where `J p` is some 0.2 `J sqrt(p)` or more, that is from `p` 0.04 on.
    """
    if not may_jump(reference.label, *_one_path_of(reference)):
        return False
    test_key, box_key = jax.random.split(jax.random.fold_in(key, _TEST))
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), _TEST_POINTS)).astype(int))
    tried = jnp.concatenate([points[chosen], reference.test_points(box_key, _TEST_POINTS)])
    missing, stderr, moved = missing_mass(reference, tried, test_key, _TEST_PATHS)
    # Where a path is not finite nothing is known, and the estimate itself will tell.
    return bool(jnp.any(jnp.abs(missing) > _SIGNIFICANT * stderr + 2.0 * jnp.abs(moved)))


def _one_path_of(reference):
    """The arguments of `reference.label`, as shapes."""
    x = jax.ShapeDtypeStruct((reference.n_inputs,), jnp.float64)
    return x, jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0], reference.noise(jax.random.key(0), 1)))


def gamma_step(reference) -> Float[Array, ""]:
    """The length `h` along `gamma_direction` that moves no input by more than `GAMMA_STEP` of its range."""
    lower, upper = reference.box
    reach = jnp.abs(reference.gamma_direction) / (upper - lower)
    return GAMMA_STEP / jnp.max(reach)


@eqx.filter_jit
def _estimate(reference, points: Points, key: PRNGKey, paths: int, order: int, by_differences: bool):
    noise_numbers = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(lambda: reference.noise(key, 1))))
    lower, upper = reference.box
    # Few large blocks are fast, but the noise of a block has to fit into memory.
    block = min(paths, max(2, _BLOCK_NUMBERS // max(1, noise_numbers * reference.n_inputs)))
    n_blocks = -(-paths // block)

    def one_path(x, z):
        def label(point):
            return reference.label(point, z)

        if order == 0:
            return {"value": label(x)}
        if by_differences:
            found = {"gradient": differences(label, x, gradient_stencil(x, lower, upper))}
            if order > 1:
                stencil = gamma_stencil(x, reference.gamma_direction, lower, upper)
                found["gamma"] = tuple(each[..., 0] for each in differences(label, x, stencil))
            moved = {f"{name} moved": by_half for name, (_, by_half) in found.items()}
            return {"value": label(x), **{name: each for name, (each, _) in found.items()}, **moved}
        value, gradient = value_and_jacobian(label, x)
        if order == 1:
            return {"value": value, "gradient": gradient}
        direction, step = reference.gamma_direction, gamma_step(reference)
        slope = lambda point: value_and_jacobian(label, point)[1] @ direction  # noqa: E731
        gamma = (slope(x + step * direction) - slope(x - step * direction)) / (2.0 * step)
        return {"value": value, "gradient": gradient, "gamma": gamma}

    def one_point(numbered):
        number, x = numbered
        point_key = jax.random.fold_in(key, number)

        def add_block(state, i):
            z = reference.noise(jax.random.fold_in(point_key, i), block)
            counted = jnp.minimum(block, paths - i * block)
            found = jax.vmap(one_path, (None, 0))(x, z)
            return jax.tree.map(
                lambda moments, new: _merge(moments, new, counted), state, found, is_leaf=_is_moments
            ), None

        shapes = jax.eval_shape(one_path, x, jax.tree.map(lambda z: z[0], reference.noise(key, 1)))
        start = jax.tree.map(lambda s: (jnp.zeros(()), jnp.zeros(s.shape), jnp.zeros(s.shape)), shapes)
        moments, _ = jax.lax.scan(add_block, start, jnp.arange(n_blocks))
        return moments

    moments = jax.lax.map(one_point, (jnp.arange(len(points)), points))
    mean = {name: found[1] for name, found in moments.items()}
    stderr = {name: jnp.sqrt(found[2] / (paths * (paths - 1.0))) for name, found in moments.items()}
    for name in ("gradient", "gamma"):
        if f"{name} moved" in mean:
            moved = mean.pop(f"{name} moved"), stderr.pop(f"{name} moved")
            stderr[name] = with_truncation(stderr[name], *moved)
    return mean, stderr


def _is_moments(node) -> bool:
    return isinstance(node, tuple)


def _merge(moments, new, counted):
    """Count, mean and sum of squared deviations with the first `counted` rows of `new` (Chan et al. 1979)."""
    count, mean, squares = moments
    used = (jnp.arange(len(new)) < counted).reshape(-1, *(1,) * (new.ndim - 1))
    n_new = counted.astype(jnp.float64)
    new_mean = jnp.sum(jnp.where(used, new, 0.0), axis=0) / n_new
    deviation = jnp.where(used, new - new_mean[None], 0.0)
    total = count + n_new
    shift = new_mean - mean
    return (
        total,
        mean + shift * (n_new / total),
        squares + jnp.sum(deviation**2, axis=0) + shift**2 * (count * n_new / total),
    )
