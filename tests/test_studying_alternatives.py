"""The alternatives to pruning: networks that grow, and sparse networks whose parameters move."""

import itertools

import jax
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.pruning import widen
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import Adam, SobolevLoss, fit_sparse
from sobolev_pruning.training.batches import Batch
from sobolev_pruning.training.connections import as_mask, dense_gradient, moved, random_connections, silenced
from sobolev_pruning.training.optimiser import with_layers
from surrogates import random_surrogate, surrogate_of_shape
from tolerances import AD_AGAINST_DIFFERENCES, FLOAT64_ACROSS_PROGRAMS


@pytest.mark.parametrize(("widths", "scalar"), [([3, 2, 4, 1], True), ([3, 5, 1, 3, 2], False)])
def test_growing_keeps_the_function_and_its_derivatives(widths, scalar):
    network = surrogate_of_shape(widths, "silu", scalar)
    wider = widen(network, [2 * width + 1 for width in widths[1:-1]], jax.random.key(0))
    points = jax.random.normal(jax.random.key(1), (20, 3))
    for quantity in ("value", "gradient", "hessian"):
        expected = np.asarray(getattr(network, quantity)(points))
        found = getattr(wider, quantity)(points)
        np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT64_ACROSS_PROGRAMS * np.abs(expected).max())


def test_new_nodes_differ_from_all_others_and_can_learn(samples, surrogate):
    """The loss has a slope in the weights that leave a new node, and new nodes are no copies."""
    wider = widen(surrogate, [8, 7], jax.random.key(0))
    loss, data = SobolevLoss.of(samples, 1), Batch.of(samples, 1)
    gradient = dense_gradient(loss, wider, data)
    for layer, n_old in ((1, 6), (2, 4)):
        # Weights from new nodes to the nodes that were there.
        slopes = np.abs(gradient[layer][: surrogate.widths[layer + 1], n_old:-1])
        assert slopes.size and (slopes > 0).all()
    for layer in wider.layers[:-1]:
        rows = np.asarray(layer.weight)
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_network_cannot_grow_narrower(surrogate):
    for hidden in ([5, 4], [8], [8, 8, 8]):
        with pytest.raises(InputError, match=r"it must be as wide as \(6, 4\) in every layer"):
            widen(surrogate, hidden, jax.random.key(0))


def test_the_gradient_that_rigl_grows_by_is_that_of_the_loss(samples, surrogate):
    """Against central differences, in parameters in use and in parameters at 0 alike."""
    connections = random_connections(surrogate.widths, 30, np.random.default_rng(0))
    sparse = with_layers(surrogate, silenced(surrogate.layers, connections))
    loss, data = SobolevLoss.of(samples, 1), Batch.of(samples, 1)
    gradient = dense_gradient(loss, sparse, data)
    total = jax.jit(lambda layers: loss(with_layers(sparse, layers), data).total)
    step = 1e-5
    for layer, (row, column) in itertools.product(range(3), ((0, 0), (0, -1), (-1, 1))):
        changed = []
        for sign in (1, -1):
            parts = [[np.array(each.weight), np.array(each.bias)] for each in sparse.layers]
            weight, bias = parts[layer]
            if column == -1:
                bias[row] += sign * step
            else:
                weight[row, column] += sign * step
            layers = tuple(type(old)(*map(jax.numpy.asarray, new)) for old, new in zip(sparse.layers, parts))
            changed.append(float(total(layers)))
        difference = (changed[0] - changed[1]) / (2 * step)
        scale = max(np.abs(each).max() for each in gradient)
        assert gradient[layer][row, column] == pytest.approx(difference, abs=AD_AGAINST_DIFFERENCES * scale)


@pytest.mark.parametrize("n_nonzero", [3, 40, 67, 69])
def test_the_first_connections_are_as_many_as_asked_for(n_nonzero):
    masks = random_connections([3, 6, 6, 1], n_nonzero, np.random.default_rng(1))
    assert sum(int(mask.sum()) for mask in masks) == n_nonzero
    assert all(mask.any() for mask in masks)
    assert [mask.shape for mask in masks] == [(6, 4), (6, 7), (1, 7)]


@pytest.mark.parametrize("n_nonzero", [2, 74])
def test_too_few_and_too_many_connections_are_refused(n_nonzero):
    with pytest.raises(InputError, match=rf"{n_nonzero} nonzero parameters were asked for, the network has 73 in 3"):
        random_connections([3, 6, 6, 1], n_nonzero, np.random.default_rng(1))


def test_the_smallest_go_and_the_most_wanted_come(surrogate):
    generator = np.random.default_rng(2)
    before = random_connections(surrogate.widths, 36, generator)
    layers = silenced(surrogate.layers, before)
    growth = [generator.random(mask.shape) for mask in before]
    after = moved(before, layers, 0.5, growth)
    for old, new, layer, wanted in zip(before, after, layers, growth):
        magnitude = np.abs(np.concatenate([layer.weight, layer.bias[:, None]], axis=1))
        dropped, grown, kept = old & ~new, new & ~old, old & new
        assert new.sum() == old.sum()
        assert dropped.sum() == grown.sum() == min(round(0.5 * old.sum()), (~old).sum())
        assert magnitude[dropped].max(initial=0.0) <= magnitude[kept].min(initial=np.inf)
        assert wanted[grown].min(initial=np.inf) >= wanted[~old & ~new].max(initial=0.0)
    assert any((old != new).any() for old, new in zip(before, after))


def in_use(network: Surrogate) -> int:
    return sum(int((np.asarray(array) != 0).sum()) for array in jax.tree.leaves(network.layers))


@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_sparse_training_keeps_its_budget_and_learns(samples, regrowth):
    start = Surrogate.create([3, 6, 6, 1], samples, key=jax.random.key(4))
    adam = Adam(steps=240, batch_size=64, learning_rate=1e-2)
    options = dict(n_nonzero=30, key=jax.random.key(5), regrowth=regrowth, updates=4, optimiser=adam)
    found = fit_sparse(start, samples, **options)
    assert 0 < in_use(found.surrogate) <= 30
    # Far below 1, the loss of a constant; noisy labels allow no more.
    assert found.best_held_out < 0.6
    again = fit_sparse(start, samples, **options)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found.surrogate.layers, again.surrogate.layers))


def test_sparse_training_may_measure_slopes_in_the_spreads_of_the_inputs(samples):
    start = Surrogate.create([3, 6, 6, 1], samples, key=jax.random.key(4))
    adam = Adam(steps=8, batch_size=64)
    options = dict(n_nonzero=30, key=jax.random.key(5), updates=1, optimiser=adam, held_out=0)
    plain, scaled = (fit_sparse(start, samples, **options, scaled=scaled).loss for scaled in (False, True))
    assert plain.input_spreads is None
    np.testing.assert_array_equal(scaled.input_spreads, SobolevLoss.of(samples, 1, scaled=True).input_spreads)


def test_set_and_rigl_end_at_different_places(samples):
    start = Surrogate.create([3, 6, 6, 1], samples, key=jax.random.key(4))
    adam = Adam(steps=240, batch_size=64, learning_rate=1e-2)
    ends = [
        fit_sparse(start, samples, n_nonzero=30, key=jax.random.key(5), regrowth=regrowth, updates=4, optimiser=adam)
        for regrowth in ("random", "gradient")
    ]
    places = [np.concatenate([np.asarray(a).ravel() != 0 for a in jax.tree.leaves(e.surrogate.layers)]) for e in ends]
    assert (places[0] != places[1]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regrowth": "hope"}, "regrowth is 'hope'; choose one of random, gradient"),
        ({"updates": 0}, "There are 0 updates of 0.3; give at least 1"),
        ({"fraction": 1.0}, "20 updates of 1.0; .* a share between 0 and 1"),
        ({"n_nonzero": 1000}, "1000 nonzero parameters were asked for"),
    ],
)
def test_mistakes_are_named(samples, surrogate, types_unchecked, options, message):
    with pytest.raises(InputError, match=message):
        fit_sparse(surrogate, samples, key=jax.random.key(0), **{"n_nonzero": 20, **options})


def test_a_mask_and_the_layers_it_makes_agree(surrogate):
    connections = random_connections(surrogate.widths, 20, np.random.default_rng(3))
    mask, layers = as_mask(connections), silenced(surrogate.layers, connections)
    for used, layer, original in zip(mask, layers, surrogate.layers):
        np.testing.assert_array_equal(layer.weight, used.weight * original.weight)
        np.testing.assert_array_equal(layer.bias, used.bias * original.bias)


def test_a_start_keeps_the_spread_of_its_nodes(samples):
    """Weights that are left are larger by the root of what their layer lost."""
    from sobolev_pruning.training.sparse import _start

    start = random_surrogate([3, 6, 6, 1], samples, "silu")
    connections = random_connections(start.widths, 36, np.random.default_rng(3))
    for mask, layer, original in zip(connections, _start(start, connections), start.layers):
        share = mask[:, :-1].mean()
        expected = np.where(mask[:, :-1], np.asarray(original.weight) / np.sqrt(share), 0.0)
        np.testing.assert_allclose(layer.weight, expected, rtol=1e-15)
