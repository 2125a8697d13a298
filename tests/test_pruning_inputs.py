"""Removing inputs: what is folded, what is lost, and the network of the inputs that are left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.pruning import input_effects, reduced, remove_inputs, used_inputs
from sobolev_pruning.pruning.surgery import rebuilt
from sobolev_pruning.surrogate import Surrogate, numpy_layers
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

BOX = (np.asarray([1.0, 0.5, 2.0]), np.asarray([5.0, 6.0, 4.0]))
NETWORK = surrogate_of_shape([3, 5, 4, 2], "tanh", scalar=False)


def uniform(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(*BOX, (n, 3))


def blind_to(network: Surrogate, column: int) -> Surrogate:
    (weight, bias), *others = numpy_layers(network)
    weight = weight.copy()
    weight[:, column] = 0.0
    return rebuilt(network, [(weight, bias), *others])


def test_an_input_that_nothing_depends_on_goes_without_any_change():
    network = blind_to(NETWORK, 1)
    assert input_effects(network, BOX)[1] == 0.0 and used_inputs(network) == (0, 2)
    removal = remove_inputs(network, [1], BOX)
    assert removal.removed == (1,) and np.all(removal.worst_error == 0.0)
    np.testing.assert_array_equal(removal.surrogate.value(uniform(20)), network.value(uniform(20)))


def test_in_a_box_an_input_becomes_the_middle_of_its_range():
    removal = remove_inputs(NETWORK, [2], BOX)
    points = uniform(500)
    middle = points.copy()
    middle[:, 2] = 3.0
    np.testing.assert_allclose(removal.surrogate.value(points), NETWORK.value(middle), rtol=ALGEBRAIC, atol=ALGEBRAIC)
    assert np.all(np.asarray(removal.surrogate.gradient(points))[..., 2] == 0.0)
    found = np.abs(NETWORK.value(points) - removal.surrogate.value(points)).max(axis=0)
    assert np.all(removal.worst_error > 0.9 * found) and removal.worst_error.shape == (2,)


def test_over_samples_an_input_becomes_its_fit_by_the_others():
    points = uniform(300)
    points[:, 2] = 2.0 * points[:, 0] - 0.5 * points[:, 1] + 3.0
    removal = remove_inputs(NETWORK, [2], samples=points)
    assert used_inputs(removal.surrogate) == (0, 1)
    np.testing.assert_allclose(removal.surrogate.value(points), NETWORK.value(points), rtol=1e-10, atol=1e-10)
    assert removal.worst_error.max() < 1e-10


def test_effects_of_a_linear_function_are_shares_of_its_variance():
    slopes = np.asarray([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])
    points = uniform(400)
    samples = Samples(points, points @ slopes.T)
    linear = Surrogate.create([3, 2], samples, key=jax.random.key(0))
    scale = np.asarray(linear.scaling.x_scale) / np.asarray(linear.scaling.y_scale)[:, None]
    linear = rebuilt(linear, [(slopes * scale, np.zeros(2))])
    spread, variance = points.std(axis=0), np.asarray(linear.value(points)).var(axis=0)
    expected = (np.square(slopes * spread) / variance[:, None]).max(axis=0)
    np.testing.assert_allclose(input_effects(linear, samples=samples), expected, rtol=1e-10)


def test_the_reduced_network_is_the_same_function_of_fewer_inputs():
    network = remove_inputs(NETWORK, [1], BOX).surrogate
    network = Surrogate(network.layers, network.scaling, "tanh", False, tuple(map(jnp.asarray, BOX)))
    small, points = reduced(network), uniform(50)
    assert small.widths == (2, 5, 4, 2) and small.n_parameters == network.n_parameters - 5
    np.testing.assert_allclose(small.value(points[:, [0, 2]]), network.value(points), rtol=ALGEBRAIC)
    gradient = np.asarray(network.gradient(points))[..., [0, 2]]
    np.testing.assert_allclose(small.gradient(points[:, [0, 2]]), gradient, rtol=ALGEBRAIC, atol=ALGEBRAIC)
    np.testing.assert_array_equal(small.training_range, np.stack(BOX)[:, [0, 2]])


@pytest.mark.parametrize(("removed", "sentence"), [([3], "has inputs 0 to 2"), ([0, 1, 2], "keep at least one")])
def test_inputs_that_cannot_go_are_refused(removed, sentence):
    with pytest.raises(InputError, match=sentence):
        remove_inputs(NETWORK, removed, BOX)


def test_a_constant_cannot_be_reduced():
    (weight, bias), *others = numpy_layers(NETWORK)
    with pytest.raises(InputError, match="uses none of its inputs"):
        reduced(rebuilt(NETWORK, [(0.0 * weight, bias), *others]))
