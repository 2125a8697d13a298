"""Every activation and derivative order against ball arithmetic, finite differences and JAX's own transformations."""

import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import EVERY
from sobolev_pruning import InputError
from sobolev_pruning.activations import Activation, activate, activation, register_activation
from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.enclosure.registry import user_rules_in
from sobolev_pruning.interchange import save_numpy
from surrogates import surrogate_of_shape
from taylor import POINTS, taylor_derivative
from tolerances import AD_AGAINST_DIFFERENCES, ELEMENTARY

ORDERS = range(5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", EVERY)
def test_every_order_agrees_with_ball_arithmetic(name, order):
    truth = np.array([float(taylor_derivative(name, x, order).mid()) for x in POINTS if x != 0.0])
    found = activate(jnp.asarray(POINTS[POINTS != 0.0]), name, order)
    assert np.all(np.abs(found - truth) <= ELEMENTARY * np.maximum(1.0, np.abs(truth)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", EVERY)
def test_every_order_is_the_slope_of_the_one_before(name, order):
    x = jnp.asarray(POINTS[(np.abs(POINTS) > 0.01) & ((np.abs(POINTS) < 100.0) | (name != "exp"))])
    h = 1e-5 * jnp.maximum(1.0, jnp.abs(x))
    slope = (activate(x + h, name, order) - activate(x - h, name, order)) / (2 * h)
    found = activate(x, name, order + 1)
    np.testing.assert_allclose(found, slope, rtol=AD_AGAINST_DIFFERENCES, atol=AD_AGAINST_DIFFERENCES)


@pytest.mark.parametrize("name", EVERY)
def test_differentiating_raises_the_order_in_one_operation(name):
    x = jnp.asarray(0.7)
    jaxpr = jax.make_jaxpr(jax.grad(jax.grad(lambda t: activate(t, name))))(x).jaxpr
    if activation(name).is_plain:
        assert all(equation.primitive.name != "activation" for equation in jaxpr.eqns)
        return
    orders = {equation.params["order"] for equation in jaxpr.eqns if equation.primitive.name == "activation"}
    assert max(orders) == 2
    for order in range(3):
        assert jax.grad(lambda t: activate(t, name, order))(x) == activate(x, name, order + 1)  # noqa: B023


@pytest.mark.parametrize("name", EVERY)
def test_transformations_do_not_change_the_numbers(name):
    x = jnp.asarray(POINTS).reshape(-1, 1)
    plain = activate(x, name, 1)
    np.testing.assert_allclose(jax.jit(lambda t: activate(t, name, 1))(x), plain, rtol=ELEMENTARY)
    np.testing.assert_allclose(jax.vmap(lambda t: activate(t, name, 1))(x), plain, rtol=ELEMENTARY)
    _, tangent = jax.jvp(lambda t: activate(t, name), (x,), (3.0 * jnp.ones_like(x),))
    np.testing.assert_allclose(tangent, 3.0 * plain, rtol=ELEMENTARY)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("name", EVERY)
def test_the_dtype_is_kept(name, dtype):
    for order in ORDERS:
        assert activate(jnp.ones(3, dtype), name, order).dtype == dtype


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("exp", "sin")])  # these have no limit
def test_huge_arguments_give_the_limit_and_no_overflow(name):
    values, slopes, bends = (activate(jnp.asarray([-1e30, 1e30]), name, order) for order in range(3))
    left = {"tanh": -1.0, "elu": -1.0, "softsign": -1.0, "identity": -1e30, "clip(-0.7, 2.0)": -0.7, "elu(0.5)": -0.5}
    left |= {"leaky_relu(0.01)": -1e28, "leaky_relu(-0.5)": 5e29, "tanh(1.7159, 0.6667)": -1.7159}
    left |= {"selu": -1.0507009873554805 * 1.6732632423543772}
    right = {"tanh": 1.0, "sigmoid": 1.0, "softsign": 1.0, "relu6": 6.0, "clip(-0.7, 2.0)": 2.0}
    right |= {"tanh(1.7159, 0.6667)": 1.7159, "selu": 1.0507009873554805e30}
    expected = np.array([left.get(name, 0.0), right.get(name, 1e30)])
    np.testing.assert_allclose(values, expected, rtol=ELEMENTARY)
    steep = {"selu": [0.0, 1.0507009873554805], "leaky_relu(0.01)": [0.01, 1.0], "leaky_relu(-0.5)": [-0.5, 1.0]}
    np.testing.assert_allclose(slopes, steep.get(name, np.where(np.abs(expected) < 1e3, 0.0, 1.0)), atol=ELEMENTARY)
    np.testing.assert_allclose(bends, 0.0, atol=ELEMENTARY)


@pytest.mark.parametrize("name", EVERY)
def test_derivatives_jump_where_the_record_says_and_by_as_much(name):
    known = activation(name)
    assert bool(known.breakpoints) == (known.smoothness < np.inf)
    for point in known.breakpoints:
        x = point.place + jnp.asarray([-1e-9, 1e-9])
        for order in range(int(known.smoothness) + 1):
            left, right = activate(x, name, order)
            assert abs(right - left) < 1e-8
        found = activate(x, name, int(known.smoothness) + 1)
        np.testing.assert_allclose(found, [point.left, point.right], atol=1e-7)


def test_at_a_kink_the_limit_from_the_left_is_taken():
    assert activate(jnp.asarray(0.0), "relu", 1) == 0.0
    assert activate(jnp.asarray(0.0), "elu", 2) == 1.0
    np.testing.assert_array_equal(activate(jnp.asarray([0.0, 6.0]), "relu6", 1), [0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sillu", "choose one of silu, .*leaky_relu.slope."),
        ("leaky_relu", "is written with its numbers: leaky_relu.slope."),
        ("leaky_relu(a)", "is written with its numbers: leaky_relu.slope."),
        ("clip(1)", "is written with its numbers: clip.lowest, highest."),
        ("clip(1, 0)", "the first below the second"),
        ("elu(-1)", "give one above 0"),
        ("softplus(0)", "give one above 0"),
        (None, "choose one of"),
    ],
)
def test_an_activation_that_is_none_is_refused_with_advice(name, sentence, types_unchecked):
    with pytest.raises(InputError, match=sentence):
        activation(name)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(InputError, match="There is an activation silu already"):
        register_activation(Activation("silu", lambda x, order, f: x))
    with pytest.raises(InputError, match="needs a name in small letters"):
        register_activation(Activation("My own", lambda x, order, f: x))


def test_an_activation_of_the_users_own_is_known_everywhere_and_named(tmp_path):
    silu = activation("silu")
    register_activation(Activation("own_silu", silu.derivative, extremes=silu.extremes))
    box = Interval(jnp.asarray([-3.0, 0.1]), jnp.asarray([-1.0, 0.4]))
    for order in range(3):
        found, expected = (enclose(lambda x, n=name: activate(x, n, order))(box) for name in ("own_silu", "silu"))  # noqa: B023
        np.testing.assert_array_equal(found.lower, expected.lower)
        np.testing.assert_array_equal(found.upper, expected.upper)
    program = lambda x: activate(x, "own_silu") + activate(x, "silu")  # noqa: E731
    assert user_rules_in(program, jnp.asarray(0.0)) == ("activation own_silu (guaranteed by its author)",)
    network = surrogate_of_shape([2, 3, 1], "own_silu", scalar=True)
    save_numpy(network, tmp_path / "net.py")
    points = np.array([[3.0, 2.0], [1.0, 4.0]])
    exported = runpy.run_path(str(tmp_path / "net.py"))["value"](points)
    np.testing.assert_allclose(exported, network.value(points), rtol=ELEMENTARY)
