"""The significance of hidden nodes against networks worked by hand, and by containment over the whole box."""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import REPRESENTATIVE
from compilations import counted_compilations
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.enclosure import Interval
from sobolev_pruning.scoring import FunctionWithNodes, significance
from sobolev_pruning.scoring.bounds import enclosed_bounds, scores
from sobolev_pruning.scoring.program import with_input_derivatives
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate
from surrogates import random_surrogate, surrogate_of_shape
from tolerances import ALGEBRAIC


def by_hand(y_scale=1.0) -> Surrogate:
    """`y_scale (2 relu(n1) - relu(n2))` with `n1 = 3 relu(x1 - x2) + relu(x2)`, `n2 = 2 - 4 relu(x2)`."""
    layers = [
        Dense(jnp.asarray([[1.0, -1.0], [0.0, 1.0]]), jnp.zeros(2)),
        Dense(jnp.asarray([[3.0, 1.0], [0.0, -4.0]]), jnp.asarray([0.0, 2.0])),
        Dense(jnp.asarray([[2.0, -1.0]]), jnp.zeros(1)),
    ]
    unscaled = Scaling(jnp.zeros(2), jnp.ones(2), jnp.zeros(1), jnp.asarray([y_scale]))
    return Surrogate(layers, unscaled, "relu", True)


def test_a_network_worked_by_hand():
    # Over x1 in [2, 4], x2 in [0.25, 1]: layer 1 is ([1, 3.75], [0.25, 1]); pre-activations of layer 2 are
    # ([3.25, 12.25], [-2, 1]), so its nodes are ([3.25, 12.25], [0, 1]) with adjoints (2, -1). The relu of the second
    # has the Clarke derivative [0, 1], so the adjoints of layer 1 are 3 * 2 and 2 + (-4)(-1)[0, 1] = [2, 6].
    found = significance(by_hand(), (jnp.asarray([2.0, 0.25]), jnp.asarray([4.0, 1.0])), "interval")
    expected = {
        "ranges": [([1.0, 0.25], [3.75, 1.0]), ([3.25, 0.0], [12.25, 1.0])],
        "adjoints": [([[6.0, 2.0]], [[6.0, 6.0]]), ([[2.0, -1.0]], [[2.0, -1.0]])],
    }
    for name, layers in expected.items():
        for interval, (lower, upper) in zip(getattr(found, name), layers, strict=True):
            np.testing.assert_allclose(interval.lower, lower, rtol=ALGEBRAIC, atol=ALGEBRAIC)
            np.testing.assert_allclose(interval.upper, upper, rtol=ALGEBRAIC, atol=ALGEBRAIC)
    for found_scores, by_hand_scores in zip(found.scores, ([2.75 * 6.0, 0.75 * 6.0], [9.0 * 2.0, 1.0]), strict=True):
        np.testing.assert_allclose(found_scores, by_hand_scores, rtol=ALGEBRAIC)
    assert found.guaranteed and found.method == "interval"


def test_one_output_keeps_its_unit_and_several_are_weighed_by_their_spread():
    box = (0.25, [1.0, 0.75])
    one = significance(by_hand(), box).scores
    tripled = significance(by_hand(y_scale=3.0), box).scores
    for a, b in zip(one, tripled):
        np.testing.assert_allclose(3.0 * a, b, rtol=ALGEBRAIC)
    # Two outputs, 1 and 10 times the same function, each over its own spread, 1 and 10: nothing changes.
    single = by_hand()
    doubled = Surrogate(
        [*single.layers[:-1], Dense(jnp.tile(single.layers[-1].weight, (2, 1)), jnp.zeros(2))],
        Scaling(jnp.zeros(2), jnp.ones(2), jnp.zeros(2), jnp.asarray([1.0, 10.0])),
        "relu",
        False,
    )
    for a, b in zip(one, significance(doubled, box).scores):
        np.testing.assert_allclose(a, b, rtol=ALGEBRAIC)


def box_of(lower, upper) -> Interval:
    return Interval(jnp.asarray(lower), jnp.asarray(upper))


def points_of(box: Interval, n: int):
    corners = jnp.asarray(list(itertools.product(*zip(np.asarray(box.lower), np.asarray(box.upper)))))
    d = box.lower.shape[0]
    inside = jax.random.uniform(jax.random.key(1), (n, d), jnp.float64, box.lower[None], box.upper[None])
    ends = corners[jax.random.randint(jax.random.key(3), (n,), 0, len(corners))]
    on_faces = jnp.where(jax.random.bernoulli(jax.random.key(2), 0.5, (n, d)), inside, ends)
    return jnp.concatenate([corners, inside, on_faces, box.mid()[None]])


BOXES = {
    "wide": box_of([0.0, 1.0], [4.0, 7.0]),
    "straddling 0": box_of([-3.0, -0.5], [1.0, 2.0]),
    "thin in one input": box_of([2.0, 3.0], [4.0, 3.0 + 1e-9]),
    "degenerate in one input": box_of([2.0, 3.0], [2.0, 5.0]),
}


@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_values_and_adjoints_of_every_activation_lie_in_their_enclosures_over_the_whole_box(activation):
    network = surrogate_of_shape([2, 3, 2, 2], activation, scalar=False, seed=3)
    at_points = jax.jit(jax.vmap(lambda x: with_input_derivatives(network, x, 0)[0]))
    for box in BOXES.values():
        found = significance(network, box, "interval")
        nodes, adjoints = at_points(points_of(box, 300))
        for values, enclosures in ((nodes, found.ranges), (adjoints, found.adjoints)):
            for sampled, enclosure in zip(values, enclosures, strict=True):
                assert bool(jax.vmap(enclosure.contains)(sampled).all())
        for of_layer, widths, sizes in zip(found.scores, found.range_widths, found.adjoint_sizes):
            assert (of_layer <= widths * sizes / float(network.scaling.y_scale.min()) * (1 + ALGEBRAIC)).all()


def scores_at_points(network, box, points, order) -> list[np.ndarray]:
    """The scores of order 1 or 2, written out on the widths and sizes seen at points."""
    sampled = jax.jit(jax.vmap(lambda x: with_input_derivatives(network, x, order)))(points)
    h = 0.5 * np.asarray(box.wid())
    found = []
    for layer in range(len(network.widths) - 2):
        widths = [np.ptp(np.asarray(derivative.nodes[layer]), axis=0) for derivative in sampled]
        sizes = [np.abs(np.asarray(derivative.adjoints[layer][:, 0])).max(axis=0) for derivative in sampled]
        if order == 1:
            total = (widths[0][:, None] * sizes[1] + widths[1] * sizes[0][:, None]) * h
            found.append(total.max(axis=1))
        else:
            crossed = np.einsum("ic,ie->ice", widths[1], sizes[1])
            total = widths[0][:, None, None] * sizes[2] + widths[2] * sizes[0][:, None, None]
            total = (total + crossed + crossed.swapaxes(1, 2)) * np.outer(h, h)
            found.append(total.max(axis=(1, 2)))
    return found


def test_derivative_aware_scores_bound_what_is_seen_at_points():
    network = surrogate_of_shape([2, 3, 2, 1], "softplus", scalar=True, seed=4)
    box = box_of([2.5, 2.0], [3.0, 3.5])
    points = points_of(box, 500)
    second = significance(network, box, "interval", order=2).scores
    # The bounds of order 2 hold those of order 1, whose program need not be compiled again.
    bounds = enclosed_bounds(network, box, 2, "interval", 512)
    first = scores(bounds[:2], box, jnp.ones(1))
    for order, enclosed in ((1, first), (2, second)):
        for at_points, bound in zip(scores_at_points(network, box, points, order), enclosed, strict=True):
            assert (at_points <= bound).all() and (bound < 20 * at_points).all()


def test_sampled_derivative_aware_scores_are_those_of_the_formula():
    network = surrogate_of_shape([2, 3, 2, 1], "softplus", scalar=True, seed=4)
    box = box_of([2.5, 2.0], [3.0, 3.5])
    found = significance(network, box, "sampled", order=1).scores
    for sampled, expected in zip(found, scores_at_points(network, box, points_of(box, 500), 1), strict=True):
        np.testing.assert_allclose(sampled, expected, rtol=0.1)
        assert (sampled >= expected * (1 - 1e-2)).all()


def test_sampling_attains_a_known_extreme_inside_the_box_and_never_exceeds_the_enclosure():
    network = surrogate_of_shape([2, 3, 1], "gelu", scalar=True, seed=6)
    box = box_of([-4.0, -3.0], [6.0, 5.0])
    outer, inner = significance(network, box, "interval"), significance(network, box, "sampled")
    assert not inner.guaranteed
    for name in ("ranges", "adjoints"):
        for within, around in zip(getattr(inner, name), getattr(outer, name)):
            assert bool(within.subset(around).all())
    # One hidden layer: the pre-activation is affine, so its interval, and the node's exact range, are sharp.
    np.testing.assert_allclose(inner.ranges[0].lower, outer.ranges[0].lower, atol=1e-6)
    np.testing.assert_allclose(inner.ranges[0].upper, outer.ranges[0].upper, rtol=1e-6)


def test_tapped_functions_are_scored_as_surrogates_are(surrogate, basket):
    def same(x, tap):
        h = (x - surrogate.scaling.x_shift) / surrogate.scaling.x_scale
        for layer in surrogate.layers[:-1]:
            h = tap(jax.nn.silu(layer.weight @ h + layer.bias))
        y = surrogate.layers[-1].weight @ h + surrogate.layers[-1].bias
        return (surrogate.scaling.y_shift + surrogate.scaling.y_scale * y)[0]

    for tapped, own in zip(
        significance(FunctionWithNodes(same), basket.box, "sampled").scores,
        significance(surrogate, basket.box, "sampled").scores,
    ):
        np.testing.assert_allclose(tapped, own, rtol=ALGEBRAIC)


def test_new_weights_and_boxes_of_one_shape_compile_nothing(surrogate, samples, basket):
    other = random_surrogate([3, 6, 4, 1], samples, "silu", seed=9)
    box = (basket.box[0], basket.box[1] + 1.0)
    significance(surrogate, basket.box)
    with counted_compilations() as compiled:
        significance(other, box)
    assert compiled() == 0


def test_a_significance_is_written_as_csv(surrogate, basket, tmp_path):
    found = significance(surrogate, basket.box)
    found.to_csv(tmp_path / "significance.csv")
    header, *rows = (tmp_path / "significance.csv").read_text().splitlines()
    assert header == "layer,node,lower,upper,adjoint,score"
    assert len(rows) == 10
    layer, node, lower, upper, adjoint, score = map(float, rows[6].split(","))
    assert (layer, node) == (2, 0)
    assert (lower, upper) == (float(found.ranges[1].lower[0]), float(found.ranges[1].upper[0]))
    assert score == found.scores[1][0] and adjoint == found.adjoint_sizes[1][0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"box": (0.0, 1.0), "method": "intervals"}, "method is 'intervals'; choose one of interval"),
        ({"box": (0.0, 1.0), "order": 3}, "order is 3; choose 0, 1 or 2"),
        ({}, "scores over a box; give box="),
        ({"box": (1.0, 0.0)}, "box of input 0 reaches from 1 to 0"),
        ({"box": (0.0, np.inf)}, "give finite ends"),
        ({"box": (0.0, 0.0)}, "single point"),
        ({"box": ([0.0, 1.0], 2.0)}, r"lower end of the box has shape \(2,\)"),
        ({"method": "taylor"}, "looks at samples; give samples="),
        ({"method": "taylor", "samples": np.zeros((4, 3))}, "needs labels"),
        ({"method": "node-magnitude", "samples": np.zeros((4, 3)), "order": 1}, "knows 0 only"),
        ({"method": "taylor", "samples": Samples(x=np.ones((4, 2)), y=np.zeros(4))}, "has 2 inputs"),
        ({"method": "taylor", "samples": Samples(x=np.ones((4, 3)), y=np.zeros(4)), "order": 1}, "has no dydx"),
    ],
)
def test_wrong_arguments_get_one_sentence(surrogate, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        significance(surrogate, **arguments)


@pytest.mark.parametrize(("activation", "order"), [("relu", 1), ("relu", 2), ("elu", 2)])
def test_a_kink_in_the_box_is_refused_before_anything_is_enclosed(activation, order, monkeypatch):
    monkeypatch.setattr(sys.modules["sobolev_pruning.scoring.significance"], "enclosed_bounds", None)
    network = surrogate_of_shape([2, 6, 2], activation, scalar=False, seed=3)
    with pytest.raises(InputError, match=rf"Hidden layer 1 has no derivative of order {order + 1} .*smooth activation"):
        significance(network, BOXES["wide"], "split", order)


def test_a_kink_has_no_second_derivative_to_score(types_unchecked):
    with pytest.raises(InputError, match="order"):
        significance(by_hand(), (0.25, 1.0), order=1)


def test_a_function_without_taps_and_a_baseline_of_a_tapped_one_are_refused():
    with pytest.raises(InputError, match="never called tap"):
        significance(FunctionWithNodes(lambda x, tap: jnp.sum(x)), (jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(InputError, match="reads the weights of a Surrogate"):
        significance(FunctionWithNodes(lambda x, tap: jnp.sum(tap(x))), method="random")
