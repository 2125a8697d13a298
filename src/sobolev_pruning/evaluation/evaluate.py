"""A surrogate's errors in value, delta, gamma and Hessian, against a reference's truth or against samples."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import Points
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..reference import AbstractReference
from ..surrogate import Surrogate
from .scores import Scores, score

QUANTITIES = ("value", "delta", "delta_scaled", "gamma", "hessian")


@dataclass(frozen=True)
class Evaluation:
    """Scores of each quantity; None where the truth is not known.

    `delta` is the gradient array; in `delta_scaled` every component is multiplied by the spread of its input, for
    inputs of mixed units; `gamma` is the second derivative along the reference's `gamma_direction`; `hessian` the full
    array. `against` says what the truth is.
    """

    value: Scores
    delta: Scores | None
    delta_scaled: Scores | None
    gamma: Scores | None
    hessian: Scores | None
    n_points: int
    against: str

    def figures(self, figure: str) -> dict[str, float | None]:
        """One figure ("r2", "rmse", "p99", "max_abs") of every quantity by name."""
        scores = {name: getattr(self, name) for name in QUANTITIES}
        return {name: None if found is None else getattr(found, figure) for name, found in scores.items()}


def evaluate(
    surrogate: Surrogate, truth: AbstractReference | Samples, points: Points | None = None, *, seed: int = 0
) -> Evaluation:
    """Errors of `surrogate` against a reference's closed form, or against `Samples`.

    With a reference, `points` defaults to its 4,096 test points (drawn from `seed`). With samples, labels are taken as
    they are: noisy labels put a floor under every error.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> surrogate = Surrogate.create([2, 4, 1], basket.sample(jax.random.key(0), 64), key=jax.random.key(1))
    >>> evaluate(surrogate, basket).n_points
    4096
    """
    if isinstance(truth, Samples):
        if points is not None:
            raise InputError("points belong to a reference; samples bring their own inputs, so leave points out.")
        return _against_samples(surrogate, truth)
    points = truth.test_points(jax.random.key(seed)) if points is None else jnp.asarray(points)
    hessian, true_hessian = surrogate.hessian(points), truth.hessian(points)
    direction = truth.gamma_direction
    return Evaluation(
        value=score(surrogate.value(points), truth.value(points)),
        **_delta_scores(surrogate.gradient(points), truth.gradient(points), points),
        gamma=score(along(hessian, direction), along(true_hessian, direction)),
        hessian=score(hessian, true_hessian),
        n_points=len(points),
        against="closed form",
    )


def along(hessian: Float[Array, "n ... d d"], direction: Float[Array, "d"]) -> Float[Array, "n ..."]:
    """The second derivative along `direction`, `v' H v`."""
    return jnp.einsum("...ab,a,b->...", hessian, direction, direction)


def _against_samples(surrogate: Surrogate, samples: Samples) -> Evaluation:
    derivatives = {"delta": None, "delta_scaled": None}
    if samples.dydx is not None:
        derivatives = _delta_scores(surrogate.gradient(samples.x), samples.dydx, samples.x)
    return Evaluation(
        value=score(surrogate.value(samples.x), samples.y),
        **derivatives,
        gamma=None,
        hessian=None,
        n_points=len(samples),
        against="samples",
    )


def _delta_scores(predicted, truth, points: Points) -> dict[str, Scores]:
    predicted, truth, spread = np.asarray(predicted), np.asarray(truth), np.std(points, axis=0)
    return {"delta": score(predicted, truth), "delta_scaled": score(predicted * spread, truth * spread)}
