"""Plans, surgery, masks, constant folds and merged layers: what must hold exactly."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.enclosure import Interval
from sobolev_pruning.pruning import Plan, apply_plan, compact, make_plan, mask, merge_affine_layers, merge_layer, prune
from sobolev_pruning.scoring import Significance, significance
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate
from sobolev_pruning.training import Adam, fit
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC, EXACT, FLOAT64_ACROSS_PROGRAMS

BOX = (np.asarray([1.0, 0.5, 2.0]), np.asarray([5.0, 6.0, 4.0]))
SHAPES = [([3, 6, 4, 1], "silu", True), ([3, 5, 7, 4, 2], "gelu", False)]


def points(n=50):
    return jax.random.uniform(jax.random.key(4), (n, 3), jnp.float64, BOX[0][None], BOX[1][None])


def by_index(network, box, samples):
    """Scores that rise with the index, so that the last nodes stay."""
    return [jnp.arange(float(width)) for width in network.widths[1:-1]]


def last_nodes(network) -> Significance:
    """The same scores as a significance with ranges of its own, so that no enclosure has to be compiled."""
    scores = tuple(np.arange(float(width)) for width in network.widths[1:-1])
    ranges = tuple(Interval(jnp.asarray(-0.5 - layer), jnp.asarray(2.0 * layer + 1.0)) for layer in scores)
    return Significance(scores, ranges, None, "by index", 0, False, None)


def same(a, b, points, tolerance=FLOAT64_ACROSS_PROGRAMS):
    expected = np.asarray(b.value(points))
    np.testing.assert_allclose(a.value(points), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(("widths", "activation", "scalar"), SHAPES)
@pytest.mark.parametrize("fold", ["none", "midpoint", "mean", "least-squares", "sobolev"])
def test_the_masked_and_the_compact_network_are_one_function(widths, activation, scalar, fold):
    network = surrogate_of_shape(widths, activation, scalar)
    plan = make_plan(network, 3, significance=last_nodes(network), box=BOX, fold=fold)
    masked = mask(network, plan, box=BOX)
    small = compact(masked.surrogate, plan)
    assert small.widths == (3, *(3 for _ in widths[1:-1]), widths[-1])
    assert masked.surrogate.widths == network.widths
    same(small, masked.surrogate, points())
    same(small, prune(network, 3, significance=last_nodes(network), box=BOX, fold=fold), points(), EXACT)
    # What is removed is zero, and the mask is 0 there and nowhere else.
    for layer, of_layer in zip(masked.surrogate.layers, masked.parameters, strict=True):
        for parameter, of_parameter in zip(jax.tree.leaves(layer), jax.tree.leaves(of_layer), strict=True):
            np.testing.assert_array_equal(parameter * of_parameter, parameter)
    assert sum(int(leaf.sum()) for leaf in jax.tree.leaves(masked.parameters)) == small.n_parameters


@pytest.mark.parametrize("fold", ["none", "midpoint", "mean", "least-squares", "sobolev"])
def test_keeping_everything_changes_nothing(fold):
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    same(prune(network, 1.0, significance=last_nodes(network), box=BOX, fold=fold), network, points(), EXACT)


def test_constant_folds_replace_a_removed_node_by_its_constant():
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    found = significance(network, BOX)
    for fold in ("none", "midpoint", "mean"):
        plan = make_plan(network, [5, 4], significance=by_index, box=BOX, fold=fold)
        assert plan.kept == ((1, 2, 3, 4, 5), (0, 1, 2, 3))
        constant = {"none": 0.0, "midpoint": float(found.ranges[0].mid()[0])}.get(fold)
        if fold == "mean":
            constant = float(plan.constants[0][0])
            dense = jax.random.uniform(jax.random.key(8), (4096, 3), jnp.float64, BOX[0][None], BOX[1][None])
            assert abs(constant - float(network.nodes(dense)[0][:, 0].mean())) < 0.05
        small = apply_plan(network, plan, box=BOX)

        def with_constant(x, constant=constant):
            nodes = network.with_node_offsets(x, None)[1]
            offsets = [jnp.zeros(6).at[0].set(constant - nodes[0][0]), jnp.zeros(4)]
            return network.with_node_offsets(x, offsets)[0]

        expected = jax.vmap(with_constant)(points())
        np.testing.assert_allclose(small.value(points()), expected, rtol=0, atol=ALGEBRAIC * 10)


def test_counts_fractions_thresholds_and_scopes():
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    scores = [np.asarray([5.0, 0.1, 3.0, 0.2, 9.0, 0.3]), np.asarray([0.01, 0.02, 7.0, 0.03])]

    def kept(*arguments, **options):
        return make_plan(network, *arguments, significance=lambda *_: scores, fold="none", **options).kept

    assert kept(2) == ((0, 4), (2, 3))
    assert kept(5) == ((0, 2, 3, 4, 5), (0, 1, 2, 3))
    assert kept(0.5) == ((0, 2, 4), (2, 3))
    assert kept([1, 3]) == ((4,), (1, 2, 3))
    assert kept(3, scope="network") == ((0, 4), (2,))
    assert kept(0.4, scope="network") == ((0, 2, 4), (2,))
    assert kept(threshold=0.25) == ((0, 2, 4, 5), (2,))
    assert kept(threshold=0.25, scope="network") == ((0, 2, 4, 5), (2,))
    # A layer never loses its best node by accident.
    assert kept(threshold=100.0) == ((4,), (2,))
    assert kept(2, scope="network") == ((4,), (2,))
    assert kept([0, 2]) == ((), (2, 3))


def test_equal_and_infinite_scores_have_an_order():
    network = surrogate_of_shape([3, 4, 1], "silu", True)
    plan = make_plan(network, 2, significance=lambda *_: [np.asarray([1.0, np.inf, 1.0, -np.inf])], fold="none")
    assert plan.kept == ((0, 1),)


def test_a_plan_survives_json_and_replays_to_the_bit():
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    for fold in ("midpoint", "sobolev"):
        plan = make_plan(network, [3, 2], box=BOX, fold=fold)
        read = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
        assert read.kept == plan.kept and read.reason == plan.reason and "keep=[3, 2]" in read.reason
        once, again = apply_plan(network, plan, box=BOX), apply_plan(network, read, box=BOX)
        same(once, again, points(), EXACT)
        assert [mask.sum() for mask in read.kept_masks] == [3, 2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kept": [[0, 9], [1]]}, "keeps nodes"),
        ({"kept": [[0]]}, "has 1 layers"),
        ({"fold": "midpoint"}, "does not fit its constants"),
        ({"fold_order": 1}, "its order"),
        ({"scores": [[0.0], [0.0]]}, "one entry per node"),
        ({"widths": "x"}, "cannot be read"),
    ],
)
def test_a_damaged_plan_is_refused(change, sentence):
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    entries = make_plan(network, 2, significance=by_index, fold="none").to_dict()
    with pytest.raises(InputError, match=sentence):
        Plan.from_dict(entries | change)


def test_rounds_keep_dead_nodes_dead_and_count_the_living():
    network = surrogate_of_shape([3, 6, 6, 1], "silu", True)
    first = make_plan(network, 5, box=BOX, fold="sobolev")
    masked = mask(network, first, box=BOX)
    moved = jax.tree.map(lambda p, m: p + 0.01 * m, masked.surrogate.layers, masked.parameters)
    trained = Surrogate(moved, network.scaling, network.activation, True)
    for fold, criterion in (("sobolev", None), ("midpoint", last_nodes(network)), ("mean", by_index)):
        second = make_plan(trained, 0.5, box=BOX, fold=fold, significance=criterion, after=first)
        for later, before in zip(second.kept, first.kept):
            assert len(later) == 3 and set(later) < set(before)
        again = mask(trained, second, box=BOX)
        same(compact(again.surrogate, second), again.surrogate, points())


def test_a_mask_freezes_what_is_removed_during_training(basket, samples):
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    plan = make_plan(network, 3, box=BOX, fold="sobolev")
    masked = mask(network, plan, box=BOX)
    optimiser = Adam(steps=4, batch_size=128)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes widths of integers
        tuned = fit(masked.surrogate, samples, 1, key=jax.random.key(0), optimiser=optimiser, mask=masked.parameters)
    assert float(jnp.abs(tuned.surrogate.layers[1].weight - masked.surrogate.layers[1].weight).max()) > 0
    for parameter, of_parameter in zip(jax.tree.leaves(tuned.surrogate.layers), jax.tree.leaves(masked.parameters)):
        assert not bool(jnp.where(of_parameter == 0, parameter, 0.0).any())
    same(compact(tuned.surrogate, plan), tuned.surrogate, points())


def affine_in_the_middle() -> Surrogate:
    """A relu network whose second hidden layer is affine over the box: its pre-activations never change sign there."""
    keys = jax.random.split(jax.random.key(2), 6)
    widths = [3, 5, 4, 3, 2]
    layers = [
        Dense(jax.random.normal(key, (n_out, n_in), jnp.float64), jnp.zeros(n_out))
        for key, n_in, n_out in zip(keys, widths, widths[1:])
    ]
    layers[1] = Dense(layers[1].weight, jnp.asarray([50.0, -50.0, 60.0, 70.0]))
    # The kinks of the third layer pass through the middle of the box.
    layers[2] = Dense(layers[2].weight, -layers[2].weight @ jnp.asarray([50.0, 0.0, 60.0, 70.0]))
    scaling = Scaling(jnp.asarray([3.0, 3.0, 3.0]), jnp.ones(3), jnp.zeros(2), jnp.asarray([1.0, 3.0]))
    return Surrogate(layers, scaling, "relu", False)


def test_a_layer_that_is_affine_over_the_box_merges_without_any_change():
    network = affine_in_the_middle()
    merged = merge_layer(network, 1, BOX)
    assert merged.surrogate.widths == (3, 5, 3, 2)
    assert merged.relative_error < FLOAT64_ACROSS_PROGRAMS
    same(merged.surrogate, network, points())
    same(
        prune(network, [5, 0, 3], box=BOX, significance=last_nodes(network), fold="midpoint"),
        merged.surrogate,
        points(),
        EXACT,
    )
    shallower, merges = merge_affine_layers(network, 1e-6, BOX)
    assert [merge.layer for merge in merges] == [1] and shallower.widths == (3, 5, 3, 2)


def test_the_worst_error_of_a_merge_is_measured_per_output():
    network = surrogate_of_shape([3, 5, 4, 2], "tanh", False)
    samples = points(200)
    merged = merge_layer(network, 0, samples=samples)
    change = np.abs(np.asarray(merged.surrogate.value(samples) - network.value(samples))).max(axis=0)
    np.testing.assert_array_equal(merged.worst_error, change)
    assert merged.relative_error == (change / np.asarray(network.scaling.y_scale)).max() > 0
    unchanged, none = merge_affine_layers(network, merged.relative_error * 1e-3, samples=samples)
    assert none == () and unchanged.widths == network.widths


def test_every_layer_can_go_and_an_affine_model_is_left():
    network = surrogate_of_shape([3, 5, 4, 1], "softplus", True)
    for fold in ("sobolev", "midpoint"):
        line = prune(
            network, [0, 0], box=BOX, fold=fold, significance=None if fold == "sobolev" else last_nodes(network)
        )
        assert line.widths == (3, 1)
    x = np.asarray(points(400))
    y = np.asarray(network.value(x))
    best = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[1][0]
    assert np.square(np.asarray(line.value(x)) - y).sum() < 2.0 * best + 1e-12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "exactly one of keep= and threshold="),
        ({"keep": 2, "threshold": 1.0}, "exactly one"),
        ({"keep": 0}, "give at least 1, or a list with 0"),
        ({"keep": True}, "keep is True"),
        ({"keep": 1.5}, "as a fraction"),
        ({"keep": [2]}, "keep lists 1 layers"),
        ({"keep": [2, 9]}, "asks for 9 nodes of hidden layer 2; give a whole number from 0 to 4"),
        ({"keep": [2, 1], "scope": "network"}, "give one number or fraction"),
        ({"keep": 1, "scope": "network"}, "at least one node per layer"),
        ({"keep": 2, "scope": "layers"}, "scope is 'layers'"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"keep": 2, "fold": "sobolv"}, "fold is 'sobolv'; choose one of none, midpoint"),
        (
            {"keep": 2, "fold": "mean", "fold_order": 1},
            "fold_order is 1, but 'mean' matches derivatives of order 0 only",
        ),
        ({"keep": 2, "fold": "sobolev", "fold_order": 3}, "order 1 or 2 only"),
        ({"keep": 2, "box": None, "fold": "sobolev"}, "give box="),
        ({"keep": 2, "box": None, "fold": "mean", "significance": by_index}, "give box="),
        ({"keep": 2, "box": None, "samples": np.zeros((5, 2)), "fold": "sobolev"}, "finite points"),
        ({"keep": 2, "significance": lambda *_: [np.zeros(6)]}, "scores of shapes"),
        ({"keep": 2, "significance": lambda *_: [np.zeros(6), np.full(4, np.nan)]}, "node 0 of hidden layer 2"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, sentence):
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    with pytest.raises(InputError, match=sentence):
        prune(network, **({"box": BOX} | arguments))


def test_plans_for_other_networks_masks_of_merged_layers_and_linear_models_are_refused():
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    plan = make_plan(network, [0, 2], significance=by_index, fold="none")
    with pytest.raises(InputError, match="merges hidden layer 1 away"):
        mask(network, plan)
    with pytest.raises(InputError, match="The plan is for widths"):
        apply_plan(surrogate_of_shape([3, 5, 4, 1], "silu", True), plan, box=BOX)
    with pytest.raises(InputError, match="no hidden layer"):
        prune(surrogate_of_shape([3, 1], "silu", True), 2, box=BOX)
    with pytest.raises(InputError, match="layer is 2"):
        merge_layer(network, 2, BOX)
    with pytest.raises(InputError, match="tolerance is -1"):
        merge_affine_layers(network, -1.0, BOX)


def test_samples_stand_in_for_a_box():
    network = surrogate_of_shape([3, 6, 4, 1], "silu", True)
    x = points(300)
    from_points = prune(network, 3, samples=x, fold="sobolev")
    same(prune(network, 3, samples=Samples(x=x, y=jnp.zeros(300)), fold="sobolev"), from_points, x, EXACT)
    assert prune(network, 3, samples=Samples(x=x, y=jnp.zeros(300))).widths == (3, 3, 3, 1)
