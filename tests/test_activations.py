"""Every activation and derivative order against ball arithmetic, finite differences and JAX's own transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning.activations import ACTIVATIONS, CONTINUOUS_DERIVATIVES, activate
from taylor import POINTS, taylor_derivative
from tolerances import AD_AGAINST_DIFFERENCES, ELEMENTARY

ORDERS = range(5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_order_agrees_with_ball_arithmetic(name, order):
    truth = np.array([float(taylor_derivative(name, x, order).mid()) for x in POINTS if x != 0.0])
    found = activate(jnp.asarray(POINTS[POINTS != 0.0]), name, order)
    assert np.all(np.abs(found - truth) <= ELEMENTARY * np.maximum(1.0, np.abs(truth)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_order_is_the_slope_of_the_one_before(name, order):
    x = jnp.asarray(POINTS[np.abs(POINTS) > 0.01])
    h = 1e-5 * jnp.maximum(1.0, jnp.abs(x))
    slope = (activate(x + h, name, order) - activate(x - h, name, order)) / (2 * h)
    found = activate(x, name, order + 1)
    np.testing.assert_allclose(found, slope, rtol=AD_AGAINST_DIFFERENCES, atol=AD_AGAINST_DIFFERENCES)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_differentiating_raises_the_order_in_one_operation(name):
    x = jnp.asarray(0.7)
    jaxpr = jax.make_jaxpr(jax.grad(jax.grad(lambda t: activate(t, name))))(x).jaxpr
    orders = {equation.params["order"] for equation in jaxpr.eqns if equation.primitive.name == "activation"}
    assert max(orders) == 2
    for order in range(3):
        assert jax.grad(lambda t: activate(t, name, order))(x) == activate(x, name, order + 1)  # noqa: B023


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_transformations_do_not_change_the_numbers(name):
    x = jnp.asarray(POINTS).reshape(-1, 1)
    plain = activate(x, name, 1)
    np.testing.assert_allclose(jax.jit(lambda t: activate(t, name, 1))(x), plain, rtol=ELEMENTARY)
    np.testing.assert_allclose(jax.vmap(lambda t: activate(t, name, 1))(x), plain, rtol=ELEMENTARY)
    _, tangent = jax.jvp(lambda t: activate(t, name), (x,), (3.0 * jnp.ones_like(x),))
    np.testing.assert_allclose(tangent, 3.0 * plain, rtol=ELEMENTARY)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_dtype_is_kept(name, dtype):
    for order in ORDERS:
        assert activate(jnp.ones(3, dtype), name, order).dtype == dtype


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_huge_arguments_give_the_limit_and_no_overflow(name, order):
    left, right = activate(jnp.asarray([-1e30, 1e30]), name, order)
    bounded = name in ("tanh", "sigmoid")
    expected_right = [1.0, 0.0, 0.0, 0.0][order] if bounded else [1e30, 1.0, 0.0, 0.0][order]
    expected_left = {"tanh": -1.0, "elu": -1.0}.get(name, 0.0) if order == 0 else 0.0
    assert (left, right) == (expected_left, expected_right)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_jump_at_0_exactly_where_the_table_says(name):
    x = jnp.asarray([-1e-9, 1e-9])
    for order in range(4):
        left, right = activate(x, name, order)
        if order <= CONTINUOUS_DERIVATIVES[name]:
            assert abs(right - left) < 1e-8
        elif order == CONTINUOUS_DERIVATIVES[name] + 1:
            assert abs(right - left) > 0.9


def test_at_a_kink_the_limit_from_the_left_is_taken():
    assert activate(jnp.asarray(0.0), "relu", 1) == 0.0
    assert activate(jnp.asarray(0.0), "elu", 2) == 1.0
