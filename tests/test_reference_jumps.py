"""What a reference says is true where its paths jump: the derivatives of the mean, within their stated errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError
from sobolev_pruning.reference import from_function, smooth_step
from sobolev_pruning.reference.differences import differences, gamma_stencil, gradient_stencil
from sobolev_pruning.reference.programs import may_jump
from tolerances import AD_AGAINST_DIFFERENCES, STANDARD_ERRORS

BOX = {"spot": (80.0, 120.0), "volatility": (0.1, 0.3)}
POINTS = np.array([[90.0, 0.15], [100.0, 0.2], [112.0, 0.25], [120.0, 0.3], [81.0, 0.3]])
cdf = jax.scipy.stats.norm.cdf


def price(x, z):
    return x[0] * jnp.exp(x[1] * z[0] - 0.5 * x[1] ** 2)


def up_and_out(x, z):
    final = price(x, z)
    return jnp.where(final < 120.0, jnp.maximum(final - 100.0, 0.0), 0.0)


def call_and_digital(x, strike):
    d = (jnp.log(x[0] / strike) - 0.5 * x[1] ** 2) / x[1]
    return x[0] * cdf(d + x[1]) - strike * cdf(d), cdf(d)


def up_and_out_mean(x):
    (low, _), (high, digital) = call_and_digital(x, 100.0), call_and_digital(x, 120.0)
    return low - high - 20.0 * digital


def floored(x, z):
    """Two outputs: a cast to whole numbers, of slope 0 on every path, and a smooth one."""
    final = price(x, z)
    return jnp.stack([jnp.floor(final / 20.0), final])


def floored_mean(x):
    return jnp.stack([sum(call_and_digital(x, 20.0 * step)[1] for step in range(1, 40)), x[0]])


@pytest.mark.parametrize(("simulate", "mean", "order"), [(up_and_out, up_and_out_mean, 2), (floored, floored_mean, 1)])
def test_the_truth_at_a_jump_is_the_derivative_of_the_mean(simulate, mean, order):
    reference = from_function(simulate, inputs=BOX, noise=1, paths=32_768, gamma_direction=[1.0, 0.0])
    truth = reference.truth(POINTS, order)
    assert truth.source == "Monte Carlo, 32768 paths, derivatives by differences"
    expected = jax.vmap(jax.jacrev(mean))(jnp.asarray(POINTS))
    error = np.abs(truth.gradient - expected) / truth.gradient_stderr
    assert np.all(error <= STANDARD_ERRORS) and np.sqrt(np.mean(error**2)) < 1.6
    if order == 2:
        gamma = jax.vmap(jax.hessian(mean))(jnp.asarray(POINTS))[..., 0, 0]
        assert np.all(np.abs(truth.gamma - gamma) <= STANDARD_ERRORS * truth.gamma_stderr)
    # The errors are of use: the pathwise slopes in the spot are off by up to 0.24 (a barrier), or 0.05 (a floor).
    assert np.all(np.asarray(truth.gradient_stderr)[..., 0] < 0.03)


def test_where_nothing_jumps_derivatives_stay_pathwise():
    def kinked(x, z):
        gain = price(x, z) - 100.0
        return jnp.where(gain > 0.0, gain, 0.0)  # a comparison, and no jump

    truth = from_function(kinked, inputs=BOX, noise=1, paths=16_384).truth(POINTS, order=1)
    assert truth.source == "Monte Carlo, 16384 paths"
    expected = jax.vmap(jax.grad(lambda x: call_and_digital(x, 100.0)[0]))(jnp.asarray(POINTS))
    assert np.all(np.abs(truth.gradient - expected) <= STANDARD_ERRORS * truth.gradient_stderr)


def test_slopes_that_are_not_finite_are_replaced_and_values_that_are_not_refused():
    def rooted(x, z):
        return jnp.sqrt(jnp.maximum(price(x, z) - 100.0, 0.0))  # its slope at 0 is infinite times 0

    truth = from_function(rooted, inputs=BOX, noise=1, paths=4096).truth(POINTS[:2], order=1)
    assert "by differences" in truth.source and np.isfinite(truth.gradient).all() and (truth.gradient > 0).all()
    broken = from_function(lambda x, z: jnp.log(x[0] - 100.0) + z[0], inputs=BOX, noise=1, paths=2)
    with pytest.raises(InputError, match=r"values that are not finite at point 0, \[90.* \(3 such points"):
        broken.truth(POINTS, order=0)


def test_a_smoothed_model_says_so():
    def smoothed(x, z):
        return smooth_step(price(x, z) - 100.0, 5.0)

    options = {"inputs": BOX, "noise": 1, "paths": 16}
    assert from_function(smoothed, **options).truth(POINTS, 0).source == "Monte Carlo, 16 paths of the smoothed model"
    own = from_function(smoothed, exact=lambda x: smooth_step(x[0] - 100.0, 5.0), **options)
    sharp = from_function(smoothed, exact=lambda x: call_and_digital(x, 100.0)[1], **options)
    assert own.truth(POINTS, 0).source == "closed form of the smoothed model"
    assert sharp.truth(POINTS, 0).source == "closed form"


@pytest.mark.parametrize(
    ("function", "jumps"),
    [
        (lambda x, z: jnp.maximum(x[0] + z[0], 0.0) + jnp.where(z[0] > 0, x[0], jnp.exp(x[0])), False),
        (lambda x, z: jnp.sort(x)[0] * jnp.abs(x[1]) + jnp.sum(jnp.where(jnp.arange(2) > 0, x, z[0])), False),
        (lambda x, z: jax.lax.scan(lambda c, i: (jnp.where(i > 1, c, 2 * c), None), x[0], jnp.arange(3))[0], False),
        (lambda x, z: jax.lax.scan(lambda c, i: (jnp.where(c > 1, c, 2 * c), None), x[0], jnp.arange(3))[0], True),
        # The comparison sees the input in the second step only, through what is carried.
        (lambda x, z: jax.lax.scan(lambda c, i: ((x[0], c[0] > 0), None), (z[0], True), None, 3)[0][1], True),
        (lambda x, z: jnp.floor(x[0]), True),
        (lambda x, z: x[0].astype(int), True),
        (lambda x, z: jnp.sign(x[0]), True),
        (lambda x, z: z[jnp.argmax(x)], True),
        (lambda x, z: jax.lax.cond(x[0] > 0, lambda: 1.0, lambda: z[0]), True),
        (lambda x, z: jax.jit(lambda v: jnp.where(v > z[0], 1.0, 0.0))(x[0]), True),
        (lambda x, z: jax.lax.while_loop(lambda v: v < 1.0, lambda v: 2.0 * v, x[0]), True),
        (lambda x, z: jax.lax.stop_gradient(x[0]), True),
    ],
)
def test_programs_that_may_jump_are_told_from_others(function, jumps):
    assert may_jump(function, jnp.ones(2), jnp.ones(2)) is jumps


def test_differences_are_right_to_fourth_order_and_stay_in_the_box():
    lower, upper = jnp.asarray([0.0, -1.0]), jnp.asarray([1.0, 3.0])

    def quartic(x):
        return jnp.stack([x[0] ** 4 - x[0] * x[1] ** 3, x[1] ** 2 + x[0]])

    @jax.jit
    def at(x):
        stencil = gradient_stencil(x, lower, upper)
        return *differences(quartic, x, stencil), jax.jacrev(quartic)(x), stencil.offsets

    for point in ([0.5, 0.3], [0.0, 3.0], [0.97, -0.9]):
        found, moved, expected, offsets = map(np.asarray, at(jnp.asarray(point)))
        np.testing.assert_allclose(found, expected, atol=AD_AGAINST_DIFFERENCES)
        assert np.abs(moved).max() < AD_AGAINST_DIFFERENCES
        called = np.asarray(point) + offsets
        assert np.all(called >= np.asarray(lower) - 1e-12) and np.all(called <= np.asarray(upper) + 1e-12)
    x = jnp.asarray([0.5, 0.3])
    found, _ = differences(quartic, x, gamma_stencil(x, jnp.asarray([1.0, 2.0]), lower, upper))
    expected = jnp.einsum("kab,a,b->k", jax.hessian(quartic)(x), jnp.asarray([1.0, 2.0]), jnp.asarray([1.0, 2.0]))
    np.testing.assert_allclose(found[..., 0], expected, atol=AD_AGAINST_DIFFERENCES)
