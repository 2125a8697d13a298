"""A surrogate's errors in value, delta, gamma and Hessian, against a reference's truth or against samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import Points
from .._foundation.direction import axis_of, direction_name
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.variables import (
    Variable,
    as_variables,
    expect_same,
    named_first,
    numbered_inputs,
    numbered_outputs,
)
from ..reference import AbstractReference, Truth
from ..surrogate import Surrogate
from .entries import EntryScores, entry_scores
from .scores import Scores, scorer_for

_MODEL_SEED = 20_25
_PATHS = 65_536

QUANTITIES = ("value", "delta", "delta_scaled", "gamma", "hessian")


@dataclass(frozen=True)
class Evaluation:
    """Scores of each quantity; None where the truth is not known.

    `delta` is the gradient array; in `delta_scaled` every component is multiplied by the spread of its input, for
    inputs of mixed units; `gamma` is the second derivative along the `direction` of that name, None where there is
    none that means something; `hessian` the full array. `against` says what the truth is. For a model of several
    outputs every figure is that of the worst one (see `Scores`); `outputs` has them one by one.
    """

    value: Scores
    delta: Scores | None
    delta_scaled: Scores | None
    gamma: Scores | None
    hessian: Scores | None
    n_points: int
    against: str
    direction: str | None = None

    def figures(self, figure: str) -> dict[str, float | None]:
        """One figure ("r2", "rmse", "p99", "max_abs") of every quantity by name."""
        scores = {name: getattr(self, name) for name in QUANTITIES}
        return {name: None if found is None else getattr(found, figure) for name, found in scores.items()}

    @property
    def outputs(self) -> tuple["Evaluation", ...]:
        """The evaluation of each output by itself; of a model with one output, this one alone."""
        scores = {name: getattr(self, name) for name in QUANTITIES}
        if self.value.by_output is None:
            return (self,)
        return tuple(
            replace(self, **{name: None if found is None else found.by_output[j] for name, found in scores.items()})
            for j in range(len(self.value.by_output))
        )


class Evaluator:
    """Scores any number of models at the same points against one truth, which is worked out once.

    `truth` holds the truth at `points`, `(n, d)`, of the variables `inputs` and `outputs`; gamma is taken along
    `direction`, `(d,)`, where there is one.
    """

    def __init__(
        self,
        truth: Truth,
        points: Points,
        direction: Float[Array, "d"] | None = None,
        inputs: Sequence[Variable | str] | None = None,
        outputs: Sequence[Variable | str] | None = None,
    ):
        self.truth = truth
        self.points = points
        self.direction = direction
        k = int(np.prod(np.shape(truth.value)[1:]))
        self.inputs = as_variables(inputs, numbered_inputs(points.shape[1]), "inputs")
        self.outputs = as_variables(outputs, numbered_outputs(k), "outputs")

    @staticmethod
    def of(reference: AbstractReference, points: Points) -> "Evaluator":
        """The one that knows what `reference` says at `points`."""
        found = reference.truth(points)
        return Evaluator(found, points, reference.gamma_direction, reference.inputs, reference.outputs)

    @staticmethod
    def on(samples: Samples, name: str = "samples") -> "Evaluator":
        """The one that takes the labels of `samples`, called `name`, for the truth, less the noise that they state."""
        known = samples.dydx is not None and not np.isnan(samples.dydx).all()
        gradient, stderr = (samples.dydx, samples.dydx_stderr) if known else (None, None)
        truth = Truth(samples.y, gradient, None, None, name, samples.y_stderr, stderr)
        return Evaluator(truth, samples.x, None, samples.inputs, samples.outputs)

    def said_by(self, model: Surrogate | AbstractReference) -> Truth:
        """What `model` says at the points of all that the truth knows."""
        return _said_by(model, self.points, self.truth, self.direction)

    def __call__(self, model: Surrogate | AbstractReference) -> Evaluation:
        """The errors of `model`, a surrogate or another reference.

        Raises `InputError` where it has other inputs or outputs than the truth, by number or by name.
        """
        truth, points = self.truth, self.points
        found = self._comparable(model)
        score = _scorer(truth.value)

        def scored(name: str) -> Scores | None:
            predicted, true = getattr(found, name), getattr(truth, name)
            if predicted is None or true is None:
                return None
            return score(predicted, true, _stderr_of_both(found, truth, name))

        scores = {"value": scored("value"), "gamma": scored("gamma"), "hessian": scored("hessian")}
        scores |= {"delta": None, "delta_scaled": None}
        if truth.gradient is not None:
            stderr = _stderr_of_both(found, truth, "gradient")
            known = ~np.isnan(truth.gradient)
            scores |= _delta_scores(score, found.gradient, truth.gradient, stderr, points, known)
        direction = direction_name(self.direction, named_first(self.inputs, model.inputs))
        return Evaluation(**scores, n_points=len(points), against=truth.source, direction=direction)

    def by_name(self, model: Surrogate | AbstractReference) -> tuple[EntryScores, ...]:
        """The errors of `model` in every value and derivative by its name, see `entry_scores`.

        >>> from sobolev_pruning.reference import GaussianBasket
        >>> basket = GaussianBasket.random(n_assets=2, seed=0)
        >>> evaluator = Evaluator.of(basket, basket.test_points(jax.random.key(0), 64))
        >>> [entry.name for entry in evaluator.by_name(basket)[:4]]
        ['price', 'dprice/dspot[0]', 'dprice/dspot[1]', 'd2price/dspot[0]2']
        """
        found = self._comparable(model)
        stderr = {name: _stderr_of_both(found, self.truth, name) for name in ("value", "gradient", "gamma", "hessian")}
        names = named_first(self.inputs, model.inputs), named_first(self.outputs, model.outputs)
        return entry_scores(found, self.truth, stderr, *names, gamma_axis=axis_of(self.direction))

    def _comparable(self, model: Surrogate | AbstractReference) -> Truth:
        expect_same(model.inputs, self.inputs, "the truth", "inputs")
        found = self.said_by(model)
        ours, theirs = (int(np.prod(np.shape(values)[1:])) for values in (found.value, self.truth.value))
        if ours != theirs:
            raise InputError(
                f"The model has {ours} outputs and the truth ({self.truth.source}) has {theirs}; compare it with its "
                "own model."
            )
        expect_same(model.outputs, self.outputs, "the truth", "outputs")
        return found


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
    standard errors state: noisy labels without standard errors put a floor under every error. With several outputs
    each is measured about its own mean, and every figure is that of the worst (`Evaluation.outputs` has all). What is
    measured may be a reference too; where both are estimates, the noise of both is taken out.

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
        return Evaluator.on(truth)(surrogate)
    points = truth.test_points(jax.random.key(seed)) if points is None else jnp.asarray(points)
    return Evaluator.of(truth, points)(surrogate)


def second_derivative_along(hessian: Float[Array, "n ... d d"], direction: Float[Array, "d"]) -> Float[Array, "n ..."]:
    """The second derivative along `direction`, `v' H v`."""
    return jnp.einsum("...ab,a,b->...", hessian, direction, direction)


@eqx.filter_jit
def _curvature(surrogate: Surrogate, points: Points, direction: Float[Array, "d"]) -> Float[Array, "n ..."]:
    """The second derivative along `direction` without the Hessian, for models with many inputs."""

    def slope(x):
        return jax.jvp(surrogate, (x,), (direction,))[1]

    return jax.vmap(lambda x: jax.jvp(slope, (x,), (direction,))[1])(points)


def _said_by(
    model: Surrogate | AbstractReference, points: Points, truth: Truth, direction: Float[Array, "d"] | None
) -> Truth:
    """What `model` says of all that `truth` knows; of another estimate with its standard errors."""
    derivatives = truth.gradient is not None, truth.gamma is not None or truth.hessian is not None
    if isinstance(model, AbstractReference):
        found = _told_by(model, points, 2 if derivatives[1] else int(derivatives[0]))
        if direction is None:
            return replace(found, gamma=None, gamma_stderr=None)
        if found.hessian is not None:
            return replace(found, gamma=second_derivative_along(found.hessian, direction))
        same = model.gamma_direction is not None and np.array_equal(model.gamma_direction, direction)
        return found if same else replace(found, gamma=None, gamma_stderr=None)
    hessian = None if truth.hessian is None else model.hessian(points)
    gamma = None
    if truth.gamma is not None:
        gamma = _curvature(model, points, direction) if hessian is None else second_derivative_along(hessian, direction)
    gradient = model.gradient(points) if derivatives[0] else None
    return Truth(model.value(points), gradient, gamma, hessian, "the model itself")


def is_estimated(reference: AbstractReference, point: Points) -> bool:
    """Whether the truth of `reference` is the mean of many paths, as it is at one `point`, `(1, d)`."""
    return reference.truth(point, order=0).value_stderr is not None


def _told_by(reference: AbstractReference, points: Points, order: int) -> Truth:
    """The truth of `reference`; where that is an estimate, one on noise of its own, so that two estimates err apart."""
    if not is_estimated(reference, points[:1]):
        return reference.truth(points, order)
    paths = getattr(reference, "paths", _PATHS)
    return reference.estimate(points, jax.random.key(_MODEL_SEED), paths, order)


def _stderr_of_both(found: Truth, truth: Truth, name: str) -> np.ndarray | None:
    """The standard error of the difference of two estimates, which are independent; None where both are exact."""
    if name == "hessian":  # known from closed forms alone
        return None
    errors = [getattr(one, f"{name}_stderr") for one in (found, truth)]
    known = [np.asarray(error).reshape(np.shape(truth.value)[:1] + (-1,)) for error in errors if error is not None]
    return np.sqrt(sum(error**2 for error in known)).reshape(np.shape(getattr(truth, name))) if known else None


def _scorer(truth: Array) -> Callable[..., Scores]:
    """What scores arrays of a model against those of one with the values `truth`, output by output.

    The axis of a single output may be there in one and not in the other.
    """
    scorer = scorer_for(truth)

    def score(predicted, truth, stderr=None, known=None) -> Scores:
        return scorer(np.asarray(predicted).reshape(np.shape(truth)), truth, stderr, known)

    return score


def _delta_scores(score: Callable[..., Scores], predicted, truth, stderr, points: Points, known=None) -> dict:
    spread = np.asarray(points).std(axis=0)
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    noise = None if stderr is None else np.asarray(stderr)
    scaled = score(predicted * spread, truth * spread, None if noise is None else noise * spread, known)
    return {"delta": score(predicted, truth, noise, known), "delta_scaled": scaled}
