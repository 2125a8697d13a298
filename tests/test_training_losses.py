"""The Sobolev loss, its gradients and its normal equations, each against a slower way to compute it."""

import functools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import tolerances
from activation_names import REPRESENTATIVE
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.training import SobolevLoss, label_noise
from sobolev_pruning.training.batch_pass import values, values_and_gradients, values_gradients_and_products
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
CASES = [(order, shape) for order in (0, 1) for shape in SHAPES] + [(2, "scalar"), (2, "k=3")]
"""Orders and shapes; second derivatives are dear to compile, so they are left to two shapes."""


evaluated = eqx.filter_jit(lambda loss, network, batch: loss(network, batch))
"""The loss, compiled as a whole: operation by operation takes ten times longer."""


DIRECTIONS = 2


def noisy_samples(n: int, d: int, k: int | None, seed: int = 7, missing: bool = False) -> Samples:
    """Labels unrelated to the inputs, each output of another size, none centred; every fifth derivative `missing`."""
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal
    outputs = () if k is None else (k,)
    size = 1.0 + np.arange(1 if k is None else k)
    y = (normal((n, size.size)) + 2.0) * size
    dydx = (normal((n, size.size, d)) - 0.5) * 3.0 * size[:, None]
    x = 3.0 + 2.0 * normal((n, d))
    directions = normal((n, DIRECTIONS, d))
    hvp = (normal((n, DIRECTIONS, size.size, d)) + 0.2) * size[:, None]
    if missing:
        dydx, hvp = (np.where(np.arange(a.size).reshape(a.shape) % 5 == 1, np.nan, a) for a in (dydx, hvp))
    errors = generator.uniform(size=y.shape), generator.uniform(size=dydx.shape)
    return Samples(
        x,
        y.reshape(n, *outputs),
        dydx.reshape(n, *outputs, d),
        directions,
        hvp.reshape(n, DIRECTIONS, *outputs, d),
        errors[0].reshape(n, *outputs),
        errors[1].reshape(n, *outputs, d),
        missing=missing,
    )


@functools.cache
def network_and_samples(shape: str, n: int = 12, activation: str = "silu", missing: bool = False):
    widths, scalar = SHAPES[shape]
    network = surrogate_of_shape(widths, activation, scalar)
    return network, noisy_samples(n, widths[0], None if scalar else widths[-1], missing=missing)


def slow_predictions(network, samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, gradients and Hessian-vector products by way of full Hessians, output axis kept."""
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    value, gradient, hessian = network.value(samples.x), network.gradient(samples.x), network.hessian(samples.x)
    products = np.einsum("ikcd,imd->imkc", np.asarray(hessian).reshape(n, k, d, d), np.asarray(samples.directions))
    return np.asarray(value).reshape(n, k), np.asarray(gradient).reshape(n, k, d), products


def slow_loss(network, samples: Samples, order: int, weights: list[float], by_stderr: bool = False) -> list[float]:
    """The formula of the docstring, output by output, over what is known: the total and its three terms."""
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    labels = (samples.y.reshape(n, k), samples.dydx.reshape(n, k, d), samples.hvp.reshape(n, -1, k, d))
    stderrs = (samples.y_stderr, samples.dydx_stderr, None)
    terms = [0.0, 0.0, 0.0]
    for kind, (label, stderr, predicted) in enumerate(zip(labels, stderrs, slow_predictions(network, samples))):
        for j in range(k if kind <= order else 0):
            entries, errors = (np.take(np.asarray(array), j, axis=1 + (kind == 2)) for array in (label, predicted))
            known = ~np.isnan(entries)
            weight = np.ones(entries.shape)
            if by_stderr and stderr is not None:
                square = np.take(np.asarray(stderr).reshape(label.shape), j, axis=1) ** 2
                weight = 1.0 / (square + 1e-4 * np.var(entries[known]))
            error = np.average((entries[known] - errors[known]) ** 2, weights=weight[known])
            terms[kind] += error / np.var(entries[known]) / k
    return [np.dot(weights[: order + 1], terms[: order + 1]), *terms]


@pytest.mark.parametrize(("order", "shape"), CASES)
@pytest.mark.parametrize("balance", ["fixed", "dimension"])
def test_each_term_is_the_formula_with_weights_away_from_1(order, shape, balance):
    network, samples = network_and_samples(shape)
    d, m = samples.n_inputs, DIRECTIONS
    terms = evaluated(SobolevLoss.of(samples, order, balance, (0.37, 0.21)), network, Batch.of(samples, order))
    weights = np.array([1.0, 0.37, 0.21])
    if balance == "dimension":
        weights *= [1, d, m * d]
        weights /= weights[: order + 1].sum()
    found = [terms.total, terms.value, terms.derivative, terms.hessian]
    np.testing.assert_allclose(found, slow_loss(network, samples, order, list(weights)), rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize("shape", ["scalar", "k=3"])
@pytest.mark.parametrize("by_stderr", [False, True])
def test_unknown_labels_are_left_out_and_noisy_ones_count_less(shape, by_stderr):
    network, samples = network_and_samples(shape, missing=True)
    loss = SobolevLoss.of(samples, 2, "fixed", (0.37, 0.21))
    batch = Batch.of(samples, 2, by_stderr)
    terms = evaluated(loss, network, batch)
    found = [terms.total, terms.value, terms.derivative, terms.hessian]
    expected = slow_loss(network, samples, 2, [1.0, 0.37, 0.21], by_stderr)
    np.testing.assert_allclose(found, expected, rtol=tolerances.ALGEBRAIC)
    total = eqx.filter_jit(normal_equations)(loss, network, batch)[2].total
    np.testing.assert_allclose(total, expected[0], rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize(("order", "shape"), CASES)
def test_scaled_derivatives_are_those_in_inputs_of_spread_1(order, shape):
    """The second opinion: the same network and samples in rescaled inputs, with the plain loss."""
    network, samples = network_and_samples(shape)
    x, dydx, directions, hvp = (np.asarray(a) for a in (samples.x, samples.dydx, samples.directions, samples.hvp))
    spread = x.std(axis=0)
    scaling = replace(
        network.scaling, x_shift=network.scaling.x_shift / spread, x_scale=network.scaling.x_scale / spread
    )
    rescaled = Samples(x / spread, samples.y, dydx * spread, directions / spread, hvp * spread)
    expected = evaluated(
        SobolevLoss.of(rescaled, order, "fixed", (0.37, 0.21)),
        replace(network, scaling=scaling),
        Batch.of(rescaled, order),
    )
    loss = SobolevLoss.of(samples, order, "fixed", (0.37, 0.21), scaled=True)
    found = evaluated(loss, network, Batch.of(samples, order))
    for term, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        np.testing.assert_allclose(term, other, rtol=tolerances.ALGEBRAIC)
    if order:
        plain = evaluated(SobolevLoss.of(samples, order, "fixed", (0.37, 0.21)), network, Batch.of(samples, order))
        assert abs(float(plain.derivative / found.derivative) - 1.0) > 1e-3


def test_an_output_without_any_known_derivative_has_no_derivative_term():
    network, samples = network_and_samples("k=3")
    nothing = Samples(samples.x, samples.y, np.where([[True], [False], [True]], samples.dydx, np.nan), missing=True)
    loss, batch = SobolevLoss.of(nothing, 1, "fixed"), Batch.of(nothing, 1)
    expected = evaluated(SobolevLoss.of(samples, 1, "fixed"), network, Batch.of(samples, 1)).derivative
    terms = evaluated(loss, network, batch)
    assert float(terms.derivative) < float(expected) and np.isfinite(float(terms.total))
    one = surrogate_of_shape([2, 4, 1], "silu", True)
    unknown = Samples(samples.x, np.asarray(samples.y)[:, 1], np.full((len(samples), 2), np.nan), missing=True)
    assert float(evaluated(SobolevLoss.of(unknown, 1), one, Batch.of(unknown, 1)).derivative) == 0.0


def test_a_label_that_never_changes_is_measured_in_its_own_units():
    network, samples = network_and_samples("scalar")
    constant = Samples(samples.x, np.full(len(samples), 2.0), np.full((len(samples), 3), 0.25))
    terms = evaluated(SobolevLoss.of(constant, 1), network, Batch.of(constant, 1))
    np.testing.assert_allclose(terms.value, np.mean((2.0 - network.value(samples.x)) ** 2), rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_the_batch_pass_is_the_network_and_its_gradient(activation):
    for shape in ("scalar", "k=3"):
        network, samples = network_and_samples(shape, activation=activation)
        f, gradient = jax.jit(values_and_gradients)(network, samples.x)
        n, k, d = gradient.shape
        expected = np.asarray(network.gradient(samples.x)).reshape(n, k, d)
        np.testing.assert_allclose(f, network.value(samples.x).reshape(n, k), rtol=0, atol=tolerances.ALGEBRAIC)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(expected).max())
        np.testing.assert_allclose(jax.jit(values)(network, samples.x), f, rtol=tolerances.ALGEBRAIC)
        found = jax.jit(values_gradients_and_products)(network, samples.x, samples.directions)
        for ours, theirs in zip(found, slow_predictions(network, samples)):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(theirs).max() + 1e-300)


@pytest.mark.parametrize(("order", "shape"), CASES)
def test_the_gradient_in_the_parameters_against_differences(order, shape):
    network, samples = network_and_samples(shape)
    loss, batch = SobolevLoss.of(samples, order, "fixed", 0.37), Batch.of(samples, order)
    start, unravel = ravel_pytree(network.layers)

    @jax.jit
    def total(parameters):
        return loss(with_layers(network, unravel(parameters)), batch).total

    gradient = jax.jit(jax.grad(total))(start)
    step = 1e-5
    differences = [(total(start + step * e) - total(start - step * e)) / (2 * step) for e in np.eye(start.size)]
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
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(theirs).max())


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
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(theirs).max())


def residuals(loss: SobolevLoss, network, batch: Batch):
    """All weighted errors by `jax.vmap`, whose squares sum to `n` times the loss."""
    n, k = batch.y.shape
    hessian = jax.vmap(jax.hessian(network))(batch.x).reshape(n, k, *batch.x.shape[1:] * 2)
    predictions = (
        jax.vmap(network)(batch.x),
        jax.vmap(jax.jacrev(network))(batch.x),
        None if batch.hvp is None else jnp.einsum("ikcd,imd->imkc", hessian, batch.directions),
    )
    labels = (batch.y, batch.dydx, batch.hvp)[: loss.order + 1]
    errors = [predicted.reshape(label.shape) - label for predicted, label in zip(predictions, labels)]
    last = [jnp.moveaxis(error, (1 if kind < 2 else 2, 0), (-2, -1)) for kind, error in enumerate(errors)]
    return jnp.concatenate([residual.ravel() for residual in loss.weighted(last, batch)])


@pytest.mark.parametrize(("order", "shape"), CASES)
def test_the_normal_equations_are_those_of_the_residuals(order, shape):
    network, samples = network_and_samples(shape, 150, missing=order == 2)
    loss = SobolevLoss.of(samples, order, "fixed", (0.37, 0.21), scaled=order == 2)
    batch = Batch.of(samples, order, order == 2)
    start, unravel = ravel_pytree(network.layers)

    def errors(parameters):
        return residuals(loss, with_layers(network, unravel(parameters)), batch)

    r, jacobian = jax.jit(lambda p: (errors(p), jax.jacrev(errors)(p)))(start)
    matrix, vector, terms = eqx.filter_jit(normal_equations)(loss, network, batch)
    r, jacobian = np.asarray(r), np.asarray(jacobian)
    expected = jacobian.T @ jacobian / len(batch)
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(expected).max())
    expected = jacobian.T @ r / len(batch)
    np.testing.assert_allclose(vector, expected, rtol=0, atol=tolerances.ALGEBRAIC * np.abs(expected).max())
    np.testing.assert_allclose(terms.total, r @ r / len(batch), rtol=tolerances.ALGEBRAIC)
    np.testing.assert_allclose(terms.total, evaluated(loss, network, batch).total, rtol=tolerances.ALGEBRAIC)


@pytest.mark.parametrize("shape", ["scalar", "k=3"])
@pytest.mark.parametrize("order", [0, 1])
def test_labels_are_whitened_class_by_class(order, shape):
    network, samples = network_and_samples(shape, 150)
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    noise = label_noise(network, samples, order)
    loss, batch = SobolevLoss.of(samples, order, noise=noise), Batch.of(samples, order, noise=noise)
    value, gradient, _ = slow_predictions(network, samples)
    errors = [value - np.asarray(samples.y).reshape(n, k), gradient - np.asarray(samples.dydx).reshape(n, k, d)]
    expected = 0.0
    for i in range(n):
        for j in range(k):
            matrix = np.asarray(noise.whitening)[j, np.sum(value[i, j] >= np.asarray(noise.limits)[j])]
            error = np.append(errors[0][i, j], errors[1][i, j] if order else [])
            expected += np.sum((matrix @ error) ** 2) / (n * k * error.size)
    terms = evaluated(loss, network, batch)
    np.testing.assert_allclose(terms.total, expected, rtol=tolerances.ALGEBRAIC)
    plain = evaluated(SobolevLoss.of(samples, order), network, Batch.of(samples, order))
    assert (terms.value, terms.derivative) == (plain.value, plain.derivative)
    start, unravel = ravel_pytree(network.layers)

    @jax.jit
    def half(p):
        r = residuals(loss, with_layers(network, unravel(p)), batch)
        return 0.5 * r @ r / n

    matrix, vector, _ = eqx.filter_jit(normal_equations)(loss, network, batch)
    np.testing.assert_allclose(vector, jax.grad(half)(start), rtol=0, atol=tolerances.ALGEBRAIC * np.abs(vector).max())


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"order": 3}, "order is 3; choose 0"),
        ({"order": 1, "weight": (1.0, 2.0, 3.0)}, "or two of them"),
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
    with pytest.raises(InputError, match="order is 2, but the samples have no hvp"):
        SobolevLoss.of(Samples([[0.0], [1.0]], [0.0, 1.0], [[1.0], [2.0]]), 2)
