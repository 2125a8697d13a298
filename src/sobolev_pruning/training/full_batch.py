"""The loss over all samples, with its gradient, summed in pieces that fit the processor's cache."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..surrogate import Surrogate
from .batches import Batch
from .losses import LossTerms, SobolevLoss
from .optimiser import Layers, with_layers


def full_loss(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> LossTerms:
    """The loss terms over all of `data`."""
    return mean_over_chunks(lambda batch: loss(surrogate, batch), data, _chunk_size(surrogate))


def full_loss_and_gradient(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> tuple[LossTerms, Layers]:
    """The loss terms over all of `data`, and the derivative of their total in the layers, in one pass."""

    def objective(layers: Layers, batch: Batch):
        terms = loss(with_layers(surrogate, layers), batch)
        return terms.total, terms

    def terms_and_gradient(batch: Batch):
        gradient, terms = jax.grad(objective, has_aux=True)(surrogate.layers, batch)
        return terms, gradient

    return mean_over_chunks(terms_and_gradient, data, _chunk_size(surrogate))


def mean_over_chunks(evaluate: Callable[[Batch], PyTree], data: Batch, chunk: int) -> PyTree:
    """The mean over the samples of `evaluate`, itself a mean over a batch, from batches of `chunk` samples."""
    n, n_chunks = len(data), len(data) // chunk
    rest = jax.tree.map(lambda array: array[n_chunks * chunk :], data)
    if n_chunks == 0:
        return evaluate(rest)
    chunks = jax.tree.map(lambda array: array[: n_chunks * chunk].reshape(n_chunks, chunk, *array.shape[1:]), data)
    one_chunk = jax.eval_shape(evaluate, jax.tree.map(lambda array: array[0], chunks))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), one_chunk)

    def add(total, batch):
        return jax.tree.map(lambda t, e: t + chunk * e, total, evaluate(batch)), None

    total, _ = jax.lax.scan(add, zero, chunks)
    if len(rest):
        total = jax.tree.map(lambda t, e: t + len(rest) * e, total, evaluate(rest))
    return jax.tree.map(lambda t: t / n, total)


def _chunk_size(surrogate: Surrogate) -> int:
    # Half a megabyte for the nodes of one layer; fewer than 256 samples make poor matrix products.
    return min(4096, max(256, 2**16 // max(surrogate.widths)))
