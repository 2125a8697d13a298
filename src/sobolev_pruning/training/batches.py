"""Training data on the device, and how an epoch is cut into batches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._foundation.arrays import PRNGKey
from .._foundation.samples import Samples
from .label_noise import LabelNoise

FLOOR = 1e-4
"""Added to the squares of standard errors, over the variance of the labels: room for what a network cannot fit, without
which a few exact labels would have all the say."""


class Batch(eqx.Module):
    """Samples with the output axis kept; what a loss of the given order does not need is None.

    `x` `(n, d)`, `y` `(n, k)`, `dydx` `(n, k, d)`, `directions` `(n, m, d)` and `hvp` `(n, m, k, d)`. Each label may
    have weights of its own shape, whose mean over the labels of an output is 1; None stands for ones. A label that is
    not known has the weight 0. `noise_class` `(n, k)` is that of a `LabelNoise`.
    """

    x: Float[Array, "n d"]
    y: Float[Array, "n k"]
    dydx: Float[Array, "n k d"] | None = None
    directions: Float[Array, "n m d"] | None = None
    hvp: Float[Array, "n m k d"] | None = None
    y_weight: Float[Array, "n k"] | None = None
    dydx_weight: Float[Array, "n k d"] | None = None
    hvp_weight: Float[Array, "n m k d"] | None = None
    noise_class: Int[Array, "n k"] | None = None

    @staticmethod
    def of(samples: Samples, order: int, weigh_by_stderr: bool = False, noise: LabelNoise | None = None) -> "Batch":
        """The arrays of `samples` that a loss of the given order, with the given noise, needs.

        `weigh_by_stderr` weighs every label by `1 / (stderr^2 + FLOOR var)`, `var` the variance of the labels of its
        output: by the inverse of its variance, but none as if it were known to better than a hundredth of their spread.
        """
        # Once per training, so on the host, where nothing needs compiling.
        n, d, k = len(samples), samples.n_inputs, samples.n_outputs
        arrays = {"y": np.asarray(samples.y).reshape(n, k)}
        if weigh_by_stderr:
            arrays["y_weight"] = _normalised(_precision(samples.y_stderr, arrays["y"]), 1)
        if noise is not None:
            arrays["noise_class"] = noise.classes(samples)
        if order > 0:
            slopes = np.asarray(samples.dydx).reshape(n, k, d)
            precision = _precision(samples.dydx_stderr, slopes) if weigh_by_stderr else None
            dydx, weight = _without_unknown(slopes, precision, samples.missing)
            arrays |= {"dydx": dydx, "dydx_weight": _normalised(weight, 1)}
        if order > 1:
            hvp, weight = _without_unknown(np.asarray(samples.hvp).reshape(n, -1, k, d), None, samples.missing)
            arrays |= {"directions": samples.directions, "hvp": hvp, "hvp_weight": _normalised(weight, 2)}
        return Batch(samples.x, **jax.tree.map(jnp.asarray, arrays))

    def __len__(self) -> int:
        return self.x.shape[0]


def _precision(stderr: Array | None, labels: np.ndarray) -> np.ndarray | None:
    """`1 / (stderr^2 + FLOOR var)`, 0 where the standard error is unknown, for labels `(n, k)` or `(n, k, d)`."""
    if stderr is None:
        return None
    square = np.asarray(stderr).reshape(labels.shape) ** 2
    axes = _others(labels.shape, 1)
    known = ~np.isnan(labels)
    counts = np.maximum(known.sum(axis=axes, keepdims=True), 1)
    mean = np.sum(labels, axis=axes, where=known, keepdims=True) / counts
    variance = np.sum((labels - mean) ** 2, axis=axes, where=known, keepdims=True) / counts
    total = square + FLOOR * variance
    return np.where(np.isnan(total), 0.0, 1.0 / np.where(total > 0, total, 1.0))


def _without_unknown(
    labels: np.ndarray, weight: np.ndarray | None, missing: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    if not missing:
        return labels, weight
    known = ~np.isnan(labels)
    return np.where(known, labels, 0.0), np.where(known, 1.0 if weight is None else weight, 0.0)


def _normalised(weight: np.ndarray | None, output_axis: int) -> np.ndarray | None:
    """`weight` over its mean for every output; an output without any known label keeps weights of 0."""
    if weight is None:
        return None
    mean = np.mean(weight, axis=_others(weight.shape, output_axis), keepdims=True)
    return weight / np.where(mean > 0, mean, 1.0)


def _others(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(len(shape)) if other != axis)


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
