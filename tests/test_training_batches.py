"""Batches: every sample is seen, in an order that is random as claimed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tolerances
from sobolev_pruning.training.batches import Batch, batches_per_epoch, random_order, shuffled_batches


def numbered(n: int) -> Batch:
    """Samples that carry their own number in every array."""
    number = jnp.arange(n, dtype=jnp.float64)
    return Batch(number[:, None], 10.0 * number[:, None], 100.0 * number[:, None, None])


@pytest.mark.parametrize(("n", "batch_size"), [(12, 4), (13, 4), (15, 4), (3, 3), (5, 1), (2, 2)])
def test_no_sample_is_left_out_and_arrays_stay_together(n, batch_size):
    batches = shuffled_batches(numbered(n), batch_size, jax.random.key(0))
    assert batches.x.shape == (batches_per_epoch(n, batch_size), batch_size, 1)
    seen = np.asarray(batches.x).ravel()
    assert sorted(seen[:n]) == list(range(n))
    np.testing.assert_array_equal(seen[n:], seen[: len(seen) - n])
    np.testing.assert_array_equal(batches.y.ravel(), 10.0 * seen)
    np.testing.assert_array_equal(batches.dydx.ravel(), 100.0 * seen)


def test_every_sample_is_as_likely_at_every_place():
    n, draws = 8, 4000
    orders = jax.vmap(lambda key: random_order(key, n))(jax.random.split(jax.random.key(3), draws))
    counts = np.stack([np.bincount(column, minlength=n) for column in np.asarray(orders).T])
    standard_error = np.sqrt(draws * (1 / n) * (1 - 1 / n))
    assert np.abs(counts - draws / n).max() < tolerances.STANDARD_ERRORS * standard_error


def test_neighbours_are_independent_of_the_order_before():
    n = 1001
    order = np.asarray(random_order(jax.random.key(1), n))
    assert sorted(order) == list(range(n))
    correlation = np.corrcoef(order, np.arange(n))[0, 1]
    assert abs(correlation) < tolerances.STANDARD_ERRORS / np.sqrt(n)
    assert not np.array_equal(order, random_order(jax.random.key(2), n))
