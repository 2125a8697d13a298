"""The literature's criteria against their definitions, one node at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.scoring import METHODS, significance
from sobolev_pruning.surrogate import Dense, Surrogate
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

N = 300  # more than one batch of the criteria, and not a multiple of it


@pytest.fixture(scope="module")
def network() -> Surrogate:
    return surrogate_of_shape([3, 4, 3, 2], "tanh", False, seed=7)


@pytest.fixture(scope="module")
def samples() -> Samples:
    keys = jax.random.split(jax.random.key(0), 3)
    x = 3.0 + 2.0 * jax.random.normal(keys[0], (N, 3), jnp.float64)
    # The two outputs differ in spread, so that a forgotten scale shows.
    y = jax.random.normal(keys[1], (N, 2), jnp.float64) * jnp.asarray([[1.0, 7.0]])
    dydx = jax.random.normal(keys[2], (N, 2, 3), jnp.float64) * jnp.asarray([2.0, 5.0]).reshape(1, 2, 1)
    return Samples(x=x, y=y, dydx=dydx)


def sample_losses(network, samples, order):
    """The loss of each sample, written out."""
    losses = ((network.value(samples.x) - samples.y) ** 2 / jnp.var(samples.y, axis=0)[None]).mean(axis=1)
    if order == 1:
        errors = (network.gradient(samples.x) - samples.dydx) ** 2
        spread = jnp.asarray([jnp.var(samples.dydx[:, j]) for j in range(2)])
        losses = losses + (errors / spread[None, :, None]).mean(axis=(1, 2))
    return losses


def with_weight(network, layer, row, column, value):
    layers = list(network.layers)
    weight, bias = layers[layer].weight, layers[layer].bias
    if column is None:
        bias = bias.at[row].set(value)
    else:
        weight = weight.at[row, column].set(value)
    layers[layer] = Dense(weight, bias)
    return Surrogate(layers, network.scaling, network.activation, network.scalar_output)


def own_weights(network, layer, row):
    weight, bias = network.layers[layer].weight, network.layers[layer].bias
    return [(column, float(weight[row, column])) for column in range(weight.shape[1])] + [(None, float(bias[row]))]


def close(found, expected, rtol=1e-6):
    np.testing.assert_allclose(found, expected, rtol=rtol)


def test_magnitudes(network, samples):
    found = significance(network, method="node-magnitude", samples=samples).scores
    for scores, nodes in zip(found, network.nodes(samples.x), strict=True):
        close(scores, np.abs(np.asarray(nodes)).mean(axis=0), ALGEBRAIC)
    found = significance(network, method="weight-magnitude").scores
    for layer, row in ((0, 2), (1, 0)):
        close(found[layer][row], sum(abs(value) for _, value in own_weights(network, layer, row)), ALGEBRAIC)


@pytest.mark.parametrize("order", [0, 1])
def test_weight_saliency_is_the_slope_of_the_loss_times_the_weight(network, samples, order):
    found = significance(network, method="weight-saliency", samples=samples, order=order).scores
    h = 1e-5
    for layer, row in ((0, 3), (1, 1)):
        expected = 0.0
        for column, value in own_weights(network, layer, row):
            ends = [
                float(sample_losses(with_weight(network, layer, row, column, value + s * h), samples, order).mean())
                for s in (1.0, -1.0)
            ]
            expected += abs((ends[0] - ends[1]) / (2 * h) * value)
        close(found[layer][row], expected)


@pytest.mark.parametrize("order", [0, 1])
def test_taylor_is_the_mean_slope_of_each_samples_loss_times_the_node(network, samples, order):
    found = significance(network, method="taylor", samples=samples, order=order).scores
    variances = jnp.var(samples.y, axis=0), jnp.asarray([jnp.var(samples.dydx[:, j]) for j in range(2)])

    @jax.jit
    @jax.vmap
    def loss(x, y, dydx, offset):
        def outputs(x):
            return network.with_node_offsets(x, [jnp.zeros(4).at[2].set(offset), jnp.zeros(3)])[0]

        value = jnp.mean((outputs(x) - y) ** 2 / variances[0])
        if order == 0:
            return value
        return value + jnp.mean((jax.jacfwd(outputs)(x) - dydx) ** 2 / variances[1][:, None])

    h = 1e-5 * jnp.ones(N)
    slopes = (loss(samples.x, samples.y, samples.dydx, h) - loss(samples.x, samples.y, samples.dydx, -h)) / (2 * h)
    close(found[0][2], jnp.abs(slopes * network.nodes(samples.x)[0][:, 2]).mean())


def test_optimal_brain_damage_is_half_the_curvature_times_the_squared_weight(network, samples):
    found = significance(network, method="optimal-brain-damage", samples=samples).scores
    h = 1e-5
    for layer, row in ((0, 1), (1, 2)):
        expected = 0.0
        for column, value in own_weights(network, layer, row):
            up, down = (with_weight(network, layer, row, column, value + s * h).value(samples.x) for s in (1.0, -1.0))
            jacobian = (up - down) / (2 * h)
            # Gauss-Newton: of the mean over outputs of squared errors over variances.
            curvature = 2.0 * float((jacobian**2 / jnp.var(samples.y, axis=0)[None]).mean())
            expected += 0.5 * curvature * value**2
        close(found[layer][row], expected)


def test_optimal_brain_surgeon_is_the_rise_of_the_next_layers_error_after_the_best_repair(network, samples):
    found = significance(network, method="optimal-brain-surgeon", samples=samples.x).scores
    for layer in (0, 1):
        nodes = np.asarray(network.nodes(samples.x)[layer])
        centred = nodes - nodes.mean(axis=0)
        received = centred @ np.asarray(network.layers[layer + 1].weight).T
        for node in range(nodes.shape[1]):
            others = np.delete(centred, node, axis=1)
            left = received - others @ np.linalg.lstsq(others, received, rcond=None)[0]
            close(found[layer][node], 0.5 * np.square(left).sum() / N, 1e-3)


def test_random_scores_follow_their_seed(network):
    first, again, other = (significance(network, method="random", seed=seed).scores for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again))
    assert not any((a == b).any() for a, b in zip(first, other))


def test_every_method_scores_every_node_and_says_what_it_is(network, samples):
    box = (np.asarray([2.0, 2.5, 3.0]), np.asarray([3.0, 3.0, 4.0]))
    for method in METHODS:
        if method in ("affine", "split"):
            continue  # compiled in test_scoring_enclosures
        found = significance(network, box, method, samples=samples)
        assert [scores.shape for scores in found.scores] == [(4,), (3,)]
        assert all((scores >= 0).all() for scores in found.scores)
        assert (found.method, found.order) == (method, 0)
        assert found.guaranteed == (method == "interval")
        assert (found.box is None) == (method not in ("interval", "sampled"))
        if found.ranges is None:
            assert all(np.isnan(widths).all() for widths in (*found.range_widths, *found.adjoint_sizes))
