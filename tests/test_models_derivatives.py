"""The derivative check recognises what it must, smoothing has the bias it states, the likelihood ratio has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from sobolev_pruning import InputError
from sobolev_pruning.reference import (
    GaussianBasket,
    from_function,
    score_weight,
    smooth_positive_part,
    smooth_step,
    smooth_switch,
)
from sobolev_pruning.sampling import check_derivatives, smoothing_bias
from tolerances import STANDARD_ERRORS

KEY = jax.random.key(1)
BOX = ([-0.5, 0.5], [0.5, 1.0])


def state(x, z):
    return x[0] + x[1] * z[0]


def model(payoff, **options):
    return from_function(lambda x, z: payoff(state(x, z)), inputs=BOX, noise=1, **options)


def jump(s):
    return jnp.where(s > 0.1, 1.0, 0.0)


def kink(s):
    return jnp.maximum(s - 0.1, 0.0)


def likelihood_ratio_label(x, z):
    s = jax.lax.stop_gradient(state(x, z))
    log_density = -0.5 * ((s - x[0]) / x[1]) ** 2 - jnp.log(x[1])
    return jump(s) * score_weight(log_density)


def jump_mean(x):
    return jax.scipy.stats.norm.cdf((x[0] - 0.1) / x[1])


def test_smooth_payoffs_and_kinks_have_valid_first_derivatives():
    for payoff in (kink, jnp.exp, lambda s: jnp.stack([kink(s), jnp.sin(s)])):
        check = check_derivatives(model(payoff), KEY)
        assert check.verdict == "valid"
        check.require_valid()
        assert "agree" in check.message


def test_a_jump_is_recognised_with_its_missing_mass():
    check = check_derivatives(model(jump), KEY)
    assert check.verdict == "jump"
    np.testing.assert_array_equal(check.pathwise, 0.0)
    # The missing mass is the density at the jump times the path's slope, per width of the box.
    exact = jax.vmap(jax.grad(jump_mean))(jnp.asarray(check.points)) * np.array([[1.0, 0.5]])
    assert np.all(np.abs(check.differences - exact) <= STANDARD_ERRORS * check.stderr)
    with pytest.raises(InputError, match=r"miss the mass of a jump: along input 0 .*smooth_step.*score_weight"):
        check.require_valid()


def test_a_jump_of_one_of_two_outputs_is_found():
    check = check_derivatives(model(lambda s: jnp.stack([jnp.exp(s), 1e-3 * jump(s)])), KEY)
    assert check.verdict == "jump"
    assert "output 1" in check.message


def test_a_wrong_formula_is_told_from_a_jump():
    check = check_derivatives(model(lambda s: jnp.exp(jax.lax.stop_gradient(s)) + s), KEY)
    assert check.verdict == "formula"
    assert "stop_gradient" in check.message


@pytest.mark.parametrize(
    ("payoff", "operation"),
    [
        (lambda s: jnp.sqrt(jnp.maximum(s - 0.1, 0.0)), "sqrt of 0"),
        (lambda s: jnp.where(s > 0.1, jnp.sqrt(s - 0.1) + jnp.log(s), 0.0), r"sqrt of -0\.\d+"),
        (lambda s: jnp.log(s + 0.4), r"log of -0\.\d+"),
        (lambda s: jnp.where(s > 0.1, 1.0 / jnp.maximum(s - 0.1, 0.0), 0.0), "div of 1 and 0"),
        (lambda s: jnp.stack([s, jnp.maximum(s - 0.1, 0.0) ** 0.5]), "sqrt of 0|pow of 0 and 0.5"),
        (lambda s: jax.lax.scan(lambda c, _: (c + jnp.sqrt(jnp.maximum(c, 0.0)), None), s, None, 2)[0], "sqrt of 0"),
    ],
)
def test_derivatives_that_are_not_finite_name_the_operation(payoff, operation):
    check = check_derivatives(model(payoff), KEY, n_points=2, paths=512)
    assert check.verdict == "not finite"
    with pytest.raises(InputError, match=rf"not finite on \d+% of the paths, .*the likely cause is ({operation});"):
        check.require_valid()


def test_second_derivatives_that_are_not_finite_are_found_too():
    reference = model(lambda s: jnp.maximum(s - 0.1, 0.0) ** 1.5)
    assert check_derivatives(reference, KEY, n_points=2, paths=512).verdict == "valid"
    check = check_derivatives(reference, KEY, order=2, n_points=2, paths=512)
    assert check.verdict == "not finite" and "pow of 0 and 1.5" in check.message


def test_a_jump_in_many_inputs_is_found_along_diagonals():
    d = 40
    reference = from_function(
        lambda x, z: jump(jnp.sum(x) / np.sqrt(d) + z[0]), inputs=(-np.ones(d), np.ones(d)), noise=1
    )
    check = check_derivatives(reference, KEY, n_points=3)
    assert (check.verdict, check.pathwise.shape) == ("jump", (3, 16))
    assert "diagonal" in check.message


def test_second_derivatives_of_a_kink_miss_mass_until_it_is_smoothed():
    sharp = check_derivatives(model(kink), KEY, order=2)
    assert sharp.verdict == "jump"
    assert "smooth_positive_part" in sharp.message
    smooth = check_derivatives(model(lambda s: smooth_positive_part(s - 0.1, 0.1)), KEY, order=2)
    assert smooth.verdict == "valid"
    assert check_derivatives(GaussianBasket.random(2, seed=1), KEY, order=2, n_points=3).verdict == "jump"


@pytest.mark.parametrize(
    ("sharp", "smooth", "leading"),
    [
        (jump, lambda s, w: smooth_step(s - 0.1, w), lambda p, dp: -dp),
        (kink, lambda s, w: smooth_positive_part(s - 0.1, w), lambda p, dp: -p),
        (
            lambda s: jnp.where(s < 0.1, s, 2.0 + s**2),
            lambda s, w: smooth_switch(s, 0.1, s, 2.0 + s**2, w),
            # (g p)' = g' p + g p' with g = 2 + s^2 - s, g(0.1) = 1.91, g'(0.1) = -0.8
            lambda p, dp: 0.8 * p - 1.91 * dp,
        ),
    ],
    ids=["step", "positive-part", "switch"],
)
def test_smoothing_has_the_stated_bias(sharp, smooth, leading):
    points = np.array([[0.0, 0.6], [-0.4, 0.8]])
    width = 0.05
    density = scipy.stats.norm.pdf(0.1, points[:, 0], points[:, 1])
    slope = -(0.1 - points[:, 0]) / points[:, 1] ** 2 * density
    stated = np.pi**2 / 6 * width**2 * leading(density, slope)
    reference = model(lambda s: smooth(s, width))
    bias, stderr = smoothing_bias(reference, model(sharp), points, KEY, paths=200_000)
    assert np.all(np.abs(bias - stated) <= STANDARD_ERRORS * stderr + 0.1 * np.abs(stated))
    # The same by quadrature, so that the leading term itself has a second opinion free of noise.
    s = np.linspace(-6, 6, 240_001)
    difference = np.asarray(smooth(jnp.asarray(s), width) - sharp(jnp.asarray(s)))
    for (mean, spread), expected in zip(points, stated):
        integral = np.sum(difference * scipy.stats.norm.pdf(s, mean, spread)) * (s[1] - s[0])
        np.testing.assert_allclose(integral, expected, rtol=0.1)


def test_the_likelihood_ratio_gives_both_derivative_orders_of_a_jump():
    reference = from_function(likelihood_ratio_label, inputs=BOX, noise=1, exact=jump_mean)
    point = jnp.asarray([0.2, 0.7])
    z = jax.random.normal(KEY, (200_000, 1), jnp.float64)
    label = lambda x, z: reference.label(x, z)  # noqa: E731
    for derivative, exact in (
        (jax.grad(label), reference.gradient(point[None])[0]),
        (jax.hessian(label), reference.hessian(point[None])[0]),
    ):
        found = jax.vmap(derivative, (None, 0))(point, z)
        stderr = np.std(found, axis=0) / np.sqrt(len(z))
        assert np.all(np.abs(np.mean(found, axis=0) - exact) <= STANDARD_ERRORS * stderr)
    np.testing.assert_array_equal(jax.vmap(label, (None, 0))(point, z), jump(point[0] + point[1] * z[:, 0]))
    assert check_derivatives(reference, KEY).verdict == "valid"


def test_mistakes_get_one_sentence(types_unchecked):
    reference = model(kink)
    with pytest.raises(InputError, match="order=3"):
        check_derivatives(reference, KEY, order=3)
    with pytest.raises(InputError, match="2 and 3 inputs"):
        smoothing_bias(reference, GaussianBasket.random(3, seed=0), [[0.0, 0.6]], KEY)
