"""What a search for small networks learns from, and what it measures errors by."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..enclosure import Interval
from ..evaluation import Evaluation, Evaluator, ExcessEvaluator, evaluate, noise_level
from ..evaluation.teacher import evaluator_against, uniform_points
from ..reference import AbstractReference
from ..sampling import split
from ..surrogate import Surrogate, matching_samples

NetworkErrors: TypeAlias = Callable[[Surrogate], Evaluation]
"""What measures the errors of a network."""

_COARSE = 8192
"""Where samples are drawn, or there are more of them, a candidate is first trained on so many labels of the start
network, which have no noise: few samples of their own would show noise and not what a shape can do. Only the best ones
see all samples. On the 33,631 rows of the airfoil data, 3 x 16 nodes have 1 - R2 of 6.0e-4 in value and 2.7e-3 in
slopes after 500 iterations on such labels in 2 s, and 9.8e-4 and 4.7e-3 after 200 on all rows in 12 s.
"""
HELD_OUT = 0.25
"""Of samples that are also to measure errors by, so large a part is kept from training."""
LEAST_MEASURED = 10
"""Samples that errors are measured on."""
_TAUGHT = 16_384
"""Labels of a network have no noise, so few are enough."""


@dataclass(frozen=True)
class SearchData:
    """`few` samples for every candidate, `all` for those that come close; `evaluator` measures errors in the search,
    and `verification()` gives its counterpart on points never used before.
    """

    few: Samples
    all: Samples
    evaluator: NetworkErrors
    verification: Callable[[], NetworkErrors]

    @staticmethod
    def gather(
        start: Surrogate,
        data: AbstractReference | Samples | None,
        against: str | Samples | None,
        box: Interval,
        pairs: int,
        order: int,
        key: PRNGKey,
    ) -> "SearchData":
        """From `data` and `against` as `shrink` takes them; raises `InputError` where they do not fit together."""
        against = _usual_truth(data) if against is None else against
        _expect_truth(against, data)
        sample_key, part_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
        if isinstance(data, Samples) and isinstance(against, str) and against == "held-out":
            if HELD_OUT * len(data) < 2 * LEAST_MEASURED:
                raise InputError(
                    f"There are {len(data)} samples, too few rows to search with: a quarter of them measures errors, "
                    f"half in the search and half in the end; give at least {round(2 * LEAST_MEASURED / HELD_OUT)}."
                )
            training, held_out = split(data, HELD_OUT, sample_key)
            noise = noise_level(start, data)
            search, verification = (ExcessEvaluator(start, part, noise) for part in split(held_out, 0.5, part_key))
            return SearchData(_few_of(start, training, order), training, search, lambda: verification)
        few, full = _training_samples(start, data, box, pairs, order, sample_key)
        if isinstance(against, Samples):
            against = matching_samples(start, against, "against")
            search, verification = (partial(evaluate, truth=part) for part in split(against, 0.5, part_key))
            return SearchData(few, full, search, lambda: verification)

        def evaluator(purpose: str) -> Evaluator:
            digest = hashlib.sha256(purpose.encode()).digest()[:4]
            points = uniform_points(box, jax.random.fold_in(key, int.from_bytes(digest)))
            if against == "reference":
                return Evaluator.of(data, points)
            return evaluator_against(start, points, "the start network")

        return SearchData(few, full, evaluator("search points"), lambda: evaluator("verification points"))


def _training_samples(start, data, box: Interval, pairs: int, order: int, key: PRNGKey) -> tuple[Samples, Samples]:
    if isinstance(data, Samples):
        return _few_of(start, data, order), data
    if data is not None:
        label_key, sample_key = jax.random.split(key)
        points = uniform_points(box, label_key, _COARSE)
        directions = jax.random.normal(label_key, (_COARSE, 1, start.widths[0]), jnp.float64)
        return start.label(points, order, directions), data.sample(sample_key, pairs, order=order)
    directions = jax.random.normal(key, (_TAUGHT, 1, start.widths[0]), jnp.float64)
    taught = start.label(uniform_points(box, key, _TAUGHT), order, directions)
    return taught, taught


def _few_of(start: Surrogate, samples: Samples, order: int) -> Samples:
    """`samples` where they are few, else labels of the start network at some of their inputs."""
    if len(samples) <= _COARSE:
        return samples
    x = samples.x[:_COARSE]
    directions = jax.random.normal(jax.random.key(0), (_COARSE, 1, samples.n_inputs), jnp.float64)
    return start.label(x, order, directions)


def _usual_truth(data: AbstractReference | Samples | None) -> str:
    if isinstance(data, AbstractReference):
        return "reference"
    return "surrogate" if data is None else "held-out"


def _expect_truth(against: str | Samples, data: AbstractReference | Samples | None) -> None:
    if isinstance(against, Samples):
        return
    if against not in ("reference", "surrogate", "held-out"):
        raise InputError(
            f'against is {against!r}; give "reference", "surrogate", "held-out" or samples to measure errors on.'
        )
    if against == "reference" and not isinstance(data, AbstractReference):
        raise InputError('against is "reference", but no reference was given; give one in place of the samples.')
    if against == "held-out" and not isinstance(data, Samples):
        raise InputError('against is "held-out", but no samples were given; give samples to hold a part of out.')
