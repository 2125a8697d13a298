"""The Sobolev loss: values and derivatives, each measured in units of its own spread."""

import warnings
from collections.abc import Sequence
from typing import Literal, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import varies
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..surrogate import Surrogate
from .batch_pass import values, values_and_gradients, values_gradients_and_products
from .batches import Batch
from .label_noise import LabelNoise

Balance = Literal["dimension", "fixed"]
Weight: TypeAlias = float | tuple[float, ...]


class LossTerms(eqx.Module):
    """The loss and its terms; each term is a mean squared error over a variance, so 1 is "as bad as a constant"."""

    total: Float[Array, ""]
    value: Float[Array, ""]
    derivative: Float[Array, ""]
    hessian: Float[Array, ""]


class SobolevLoss(eqx.Module):
    """`(1/k) sum_j [ a mean_i (y_ij - f_j)^2 / var(y_j) + b mean_ic (dydx_ijc - d_c f_j)^2 / var(dydx_j)
    + c mean_imc (hvp_imjc - (H_j v_im)_c)^2 / var(hvp_j) ]`.

    `a`, `b` and `c` are `weights`; the variances, `(k,)` each, are taken over all known entries about their mean.
    Order 1 leaves the last term out, order 0 the last two. The third term sees the Hessian `H_j` of the network in the
    directions `v_im` of the samples: with `E[v v'] = 1` its mean error is that of all entries. Means are weighted where
    a batch has weights. Source: Kichler, Afghan, Naumann, arXiv 2312.03510; Huge and Savine 2020; Czarnecki et al.
    2017.

    With `input_spreads`, `(d,)`, labels and predictions of the last two terms are first multiplied along `c` by the
    spreads of the inputs.

    With `whitening`, `(k, classes, q, q)` of a `LabelNoise`, the total is instead `mean_ij |W_ij r_ij|^2 / q`, of the
    errors `r_ij` in the `q` labels of an output; the terms stay what they are.
    """

    variances: tuple[Float[Array, "k"], ...]
    weights: tuple[Float[Array, ""], ...]
    input_spreads: Float[Array, "d"] | None
    whitening: Float[Array, "k c q q"] | None
    order: int = eqx.field(static=True)

    @staticmethod
    def of(
        samples: Samples,
        order: int,
        balance: Balance = "dimension",
        weight: Weight = 1.0,
        scaled: bool = False,
        noise: LabelNoise | None = None,
    ) -> "SobolevLoss":
        """The loss with the spreads of `samples`; those of the inputs count where it is `scaled`. With `noise` that
        alone decides how labels are weighed.

        `weight` is `lambda`, or `(lambda_1, lambda_2)` to weigh first and second derivatives apart. `balance` "fixed"
        takes `a, b, c = 1, lambda_1, lambda_2`; "dimension" takes them proportional to `1, lambda_1 d, lambda_2 m d`
        with sum 1, so that each of the `1 + d + m d` labels of a sample counts the same at weight 1.
        """
        if order not in (0, 1, 2):
            raise InputError(f"order is {order}; choose 0 (values), 1 (first derivatives too) or 2 (second ones too).")
        if balance not in ("dimension", "fixed"):
            raise InputError(f'balance is {balance!r}; choose "dimension" or "fixed".')
        pair = tuple(weight) if isinstance(weight, tuple | list) else (weight, weight)
        if len(pair) != 2 or not all(0 <= each < float("inf") for each in pair):
            raise InputError(f"The derivative weight is {weight}; give a finite number, 0 or more, or two of them.")
        if order > 0 and samples.dydx is None:
            raise InputError(
                f"order is {order}, but the samples have no dydx; give derivatives, or train with order 0."
            )
        if order > 1 and samples.hvp is None:
            raise InputError(
                "order is 2, but the samples have no hvp; sample with order=2, or train with a smaller order."
            )
        k, d = samples.n_outputs, samples.n_inputs
        labels = [samples.y, samples.dydx, samples.hvp][: order + 1]
        spreads = _input_spreads(samples) if scaled else np.ones(d)
        weights = np.array([1.0, *pair][: order + 1])
        if balance == "dimension":
            weights *= [array[0].size // k for array in labels]
            weights /= weights.sum()
        return SobolevLoss(
            variances=tuple(
                _variance(np.asarray(array).reshape(-1, k, len(factor)) * factor)
                for array, factor in zip(labels, (np.ones(1), spreads, spreads))
            ),
            # Arrays, so that another weight is not another program.
            weights=tuple(jnp.asarray(each, jnp.float64) for each in weights),
            input_spreads=jnp.asarray(spreads) if scaled else None,
            whitening=None if noise is None else noise.whitening,
            order=order,
        )

    def __call__(self, surrogate: Surrogate, batch: Batch) -> LossTerms:
        """The loss of `surrogate` over `batch`."""
        if self.order == 0:
            return self.terms((values(surrogate, batch.x),), batch)
        if self.order == 1:
            return self.terms(values_and_gradients(surrogate, batch.x), batch)
        return self.terms(values_gradients_and_products(surrogate, batch.x, batch.directions), batch)

    def terms(self, predictions: tuple[Array, ...], batch: Batch) -> LossTerms:
        """The loss of the predicted values, gradients and Hessian-vector products, `order + 1` arrays."""
        terms = [
            jnp.mean(_mean_square(self._scaled(label - predicted, axis), weight, axis) / variance)
            for (label, weight, axis), predicted, variance in zip(labels_of(batch), predictions, self.variances)
        ]
        if self.whitening is None:
            total = sum(weight * term for weight, term in zip(self.weights, terms))
        else:
            errors = [
                sample_last(predicted - label, axis)
                for (label, _, axis), predicted in zip(labels_of(batch), predictions)
            ]
            (whitened,) = self.weighted(errors, batch)
            total = jnp.sum(whitened**2) / len(batch)
        return LossTerms(total, *terms, *[jnp.zeros(())] * (3 - len(terms)))

    def weighted(self, errors: Sequence[Float[Array, "..."]], batch: Batch) -> list[Float[Array, "..."]]:
        """Residuals, whose squares sum to the loss of a sample, from the errors in each kind of label.

        Errors in values have the shape `(..., k, n)`, those in gradients `(..., d, k, n)`, in Hessian-vector products
        `(..., m, d, k, n)`. It is a linear map: the derivatives of errors become those of residuals.
        """
        if self.whitening is not None:
            *_, k, n = errors[0].shape
            leading = errors[0].shape[:-2]
            stacked = jnp.concatenate([error.reshape(*leading, -1, k, n) for error in errors], axis=-3)
            q = self.whitening.shape[-1]
            matrices = self.whitening[jnp.arange(k)[None, :], batch.noise_class] / jnp.sqrt(k * q)
            return [jnp.einsum("nkab,...bkn->...akn", matrices, stacked)]
        residuals = []
        for weight, variance, (label, label_weight, axis), error in zip(
            self.weights, self.variances, labels_of(batch), errors
        ):
            scale = jnp.sqrt(weight / (label[0].size * variance))
            scale = self._scaled(
                jnp.expand_dims(scale, tuple(other for other in range(label.ndim) if other != axis)), axis
            )
            scale = scale if label_weight is None else scale * jnp.sqrt(label_weight)
            scale = sample_last(scale, axis)
            residuals.append(jnp.expand_dims(scale, tuple(range(error.ndim - scale.ndim))) * error)
        return residuals

    def _scaled(self, array: Float[Array, "..."], output_axis: int) -> Float[Array, "..."]:
        if self.input_spreads is None or array.ndim == output_axis + 1:  # values have no axis of inputs
            return array
        return array * jnp.expand_dims(self.input_spreads, tuple(range(array.ndim - 1)))


def sample_last(array: Float[Array, "..."], output_axis: int) -> Float[Array, "..."]:
    """`(n, k)`, `(n, k, d)` or `(n, m, k, d)` as `(k, n)`, `(d, k, n)` or `(m, d, k, n)`."""
    return jnp.moveaxis(array, (output_axis, 0), (-2, -1))


def labels_of(batch: Batch) -> list[tuple[Array, Array | None, int]]:
    """Values, gradients and Hessian-vector products of a batch, those there are: labels, weights, output axis."""
    kinds = [(batch.y, batch.y_weight, 1), (batch.dydx, batch.dydx_weight, 1), (batch.hvp, batch.hvp_weight, 2)]
    return [kind for kind in kinds if kind[0] is not None]


def _mean_square(error: Array, weight: Array | None, output_axis: int) -> Float[Array, "k"]:
    others = tuple(axis for axis in range(error.ndim) if axis != output_axis)
    return jnp.mean(error**2 if weight is None else weight * error**2, axis=others)


def _input_spreads(samples: Samples) -> Float[np.ndarray, "d"]:
    x = np.asarray(samples.x)
    # An input that never changes has no spread to measure by, so its derivatives keep their units.
    return np.where(varies(x), x.std(axis=0), 1.0)


def _variance(labels: Float[np.ndarray, "rows k c"]) -> Float[Array, "k"]:
    rows = np.moveaxis(labels, 1, 2).reshape(-1, labels.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of an output of which no label is known
        variance = np.nanvar(rows, axis=0)
    # A label that never changes, but for rounding, is fitted in its own units: no spread is there to measure it by.
    return jnp.asarray(np.where(varies(rows), variance, 1.0))
