"""A surrogate's errors in value, delta, gamma and Hessian, against a reference's truth or against samples."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import Points
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..reference import AbstractReference, Truth
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


class Judge:
    """Scores any number of models at the same points against one truth, which is worked out once.

    `truth` holds the truth at `points`, `(n, d)`; gamma is taken along `direction`, `(d,)`.
    """

    def __init__(self, truth: Truth, points: Points, direction: Float[Array, "d"]):
        self.truth = truth
        self.points = points
        self.direction = direction

    @staticmethod
    def of(reference: AbstractReference, points: Points) -> "Judge":
        """The judge that knows what `reference` says at `points`."""
        return Judge(reference.truth(points), points, reference.gamma_direction)

    def __call__(self, model: Surrogate | AbstractReference) -> Evaluation:
        """The errors of `model`, a surrogate or another reference."""
        truth, points = self.truth, self.points
        hessian = None if truth.hessian is None else model.hessian(points)
        gamma = None
        if truth.gamma is not None:
            gamma = _curvature(model, points, self.direction) if hessian is None else along(hessian, self.direction)
        return Evaluation(
            value=score(model.value(points), truth.value, truth.value_stderr),
            **_delta_scores(model.gradient(points), truth.gradient, truth.gradient_stderr, points),
            gamma=None if gamma is None else score(gamma, truth.gamma, truth.gamma_stderr),
            hessian=None if hessian is None else score(hessian, truth.hessian),
            n_points=len(points),
            against=truth.source,
        )


def evaluate(
    surrogate: Surrogate | AbstractReference,
    truth: AbstractReference | Samples,
    points: Points | None = None,
    *,
    seed: int = 0,
) -> Evaluation:
    """Errors of `surrogate` against a reference, or against `Samples`.

    With a reference, `points` defaults to its 4,096 test points (drawn from `seed`); where its truth is estimated, the
    noise of the estimate is taken out (see `Scores`). With samples, labels count as they are, less the noise that their
    standard errors state: noisy labels without standard errors put a floor under every error.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> surrogate = Surrogate.create([2, 4, 1], basket.sample(jax.random.key(0), 64), key=jax.random.key(1))
    >>> evaluate(surrogate, basket).n_points
    4096
    """
    require_float64("evaluate")
    if isinstance(truth, Samples):
        if points is not None:
            raise InputError("points belong to a reference; samples bring their own inputs, so leave points out.")
        return _against_samples(surrogate, truth)
    points = truth.test_points(jax.random.key(seed)) if points is None else jnp.asarray(points)
    return Judge.of(truth, points)(surrogate)


def along(hessian: Float[Array, "n ... d d"], direction: Float[Array, "d"]) -> Float[Array, "n ..."]:
    """The second derivative along `direction`, `v' H v`."""
    return jnp.einsum("...ab,a,b->...", hessian, direction, direction)


@eqx.filter_jit
def _curvature(surrogate: Surrogate, points: Points, direction: Float[Array, "d"]) -> Float[Array, "n ..."]:
    """The second derivative along `direction` without the Hessian, for models with many inputs."""

    def slope(x):
        return jax.jvp(surrogate, (x,), (direction,))[1]

    return jax.vmap(lambda x: jax.jvp(slope, (x,), (direction,))[1])(points)


def _against_samples(surrogate: Surrogate, samples: Samples) -> Evaluation:
    derivatives = {"delta": None, "delta_scaled": None}
    if samples.dydx is not None:
        gradient = surrogate.gradient(samples.x)
        known = ~np.isnan(samples.dydx)
        if known.any():
            derivatives = _delta_scores(gradient, samples.dydx, samples.dydx_stderr, samples.x, known)
    return Evaluation(
        value=score(surrogate.value(samples.x), samples.y, samples.y_stderr),
        **derivatives,
        gamma=None,
        hessian=None,
        n_points=len(samples),
        against="samples",
    )


def _delta_scores(predicted, truth, stderr, points: Points, known=None) -> dict[str, Scores]:
    spread = np.asarray(points).std(axis=0)
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    noise = None if stderr is None else np.asarray(stderr)
    scaled = score(predicted * spread, truth * spread, None if noise is None else noise * spread, known)
    return {"delta": score(predicted, truth, noise, known), "delta_scaled": scaled}
