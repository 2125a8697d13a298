"""Quiet labels: unbiased, quieter, with derivatives that are those of the mean, and refused where they are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tolerances
from sobolev_pruning import InputError
from sobolev_pruning.reference import (
    NoiseSampler,
    Uniform,
    black_scholes,
    from_function,
    payoffs,
    pre_integrated,
    quiet,
)
from sobolev_pruning.reference.designs import joint_points
from sobolev_pruning.reference.piecewise import piecewise_mean
from sobolev_pruning.reference.switches import UnknownSwitchesError, switches

KEY = jax.random.key(4)
PAIR = {"inputs": {"spot": (80.0, 120.0)}, "assets": 2, "correlation": 0.3, "volatility": [0.2, 0.3]}


@pytest.fixture(scope="module")
def worst():
    return quiet(black_scholes(payoffs.worst_of_call, **PAIR))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda a: jnp.maximum(jnp.min(a) - 1.0, 0.0), [-3.0, -4.0, 1.0]),
        (lambda a: jnp.where(jnp.max(a) < 4.0, a[0], 0.0), [2.0]),
        (lambda a: jnp.abs(a[0]) + jax.nn.relu(a[1]), [2.0, 5.0]),
        (lambda a: jnp.clip(a[0], 0.0, 3.0), [-2.0, 1.0]),
        (lambda a: jnp.sort(a)[1], [-3.0, -4.0, -1.0]),
        (lambda a: jax.lax.scan(lambda c, b: (jnp.maximum(c, b), None), 0.0, a)[0], [-2.0, -3.0, -1.0]),
        (lambda a: jnp.sum(jnp.exp(a) ** 2), []),
    ],
)
def test_switches_of_programs(function, expected):
    np.testing.assert_array_equal(switches(function, jnp.array([2.0, 5.0, 6.0])), expected)


def test_unknown_switches_are_said_to_be_so():
    for function in (jnp.floor, lambda a: jax.lax.while_loop(lambda b: b < 3.0, lambda b: b + 1.0, a)):
        with pytest.raises(UnknownSwitchesError):
            switches(function, jnp.asarray(0.3))


@pytest.mark.parametrize("payoff", [payoffs.call, payoffs.digital_call])
def test_pieces_give_the_closed_form_and_its_derivatives(payoff):
    """Of a kink and of a jump, which a path's own derivatives miss."""
    model = black_scholes(payoff, inputs={"spot": (70, 130), "volatility": (0.1, 0.4)})
    x = jnp.array([[95.0, 0.2]])

    def mean(x):
        along = lambda x, t: model.simulate(x, t.reshape(1, 1))  # noqa: E731
        return piecewise_mean(along, lambda x, t: switches(lambda t: along(x, t), t), x, 2)

    found = jax.jit(lambda x: (mean(x), jax.grad(mean)(x), jax.hessian(mean)(x)))(x[0])
    for one, exact in zip(found, (model.value(x), model.gradient(x), model.hessian(x))):
        np.testing.assert_allclose(
            one, exact[0], rtol=tolerances.QUADRATURE_BY_PIECES, atol=tolerances.QUADRATURE_BY_PIECES
        )


def test_labels_are_unbiased_and_quieter(worst):
    """Label less plain label on independent noise, in standard errors: values, slopes and, by differences, gamma."""
    plain = worst.model
    assert worst.record.way == "pieces" and worst.label_order == 2
    n, direction = 16_384, jnp.ones((1, 2))
    better = worst.sample(KEY, n, order=2, directions=direction)
    z = plain.noise(jax.random.key(5), n)
    slopes = lambda shift: jax.vmap(lambda x, z: jax.value_and_grad(plain.label)(x + shift, z))(better.x, z)  # noqa: E731
    (y, dydx), (_, above), (_, below) = (jax.jit(slopes)(shift) for shift in (0.0, 0.5, -0.5))
    gamma = jnp.sum(above - below, axis=1)
    for label, other in ((better.y, y), (better.dydx, dydx), (jnp.sum(better.hvp[:, 0], axis=1), gamma)):
        off = np.asarray(label - other)
        assert np.all(np.abs(off.mean(axis=0)) <= tolerances.STANDARD_ERRORS * off.std(axis=0) / np.sqrt(n))
    ratios = worst.record.ratios
    assert ratios["value"] > 3 and ratios["delta"] > 3 and ratios["gamma"] > 10
    # The record's ratio, made at fixed inputs, is what samples show: 32 labels at each of 512 inputs.
    noise = [np.mean(np.square(m.sample(KEY, 512, order=0, paths=32).y_stderr)) for m in (plain, worst)]
    assert 0.4 < noise[0] / noise[1] / ratios["value"] < 2.5


def test_second_derivatives_of_labels_are_differences_of_their_slopes(worst):
    x, z = worst.inputs_and_noise(KEY, 8)

    @jax.jit
    @jax.vmap
    def slope_and_curvature(x, z):
        return jax.jvp(lambda x: jax.jvp(lambda x: worst.label(x, z), (x,), (line,))[1], (x,), (line,))

    line = jnp.array([1.0, -0.5])
    step = 1e-4 * line[None, :]
    (above, _), (below, _), (_, curvature) = (slope_and_curvature(x + side * step, z) for side in (1.0, -1.0, 0.0))
    np.testing.assert_allclose(curvature, (above - below) / 2e-4, atol=tolerances.AD_AGAINST_DIFFERENCES)


def test_truth_by_quiet_labels_within_its_standard_errors(worst):
    point = np.array([[95.0, 105.0]])
    one, other = worst.truth(point), worst.model.estimate(point, KEY, 262_144)
    for name in ("value", "gradient", "gamma"):
        off = np.abs(getattr(one, name) - getattr(other, name))
        error = np.hypot(getattr(one, f"{name}_stderr"), getattr(other, f"{name}_stderr"))
        assert np.all(off <= tolerances.STANDARD_ERRORS * error)
    assert one.value_stderr[0] < other.value_stderr[0]


def test_a_barrier_on_several_dates_has_labels_of_order_one():
    model = quiet(black_scholes(payoffs.up_and_out_call(120.0), inputs={"spot": (80.0, 115.0)}, dates=4))
    assert model.record.way == "pieces" and model.label_order == 1 and model.record.ratios["value"] > 3
    with pytest.raises(InputError, match="second derivatives of these labels are not those of their mean"):
        model.sample(KEY, 8, order=2)


def test_what_does_not_pay_stays_as_it_is():
    for simulate, noise, reason in (
        (lambda x, z: x[0] * jnp.sum(z**2), 20, "does not fall enough"),
        (lambda x, z: x[0] + 0.0 * z[0], 1, "do not depend on the noise"),
        (
            lambda x, z: x[0] * z,
            NoiseSampler(lambda key: jax.random.normal(key, (), jnp.float64)),
            "not made of normal",
        ),
    ):
        model = from_function(simulate, inputs=([1.0], [2.0]), noise=noise)
        same, record = pre_integrated(model)
        assert same is model and record.way == "none" and reason in record.reason


def test_uniform_noise_and_unknown_pieces():
    """The mean of `floor(3 u) + x u'` is `1 + x/2`."""
    model = from_function(lambda x, z: jnp.floor(3.0 * z[0]) + x[0] * z[1], inputs=([1.0], [2.0]), noise=Uniform(2))
    better = quiet(model)
    assert better.record.way == "points" and better.label_order == 1
    samples = better.sample(KEY, 4096)
    off = np.asarray(samples.y - 1.0 - 0.5 * samples.x[:, 0])
    assert abs(off.mean()) <= tolerances.STANDARD_ERRORS * off.std() / 64.0 and off.std() < 0.5


def test_replicates_share_inputs_and_fill_the_noise():
    first, others = joint_points("sobol", KEY, 8, 2, 3), [joint_points("sobol", KEY, 8, 2, 3, r) for r in range(8)]
    for r, (inputs, noise) in enumerate(others):
        np.testing.assert_array_equal(inputs, first[0])
        assert r == 0 or not np.any(noise == first[1])
    # At every input the 8 replicates have one point in each eighth of every variable.
    stacked = np.stack([noise for _, noise in others])
    assert np.all(np.sort(np.floor(8 * stacked), axis=0) == np.arange(8.0)[:, None, None])
