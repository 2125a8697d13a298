"""Splitting samples, their box, and the checks before anything is learnt from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.sampling import check_for_training, quantile_box, split


def numbered(n: int) -> Samples:
    number = np.arange(n, dtype=np.float64)
    return Samples(number[:, None], 10 * number, 100 * number[:, None])


@pytest.mark.parametrize(("n", "fraction", "n_held"), [(8, 0.25, 2), (8, 0.01, 1), (2, 0.99, 1), (100, 0.125, 12)])
def test_a_split_loses_and_repeats_nothing(n, fraction, n_held):
    training, held = split(numbered(n), fraction, jax.random.key(0))
    assert (len(training), len(held)) == (n - n_held, n_held)
    x = np.concatenate([training.x[:, 0], held.x[:, 0]])
    assert sorted(x) == list(range(n))
    for part in (training, held):
        np.testing.assert_array_equal(part.y, 10 * part.x[:, 0])
        np.testing.assert_array_equal(part.dydx, 100 * part.x)


def test_the_split_depends_on_the_key_alone():
    one, other, again = (split(numbered(50), 0.3, jax.random.key(seed))[1].x for seed in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(InputError, match=r"held_out is .*; give a fraction between 0 and 1"):
        split(numbered(4), fraction, jax.random.key(0))


def test_one_sample_cannot_be_split():
    with pytest.raises(InputError, match="only one sample"):
        split(numbered(1), 0.5, jax.random.key(0))


def test_the_quantile_box_cuts_the_tails_of_every_input():
    x = jnp.stack([jnp.arange(101.0), -2.0 * jnp.arange(101.0)], axis=1)
    lower, upper = quantile_box(Samples(x, jnp.zeros(101)))
    np.testing.assert_allclose(lower, [1.0, -198.0])
    np.testing.assert_allclose(upper, [99.0, -2.0])


@pytest.mark.parametrize(
    ("x", "y", "advice"),
    [
        ([[1.0]], [0.0], "only one sample; give at least two"),
        ([[1.0, 5.0], [2.0, 5.0]], [0.0, 1.0], "Input x1 is 5 in every sample"),
        ([[1.0, 0.0, 1.0], [2.0, 9.0, 2.0]], [0.0, 1.0], "Inputs x0 and x2 are the same in every sample"),
        ([[0.3], [0.1 + 0.2], [0.3]], [0.0, 1.0, 0.0], "Input x0 is 0.3 in every sample"),
        ([[1.0, 7e5], [2.0, 7e5 * (1 + 1e-15)]], [0.0, 1.0], "Input x1 is 700000 in every sample"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_named(x, y, advice):
    with pytest.raises(InputError, match=advice):
        check_for_training(Samples(x, y))


def test_repeated_inputs_are_welcome_whatever_their_labels():
    check_for_training(Samples([[1.0], [2.0], [1.0]], [0.0, 1.0, 0.5]))
    check_for_training(Samples([[1.0], [2.0], [1.0], [2.0]], [0.0, 1.0, 0.0, 1.0]))


def test_small_spreads_that_are_no_rounding_are_welcome():
    check_for_training(Samples([[1e6], [1e6 + 1e-6]], [0.0, 1.0]))
    check_for_training(Samples([[1e-300], [2e-300]], [0.0, 1.0]))
