"""The Sobolev loss, its gradients and its normal equations, each against a slower way to compute it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import tolerances
from sobolev_pruning._foundation.activations import ACTIVATIONS
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.training import SobolevLoss
from sobolev_pruning.training.batch_pass import values, values_and_gradients
from sobolev_pruning.training.batches import Batch
from sobolev_pruning.training.full_batch import full_loss, full_loss_and_gradient, mean_over_chunks
from sobolev_pruning.training.normal_equations import normal_equations
from sobolev_pruning.training.optimiser import with_layers
from surrogates import surrogate_of_shape

SHAPES = {
    "scalar": ([3, 5, 4, 1], True),
    "k=1": ([2, 4, 1], False),
    "k=3": ([2, 5, 3], False),
    "linear": ([3, 2], False),
}


evaluated = eqx.filter_jit(lambda loss, network, batch: loss(network, batch))
"""The loss, compiled as a whole: operation by operation takes ten times longer."""


def noisy_samples(n: int, d: int, k: int | None, seed: int = 7) -> Samples:
    """Labels unrelated to the inputs, each output of another size, none centred."""
    keys = jax.random.split(jax.random.key(seed), 3)
    outputs = () if k is None else (k,)
    size = 1.0 + jnp.arange(1 if k is None else k, dtype=jnp.float64)
    y = (jax.random.normal(keys[0], (n, size.size), jnp.float64) + 2.0) * size[None, :]
    dydx = (jax.random.normal(keys[1], (n, size.size, d), jnp.float64) - 0.5) * 3.0 * size[None, :, None]
    x = 3.0 + 2.0 * jax.random.normal(keys[2], (n, d), jnp.float64)
    return Samples(x, y.reshape(n, *outputs), dydx.reshape(n, *outputs, d))


def network_and_samples(shape: str, n: int = 12, activation: str = "silu"):
    widths, scalar = SHAPES[shape]
    network = surrogate_of_shape(widths, activation, scalar)
    return network, noisy_samples(n, widths[0], None if scalar else widths[-1])


def slow_loss(network, samples: Samples, order: int, a: float, b: float) -> tuple[float, float, float]:
    """The formula of the docstring, entry by entry."""
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    y, f = np.asarray(samples.y).reshape(n, k), np.asarray(network.value(samples.x)).reshape(n, k)
    dydx = np.asarray(samples.dydx).reshape(n, k, d)
    df = np.asarray(network.gradient(samples.x)).reshape(n, k, d)
    value = derivative = 0.0
    for j in range(k):
        value += sum((y[i, j] - f[i, j]) ** 2 for i in range(n)) / n / np.var(y[:, j]) / k
        errors = sum((dydx[i, j, c] - df[i, j, c]) ** 2 for i in range(n) for c in range(d))
        derivative += errors / (n * d) / np.var(dydx[:, j, :]) / k
    if order == 0:
        return value, value, 0.0
    return a * value + b * derivative, value, derivative


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("balance", ["fixed", "dimension"])
@pytest.mark.parametrize("order", [0, 1])
def test_each_term_is_the_formula_with_a_weight_away_from_1(shape, balance, order):
    network, samples = network_and_samples(shape)
    weight, d = 0.37, samples.n_inputs
    terms = evaluated(SobolevLoss.of(samples, order, balance, weight), network, Batch.of(samples, order))
    a, b = (1.0, weight) if balance == "fixed" else (1 / (1 + weight * d), weight * d / (1 + weight * d))
    expected = slow_loss(network, samples, order, a, b)
    np.testing.assert_allclose([terms.total, terms.value, terms.derivative], expected, rtol=tolerances.ALGEBRAIC)


def test_a_label_that_never_changes_is_measured_in_its_own_units():
    network, samples = network_and_samples("scalar")
    constant = Samples(samples.x, jnp.full(len(samples), 2.0), jnp.full((len(samples), 3), 0.25))
    terms = SobolevLoss.of(constant, 1)(network, Batch.of(constant, 1))
    np.testing.assert_allclose(terms.value, np.mean((2.0 - network.value(samples.x)) ** 2), rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_batch_pass_is_the_network_and_its_gradient(activation):
    for shape in ("scalar", "k=3"):
        network, samples = network_and_samples(shape, activation=activation)
        f, gradient = jax.jit(values_and_gradients)(network, samples.x)
        n, k, d = gradient.shape
        expected = np.asarray(network.gradient(samples.x)).reshape(n, k, d)
        np.testing.assert_allclose(f, network.value(samples.x).reshape(n, k), rtol=0, atol=tolerances.ALGEBRAIC)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(expected).max())
        np.testing.assert_allclose(jax.jit(values)(network, samples.x), f, rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [0, 1])
def test_the_gradient_in_the_parameters_against_differences(shape, order):
    network, samples = network_and_samples(shape)
    loss, batch = SobolevLoss.of(samples, order, "fixed", 0.37), Batch.of(samples, order)
    start, unravel = ravel_pytree(network.layers)

    @jax.jit
    def total(parameters):
        return loss(with_layers(network, unravel(parameters)), batch).total

    gradient = jax.jit(jax.grad(total))(start)
    step = 1e-5
    differences = [(total(start + step * e) - total(start - step * e)) / (2 * step) for e in jnp.eye(start.size)]
    size = float(jnp.abs(gradient).max())
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=tolerances.AD_AGAINST_DIFFERENCES * size)


@pytest.mark.parametrize("n", [7, 8, 19])
def test_chunks_change_nothing_but_the_rounding(n):
    network, samples = network_and_samples("k=3", n)
    loss, batch = SobolevLoss.of(samples, 1, "fixed", 0.37), Batch.of(samples, 1)

    def total(layers, batch):
        return loss(with_layers(network, layers), batch).total

    pieces = jax.jit(lambda batch: mean_over_chunks(lambda b: jax.grad(total)(network.layers, b), batch, chunk=8))(
        batch
    )
    whole = jax.jit(jax.grad(total))(network.layers, batch)
    for ours, theirs in zip(jax.tree.leaves(pieces), jax.tree.leaves(whole)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerances.ALGEBRAIC * float(jnp.abs(theirs).max()))


def test_the_full_batch_gradient_is_the_plain_one_beyond_one_chunk():
    network, samples = network_and_samples("scalar", 4096 + 101)
    loss, batch = SobolevLoss.of(samples, 1, "fixed", 0.37), Batch.of(samples, 1)
    total, plain = jax.jit(jax.value_and_grad(lambda layers: loss(with_layers(network, layers), batch).total))(
        network.layers
    )
    terms, gradient = eqx.filter_jit(full_loss_and_gradient)(loss, network, batch)
    np.testing.assert_allclose(terms.total, total, rtol=tolerances.ALGEBRAIC)
    found = eqx.filter_jit(full_loss)(loss, network, batch).total
    np.testing.assert_allclose(found, total, rtol=tolerances.ALGEBRAIC)
    for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(plain)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerances.ALGEBRAIC * float(jnp.abs(theirs).max()))


def residuals(loss: SobolevLoss, network, batch: Batch):
    """All weighted errors by `jax.vmap`, whose squares sum to `n` times the loss."""
    n, k = batch.y.shape
    value_scale, gradient_scale = loss.residual_scales(batch.x.shape[1])
    r = value_scale[None, :] * (jax.vmap(network)(batch.x).reshape(n, k) - batch.y)
    if loss.order == 0:
        return r.ravel()
    gradient = jax.vmap(jax.jacrev(network))(batch.x).reshape(batch.dydx.shape)
    return jnp.concatenate([r.ravel(), (gradient_scale[None, :, None] * (gradient - batch.dydx)).ravel()])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [0, 1])
def test_the_normal_equations_are_those_of_the_residuals(shape, order):
    network, samples = network_and_samples(shape, 150)
    loss, batch = SobolevLoss.of(samples, order, "fixed", 0.37), Batch.of(samples, order)
    start, unravel = ravel_pytree(network.layers)

    def errors(parameters):
        return residuals(loss, with_layers(network, unravel(parameters)), batch)

    r, jacobian = jax.jit(lambda p: (errors(p), jax.jacrev(errors)(p)))(start)
    matrix, vector, terms = eqx.filter_jit(normal_equations)(loss, network, batch)
    expected = jacobian.T @ jacobian / len(batch)
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=tolerances.ALGEBRAIC * float(jnp.abs(expected).max()))
    expected = jacobian.T @ r / len(batch)
    np.testing.assert_allclose(vector, expected, rtol=0, atol=tolerances.ALGEBRAIC * float(jnp.abs(expected).max()))
    np.testing.assert_allclose(terms.total, r @ r / len(batch), rtol=tolerances.ALGEBRAIC)
    np.testing.assert_allclose(terms.total, evaluated(loss, network, batch).total, rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"order": 2}, "order is 2; choose 0"),
        ({"order": 1, "weight": -1.0}, "weight is -1.0; give a finite number"),
        ({"order": 1, "weight": float("nan")}, "weight is nan"),
    ],
)
def test_impossible_settings_are_named(settings, advice):
    with pytest.raises(InputError, match=advice):
        SobolevLoss.of(noisy_samples(4, 2, None), **settings)


def test_derivatives_are_asked_for_where_order_1_lacks_them():
    with pytest.raises(InputError, match="order is 1, but the samples have no dydx"):
        SobolevLoss.of(Samples([[0.0], [1.0]], [0.0, 1.0]), 1)
