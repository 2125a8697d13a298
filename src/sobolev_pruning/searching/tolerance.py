"""What the user asks of a small network: how large its errors may be."""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from .._foundation.errors import InputError
from ..evaluation import Evaluation, Scores

LIMITED_QUANTITIES = ("value", "delta", "delta_scaled", "gamma", "hessian")
Figure = Literal["r2", "rmse", "p99", "max_abs"]

QUIET = 0.1
"""Labels whose noise is at most so large a part of what is asked for are taken for the truth."""


class Errors(NamedTuple):
    """Errors by name (see `names_of`), and their standard errors where noise is in them, else 0.

    `on_labels` has the errors on the noisy labels themselves, for names whose error is an excess over the start's.
    """

    size: dict[str, float]
    stderr: dict[str, float]
    on_labels: dict[str, float]

    def within(self, limits: dict[str, float], compared: tuple[str, ...] = ()) -> bool:
        """Whether no error is above its limit by more than its standard error.

        A standard error larger than the limit tells nothing of the truth, so nothing is then within it; but for the
        names that are only `compared` with another network, where a difference below its standard error is none.
        """
        return all(
            self.size[name] <= limit + self.stderr[name] and (self.stderr[name] <= limit or name in compared)
            for name, limit in limits.items()
        )

    def product(self) -> float:
        """The product of all errors; one below its standard error counts as that, for it might be as large."""
        product = 1.0
        for name, size in self.size.items():
            product *= max(size, self.stderr[name])
        return product


def names_of(quantity: str, scores: Scores) -> dict[str, Scores | None]:
    """The scores of each output by name: `value` for one output, `value of output 0`, ... for several."""
    if scores.by_output is None:
        return {quantity: scores}
    return {f"{quantity} of output {j}": found for j, found in enumerate(scores.by_output)}


@dataclass(frozen=True)
class Measure:
    """Which errors count, and how large they may be.

    - `figure`: which error of the quantities; 1 - R2 for "r2".
    - `quantities`: those that count, every output of them.
    - `excess`: names (see `names_of`) whose error is the excess over that of the start network, as noise in the labels
      hides the error itself.
    - `limits`: the largest error allowed by name; empty where nothing is limited.
    - `compared`: names of `excess` whose limit is relative: how they compare with the start network is all that counts.
    - `factors`: by name, how many times the error of the best network that is; empty where limits are absolute.
    """

    figure: Figure
    quantities: tuple[str, ...]
    excess: tuple[str, ...]
    compared: tuple[str, ...]
    limits: dict[str, float]
    factors: dict[str, float]

    def after(self, errors: "Errors") -> "Measure":
        """The limits after a network with these `errors` was seen: relative ones are those of the best so far."""
        better = {
            name: min(self.limits[name], factor * max(errors.size[name], 0.0))
            for name, factor in self.factors.items()
            if errors.size[name] > 0.0
        }
        return replace(self, limits=self.limits | better)

    def __call__(self, evaluation: Evaluation) -> Errors:
        """The errors; raises `InputError` for one that cannot be measured."""
        errors = Errors({}, {}, {})
        for quantity in self.quantities:
            for name, scores in _measured(evaluation, quantity, self.figure).items():
                error, stderr = _absolute(scores, self.figure)
                if name in self.excess:
                    errors.on_labels[name] = error
                    error, stderr = _excess(scores, self.figure)
                errors.size[name], errors.stderr[name] = error, stderr
        return errors


@dataclass(frozen=True)
class Tolerance:
    """Limits on the errors of value, delta, gamma and Hessian; None leaves a quantity free.

    Gamma, the second derivative along one direction, can be limited where that has a name (see `Evaluation.direction`),
    the Hessian wherever it is known. In `delta_scaled` slopes count in units of the spreads of their inputs, for inputs
    of mixed units.

    With `figure` "r2" a limit is the smallest R2 that will do; with "rmse", "p99" or "max_abs" it is the largest error.
    With `relative` a limit is a factor instead: the error (1 - R2 for "r2") may be so many times that of the network
    the search starts from; where noise in the labels hides that, what can be seen of it (see `_least_error`). A limit
    holds for every output by itself. A relative limit follows the best network that the search sees.

    >>> Tolerance(value=0.9999, delta=0.999).absolute_limits()
    {'value': 9.999999999998899e-05, 'delta': 0.0010000000000000009}
    """

    value: float | None = None
    delta: float | None = None
    gamma: float | None = None
    delta_scaled: float | None = None
    hessian: float | None = None
    figure: Figure = "r2"
    relative: bool = False

    def __post_init__(self):
        if self.figure not in ("r2", "rmse", "p99", "max_abs"):
            raise InputError(f'figure is {self.figure!r}; choose "r2", "rmse", "p99" or "max_abs".')
        if not self._given():
            raise InputError(f"The tolerance limits nothing; give at least one of {', '.join(LIMITED_QUANTITIES)}.")
        for name, limit in self._given().items():
            if self.figure == "r2" and not self.relative and not 0 < limit < 1:
                raise InputError(f"The R2 asked of {name} is {limit}; give a number between 0 and 1, such as 0.9999.")
            if not 0 < limit < float("inf"):
                raise InputError(f"The limit on {name} is {limit}; give a number above 0.")

    def _given(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in LIMITED_QUANTITIES if getattr(self, name) is not None}

    def absolute_limits(self) -> dict[str, float]:
        """The largest error allowed for every limited quantity, 1 - R2 for "r2"; factors where it is `relative`."""
        invert = self.figure == "r2" and not self.relative
        return {name: 1.0 - limit if invert else limit for name, limit in self._given().items()}

    def measure(self, start: Evaluation) -> Measure:
        """What errors count, and their limits, for a search from a network with the errors `start`."""
        limits, factors, excess, compared = {}, {}, [], []
        for quantity, given in self.absolute_limits().items():
            for name, scores in _measured(start, quantity, self.figure).items():
                error, _ = _absolute(scores, self.figure)
                limits[name] = given * error if self.relative else given
                if self.relative:
                    factors[name] = given
                if self.relative and not error:
                    raise InputError(
                        f"The tolerance is relative to the errors of the start network against {start.against}, and "
                        f"that of {name} is 0; give absolute limits."
                    )
                if _is_noisy(scores, self.figure, limits[name]):
                    if self.figure in ("p99", "max_abs"):
                        raise InputError(
                            f"The {self.figure} of {name} cannot be measured against {start.against}, whose noise "
                            'hides it, so it cannot be limited; limit "r2" or "rmse", or measure against="surrogate".'
                        )
                    excess.append(name)
                    if self.relative:
                        del factors[name]
                        compared.append(name)
                        limits[name] = (given - 1.0) * _least_error(scores, self.figure, start.n_points)
        return Measure(self.figure, tuple(self._given()), tuple(excess), tuple(compared), limits, factors)


def _least_error(scores: Scores, figure: Figure, n_points: int) -> float:
    """What is left of a network's error on noisy labels without their noise; at least what so many labels can show.

    Where the excess of another network over it is `e`, of 1 - R2 say, the standard error of `e` is about twice the root
    of `e` times the noise over the number of labels: an excess below four times the latter is below its standard error.
    """
    error, _ = _absolute(scores, figure)
    if figure == "r2":
        return max(error - scores.excess.noise_share, 4.0 * scores.excess.noise_share / n_points)
    noise = scores.excess.noise
    return math.sqrt(max(error**2 - noise, 4.0 * noise / n_points))


def measure_of_all(start: Evaluation) -> Measure:
    """The errors 1 - R2 of everything that `start` could measure, nothing limited."""
    curvature = "hessian" if start.gamma is None else "gamma"
    scores = {name: getattr(start, name) for name in ("value", "delta", curvature)}
    found = {
        quantity: names_of(quantity, of)
        for quantity, of in scores.items()
        if of is not None and all(each is not None and each.r2 is not None for each in names_of(quantity, of).values())
    }
    noisy = (name for named in found.values() for name, each in named.items() if _is_noisy(each, "r2", 1.0 - each.r2))
    return Measure("r2", tuple(found), tuple(noisy), (), {}, {})


def _measured(evaluation: Evaluation, quantity: str, figure: Figure) -> dict[str, Scores]:
    """The scores of every output; raises `InputError` for one that cannot be measured."""
    scores = getattr(evaluation, quantity)
    named = {quantity: None} if scores is None else names_of(quantity, scores)
    if quantity == "gamma" and scores is None and evaluation.hessian is not None:
        raise InputError(
            "Gamma is the second derivative along a direction, and the inputs have none with a name, as all spots; "
            "limit hessian instead, or leave gamma out of the tolerance."
        )
    for name, found in named.items():
        if found is None or getattr(found, figure) is None:
            what = name if figure == "r2" else f"{figure} of {name}"
            raise InputError(
                f"The {what} cannot be measured against {evaluation.against}, so it cannot be limited; leave it "
                'out of the tolerance, give a reference that knows it, or measure against="surrogate".'
                if found is None
                else f"The {name} never changes, so it has no R2 to be limited; limit its rmse, or leave it out."
            )
    return named


def _absolute(scores: Scores, figure: Figure) -> tuple[float, float]:
    """The error and its standard error."""
    return (1.0 - scores.r2, scores.r2_stderr) if figure == "r2" else (getattr(scores, figure), 0.0)


def _excess(scores: Scores, figure: Figure) -> tuple[float, float]:
    excess = scores.excess
    return (excess.r2, excess.r2_stderr) if figure == "r2" else (excess.rmse, 0.0)


def _is_noisy(scores: Scores, figure: Figure, limit: float) -> bool:
    """Whether the noise of the labels is too large beside the limit for the error on them to be that on the truth."""
    excess = scores.excess
    if excess is None:
        return False
    if figure == "r2":
        return excess.r2 is not None and excess.noise_share > QUIET * limit
    if figure == "rmse":  # squared errors add
        return excess.noise > QUIET * limit**2
    return excess.noise > (QUIET * limit) ** 2
