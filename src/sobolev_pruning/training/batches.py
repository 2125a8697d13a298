"""Training data on the device, and how an epoch is cut into batches."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._foundation.arrays import PRNGKey
from .._foundation.samples import Samples


class Batch(eqx.Module):
    """Samples with the output axis kept: `x` `(n, d)`, `y` `(n, k)`, `dydx` `(n, k, d)` or None."""

    x: Float[Array, "n d"]
    y: Float[Array, "n k"]
    dydx: Float[Array, "n k d"] | None

    @staticmethod
    def of(samples: Samples, order: int) -> "Batch":
        """The arrays of `samples` that a loss of the given order needs."""
        return Batch.from_arrays(samples.x, samples.y, samples.dydx if order > 0 else None)

    @staticmethod
    def from_arrays(x, y, dydx) -> "Batch":
        """The same from arrays in the shapes of `Samples`."""
        n, d = x.shape
        y = y.reshape(n, -1)
        return Batch(x, y, None if dydx is None else dydx.reshape(n, y.shape[1], d))

    def __len__(self) -> int:
        return self.x.shape[0]


def shuffled_batches(data: Batch, batch_size: int, key: PRNGKey) -> Batch:
    """All samples in random order as `(n_batches, batch_size, ...)`, gathered once for the whole epoch.

    Where `batch_size` does not divide the number of samples the last batch is filled up from the beginning of the
    same order, so that no sample is ever left out.
    """
    n = len(data)
    n_batches = batches_per_epoch(n, batch_size)
    order = jnp.resize(random_order(key, n), n_batches * batch_size)
    return jax.tree.map(lambda array: array[order].reshape(n_batches, batch_size, *array.shape[1:]), data)


def random_order(key: PRNGKey, n: int) -> Int[Array, "n"]:
    """The numbers below `n` in random order.

    Random bits above, the number itself below, sorted as one integer: ten times faster than `jax.random.permutation`,
    which sorts pairs, and twice. Equal random bits among `n` of them are too rare to matter below `n = 2^20` and
    harmless above.
    """
    index_bits = max(1, (n - 1).bit_length())
    random = jax.random.bits(key, (n,), jnp.uint64) >> index_bits << index_bits
    ordered = jnp.sort(random | jnp.arange(n, dtype=jnp.uint64))
    return (ordered & jnp.uint64(2**index_bits - 1)).astype(jnp.int64)


def batches_per_epoch(n: int, batch_size: int) -> int:
    """How many batches of `batch_size` it takes to see `n` samples."""
    return -(-n // batch_size)
