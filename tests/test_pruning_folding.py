"""Folding onto the survivors: exact where it can be, best where it cannot, and safe where little is known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import REPRESENTATIVE
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.pruning import Plan, apply_plan, make_plan, mask, prune
from sobolev_pruning.pruning.jets import activated, affine, fold_points, input_jets
from sobolev_pruning.pruning.regression import fitted, stacked
from sobolev_pruning.pruning.subset import marginal_gains, ordered_gains, select
from sobolev_pruning.pruning.survivors import _select_backwards
from sobolev_pruning.surrogate import Dense, Surrogate, numpy_layers
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC, FLOAT64_ACROSS_PROGRAMS

BOX = (np.asarray([1.0, 0.5, 2.0]), np.asarray([5.0, 6.0, 4.0]))


def points(n=200):
    return jax.random.uniform(jax.random.key(4), (n, 3), jnp.float64, BOX[0][None], BOX[1][None])


def with_copies(network: Surrogate) -> Surrogate:
    """The same function with every hidden node there twice, its outgoing weights shared out unequally."""
    layers = []
    for number, (weight, bias) in enumerate(numpy_layers(network)):
        if number > 0:
            weight = np.concatenate([0.3 * weight, 0.7 * weight], axis=1)
        if number < len(network.layers) - 1:
            weight, bias = np.concatenate([weight, weight]), np.concatenate([bias, bias])
        layers.append(Dense(jnp.asarray(weight), jnp.asarray(bias)))
    return Surrogate(layers, network.scaling, network.activation, network.scalar_output)


@pytest.mark.parametrize("fold", ["least-squares", "sobolev"])
@pytest.mark.parametrize("k", [1, 2])
def test_copies_of_nodes_fold_away_without_any_loss(fold, k):
    network = surrogate_of_shape([3, 4, 3, k], "silu", k == 1, seed=2)
    doubled = with_copies(network)
    small = prune(doubled, [4, 3], box=BOX, fold=fold)
    expected = np.asarray(network.value(points()))
    np.testing.assert_allclose(small.value(points()), expected, atol=1e-9 * np.abs(expected).max())
    # Exactly one of each pair stays.
    plan = make_plan(doubled, [4, 3], box=BOX, fold=fold)
    assert [sorted(node % width for node in kept) for kept, width in zip(plan.kept, (4, 3))] == [
        [0, 1, 2, 3],
        [0, 1, 2],
    ]


def test_more_nodes_asked_for_than_the_layer_has_directions_are_given():
    doubled = with_copies(surrogate_of_shape([3, 4, 3, 1], "silu", True, seed=2))
    small = prune(doubled, [6, 5], box=BOX, fold="sobolev")
    assert small.widths == (3, 6, 5, 1)
    expected = np.asarray(doubled.value(points()))
    np.testing.assert_allclose(small.value(points()), expected, atol=1e-9 * np.abs(expected).max())
    assert max(float(jnp.abs(layer.weight).max()) for layer in small.layers) < 100


def test_the_last_layers_fold_is_the_least_squares_solution():
    network = surrogate_of_shape([3, 6, 1], "gelu", True, seed=1)
    x = np.asarray(points(500))
    small = prune(network, 3, samples=x, fold="least-squares", significance=lambda *_: [np.arange(6.0)])
    nodes = np.asarray(network.nodes(x)[0])[:, 3:]
    design = np.column_stack([nodes, np.ones(len(x))])
    y = np.asarray(network.value(x))
    expected = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(small.value(x), expected, atol=FLOAT64_ACROSS_PROGRAMS * 10)


def test_the_sobolev_fold_weighs_values_and_gradients_by_their_energy():
    network = surrogate_of_shape([3, 6, 1], "tanh", True, seed=1)
    x = np.asarray(points(300))
    small = prune(network, 3, samples=x, fold="sobolev", significance=lambda *_: [np.arange(6.0)])

    def columns_of(x):
        nodes = np.asarray(network.nodes(x)[0])[:, 3:]
        gradients = jax.vmap(jax.jacfwd(lambda p: network.with_node_offsets(p, None)[1][0]))(jnp.asarray(x))
        return nodes, np.asarray(gradients)[:, 3:]

    nodes, gradients = columns_of(x)
    y, dydx = np.asarray(network.value(x)), np.asarray(network.gradient(x))
    unit = x.std(axis=0)
    gradients, dydx = np.swapaxes(gradients * unit, 1, 2).reshape(-1, 3), (dydx * unit).reshape(-1)
    weights = 1 / np.sqrt(np.square(y - y.mean()).sum()), 1 / np.sqrt(np.square(dydx).sum())
    left = np.concatenate([weights[0] * (nodes - nodes.mean(axis=0)), weights[1] * gradients])
    right = np.concatenate([weights[0] * (y - y.mean()), weights[1] * dydx])
    slope = np.linalg.lstsq(left, right, rcond=None)[0]
    expected = y.mean() + (nodes - nodes.mean(axis=0)) @ slope
    np.testing.assert_allclose(small.value(x), expected, atol=FLOAT64_ACROSS_PROGRAMS * 100)


@pytest.mark.parametrize("activation", [name for name in REPRESENTATIVE if name not in ("relu", "hard_swish")])
def test_jets_are_the_derivatives_along_directions(activation):
    network = surrogate_of_shape([3, 4, 1], activation, True)
    inputs = input_jets(network, BOX, None, order=2)
    weight, bias = numpy_layers(network)[0]
    jets = activated(affine(inputs, weight, bias), activation)

    def nodes(h):
        from sobolev_pruning.activations import activate

        return activate(jnp.asarray(weight) @ h + jnp.asarray(bias), activation)

    h, v = jnp.asarray(inputs[0][7]), jnp.asarray(inputs[1][7, 1])
    first = lambda h: jax.jvp(nodes, (h,), (v,))[1]  # noqa: E731
    second = jax.jvp(first, (h,), (v,))[1]
    for found, expected in zip(jets, (nodes(h), first(h), second)):
        row = found[7] if found.ndim == 2 else found[7, 1]
        np.testing.assert_allclose(row, expected, rtol=0, atol=ALGEBRAIC * 10)


def test_directions_are_orthonormal_in_units_of_the_points_spread():
    network = surrogate_of_shape([3, 4, 1], "silu", True)
    values, along = input_jets(network, (0.0, [1.0, 10.0, 100.0]), None, order=1)
    unit = along / values.std(axis=0)
    gram = unit @ unit.swapaxes(1, 2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=ALGEBRAIC)


def test_matching_second_derivatives_too_brings_them_closer():
    network = surrogate_of_shape([3, 8, 1], "softplus", True, seed=3)
    x = points()
    errors = []
    for order in (1, 2):
        plan = make_plan(
            network, 4, box=BOX, fold="sobolev", fold_order=order, significance=lambda *_: [np.arange(8.0)]
        )
        assert plan.fold_order == order and Plan.from_dict(plan.to_dict()).fold_order == order
        small = apply_plan(network, plan, box=BOX)
        errors.append(float(jnp.square(small.hessian(x) - network.hessian(x)).sum()))
    assert errors[1] < errors[0]


def test_relu_has_no_second_derivative_to_fold():
    with pytest.raises(InputError, match="relu has no second derivative"):
        input_jets(surrogate_of_shape([3, 4, 1], "relu", True), BOX, None, order=2)


def test_selection_is_at_least_as_good_as_forward_selection_and_near_the_best_subset():
    generator = np.random.default_rng(0)
    features, targets = generator.standard_normal((40, 9)), generator.standard_normal((40, 2))
    features[:, 8] = features[:, :3].sum(axis=1)

    def left(chosen):
        basis = np.linalg.qr(features[:, list(chosen)]).Q
        return np.square(targets - basis @ (basis.T @ targets)).sum()

    best = min(left(chosen) for chosen in itertools.combinations(range(9), 4))
    chosen = select(features, targets, 4)
    # Rounding decides between features that depend on each other, so how near differs from machine to machine.
    assert len(chosen) == 4 and left(chosen) <= 1.1 * best
    gains = ordered_gains(features, targets)
    assert gains.sum() <= np.square(targets).sum() and (gains == 0).sum() == 1
    marginal = marginal_gains(features, targets, chosen)
    for node in range(9):
        changed = [c for c in chosen if c != node] if node in chosen else [*chosen, node]
        np.testing.assert_allclose(marginal[node], abs(left(chosen) - left(changed)), rtol=1e-8, atol=1e-10)


def test_a_direction_that_the_points_do_not_determine_leaves_the_weights_alone():
    generator = np.random.default_rng(0)
    features = [generator.standard_normal((5, 3))]
    features[0] = np.column_stack([features[0], features[0][:, 0]])
    start = generator.standard_normal((2, 4))
    targets = [features[0] @ start.T + 1.5]
    weight, bias = fitted(features, targets, np.eye(2), start)
    np.testing.assert_allclose(weight, start, atol=ALGEBRAIC)
    np.testing.assert_allclose(bias, [1.5, 1.5], atol=ALGEBRAIC * 10)


def test_fewer_points_than_nodes_still_give_a_sane_network():
    network = surrogate_of_shape([3, 24, 24, 1], "silu", True, seed=3)
    for fold in ("least-squares", "sobolev"):
        small = prune(network, 12, samples=points(6), fold=fold)
        x = points(400)
        ratio = float(jnp.std(small.value(x)) / jnp.std(network.value(x)))
        assert 0.1 < ratio < 10.0
        np.testing.assert_allclose(small.value(points(6)), network.value(points(6)), atol=0.5)


def test_a_regression_without_anything_to_explain_is_answered():
    features, targets = [np.random.default_rng(0).standard_normal((10, 3))], [np.ones((10, 2))]
    left, right = stacked(features, targets, np.eye(2))
    assert not left.any() and not right.any()
    weight, bias = fitted(features, targets, np.eye(2), np.zeros((2, 3)))
    assert not weight.any() and (bias == 1).all()
    assert select(left, right, 2) == [0, 1]


def test_later_layers_make_up_for_the_errors_of_earlier_ones():
    network = surrogate_of_shape([3, 10, 10, 1], "silu", True, seed=5)
    plan = make_plan(network, [4, 10], box=BOX, fold="sobolev")
    folded = mask(network, plan, box=BOX).surrogate
    assert float(jnp.abs(folded.layers[2].weight - network.layers[2].weight).max()) > 0
    left_alone = Surrogate([*folded.layers[:2], network.layers[2]], network.scaling, "silu", True)
    x = points()
    errors = [float(jnp.square(other.value(x) - network.value(x)).mean()) for other in (folded, left_alone)]
    assert errors[0] < errors[1]


def test_survivors_chosen_for_the_fold_beat_the_paper_and_random_ones():
    network = surrogate_of_shape([3, 16, 16, 1], "silu", True, seed=6)
    x = points()
    truth = network.gradient(x)

    def error(**arguments):
        small = prune(network, 5, box=BOX, **arguments)
        return float(jnp.square(small.gradient(x) - truth).sum() / jnp.square(truth).sum())

    chosen = error(fold="sobolev")
    generator = np.random.default_rng(1)
    random = [error(fold="sobolev", significance=lambda *_: [generator.random(16) for _ in range(2)]) for _ in range(5)]
    constant = error(fold="mean", significance=lambda *_: [generator.random(16) for _ in range(2)])
    assert chosen < min(random) and np.median(random) < constant


@pytest.mark.parametrize("options", [{"keep": 0.25}, {"keep": 8}, {"threshold": 1e-3}])
def test_the_whole_network_is_ranked_together(options):
    network = surrogate_of_shape([3, 16, 16, 1], "silu", True, seed=6)
    plan = make_plan(network, **options, scope="network", box=BOX, fold="sobolev")
    counts = [len(kept) for kept in plan.kept]
    if "keep" in options:
        assert sum(counts) == 8
    assert min(counts) >= 1 and sum(counts) < 32


def test_the_metric_is_the_mean_product_of_output_sensitivities():
    network = surrogate_of_shape([3, 5, 4, 2], "tanh", False, seed=9)
    inputs = input_jets(network, BOX, None, order=0)
    nodes, targets, jets = [], [], inputs
    for number, (weight, bias) in enumerate(numpy_layers(network)):
        targets.append(affine(jets, weight, bias))
        if number < 2:
            jets = activated(targets[-1], "tanh")
            nodes.append(jets)
    _, metrics = _select_backwards(network, [5, 4], inputs, nodes, targets)
    x = inputs[0] * np.asarray(network.scaling.x_scale) + np.asarray(network.scaling.x_shift)

    def after_second(z):
        h = jnp.tanh(z)
        return network.layers[2].weight @ h + network.layers[2].bias

    second = jax.vmap(jax.jacrev(after_second))(jnp.asarray(targets[1][0]))
    expected = np.einsum("nki,nkj->ij", second, second) / len(x)
    np.testing.assert_allclose(metrics[0] @ metrics[0].T, expected, atol=FLOAT64_ACROSS_PROGRAMS)
    np.testing.assert_allclose(metrics[1] @ metrics[1].T, np.eye(2), atol=ALGEBRAIC)


def test_points_of_a_fold_grow_with_the_nodes_and_not_with_the_inputs():
    many = np.random.default_rng(0).normal(size=(3000, 300))
    assert fold_points(surrogate_of_shape([300, 4, 1], "silu", True), None, many).shape == (1024, 300)
    assert fold_points(surrogate_of_shape([2, 200, 1], "silu", True), None, many[:, :2]).shape == (1600, 2)
