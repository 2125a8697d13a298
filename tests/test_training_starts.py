"""Several starts of one training: the best goes on, and none of them disturbs what must stay."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError, LevenbergMarquardt, Samples, Surrogate, fit
from sobolev_pruning._foundation.errors import TrainingDiverged
from sobolev_pruning.training.optimiser import with_layers
from sobolev_pruning.training.starts import FEWEST, best_start
from surrogates import random_surrogate

KEY = jax.random.key(5)
OPTIMISER = LevenbergMarquardt(iterations=20)


@pytest.fixture(scope="module")
def taught(samples) -> Samples:
    """Exact labels of a network with three hidden nodes."""
    teacher = random_surrogate([3, 3, 1], samples, "silu", seed=4)
    return Samples(samples.x, teacher.value(samples.x), teacher.gradient(samples.x))


@pytest.fixture(scope="module")
def stuck(taught) -> Surrogate:
    """Nodes that are all alike stay so: a valley that training by itself never leaves."""
    network = Surrogate.create([3, 3, 1], taught, key=jax.random.key(4))
    return with_layers(network, jax.tree.map(lambda array: jnp.full_like(array, 0.3), network.layers))


def test_other_starts_leave_a_bad_valley(stuck, taught):
    alone, best = (fit(stuck, taught, key=KEY, optimiser=OPTIMISER, held_out=0, starts=n) for n in (1, 4))
    assert best.best_held_out < 0.1 * alone.best_held_out
    again = fit(stuck, taught, key=KEY, optimiser=OPTIMISER, held_out=0, starts=4)
    for one, other in zip(jax.tree.leaves(best.surrogate), jax.tree.leaves(again.surrogate)):
        np.testing.assert_array_equal(one, other)


def test_masked_parameters_stay_as_they_are(stuck, taught):
    mask = jax.tree.map(jnp.ones_like, stuck.layers)
    held = jax.tree.map(lambda array: array.at[0].set(0.0), mask)
    found = fit(stuck, taught, key=KEY, optimiser=OPTIMISER, held_out=0, starts=3, mask=held).surrogate
    for before, after in zip(jax.tree.leaves(stuck.layers), jax.tree.leaves(found.layers)):
        np.testing.assert_array_equal(after[0], before[0])
        assert after.shape[0] == 1 or not np.any(after[1:] == before[1:])


def test_the_least_loss_decides_and_divergence_is_passed_over(stuck):
    """On an eighth of the samples or 16,384 of them, and the given weights are start 0."""
    n = 10 * FEWEST
    many = Samples(np.zeros((n, 3)), np.zeros(n))
    seen = []

    def train(network, part, number):
        seen.append((number, len(part), network))
        if number == 2:
            raise TrainingDiverged("the loss became nan")
        return SimpleNamespace(surrogate=network, objective=[0.5, 0.2, None, 0.3][number])

    mask = jax.tree.map(jnp.ones_like, stuck.layers)
    found = best_start(stuck, many, 4, mask, KEY, train)
    assert [(number, length) for number, length, _ in seen] == [(number, n // 8) for number in range(4)]
    assert seen[0][2] is stuck and found is seen[1][2]
    few = many[: FEWEST + 5]
    assert best_start(stuck, few, 1, mask, KEY, train) is stuck
    assert seen[-1][1] == FEWEST


def test_no_start_at_all_is_refused(stuck, taught):
    with pytest.raises(InputError, match="starts is 0; give 1"):
        fit(stuck, taught, key=KEY, starts=0)
