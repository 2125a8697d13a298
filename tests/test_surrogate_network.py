"""The network: its formula, its derivatives, its constructors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import REPRESENTATIVE
from compilations import counted_compilations
from sobolev_pruning import InputError, Samples, Surrogate
from sobolev_pruning.activations import activate
from sobolev_pruning.surrogate import Dense, Scaling, numpy_layers, zero_offsets
from surrogates import surrogate_of_shape
from tolerances import AD_AGAINST_DIFFERENCES, ALGEBRAIC

SHAPES = pytest.mark.parametrize(
    ("widths", "scalar"),
    [([2, 5, 3, 1], True), ([2, 5, 1], False), ([3, 4, 6, 2], False), ([1, 1, 1], True), ([3, 2], False)],
    ids=str,
)


def _points(n_inputs: int, n: int = 6):
    # Around the scaling's shift of 3 and scale of 2, so that every activation is in its curved part.
    return 3.0 + 2.0 * jax.random.normal(jax.random.key(9), (n, n_inputs), jnp.float64)


def _differences(f, points):
    """Central differences of `f` at each point, along a new last axis."""
    h = 1e-5
    columns = []
    for c in range(points.shape[1]):
        step = h * jnp.eye(points.shape[1])[c][None, :]
        columns.append((np.asarray(f(points + step)) - np.asarray(f(points - step))) / (2 * h))
    return np.stack(columns, axis=-1)


@SHAPES
def test_the_value_is_the_formula_of_the_docstring(widths, scalar):
    surrogate = surrogate_of_shape(widths, "gelu", scalar)
    scaling = surrogate.scaling
    h = (np.asarray(_points(widths[0])) - np.asarray(scaling.x_shift)) / np.asarray(scaling.x_scale)
    layers = numpy_layers(surrogate)
    for number, (weight, bias) in enumerate(layers):
        h = h @ weight.T + bias
        if number < len(layers) - 1:
            h = np.asarray(activate(jnp.asarray(h), "gelu"))
    expected = np.asarray(scaling.y_shift) + np.asarray(scaling.y_scale) * h
    found = surrogate.value(_points(widths[0]))
    np.testing.assert_allclose(found, expected[:, 0] if scalar else expected, atol=ALGEBRAIC)


@SHAPES
def test_gradient_and_hessian_agree_with_differences(widths, scalar):
    surrogate = surrogate_of_shape(widths, "silu", scalar)
    points = _points(widths[0])
    outputs = () if scalar else (widths[-1],)
    d = widths[0]
    gradient, hessian = surrogate.gradient(points), surrogate.hessian(points)
    assert gradient.shape == (6, *outputs, d)
    assert hessian.shape == (6, *outputs, d, d)
    np.testing.assert_allclose(gradient, _differences(surrogate.value, points), atol=AD_AGAINST_DIFFERENCES)
    np.testing.assert_allclose(hessian, _differences(surrogate.gradient, points), atol=AD_AGAINST_DIFFERENCES)
    np.testing.assert_allclose(hessian, np.swapaxes(hessian, -1, -2), atol=ALGEBRAIC)


@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_every_activation_is_differentiated_twice(activation):
    surrogate = surrogate_of_shape([2, 4, 4, 1], activation, scalar=True)
    points = _points(2)
    gradient = surrogate.gradient(points)
    np.testing.assert_allclose(gradient, _differences(surrogate.value, points), atol=AD_AGAINST_DIFFERENCES)
    hessian = surrogate.hessian(points)
    np.testing.assert_allclose(hessian, _differences(surrogate.gradient, points), atol=AD_AGAINST_DIFFERENCES)
    assert (activation == "relu") == (not np.any(hessian))


@pytest.mark.parametrize("scalar", [True, False])
def test_a_network_as_teacher_gives_samples_of_itself(scalar):
    surrogate = surrogate_of_shape([2, 4, 1 if scalar else 3], "silu", scalar)
    points = _points(2)
    full = surrogate.label(points, 2)
    hessian = surrogate.hessian(points)
    np.testing.assert_allclose(full.hvp, np.moveaxis(hessian, -1, 1), atol=ALGEBRAIC)
    np.testing.assert_array_equal(full.dydx, surrogate.gradient(points))
    directions = jax.random.normal(jax.random.key(1), (len(points), 3, 2), jnp.float64)
    along = surrogate.label(points, 2, directions).hvp
    np.testing.assert_allclose(along, np.einsum("n...cd,nmd->nm...c", hessian, directions), atol=ALGEBRAIC)
    assert surrogate.label(points, 0).dydx is None


def test_one_point_and_a_batch_agree(surrogate, samples):
    points = samples.x[:5]
    singly = jnp.stack([surrogate(point) for point in points])
    np.testing.assert_allclose(surrogate.value(points), singly, atol=ALGEBRAIC)
    assert surrogate(points[0]).shape == ()


def test_batches_of_any_size_work(surrogate):
    for n in (0, 1, 513):
        points = jnp.ones((n, 3))
        assert surrogate.value(points).shape == (n,)
        assert surrogate.hessian(points).shape == (n, 3, 3)


def test_lists_integers_and_float32_are_taken_as_float64(surrogate):
    expected = surrogate.value(jnp.asarray([[1.0, 2.0, 3.0]]))
    for points in ([[1, 2, 3]], np.array([[1, 2, 3]], np.float32), jnp.asarray([[1, 2, 3]])):
        np.testing.assert_array_equal(surrogate.value(points), expected)


@pytest.mark.parametrize("scalar", [True, False])
def test_offsets_of_nodes_give_adjoints(scalar):
    surrogate = surrogate_of_shape([2, 5, 3, 1], "tanh", scalar)
    x = _points(2)[0]
    output, nodes = surrogate.with_node_offsets(x, zero_offsets(surrogate))
    np.testing.assert_array_equal(output, surrogate(x))
    assert [node.shape for node in nodes] == [(5,), (3,)]
    for found, expected in zip(surrogate.nodes(x[None, :]), nodes):
        np.testing.assert_allclose(found[0], expected, atol=ALGEBRAIC)

    def shifted(offsets):
        return jnp.sum(surrogate.with_node_offsets(x, offsets)[0])

    adjoints = jax.grad(shifted)(zero_offsets(surrogate))
    h = 1e-5
    for number, width in enumerate([5, 3]):
        for node in range(width):
            step = zero_offsets(surrogate)
            step[number] = step[number].at[node].set(h)
            slope = (shifted(step) - shifted(jax.tree.map(jnp.negative, step))) / (2 * h)
            np.testing.assert_allclose(adjoints[number][node], slope, atol=AD_AGAINST_DIFFERENCES)


def test_a_second_call_compiles_nothing(surrogate):
    other = surrogate_of_shape(list(surrogate.widths), "silu", scalar=True, seed=7)
    points, more = _points(3, 17), _points(3, 17) + 1.0
    for method in ("value", "gradient", "hessian", "nodes"):
        with counted_compilations() as compiled:
            getattr(surrogate, method)(points)
            first = compiled()
            getattr(surrogate, method)(more)
            getattr(other, method)(more)
        assert first > 0
        assert compiled() == first


def test_create_scales_to_the_samples_and_draws_from_the_stated_law():
    x = np.random.default_rng(0).normal([1.0, -2.0], [3.0, 0.1], (200, 2))
    samples = Samples(x=x, y=np.stack([x[:, 0], np.full(200, 7.0)], axis=1))
    surrogate = Surrogate.create([2, 300, 200, 2], samples, key=jax.random.key(0))
    assert surrogate.widths == (2, 300, 200, 2)
    assert surrogate.n_parameters == 2 * 300 + 300 + 300 * 200 + 200 + 200 * 2 + 2
    np.testing.assert_allclose(surrogate.scaling.x_shift, x.mean(axis=0))
    np.testing.assert_allclose(surrogate.scaling.x_scale, x.std(axis=0))
    np.testing.assert_allclose(surrogate.scaling.y_shift, [x[:, 0].mean(), 7.0])
    np.testing.assert_allclose(surrogate.scaling.y_scale, [x[:, 0].std(), 1.0])
    weight = np.asarray(surrogate.layers[1].weight)
    # The standard error of a sample deviation of n normal numbers is sigma / sqrt(2 n).
    sigma = np.sqrt(2 / 500)
    assert abs(weight.std() - sigma) < 5 * sigma / np.sqrt(2 * weight.size)
    assert not any(np.any(layer.bias) for layer in surrogate.layers)


def test_create_depends_on_the_key_and_gives_every_layer_its_own(samples):
    first, again, other = (Surrogate.create([3, 4, 4, 4, 1], samples, key=jax.random.key(k)) for k in (0, 0, 1))
    assert eqx.tree_equal(first, again)
    assert not eqx.tree_equal(first, other)
    assert not np.array_equal(first.layers[1].weight, first.layers[2].weight)


def _layer(n_out: int, n_in: int) -> Dense:
    return Dense(jnp.ones((n_out, n_in)), jnp.zeros(n_out))


WRONG_BIAS = eqx.tree_at(lambda layer: layer.bias, _layer(1, 2), jnp.zeros(2))
SCALING = Scaling(jnp.zeros(2), jnp.ones(2), jnp.zeros(1), jnp.ones(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([_layer(3, 2), _layer(1, 3)], SCALING, "swish", True), "The activation swish is written with its numbers"),
        (([], SCALING, "silu", True), "at least one layer"),
        (([_layer(3, 2), _layer(1, 4)], SCALING, "silu", True), r"weight of layer 2 has shape \(1, 4\).*\(out, 3\)"),
        (([_layer(0, 2), _layer(1, 0)], SCALING, "silu", True), r"weight of layer 1 has shape \(0, 2\)"),
        (([WRONG_BIAS], SCALING, "silu", True), r"bias of layer 1 has shape \(2,\)"),
        (([_layer(2, 2)], SCALING, "silu", False), "The last layer has 2 outputs, the scaling 1"),
    ],
)
def test_layers_that_do_not_fit_are_refused(types_unchecked, arguments, message):
    with pytest.raises(InputError, match=message):
        Surrogate(*arguments)


def test_a_scalar_output_needs_one_output():
    scaling = Scaling(jnp.zeros(2), jnp.ones(2), jnp.zeros(2), jnp.ones(2))
    with pytest.raises(InputError, match="A scalar output needs a last layer of width 1, not 2"):
        Surrogate([_layer(2, 2)], scaling, "silu", True)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([3], "give at least inputs and outputs"),
        ([3, 0, 1], "all of them 1 or more"),
        ([2, 4, 1], "the samples have 3 inputs and 1 outputs; make the first and the last width match"),
        ([3, 4, 2], "the samples have 3 inputs and 1 outputs"),
    ],
)
def test_widths_that_do_not_fit_are_refused(samples, widths, message):
    with pytest.raises(InputError, match=message):
        Surrogate.create(widths, samples, key=jax.random.key(0))


@pytest.mark.parametrize("points", [np.ones(3), np.ones((2, 4)), np.ones((2, 3, 1))])
def test_points_of_the_wrong_shape_are_refused(types_unchecked, surrogate, points):
    with pytest.raises(InputError, match=r"The points have shape .*; give \(n, 3\), one row per point"):
        surrogate.value(points)


def test_constant_and_enormous_inputs_are_refused():
    x = np.random.default_rng(0).normal(size=(10, 2))
    x[:, 1] = 0.25
    with pytest.raises(InputError, match=r"Input x1 is 0.25 in every sample.*vary it or leave it out"):
        Scaling.of(Samples(x=x, y=x[:, 0]))
    with pytest.raises(InputError, match="spread over more than float64 can square"):
        Scaling.of(Samples(x=x * 1e200, y=x[:, 0]))
