"""The Sobolev loss: values and derivatives, each measured in units of its own spread."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..surrogate import Surrogate
from .batch_pass import values, values_and_gradients
from .batches import Batch

Balance = Literal["dimension", "fixed"]


class LossTerms(eqx.Module):
    """The loss and its terms; each term is a mean squared error over a variance, so 1 is "as bad as a constant"."""

    total: Float[Array, ""]
    value: Float[Array, ""]
    derivative: Float[Array, ""]


class SobolevLoss(eqx.Module):
    """`(1/k) sum_j [ a mean_i (y_ij - f_j)^2 / var(y_j) + b mean_{i,c} (dydx_ijc - d_c f_j)^2 / var(dydx_j) ]`.

    `a` and `b` are `value_weight` and `derivative_weight`; the variances, `(k,)`, are taken over all entries about
    their mean. Order 0 leaves the second term out. Source: Kichler, Afghan, Naumann, arXiv 2312.03510; Huge and
    Savine 2020.
    """

    value_variance: Float[Array, "k"]
    derivative_variance: Float[Array, "k"]
    value_weight: Float[Array, ""]
    derivative_weight: Float[Array, ""]
    order: int = eqx.field(static=True)

    @staticmethod
    def of(samples: Samples, order: int, balance: Balance = "dimension", weight: float = 1.0) -> "SobolevLoss":
        """The loss with the spreads of `samples`.

        `balance` "fixed" takes `a = 1, b = weight`; "dimension" takes `a = 1/(1 + weight d)`, `b = weight d/(1 +
        weight d)`, so that each of the `d + 1` labels of a sample counts the same at weight 1.
        """
        if order not in (0, 1):
            raise InputError(f"order is {order}; choose 0 (values) or 1 (values and first derivatives).")
        if balance not in ("dimension", "fixed"):
            raise InputError(f'balance is {balance!r}; choose "dimension" or "fixed".')
        if not 0 <= weight < float("inf"):
            raise InputError(f"The derivative weight is {weight}; give a finite number, 0 or more.")
        if order == 1 and samples.dydx is None:
            raise InputError("order is 1, but the samples have no dydx; give derivatives, or train with order 0.")
        n, k = len(samples), samples.n_outputs
        value_variance = jnp.var(samples.y.reshape(n, k), axis=0)
        if order == 0:
            return SobolevLoss(_positive(value_variance), jnp.ones(k), *_weights(1.0, 0.0), 0)
        derivative_variance = jnp.var(samples.dydx.reshape(n, k, -1), axis=(0, 2))
        scaled = weight * samples.n_inputs
        a, b = (1.0, float(weight)) if balance == "fixed" else (1.0 / (1.0 + scaled), scaled / (1.0 + scaled))
        return SobolevLoss(_positive(value_variance), _positive(derivative_variance), *_weights(a, b), 1)

    def __call__(self, surrogate: Surrogate, batch: Batch) -> LossTerms:
        """The loss of `surrogate` over `batch`."""
        if self.order == 0:
            return self.terms(values(surrogate, batch.x), None, batch)
        return self.terms(*values_and_gradients(surrogate, batch.x), batch)

    def terms(self, f: Float[Array, "n k"], gradient: Float[Array, "n k d"] | None, batch: Batch) -> LossTerms:
        """The loss of predictions for `batch`; `gradient` is not looked at where the order is 0."""
        value = jnp.mean(jnp.mean((batch.y - f) ** 2, axis=0) / self.value_variance)
        derivative = jnp.zeros(())
        if self.order > 0:
            error = jnp.mean((batch.dydx - gradient) ** 2, axis=(0, 2))
            derivative = jnp.mean(error / self.derivative_variance)
        return LossTerms(self.value_weight * value + self.derivative_weight * derivative, value, derivative)

    def residual_scales(self, d: int) -> tuple[Float[Array, "k"], Float[Array, "k"]]:
        """Factors of the errors in value and in `d` derivatives: the squares then sum to the loss of a sample."""
        k = self.value_variance.shape[0]
        value = jnp.sqrt(self.value_weight / (k * self.value_variance))
        return value, jnp.sqrt(self.derivative_weight / (k * d * self.derivative_variance))


def _weights(value: float, derivative: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
    # Arrays, so that another weight is not another program.
    return jnp.asarray(value, jnp.float64), jnp.asarray(derivative, jnp.float64)


def _positive(variance):
    # A label that never changes is fitted in its own units: there is no spread to measure it by.
    return jnp.where(variance > 0, variance, 1.0)
