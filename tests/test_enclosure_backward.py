"""Backward linear relaxations: containment over whole boxes, every activation, and that better slopes pay."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.activations import ACTIVATIONS, activate
from sobolev_pruning.enclosure import Interval, enclose, enclose_layers
from sobolev_pruning.enclosure.backward.bounds import Turns, first_turns
from sobolev_pruning.enclosure.backward.chain import chain_of
from sobolev_pruning.enclosure.backward.optimised import bounds_of

NAMES = (*ACTIVATIONS, "leaky_relu(-0.5)", "clip(-0.3, 0.7)", "elu(0.5)")
WIDTHS = (2, 4, 4, 2)
BOXES = {
    "thin": ([0.3, -0.2], [0.3, -0.2]),
    "small": ([-0.1, 0.2], [0.1, 0.3]),
    "across zero": ([-1.0, -1.0], [1.0, 2.0]),
    "half thin": ([-0.5, 0.0], [1.5, 0.0]),
    "wide": ([-40.0, -30.0], [50.0, 20.0]),
    "huge": ([-1e200, -1.0], [1e200, 1e150]),
}


def _layers(widths=WIDTHS):
    generator = np.random.default_rng(0)
    return [(generator.standard_normal((o, i)), generator.standard_normal(o)) for i, o in itertools.pairwise(widths)]


def _network(layers, names):
    def of(x):
        for (weight, bias), name in zip(layers, names):
            x = activate(jnp.asarray(weight) @ x + bias, name)
        return x

    return of


def _points(lower, upper, count=400):
    """Inside, corners and edges."""
    share = np.random.default_rng(1).uniform(-0.5, 1.5, (count, len(lower))).clip(0.0, 1.0)
    lower, upper = np.array(lower), np.array(upper)
    return np.clip(lower * (1 - share) + upper * share, lower, upper)


GROUPS = [NAMES[i : i + 3] for i in range(0, len(NAMES), 3)]


@pytest.mark.parametrize("names", GROUPS, ids="-".join)
def test_values_and_jacobians_are_contained_whatever_the_slopes(names):
    widths = (2, *(4,) * len(names), 2)
    layers, names = _layers(widths), (*names, "identity")
    of = _network(layers, names)
    chain = chain_of([(Interval.point(w), Interval.point(b)) for w, b in layers])
    bounded = jax.jit(lambda box, turns: bounds_of(chain, chain, names, box, turns, 2)[:2])
    first = first_turns(chain)
    shape = chain.depth, chain.depth, 2, chain.width, chain.width
    drawn = np.random.default_rng(3).uniform(-1, 1, (4, *shape))
    drawn[2] = 0.5 + 0.5 * drawn[2]
    # Floats may leave a thin box's bounds by their own rounding: their enclosure at the point says by how much.
    exact = jax.jit(jax.vmap(enclose(lambda x: (of(x), jax.jacrev(of)(x)))))
    for kind, (lower, upper) in BOXES.items():
        box = Interval(np.array(lower), np.array(upper))
        truth = exact(Interval.point(_points(lower, upper)))
        for turns in (jax.tree.map(lambda a: jnp.broadcast_to(a, shape), first), Turns(*map(jnp.asarray, drawn))):
            for bound, found in zip(bounded(box, turns), truth):
                bound = jax.tree.map(lambda end: end[..., :2], bound)
                assert not bool(jnp.isnan(bound.lower).any() | jnp.isnan(bound.upper).any()), kind
                outside = (found.upper < bound.lower[None]) | (found.lower > bound.upper[None])
                assert not bool(outside.any()), kind
                if kind == "thin":
                    assert float(jnp.max(bound.wid())) < 1e-6


def test_exact_where_the_network_is_affine():
    layers = _layers()
    value, jacobian = enclose_layers(layers, ["identity"] * 3, Interval([-1.0, -1.0], [1.0, 1.0]), steps=0)
    product = layers[2][0] @ layers[1][0] @ layers[0][0]
    assert np.allclose(value.wid(), 2 * np.abs(product).sum(axis=1), rtol=1e-12)
    assert value.guaranteed and jacobian.guaranteed
    assert float(jacobian.wid().max()) < 1e-12 and bool(jacobian.contains(product).all())


def test_better_slopes_pay():
    generator = np.random.default_rng(4)
    layers = [(generator.standard_normal((o, i)), np.zeros(o)) for i, o in itertools.pairwise((2, 4, 4, 2))]
    names = ("relu", "relu", "identity")
    box = Interval([-1.0, -1.0], [1.0, 1.0])
    (first, slope), (better, better_slope) = (enclose_layers(layers, names, box, steps=steps) for steps in (0, 30))
    for start, found in ((first, better), (slope, better_slope)):
        assert bool((found.lower >= start.lower).all() and (found.upper <= start.upper).all())
    assert float(better.wid().sum()) < 0.98 * float(first.wid().sum())
    assert float(better.wid().sum()) < 0.9 * float(enclose(_network(layers, names))(box).wid().sum())


def test_intervals_of_weights_are_covered():
    layers, names = _layers(), ("tanh", "tanh", "identity")
    wide = [(Interval(w - 0.01, w + 0.01), Interval(b - 0.01, b + 0.01)) for w, b in layers]
    box = Interval([-1.0, -1.0], [1.0, 2.0])
    value, jacobian = enclose_layers(wide, names, box, steps=0)
    generator = np.random.default_rng(2)
    x = jnp.asarray(_points([-1.0, -1.0], [1.0, 2.0], 50))
    for _ in range(5):
        moved = [tuple(a + 0.01 * generator.choice([-1, 1], a.shape) for a in layer) for layer in layers]
        of = _network(moved, names)
        for bound, found in ((value, jax.vmap(of)(x)), (jacobian, jax.vmap(jax.jacrev(of))(x))):
            assert bool(((found >= bound.lower[None]) & (found <= bound.upper[None])).all())


def test_what_does_not_fit_is_said():
    layers = _layers()
    with pytest.raises(InputError, match="name one for each layer"):
        enclose_layers(layers, ["relu"], Interval([0.0, 0.0], [1.0, 1.0]))
    with pytest.raises(InputError, match="layer 1 has a weight"):
        enclose_layers(layers, ["relu"] * 3, Interval([0.0], [1.0]))


def test_a_sum_that_overflows_bounds_nothing():
    """The real values lie beyond the largest float, so neither end may be an infinity of their own sign."""
    weight, box = jnp.full((1, 2), 1.0), Interval(jnp.full(2, 1.5e308), jnp.full(2, 1.6e308))
    value, _ = enclose_layers([(weight, jnp.zeros(1))], ["identity"], box, steps=0)
    assert value.lower[0] < np.inf and value.upper[0] == np.inf
