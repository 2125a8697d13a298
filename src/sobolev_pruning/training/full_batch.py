"""The loss over all samples at once, in pieces that fit the processor's cache, with its gradient in the same pass."""

import jax
import jax.numpy as jnp

from ..surrogate import Surrogate
from .batches import Batch
from .losses import LossTerms, SobolevLoss

CHUNK = 2048


def full_loss(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> LossTerms:
    """The loss terms over all of `data`."""
    return mean_over_chunks(lambda batch: loss(surrogate, batch), data)


@jax.custom_vjp
def full_total(surrogate: Surrogate, loss: SobolevLoss, data: Batch):
    """The total loss over all of `data`, differentiable in `surrogate` alone.

    Its derivative is summed chunk by chunk together with the value: differentiating the scan would either keep the
    intermediate results of every chunk or compute them twice.
    """
    return full_loss(loss, surrogate, data).total


def _forward(surrogate, loss, data):
    def value_and_gradient(batch):
        return jax.value_and_grad(lambda candidate: loss(candidate, batch).total)(surrogate)

    return mean_over_chunks(value_and_gradient, data)


def _backward(gradient, cotangent):
    return jax.tree.map(lambda g: cotangent * g, gradient), None, None


full_total.defvjp(_forward, _backward)


def mean_over_chunks(evaluate, data: Batch):
    """The mean over the samples of `evaluate`, a mean over the samples of a batch."""
    n, n_chunks = len(data), len(data) // CHUNK
    rest = jax.tree.map(lambda array: array[n_chunks * CHUNK :], data)
    if n_chunks == 0:
        return evaluate(rest)
    chunks = jax.tree.map(lambda array: array[: n_chunks * CHUNK].reshape(n_chunks, CHUNK, *array.shape[1:]), data)
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(evaluate, rest))

    def add(total, batch):
        return jax.tree.map(lambda t, e: t + CHUNK * e, total, evaluate(batch)), None

    total, _ = jax.lax.scan(add, zero, chunks)
    if len(rest):
        total = jax.tree.map(lambda t, e: t + len(rest) * e, total, evaluate(rest))
    return jax.tree.map(lambda t: t / n, total)
