"""Adam on shuffled mini-batches, a whole epoch at a time on the device: for large networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from .batches import batches_per_epoch, shuffled_batches
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers


class Adam(AbstractOptimiser):
    """Adam on shuffled mini-batches; the learning rate rises over the first 5% of steps, then falls by a cosine to 1%.

    `steps` are rounded up to whole epochs. Kingma and Ba 2015; the schedule after Loshchilov and Hutter 2017.
    """

    steps: int = eqx.field(static=True, default=4000)
    batch_size: int = eqx.field(static=True, default=256)
    learning_rate: float = eqx.field(static=True, default=3e-3)

    def __check_init__(self):
        expect_positive(steps=self.steps, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def steps_per_epoch(self, n: int) -> int:
        return batches_per_epoch(n, min(self.batch_size, n))

    def epochs(self, n: int) -> int:
        return -(-self.steps // self.steps_per_epoch(n))

    def _transformation(self, n: int) -> optax.GradientTransformation:
        steps = self.epochs(n) * self.steps_per_epoch(n)
        schedule = optax.warmup_cosine_decay_schedule(
            0.1 * self.learning_rate, self.learning_rate, max(1, steps // 20), max(2, steps), 0.01 * self.learning_rate
        )
        return optax.adam(schedule)

    def init(self, layers: Layers, n: int) -> PyTree:
        return self._transformation(n).init(layers)

    def epoch(self, surrogate, state, loss, data, mask, key):
        transformation = self._transformation(len(data))

        def step(carry, batch):
            layers, state = carry

            def objective(layers):
                terms = loss(with_layers(surrogate, layers), batch)
                return terms.total, terms

            gradient, terms = jax.grad(objective, has_aux=True)(layers)
            gradient = jax.tree.map(jnp.multiply, gradient, mask)
            updates, state = transformation.update(gradient, state, layers)
            return (optax.apply_updates(layers, updates), state), terms

        batches = shuffled_batches(data, min(self.batch_size, len(data)), key)
        (layers, state), terms = jax.lax.scan(step, (surrogate.layers, state), batches)
        return with_layers(surrogate, layers), state, terms

    def advice(self) -> str:
        return f"the learning rate {self.learning_rate:g} is likely too large: divide it by 3"
