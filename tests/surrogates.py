"""Networks for tests: random weights and biases, of any shape, activation and number of outputs."""

import jax
import jax.numpy as jnp

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.surrogate import Dense, Surrogate


def random_surrogate(widths: list[int], samples: Samples, activation: str, seed: int = 0) -> Surrogate:
    """A network scaled to `samples` whose biases are random too, as `Surrogate.create` leaves them at 0."""
    created = Surrogate.create(widths, samples, activation, key=jax.random.key(seed))
    keys = jax.random.split(jax.random.key(seed + 1), len(created.layers))
    layers = [
        Dense(layer.weight, 0.5 * jax.random.normal(key, layer.bias.shape, jnp.float64))
        for layer, key in zip(created.layers, keys)
    ]
    return Surrogate(layers, created.scaling, activation, created.scalar_output)


def surrogate_of_shape(widths: list[int], activation: str, scalar: bool, seed: int = 0) -> Surrogate:
    """A network of its own, scaled by shifts and scales away from 0 and 1, for any number of outputs."""
    keys = jax.random.split(jax.random.key(seed), 4)
    x = 3.0 + 2.0 * jax.random.normal(keys[0], (32, widths[0]), jnp.float64)
    y = -1.0 + 0.5 * jax.random.normal(keys[1], (32, widths[-1]), jnp.float64)
    return random_surrogate(widths, Samples(x=x, y=y[:, 0] if scalar else y), activation, seed)
