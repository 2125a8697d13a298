"""What the user asks of a small network: how large its errors may be."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from .._foundation.errors import InputError
from ..evaluation import Evaluation

QUANTITIES = ("value", "delta", "gamma")
Figure = Literal["r2", "rmse", "p99", "max_abs"]


class Errors(NamedTuple):
    """Errors by quantity, and their standard errors where noise is in them, else 0."""

    size: dict[str, float]
    stderr: dict[str, float]

    def within(self, limits: dict[str, float]) -> bool:
        """Whether no error is above its limit by more than its standard error.

        A standard error larger than the limit tells nothing, so nothing is then within it.
        """
        return all(
            self.size[name] <= limit + self.stderr[name] and self.stderr[name] <= limit
            for name, limit in limits.items()
        )

    def product(self) -> float:
        """The product of all errors; one below its standard error counts as that, for it might be as large."""
        product = 1.0
        for name, size in self.size.items():
            product *= max(size, self.stderr[name])
        return product


@dataclass(frozen=True)
class Tolerance:
    """Limits on the errors of value, delta and gamma; None leaves a quantity free.

    With `figure` "r2" a limit is the smallest R2 that will do; with "rmse", "p99" or "max_abs" it is the largest error.
    With `relative` a limit is a factor instead: the error (1 - R2 for "r2") may be so many times that of the network
    the search starts from.

    >>> Tolerance(value=0.9999, delta=0.999).limits(None)
    {'value': 9.999999999998899e-05, 'delta': 0.0010000000000000009}
    """

    value: float | None = None
    delta: float | None = None
    gamma: float | None = None
    figure: Figure = "r2"
    relative: bool = False

    def __post_init__(self):
        if self.figure not in ("r2", "rmse", "p99", "max_abs"):
            raise InputError(f'figure is {self.figure!r}; choose "r2", "rmse", "p99" or "max_abs".')
        given = {name: getattr(self, name) for name in QUANTITIES if getattr(self, name) is not None}
        if not given:
            raise InputError("The tolerance limits nothing; give at least one of value, delta and gamma.")
        for name, limit in given.items():
            if self.figure == "r2" and not self.relative and not 0 < limit < 1:
                raise InputError(f"The R2 asked of {name} is {limit}; give a number between 0 and 1, such as 0.9999.")
            if not 0 < limit < float("inf"):
                raise InputError(f"The limit on {name} is {limit}; give a number above 0.")

    def limits(self, start: Evaluation | None) -> dict[str, float]:
        """The largest error allowed for every limited quantity; relative limits refer to the errors of `start`."""
        given = {name: getattr(self, name) for name in QUANTITIES if getattr(self, name) is not None}
        if self.relative:
            errors = self.errors(start).size
            if not all(errors.values()):
                raise InputError(
                    f"The tolerance is relative to the errors of the start network against {start.against}, which are "
                    "0; give absolute limits."
                )
            return {name: factor * errors[name] for name, factor in given.items()}
        return {name: 1.0 - limit if self.figure == "r2" else limit for name, limit in given.items()}

    def errors(self, evaluation: Evaluation) -> Errors:
        """The errors of the limited quantities; raises `InputError` for one that cannot be measured."""
        errors, stderr = {}, {}
        for name in QUANTITIES:
            if getattr(self, name) is None:
                continue
            scores = getattr(evaluation, name)
            figure = None if scores is None else getattr(scores, self.figure)
            if figure is None:
                what = name if self.figure == "r2" else f"{self.figure} of {name}"
                raise InputError(
                    f"The {what} cannot be measured against {evaluation.against}, so it cannot be limited; leave it "
                    'out of the tolerance, give a reference that knows it, or measure against="surrogate".'
                )
            errors[name] = 1.0 - figure if self.figure == "r2" else figure
            stderr[name] = scores.r2_stderr if self.figure == "r2" else 0.0
        return Errors(errors, stderr)


def all_measured(evaluation: Evaluation) -> Tolerance:
    """Limits of no consequence on everything that `evaluation` could measure, for its errors 1 - R2."""
    scores = {name: getattr(evaluation, name) for name in QUANTITIES}
    return Tolerance(**{name: 0.5 for name, found in scores.items() if found is not None and found.r2 is not None})
