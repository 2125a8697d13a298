"""The tighter enclosures of nodes and adjoints hold what sampling finds, and splitting tightens them."""

import jax
import jax.numpy as jnp
import numpy as np

from sobolev_pruning.enclosure import Interval
from sobolev_pruning.scoring import FunctionWithNodes, significance
from surrogates import surrogate_of_shape


def test_affine_and_split_hold_what_sampling_finds_and_split_is_the_tighter():
    network = surrogate_of_shape([2, 4, 3, 2], "silu", False, seed=5)
    box = Interval(jnp.asarray([1.0, 2.0]), jnp.asarray([5.0, 4.0]))
    inner = significance(network, box, "sampled")
    total = {}
    for method in ("affine", "split"):
        found = significance(network, box, method, pieces=16)
        assert found.guaranteed and found.method == method
        for name in ("ranges", "adjoints"):
            for within, around in zip(getattr(inner, name), getattr(found, name), strict=True):
                assert bool(within.subset(around).all())
        for sampled, scores in zip(inner.scores, found.scores, strict=True):
            assert (sampled <= scores).all()
        total[method] = sum(float(scores.sum()) for scores in found.scores)
    assert total["split"] < total["affine"]
    # One hidden node more or less in the order of sixteen: the ranking is that of the truth.
    for sampled, scores in zip(inner.scores, found.scores, strict=True):
        assert np.argmax(sampled) == np.argmax(scores)


def test_a_tapped_function_of_its_own_making_can_be_split():
    weight = jnp.asarray([[1.0, -1.0], [2.0, 0.5], [0.0, 3.0]])

    def network(x, tap):
        h = tap(jnp.tanh(weight @ x))
        return jnp.sum(jnp.sin(h))

    box = (jnp.asarray([-0.5, 0.0]), jnp.asarray([0.25, 0.5]))
    inner = significance(FunctionWithNodes(network), box, "sampled")
    outer = significance(FunctionWithNodes(network), box, "split", pieces=16)
    np.testing.assert_allclose(outer.scores[0], inner.scores[0], rtol=0.25)
    assert (inner.scores[0] <= outer.scores[0]).all()
    # tanh is exact; the pre-activation of node 1 runs over [-1, 0.75].
    np.testing.assert_allclose(outer.ranges[0].lower[1], np.tanh(-1.0), rtol=1e-9)
    assert jax.tree.leaves(outer.adjoints)[0].shape == (1, 3)
