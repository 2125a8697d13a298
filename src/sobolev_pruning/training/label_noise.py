"""The noise of labels, estimated from what a first network leaves of them."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

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

FLOOR = 0.03
"""Added to the variance of every label's noise in a class, over that of all classes: room for what the network cannot
fit. Without it labels that have no noise where others have would rule the fit.
"""

_ROUNDING = 1e-12
"""The same over the variance of the label itself, for labels without any noise."""


MOST_PATTERNS = 256
"""Most sets of labels of which samples may have exactly those: each needs matrices of its own."""

_ROUNDS = 200
_SETTLED = 1e-6


class LabelNoise(eqx.Module):
    """Covariances of the noise in the `q` labels of a sample (an output's value, then its derivatives), class by class.

    The class of a sample is where the value that `surrogate` predicts lies among `limits` `(k, places - 1)`, output by
    output, and which of its labels are known, a row of `patterns` `(p, q)`; classes of one place stand together.
    `whitening` `(k, places * p, q, q)` holds matrices `W` with `W' W` the inverse of the covariance of the known
    labels; rows and columns of unknown ones are 0.
    """

    surrogate: Surrogate
    limits: Float[Array, "k limits"]
    patterns: Bool[Array, "p q"]
    whitening: Float[Array, "k c q q"]

    def classes(self, samples: Samples) -> Int[np.ndarray, "n k"]:
        """The class of each sample and output.

        Raises `InputError` where a sample lacks other labels than those that the noise was estimated from.
        """
        predicted = np.asarray(self.surrogate.value(samples.x)).reshape(len(samples), -1)
        columns = zip(np.asarray(self.limits), predicted.T)
        places = np.stack([np.searchsorted(limits, column, side="right") for limits, column in columns], axis=1)
        patterns = np.asarray(self.patterns)
        known = _known(samples, {1: 0, 1 + samples.n_inputs: 1}.get(patterns.shape[1], 2))
        number = np.full(known.shape[:2], -1)
        for p, pattern in enumerate(patterns):
            number[(known == pattern).all(axis=2)] = p
        if (number < 0).any():
            row = int(np.argwhere(number < 0)[0, 0])
            raise InputError(
                f"Sample {row} lacks other labels than those that the noise was estimated from; estimate it by "
                "label_noise from all samples."
            )
        return places * len(patterns) + number


def label_noise(surrogate: Surrogate, samples: Samples, order: int = 1) -> LabelNoise:
    """The noise in the labels of `samples`, as what `surrogate`, trained on them, leaves of them.

    With the residuals `r_i = (y_i - f(x_i), dydx_i - grad f(x_i), hvp_i - H f(x_i) v_i)` of an output, as many as
    `order` says, and classes `C` of samples with predictions `f(x_i)` of like size, the covariance of a class is

        S_C = mean_{i in C} r_i r_i' + 0.03 diag(mean_i r_i r_i').

    Where labels are missing, the mean is that of a normal law, over what is not known too (expectation maximisation).

    For `fit(noise=...)`, which then weighs the labels as they deserve: those of noisy regions less, and of values and
    derivatives, whose noise comes from the same path, what they say together. A network fitted so can be the
    `surrogate` of a better estimate; two rounds are enough. Derivation: docs/derivations/sobolev-loss.md.

    Raises `InputError` where a label that is not missing everywhere is known in fewer than 10 samples for each label of
    a sample.

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
    if order not in (0, 1, 2):
        raise InputError(f"order is {order}; choose 0 (values), 1 (first derivatives too) or 2 (second ones too).")
    if order > 0 and samples.dydx is None:
        raise InputError(f"order is {order}, but the samples have no dydx; give derivatives, or choose order 0.")
    if order > 1 and samples.hvp is None:
        raise InputError("order is 2, but the samples have no hvp; sample with order=2, or choose a smaller order.")
    n, k, d = len(samples), samples.n_outputs, samples.n_inputs
    labels = [np.asarray(samples.y).reshape(n, k, 1)]
    predicted = [np.asarray(surrogate.value(samples.x)).reshape(n, k, 1)]
    if order > 0:
        labels.append(np.asarray(samples.dydx).reshape(n, k, d))
        predicted.append(np.asarray(surrogate.gradient(samples.x)).reshape(n, k, d))
    if order > 1:
        products = samples.hvp, surrogate.hessian_products(samples.x, samples.directions)
        for found, each in zip((labels, predicted), products):
            found.append(_by_output(np.asarray(each), k, d))
    labels, predicted = np.concatenate(labels, axis=2), np.concatenate(predicted, axis=2)
    known = _known(samples, order)
    patterns = np.unique(known.reshape(-1, known.shape[2]), axis=0)
    if len(patterns) > MOST_PATTERNS:
        raise InputError(
            f"Samples lack labels in {len(patterns)} combinations, more than {MOST_PATTERNS}; leave incomplete samples "
            "out."
        )
    counts = known.sum(axis=0)
    n_places = min(CLASSES, int(counts[counts > 0].min()) // (FEWEST * labels.shape[2]))
    if n_places == 0:
        raise InputError(
            f"{counts[counts > 0].min()} samples are too few to estimate the noise of {labels.shape[2]} labels each; "
            f"give at least {FEWEST * labels.shape[2]}."
        )
    parts = [_one_output(labels[:, j], predicted[:, j], known[:, j], n_places) for j in range(k)]
    whitening = [[_whitening(each, pattern) for each in laws for pattern in patterns] for _, laws in parts]
    return LabelNoise(
        surrogate,
        limits=jnp.asarray(np.stack([limits for limits, _ in parts])),
        patterns=jnp.asarray(patterns),
        whitening=jnp.asarray(np.array(whitening)),
    )


def _known(samples: Samples, order: int) -> Bool[np.ndarray, "n k q"]:
    """Which labels of each sample and output are known."""
    n, k = len(samples), samples.n_outputs
    known = [np.ones((n, k, 1), bool)]
    if order > 0:
        known.append(~np.isnan(np.asarray(samples.dydx).reshape(n, k, samples.n_inputs)))
    if order > 1:
        known.append(~np.isnan(_by_output(np.asarray(samples.hvp), k, samples.n_inputs)))
    return np.concatenate(known, axis=2)


def _by_output(products: Float[np.ndarray, "n m ..."], k: int, d: int) -> Float[np.ndarray, "n k q"]:
    """Hessian-vector products `(n, m, k, d)` in the order in which the loss stacks them."""
    n = len(products)
    return np.moveaxis(products.reshape(n, -1, k, d), 2, 1).reshape(n, k, -1)


def _one_output(
    labels: Float[np.ndarray, "n q"],
    predicted: Float[np.ndarray, "n q"],
    known: Bool[np.ndarray, "n q"],
    n_places: int,
) -> tuple[Float[np.ndarray, "limits"], list[Float[np.ndarray, "q q"]]]:
    # A label that never changes is measured in its own units, as in the loss.
    columns = [labels[known[:, c], c] for c in range(labels.shape[1])]
    variance = np.array([column.var() if len(column) else 0.0 for column in columns])
    residuals = np.where(known, labels - predicted, 0.0)
    noise = np.sum(residuals**2, axis=0) / np.maximum(known.sum(axis=0), 1)
    floor = np.diag(FLOOR * noise + _ROUNDING * np.where(variance > 0, variance, 1.0))
    by_value = np.argsort(predicted[:, 0], kind="stable")
    parts = np.array_split(by_value, n_places)
    limits = np.array([predicted[part[0], 0] for part in parts[1:]])
    return limits, [_covariance(residuals[part], known[part], floor) + floor for part in parts]


def _covariance(
    residuals: Float[np.ndarray, "n q"], known: Bool[np.ndarray, "n q"], floor: Float[np.ndarray, "q q"]
) -> Float[np.ndarray, "q q"]:
    """The second moment of a normal law of mean 0 that makes the known residuals likeliest.

    Expectation maximisation (Dempster, Laird, Rubin 1977): the mean of `r r'` given what is known of each `r`, under
    the last estimate, is the next one. Where all is known the first is the last.
    """
    patterns, of = np.unique(known, axis=0, return_inverse=True)
    residuals = np.where(known, residuals, 0.0)
    moments = [residuals[of.ravel() == number] for number in range(len(patterns))]
    moments = [(len(part), part.T @ part) for part in moments]
    estimate = np.diag(np.sum(residuals**2, axis=0) / np.maximum(known.sum(axis=0), 1))
    for _ in range(_ROUNDS):
        before, total = estimate, np.zeros_like(estimate)
        for pattern, (count, moment) in zip(patterns, moments):
            # r = fill r_known + a rest that what is known says nothing of; exact labels need the floor to be solved.
            law = before + floor
            fill = np.diag(pattern.astype(float))
            inner, outer = np.ix_(pattern, pattern), np.ix_(~pattern, pattern)
            fill[outer] = np.linalg.solve(law[inner], law[outer].T).T
            rest = np.zeros_like(before)
            rest[np.ix_(~pattern, ~pattern)] = before[np.ix_(~pattern, ~pattern)] - fill[outer] @ before[outer].T
            total += fill @ moment @ fill.T + count * rest
        estimate = total / len(residuals)
        if np.abs(estimate - before).max() <= _SETTLED * np.abs(estimate).max():
            break
    return estimate


def _whitening(covariance: Float[np.ndarray, "q q"], pattern: Bool[np.ndarray, "q"]) -> Float[np.ndarray, "q q"]:
    matrix = np.zeros_like(covariance)
    known = np.ix_(pattern, pattern)
    matrix[known] = np.linalg.inv(np.linalg.cholesky(covariance[known]))
    return matrix
