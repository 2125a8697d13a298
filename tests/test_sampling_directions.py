"""Principal directions of inputs and of gradient labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tolerances
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.sampling import principal_directions

KEY = jax.random.key(0)


def test_directions_of_the_inputs_are_those_of_their_singular_vectors():
    x = jax.random.normal(KEY, (200, 3), jnp.float64) @ jnp.array([[3.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.1]])
    found = principal_directions(Samples(x, x[:, 0]), 3)
    _, singular, vectors = np.linalg.svd(np.asarray(x) - np.asarray(x).mean(axis=0), full_matrices=False)
    expected = singular[:, None] * vectors / np.sqrt(200)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=tolerances.ALGEBRAIC)


def test_directions_of_gradients_do_not_depend_on_units():
    """Two outputs along two directions, the second one of tiny unit; inputs of very different units."""
    x = jax.random.normal(KEY, (100, 3), jnp.float64)
    x = x / x.std(axis=0)[None, :]
    slopes = jnp.array([[1.0, 2.0, 0.0], [1e-6, -5e-7, 0.0]])
    units = jnp.array([1.0, 1000.0, 0.01])
    samples = Samples(x * units[None, :], x @ slopes.T, jnp.broadcast_to(slopes / units[None, :], (100, 2, 3)))
    found = principal_directions(samples, 2, "gradients") / units[None, :]
    assert float(jnp.abs(found[:, 2]).max()) < tolerances.ALGEBRAIC
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=tolerances.ALGEBRAIC)
    # Both outputs count alike, in units of their spread.
    spread = (x @ slopes.T).std(axis=0)
    scaled = slopes / spread[:, None]
    expected = np.linalg.eigh(np.asarray(scaled.T @ scaled))[1].T[::-1][:2]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=tolerances.ALGEBRAIC)


def test_what_cannot_be_had_is_named():
    samples = Samples([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
    with pytest.raises(InputError, match="give 1 to 2"):
        principal_directions(samples, 3)
    with pytest.raises(InputError, match="needs samples with all of dydx"):
        principal_directions(samples, 1, "gradients")
