"""How certain trained parameters are, from what a fit leaves of its labels."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..surrogate import ErrorBars, Surrogate, matching_samples
from .batches import Batch
from .label_noise import LabelNoise
from .losses import Balance, SobolevLoss, Weight, labels_of
from .normal_equations import score_moments

PRIOR = 3.0
"""Standard deviation that a parameter has where labels say nothing of it; inputs and outputs are scaled."""

MOST_PARAMETERS = 3000
"""Of a network whose covariance is computed: its matrices take a quarter of a gigabyte then."""

_LEFT = 0.1
"""Of the labels, the share that must not be used up by parameters: of fewer the noise is not known."""

_KEPT = 0.999
"""Of the variance of all predictions, the share that the directions kept have."""


def error_bars(
    surrogate: Surrogate,
    samples: Samples,
    order: int = 1,
    *,
    balance: Balance = "dimension",
    weight: Weight = 1.0,
    scaled: bool = False,
    noise: LabelNoise | None = None,
) -> ErrorBars:
    """Standard errors of `surrogate` at every point, from the noise of the `samples` that it was trained on.

    The other arguments are those that it was trained with, see `fit`. With the weighted residuals `r_i` of sample i,
    their derivatives `J_i` in the parameters, `N` labels in `n` samples and the loss `L`, the covariance of the
    parameters is

        (A + alpha)^-1 (c B / n + alpha^2 s^2) (A + alpha)^-1,    alpha = c L / (n s^2),    s = 3,
        A = mean_i J_i' J_i,    B = mean_i (J_i' r_i)(J_i' r_i)',    c = N / (N - q),

    the sandwich of Huber (1967) and White (1982) with the prior `N(0, s^2)` of each parameter, which decides where
    labels say nothing: with noise that has the covariance by which `noise` weighs, it is the linearised Laplace
    approximation (MacKay 1992) `(A + alpha)^-1 L / n`; with other noise, and with labels that err together, it stays
    right. `q`, the sum of `a / (a + alpha)` over the eigenvalues `a` of A, counts the parameters that labels decide.
    Directions that hardly move any prediction are left out.

    What the network cannot fit counts as noise here; a bias that is the same at all points near each other is seen by
    `calibrated` alone. Derivation: docs/derivations/error-bars.md.

    Raises `InputError` where labels are hardly more than the parameters that they decide, and above 3,000 parameters.

    >>> import jax
    >>> from sobolev_pruning import LevenbergMarquardt, fit
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(1), 2048)
    >>> start = Surrogate.create([2, 3, 1], samples, key=jax.random.key(2))
    >>> network = fit(start, samples, key=jax.random.key(3), optimiser=LevenbergMarquardt(20)).surrogate
    >>> bars = error_bars(network, samples)
    >>> bars.value([[1.0, 1.0]]).shape, bars.gradient([[1.0, 1.0]]).shape
    ((1,), (1, 2))
    """
    require_float64("error_bars")
    samples = matching_samples(surrogate, samples)
    n, parameters = len(samples), surrogate.n_parameters
    if parameters > MOST_PARAMETERS:
        raise InputError(
            f"The network has {parameters} parameters, and error bars are made for {MOST_PARAMETERS} at most; prune it."
        )
    loss = SobolevLoss.of(samples, order, balance, weight, scaled, noise)
    data = Batch.of(samples, order, noise=noise)
    labels = _count(data)
    matrix, scores, total = map(np.asarray, _moments(loss, surrogate, data))
    curvature = np.linalg.eigvalsh(matrix).clip(0)
    # Of labels that are met exactly nothing but rounding is left.
    alpha = max(total / (n * PRIOR**2), np.finfo(float).eps * curvature[-1], np.finfo(float).tiny)
    decided = np.sum(curvature / (curvature + alpha))
    if labels - decided < _LEFT * labels:
        raise InputError(
            f"{labels} labels leave no room to tell how certain the {parameters} parameters are; give more samples, or "
            "take a smaller network."
        )
    correction = labels / (labels - decided)
    alpha = correction * alpha
    middle = correction * scores / n + alpha**2 * PRIOR**2 * np.eye(parameters)
    root = np.linalg.solve(matrix + alpha * np.eye(parameters), _square_root(middle))
    # Turned so that directions stand by how much they move the predictions.
    moved, turn = np.linalg.eigh(root.T @ matrix @ root)
    share = np.cumsum(moved[::-1].clip(0)) / max(moved.clip(0).sum(), np.finfo(float).tiny)
    kept = int(np.searchsorted(share, _KEPT)) + 1
    directions = (root @ turn[:, ::-1][:, :kept]).T
    return ErrorBars(surrogate, jnp.asarray(directions), jnp.ones((2, surrogate.widths[-1])))


@eqx.filter_jit
def _moments(loss: SobolevLoss, surrogate: Surrogate, data: Batch) -> tuple[Array, Array, Array]:
    return score_moments(loss, surrogate, data)


def _count(data: Batch) -> int:
    """The labels that are known."""
    kinds = [(label, weight) for label, weight, _ in labels_of(data)]
    return sum(int(np.size(label) if weight is None else np.count_nonzero(weight)) for label, weight in kinds)


def _square_root(matrix: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """`R` with `R R' = matrix`, for a matrix that is positive but for rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0))
