"""Adam on shuffled mini-batches, a whole epoch at a time on the device: for large networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from .batches import batches_per_epoch, shuffled_batches
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers


class Adam(AbstractOptimiser):
    """Adam on shuffled mini-batches; the learning rate rises over the first 5% of steps, then falls by a cosine to 1%.

    `steps` are rounded up to whole epochs. Kingma and Ba 2015; the schedule after Loshchilov and Hutter 2017.
    """

    steps: int = 4000
    batch_size: int = eqx.field(static=True, default=256)
    learning_rate: float = 3e-3

    def __check_init__(self):
        expect_positive(steps=self.steps, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def steps_per_epoch(self, n: int) -> int:
        return batches_per_epoch(n, min(self.batch_size, n))

    def epochs(self, n: int) -> int:
        return -(-self.steps // self.steps_per_epoch(n))

    def init(self, layers: Layers, n: int) -> PyTree:
        return optax.scale_by_adam().init(layers)

    def epoch(self, surrogate, state, loss, data, mask, key):
        n = len(data)
        total_steps = self.epochs(n) * self.steps_per_epoch(n)

        def step(carry, batch):
            layers, state = carry

            def objective(layers):
                terms = loss(with_layers(surrogate, layers), batch)
                return terms.total, terms

            gradient, terms = jax.grad(objective, has_aux=True)(layers)
            gradient = jax.tree.map(jnp.multiply, gradient, mask)
            rate = self._rate(state.count, total_steps)
            direction, state = optax.scale_by_adam().update(gradient, state)
            return (jax.tree.map(lambda p, u: p - rate * u, layers, direction), state), terms

        batches = shuffled_batches(data, min(self.batch_size, n), key)
        (layers, state), terms = jax.lax.scan(step, (surrogate.layers, state), batches)
        return with_layers(surrogate, layers), state, terms

    def _rate(self, step, total_steps) -> Float[Array, ""]:
        step, total = jnp.asarray(step, jnp.float64), jnp.asarray(total_steps, jnp.float64)
        warmup = jnp.maximum(1.0, jnp.floor(total / 20.0))
        progress = jnp.clip((step - warmup) / jnp.maximum(1.0, total - warmup), 0.0, 1.0)
        falling = 0.01 + 0.99 * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return self.learning_rate * jnp.where(step < warmup, 0.1 + 0.9 * step / warmup, falling)

    def advice(self) -> str:
        return f"the learning rate {self.learning_rate:g} is likely too large: divide it by 3"
