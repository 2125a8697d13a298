"""Limited-memory BFGS on the full batch: for networks of some hundred to some thousand parameters."""

import equinox as eqx
import jax
import optax
from jaxtyping import PyTree

from .full_batch import full_loss, full_total
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers


class LBFGS(AbstractOptimiser):
    """Limited-memory BFGS on the full batch with a strong Wolfe line search; one epoch is one iteration.

    Nocedal and Wright 2006, algorithms 7.4, 3.5 and 3.6 (as implemented in optax).
    """

    iterations: int = eqx.field(static=True, default=300)
    memory: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        expect_positive(iterations=self.iterations, memory=self.memory)

    def steps_per_epoch(self, n: int) -> int:
        return 1

    def epochs(self, n: int) -> int:
        return self.iterations

    def _transformation(self) -> optax.GradientTransformationExtraArgs:
        return optax.lbfgs(memory_size=self.memory, linesearch=optax.scale_by_zoom_linesearch(max_linesearch_steps=15))

    def init(self, layers: Layers, n: int) -> PyTree:
        return self._transformation().init(layers)

    def epoch(self, surrogate, state, loss, data, mask, key):
        transformation = self._transformation()

        def objective(layers):
            # Where the mask is 0 the parameter enters as a constant, so its derivative vanishes.
            trained = jax.tree.map(lambda p, m: m * p + (1 - m) * jax.lax.stop_gradient(p), layers, mask)
            return full_total(with_layers(surrogate, trained), loss, data)

        layers = surrogate.layers
        terms = jax.tree.map(lambda term: term[None], full_loss(loss, surrogate, data))
        value, gradient = optax.value_and_grad_from_state(objective)(layers, state=state)
        updates, state = transformation.update(gradient, state, layers, value=value, grad=gradient, value_fn=objective)
        return with_layers(surrogate, optax.apply_updates(layers, updates)), state, terms

    def advice(self) -> str:
        return "the labels are likely of very different sizes: look for outliers among them"
