"""Networks for tests: random weights and biases, of any shape, activation and number of outputs."""

import jax
import jax.numpy as jnp
import numpy as np

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.surrogate import Dense, Surrogate


def random_surrogate(widths: list[int], samples: Samples, activation: str, seed: int = 0) -> Surrogate:
    """A network scaled to `samples` whose biases are random too, as `Surrogate.create` leaves them at 0."""
    created = Surrogate.create(widths, samples, activation, key=jax.random.key(seed))
    generator = np.random.default_rng(seed + 1)
    layers = [
        Dense(layer.weight, jnp.asarray(0.5 * generator.standard_normal(layer.bias.shape))) for layer in created.layers
    ]
    return Surrogate(layers, created.scaling, activation, created.scalar_output)


def surrogate_of_shape(widths: list[int], activation: str, scalar: bool, seed: int = 0) -> Surrogate:
    """A network of its own, scaled by shifts and scales away from 0 and 1, for any number of outputs."""
    generator = np.random.default_rng(seed)
    x = 3.0 + 2.0 * generator.standard_normal((32, widths[0]))
    y = -1.0 + 0.5 * generator.standard_normal((32, widths[-1]))
    return random_surrogate(widths, Samples(x=x, y=y[:, 0] if scalar else y), activation, seed)


def layered_surrogate(activations: tuple[str, ...], scalar: bool = False, skip: bool = True) -> Surrogate:
    """A network from three inputs with an activation of its own for every layer, at the outputs too, and a skip."""
    hidden, k = (5, 4, 3)[: len(activations) - 1], 1 if scalar else 2
    plain = surrogate_of_shape([3, *hidden, k], "silu", scalar, seed=2)
    generator = np.random.default_rng(5)
    *before, last = plain.layers
    term = jnp.asarray(0.4 * generator.standard_normal((k, 3))) if skip else None
    layers = [*before, Dense(last.weight, last.bias, term)]
    return Surrogate(layers, plain.scaling, activations, scalar)


LAYERED = {
    "two activations": (("silu", "tanh", "identity"), True, False),
    "at the output": (("gelu", "softplus"), False, False),
    "a skip": (("silu", "identity"), False, True),
    "everything": (("silu", "identity", "tanh", "sigmoid"), False, True),
    "everything, scalar": (("tanh", "silu", "exp"), True, True),
}
"""Arguments of `layered_surrogate`."""
