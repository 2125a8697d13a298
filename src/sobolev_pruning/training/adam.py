"""Adam on shuffled mini-batches, a whole epoch at a time on the device: for large networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .batches import batches_per_epoch, shuffled_batches
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers

_MEAN_DECAY = 0.9
_SQUARE_DECAY = 0.999
_SMALLEST_SPREAD = 1e-8


class _State(eqx.Module):
    """Running averages of the gradient and of its square, and the number of steps taken."""

    mean: Layers
    square: Layers
    step: Float[Array, ""]


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

    def init(self, layers: Layers, n: int) -> _State:
        zero = jax.tree.map(jnp.zeros_like, layers)
        return _State(mean=zero, square=zero, step=jnp.asarray(0.0, jnp.float64))

    def epoch(self, surrogate, state, loss, data, mask, key):
        n = len(data)
        steps_per_epoch = self.steps_per_epoch(n)
        total_steps = -(-self.steps // steps_per_epoch) * steps_per_epoch

        def objective(layers, batch):
            terms = loss(with_layers(surrogate, layers), batch)
            return terms.total, terms

        def step(carry, batch):
            layers, state = carry
            gradient, terms = jax.grad(objective, has_aux=True)(layers, batch)
            gradient = jax.tree.map(jnp.multiply, gradient, mask)
            mean = jax.tree.map(lambda m, g: _MEAN_DECAY * m + (1.0 - _MEAN_DECAY) * g, state.mean, gradient)
            square = jax.tree.map(
                lambda v, g: _SQUARE_DECAY * v + (1.0 - _SQUARE_DECAY) * g * g, state.square, gradient
            )
            steps = state.step + 1.0
            # Both averages start at 0, which these two factors make up for.
            length = self._rate(state.step, total_steps) / (1.0 - _MEAN_DECAY**steps)
            spread = 1.0 / (1.0 - _SQUARE_DECAY**steps)
            layers = jax.tree.map(
                lambda p, m, v: p - length * m / (jnp.sqrt(spread * v) + _SMALLEST_SPREAD), layers, mean, square
            )
            return (layers, _State(mean, square, steps)), terms

        batches = shuffled_batches(data, min(self.batch_size, n), key)
        (layers, state), terms = jax.lax.scan(step, (surrogate.layers, state), batches)
        return with_layers(surrogate, layers), state, terms

    def _rate(self, step, total_steps) -> Float[Array, ""]:
        total = jnp.asarray(total_steps, jnp.float64)
        warmup = jnp.maximum(1.0, jnp.floor(total / 20.0))
        progress = jnp.clip((step - warmup) / jnp.maximum(1.0, total - warmup), 0.0, 1.0)
        falling = 0.01 + 0.99 * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return self.learning_rate * jnp.where(step < warmup, 0.1 + 0.9 * step / warmup, falling)

    def advice(self) -> str:
        return f"the learning rate {self.learning_rate:g} is likely too large: divide it by 3"
