"""The noise of labels, estimated from what a first network leaves of them."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..surrogate import Surrogate

CLASSES = 8
"""Most classes of samples, each with a covariance of its own.

More would follow the noise more closely, and the labels too: a class whose few labels happen to be far off is taken for
a noisy one. On the basket's fixed pairs 24 classes are worse than 8 in values, and 60 much worse.
"""

FEWEST = 10
"""A class has at least so many samples for each label of one of them, or its covariance would be noise itself."""

FLOOR = 0.003
"""Added to the variance of every label's noise, over the variance of the label: room for what the network cannot fit.

Without it labels that have no noise where others have would rule the fit; on the basket's fixed pairs 0.1 gives second
derivatives twice the error.
"""


class LabelNoise(eqx.Module):
    """Covariances of the noise in the `q` labels of a sample (an output's value, then its derivatives), class by class.

    The class of a sample is where the value that `surrogate` predicts lies among `limits` `(k, classes - 1)`, output by
    output. `whitening` `(k, classes, q, q)` holds matrices `W` with `W' W` the inverse of the covariance.
    """

    surrogate: Surrogate
    limits: Float[Array, "k limits"]
    whitening: Float[Array, "k c q q"]

    def classes(self, x: Float[Array, "n d"]) -> Int[np.ndarray, "n k"]:
        """The class of each point and output."""
        predicted = np.asarray(self.surrogate.value(x)).reshape(len(x), -1)
        columns = zip(np.asarray(self.limits), predicted.T)
        return np.stack([np.searchsorted(limits, column, side="right") for limits, column in columns], axis=1)


def label_noise(surrogate: Surrogate, samples: Samples, order: int = 1) -> LabelNoise:
    """The noise in the labels of `samples`, as what `surrogate`, trained on them, leaves of them.

    With the residuals `r_i = (y_i - f(x_i), dydx_i - grad f(x_i))` of an output, or the first of them alone with
    `order` 0, and classes `C` of samples with predictions `f(x_i)` of like size, the covariance of a class is

        S_C = mean_{i in C} r_i r_i' + 0.003 diag(var y, var dydx_1, .., var dydx_d).

    For `fit(noise=...)`, which then weighs the labels as they deserve: those of noisy regions less, and of values and
    derivatives, whose noise comes from the same path, what they say together. A network fitted so can be the
    `surrogate` of a better estimate; two rounds are enough. Derivation: docs/derivations/sobolev-loss.md.

    Raises `InputError` where labels are missing, or there are fewer than 10 samples for each label of a sample.

    >>> import jax
    >>> from sobolev_pruning import LevenbergMarquardt, fit
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(1), 2048)
    >>> start = Surrogate.create([2, 3, 1], samples, key=jax.random.key(2))
    >>> first = fit(start, samples, key=jax.random.key(3), optimiser=LevenbergMarquardt(20)).surrogate
    >>> noise = label_noise(first, samples)
    >>> noise.whitening.shape
    (1, 8, 3, 3)
    >>> second = fit(first, samples, key=jax.random.key(3), optimiser=LevenbergMarquardt(20), noise=noise).surrogate
    """
    if order not in (0, 1):
        raise InputError(f"order is {order}; noise is estimated for order 0 (values) or 1 (first derivatives too).")
    if order == 1 and samples.dydx is None:
        raise InputError("order is 1, but the samples have no dydx; give derivatives, or choose order 0.")
    if samples.missing:
        raise InputError("Some labels are missing, and their noise with them; leave incomplete samples out.")
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    labels = [np.asarray(samples.y).reshape(n, k, 1)]
    predicted = [np.asarray(surrogate.value(samples.x)).reshape(n, k, 1)]
    if order == 1:
        labels.append(np.asarray(samples.dydx).reshape(n, k, d))
        predicted.append(np.asarray(surrogate.gradient(samples.x)).reshape(n, k, d))
    labels, predicted = np.concatenate(labels, axis=2), np.concatenate(predicted, axis=2)
    n_classes = min(CLASSES, n // (FEWEST * labels.shape[2]))
    if n_classes == 0:
        raise InputError(
            f"{n} samples are too few to estimate the noise of {labels.shape[2]} labels each; give at least "
            f"{FEWEST * labels.shape[2]}."
        )
    limits, whitening = zip(*(_one_output(labels[:, j], predicted[:, j], n_classes) for j in range(k)))
    return LabelNoise(surrogate, jnp.asarray(np.stack(limits)), jnp.asarray(np.stack(whitening)))


def _one_output(
    labels: Float[np.ndarray, "n q"], predicted: Float[np.ndarray, "n q"], n_classes: int
) -> tuple[Float[np.ndarray, "limits"], Float[np.ndarray, "c q q"]]:
    variance = labels.var(axis=0)
    # A label that never changes is measured in its own units, as in the loss.
    floor = FLOOR * np.diag(np.where(variance > 0, variance, 1.0))
    by_value = np.argsort(predicted[:, 0], kind="stable")
    parts = np.array_split(by_value, n_classes)
    limits = np.array([predicted[part[0], 0] for part in parts[1:]])
    residuals = labels - predicted
    covariances = [residuals[part].T @ residuals[part] / len(part) + floor for part in parts]
    return limits, np.linalg.inv(np.linalg.cholesky(np.stack(covariances)))
