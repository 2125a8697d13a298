"""Reference models as sources: those of the library, functions in JAX, and networks."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._foundation.arrays import Points, PRNGKey
from ..._foundation.errors import InputError
from ..._foundation.samples import Samples
from ..._foundation.variables import in_short
from ...certificates.record import digest
from ...drawing.numbers import count_text
from ...evaluation import Evaluator
from ...evaluation.evaluate import is_estimated
from ...reference import AbstractReference, FunctionReference, GaussianBasket, pre_integrated
from ...reference.pathwise import value_and_jacobian
from ...reference.truth import pathwise_misses
from ...surrogate import Surrogate
from ..timing import seconds_of
from .source import AbstractSource, Cost, Direction

ESTIMATED_POINTS = 512
"""Test points where every truth is the mean of many paths; a closed form has 4,096."""

_WAYS = {
    "pieces": "one direction integrated piece by piece",
    "points": "one direction integrated over points",
    "none": "as it is",
}
_PATHS = 20_000
_TIMED = 1024
_NOISE_POINTS, _NOISE_PATHS = 256, 8


class ReferenceSource(AbstractSource):
    """A reference model. `quieter(design, conditional)` makes one that draws with less noise, where it can; `teacher`
    is the network that the model is, if it is one.
    """

    endless = True

    def __init__(
        self,
        reference: AbstractReference,
        title: str | None = None,
        quieter: Callable[[str, bool], AbstractReference] | None = None,
        teacher: Surrogate | None = None,
    ):
        self.reference, self.teacher = reference, teacher
        self.is_network = teacher is not None
        self._quieter = quieter
        self.inputs, self.outputs = reference.inputs, reference.outputs
        self.title = title or title_of(reference)
        lower, upper = reference.box
        self.box = np.asarray(lower), np.asarray(upper)
        self.direction = direction_of(reference)
        points = reference.test_points(jax.random.key(0), 4)
        self.estimated = is_estimated(reference, points[:1])
        curvature = () if self.estimated else ("hessian",)
        self.measured = ("value", "delta", *(curvature if self.direction is None else ("gamma",)))
        self.order, self.remarks = 1, ()
        if pathwise_misses(reference, points, jax.random.key(0)):
            self.order = 0
            self.remarks = (
                "Pathwise derivatives are not those of the mean, as the simulation jumps: networks are trained on "
                "values alone, and their derivatives are measured against differences of values.",
            )

    def quiet(self) -> "ReferenceSource":
        if isinstance(self.reference, FunctionReference) and self.reference.noise_law.size:
            reference, record = pre_integrated(self.reference)
            source = ReferenceSource(reference, self.title)
            source.order = record.order if record.way != "none" else self.order
            source.noise_words = f"{_WAYS[record.way]}: {record.reason}"
            return source
        if self._quieter is None:
            return self
        for conditional in (True, False):
            try:
                reference = self._quieter("sobol", conditional)
            except InputError:
                continue
            source = ReferenceSource(reference, self.title)
            source.order = 2 if conditional else self.order
            source.noise_words = "one coordinate integrated, Sobol points" if conditional else "Sobol points"
            return source
        return self

    def prepare(self, keep: Path) -> None:
        """Nothing: all is known."""

    def draw(self, key: PRNGKey, n: int, order: int = 1) -> Samples:
        return self.reference.sample(key, n, order=order)

    def draw_quietly(self, key: PRNGKey, n: int, order: int, design: str, conditional: bool) -> Samples:
        reference = self.reference if self._quieter is None else self._quieter(design, conditional)
        return reference.sample(key, n, order=order)

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.reference.training_inputs(key, n)

    def evaluators(self, key: PRNGKey) -> tuple[Evaluator, Evaluator]:
        box_key, exposure_key = jax.random.split(key)
        points = self.reference.test_points(box_key, *([ESTIMATED_POINTS] if self.estimated else []))
        exposure = self.reference.exposure_inputs(exposure_key, len(points))
        return Evaluator.of(self.reference, points), Evaluator.of(self.reference, exposure)

    @cached_property
    def seconds_per_sample(self) -> float:
        return seconds_of(lambda: self.draw(jax.random.key(1), _TIMED, min(self.order, 1)).y) / _TIMED

    def label_noise(self, key: PRNGKey) -> float:
        found = self.reference.sample(key, _NOISE_POINTS, order=0, paths=_NOISE_PATHS)
        noise = _NOISE_PATHS * np.mean(np.square(found.y_stderr))
        return float(noise / (np.var(np.asarray(found.y)) + noise) if noise else 0.0)

    def cost(self, error: float) -> Cost:
        """Of as many simulated paths as have `error` as their mean's standard error, at the middle of the box."""
        noise = self.reference.noise(jax.random.key(0), _PATHS)
        middle = jnp.asarray(0.5 * (self.box[0] + self.box[1]))

        @eqx.filter_jit
        def simulate(reference, x, z):
            return jax.vmap(lambda z: value_and_jacobian(lambda x: reference.label(x, z), x))(z)

        # Of several outputs `error` is that of the worst: the one whose paths spread most is the dearest.
        spread = float(np.max(np.std(simulate(self.reference, middle, noise)[0], axis=0)))
        paths = max(1, round((spread / error) ** 2)) if error > 0 else 1
        seconds = seconds_of(lambda: simulate(self.reference, middle, noise)) / _PATHS * paths
        words = "one call" if spread == 0 else f"{count_text(paths)} simulated labels"
        return Cost(seconds, words)

    def state(self) -> str:
        return digest(self.reference)


def title_of(reference: AbstractReference) -> str:
    """What is imitated, as a report's first line says it."""
    if isinstance(reference, GaussianBasket):
        return f"A {reference.kind} on a basket of {reference.n_inputs} Gaussian assets"
    kind = getattr(reference, "kind", type(reference).__name__)
    names = [variable.name for variable in reference.inputs]
    return f"{kind[:1].upper()}{kind[1:]}, a function of {in_short(names)}"


def direction_of(reference: AbstractReference) -> Direction | None:
    """The reference's gamma direction and its name, where it has one."""
    if reference.gamma_direction is None:
        return None
    return Direction(np.asarray(reference.gamma_direction), reference.gamma_name)
