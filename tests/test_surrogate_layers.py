"""Networks with an activation for every layer, at the outputs too, and a linear term past the hidden layers."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import sobolev_pruning as sp
from sobolev_pruning import InputError
from sobolev_pruning.certificates import Range
from sobolev_pruning.pruning import merge_layer, remove_inputs, used_inputs
from sobolev_pruning.pruning.inputs import reduced
from sobolev_pruning.surrogate import Dense, numpy_layers
from sobolev_pruning.training.batch_pass import values_and_gradients, values_gradients_and_products
from surrogates import LAYERED, layered_surrogate
from tolerances import ALGEBRAIC, EXACT

BOX = ([2.0, 2.0, 2.0], [4.0, 4.0, 4.0])
POINTS = np.random.default_rng(0).uniform(*BOX, (19, 3))
EVERYTHING = layered_surrogate(*LAYERED["everything"])

FORMULAS = {
    "silu": lambda x: x * scipy.special.expit(x),
    "tanh": np.tanh,
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "sigmoid": scipy.special.expit,
    "exp": np.exp,
    "identity": lambda x: x,
}


def of_formula(network, points):
    """The definition, written with NumPy."""
    scaling = network.scaling
    h = x = (points - np.asarray(scaling.x_shift)) / np.asarray(scaling.x_scale)
    for (weight, bias), name in zip(numpy_layers(network)[:-1], network.activations):
        h = FORMULAS[name](h @ weight.T + bias)
    weight, bias = numpy_layers(network)[-1]
    z = h @ weight.T + bias
    if network.layers[-1].skip is not None:
        z = z + x @ np.asarray(network.layers[-1].skip).T
    return np.asarray(scaling.y_shift) + np.asarray(scaling.y_scale) * FORMULAS[network.activations[-1]](z)


@pytest.mark.parametrize("kind", LAYERED)
def test_the_network_is_its_formula_and_comes_back_from_its_file(tmp_path, kind):
    network = layered_surrogate(*LAYERED[kind])
    found = np.asarray(network.value(POINTS)).reshape(len(POINTS), -1)
    np.testing.assert_allclose(found, of_formula(network, POINTS), rtol=ALGEBRAIC)
    network.save(tmp_path / "s.safetensors")
    assert eqx.tree_equal(sp.load(tmp_path / "s.safetensors"), network, typematch=True)


@pytest.mark.parametrize("kind", LAYERED)
def test_the_batch_passes_are_the_network_and_its_derivatives(kind):
    network = layered_surrogate(*LAYERED[kind])
    n, k = len(POINTS), network.widths[-1]
    directions = jnp.asarray(np.random.default_rng(1).normal(size=(n, 2, 3)))
    expected = [
        np.asarray(network.value(POINTS)).reshape(n, k),
        np.asarray(network.gradient(POINTS)).reshape(n, k, 3),
        np.asarray(network.hessian_products(POINTS, directions)).reshape(n, 2, k, 3),
    ]
    first = jax.jit(values_and_gradients)(network, jnp.asarray(POINTS))
    second = jax.jit(values_gradients_and_products)(network, jnp.asarray(POINTS), directions)
    for found, truth in zip([*first, *second], [*expected[:2], *expected]):
        np.testing.assert_allclose(found, truth, rtol=0, atol=ALGEBRAIC * np.abs(truth).max())


def test_a_network_of_this_kind_is_trained_to_another_of_it():
    """By Levenberg and Marquardt's method, whose steps are as good as its normal equations."""
    start = replace(EVERYTHING, layers=jax.tree.map(lambda leaf: 1.05 * leaf, EVERYTHING.layers))
    points = np.random.default_rng(2).uniform(*BOX, (256, 3))
    samples = EVERYTHING.label(points, order=1)
    found = sp.fit(start, samples, key=jax.random.key(0), optimiser=sp.LevenbergMarquardt(25), held_out=0.25)
    np.testing.assert_allclose(found.surrogate.value(POINTS), EVERYTHING.value(POINTS), atol=1e-5)
    moved = found.surrogate.layers[-1].skip - start.layers[-1].skip
    assert np.abs(np.asarray(moved)).min() > 1e-4


def test_surgery_keeps_activations_and_skip():
    kept = sp.prune(EVERYTHING, keep=[5, 4, 3], box=BOX, fold="sobolev")
    np.testing.assert_allclose(kept.value(POINTS), EVERYTHING.value(POINTS), rtol=1e-9)
    smaller = sp.prune(EVERYTHING, keep=[4, 3, 2], box=BOX, fold="sobolev")
    assert smaller.widths == (3, 4, 3, 2, 2) and smaller.activations == EVERYTHING.activations
    np.testing.assert_array_equal(smaller.layers[-1].skip, EVERYTHING.layers[-1].skip)
    error = np.abs(np.asarray(smaller.value(POINTS) - EVERYTHING.value(POINTS))).max(axis=0)
    assert np.all(error < 0.3 * np.ptp(np.asarray(EVERYTHING.value(POINTS)), axis=0))
    constant = sp.prune(EVERYTHING, keep=[4, 3, 2], box=BOX, fold="midpoint")
    assert constant.activations == EVERYTHING.activations


def test_an_affine_layer_is_merged_away_exactly():
    merged = merge_layer(EVERYTHING, 1, BOX)
    assert merged.surrogate.activations == ("silu", "tanh", "sigmoid")
    np.testing.assert_allclose(merged.surrogate.value(POINTS), EVERYTHING.value(POINTS), rtol=1e-9)
    plain = layered_surrogate(("identity", "sigmoid"))
    single = merge_layer(plain, 0, BOX).surrogate
    assert single.widths == (3, 2) and single.layers[0].skip is None
    np.testing.assert_allclose(single.value(POINTS), plain.value(POINTS), rtol=1e-9)


def test_inputs_are_removed_from_the_skip_too():
    removed = remove_inputs(EVERYTHING, [1], box=BOX).surrogate
    assert used_inputs(removed) == (0, 2)
    middle = POINTS.copy()
    middle[:, 1] = 3.0
    np.testing.assert_allclose(removed.value(POINTS), EVERYTHING.value(middle), rtol=ALGEBRAIC)
    np.testing.assert_allclose(reduced(removed).value(POINTS[:, [0, 2]]), removed.value(POINTS), rtol=ALGEBRAIC)
    first = removed.layers[0]
    silent = Dense(first.weight.at[:, 2].set(0.0), first.bias)
    assert used_inputs(replace(removed, layers=[silent, *removed.layers[1:]])) == (0, 2)


def test_the_same_seed_gives_the_same_bits_with_an_output_activation():
    samples = sp.Samples(x=POINTS, y=np.column_stack([POINTS[:, 0], POINTS[:, 1]]))
    made = [sp.Surrogate.create([3, 4, 2], samples, ("relu", "softplus"), key=jax.random.key(0)) for _ in range(2)]
    assert eqx.tree_equal(*made)
    np.testing.assert_array_equal(made[0].scaling.y_shift, [0.0, 0.0])
    assert np.all(np.asarray(made[0].value(POINTS)) > EXACT)


def test_bounds_hold_past_the_hidden_layers():
    network = layered_surrogate(*LAYERED["everything, scalar"])
    box = ([2.0, 2.5, 3.0], [2.2, 2.7, 3.2])
    found = sp.certify(network, box, [Range("value", tolerance=0.05), Range("gradient", tolerance=0.1)])
    points = np.random.default_rng(3).uniform(*box, (500, 3))
    for answer, seen in zip(found.answers, (network.value(points), network.gradient(points))):
        seen = np.asarray(seen).reshape(len(points), -1)
        assert answer.status == "proved"
        assert np.all(np.asarray(answer.lower) <= seen.min(axis=0))
        assert np.all(np.asarray(answer.upper) >= seen.max(axis=0))


def test_what_the_activations_are_is_said():
    assert EVERYTHING.activation == "silu, identity, tanh; outputs sigmoid"
    assert layered_surrogate(("silu", "identity")).activation == "silu"
    assert layered_surrogate(("elu", "relu", "identity")).smoothness == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"activations": ("silu", "tanh")}, "There are 2 activations for 4 layers"),
        ({"layers": [Dense(jnp.ones((2, 3)), jnp.ones(2), jnp.ones((2, 3)))], "activations": "silu"}, "Only the last"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(EVERYTHING, **change)
    *before, last = EVERYTHING.layers
    with pytest.raises(InputError, match=r"The skip has shape \(2, 2\); it must be \(2, 3\)"):
        replace(EVERYTHING, layers=[*before, replace(last, skip=jnp.ones((2, 2)))])
