"""Simulators outside JAX as sources: functions in any Python, programs, models behind UM-Bridge."""

import abc
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from ..._foundation.arrays import Points, PRNGKey
from ..._foundation.samples import Samples
from ..._foundation.variables import Variable, as_variables, in_short, numbered_outputs
from ...drawing.numbers import count_text
from ...evaluation import Evaluator
from ...reference import Box
from ...reference.designs import unit_points
from .source import AbstractSource, Cost

BLOCK = 64
"""Points of the first two blocks that are called for together; each later one is as large as all before it. Results of
whole blocks are kept, so that a larger run goes on from a smaller one.
"""

FEWEST_TESTED, MOST_TESTED = 16, 256
REPLICATES = 8
"""Calls at each test point of a simulator with noise: their mean is the truth, with a standard error. There are as many
test points as make no more calls than the samples that were drawn, within the two limits above.
"""

_TRIED, _MOST_TIMED = 4, 1024
_UNSEEN = 0.05
"""A difference of timings below so large a part of them is none."""

_NOISE_POINTS = 64


@dataclass(frozen=True)
class Called:
    """What calls gave: samples at `rows` of the points, and a sentence for each kind of fault."""

    samples: Samples
    rows: tuple[int, ...]
    faults: tuple[str, ...]


class AbstractCalls(abc.ABC):
    """How a simulator is called, and whether it gives derivatives; `identity` is what determines its results."""

    derivatives: bool
    remarks: tuple[str, ...]
    identity: str

    @abc.abstractmethod
    def prepare(self, keep: Path) -> None:
        """Finds out whether there are valid derivatives; results of calls are kept in the folder `keep`."""

    @abc.abstractmethod
    def __call__(self, points: Float[np.ndarray, "n d"], seed: int, kept: Path | None) -> Called:
        """Calls at each point with a seed of its own, made of `seed`; results are kept in the file `kept`, if any.

        Raises `InputError` where no call succeeds.
        """


class CallSource(AbstractSource):
    """A simulator over a `box`, whose `outputs` may be named."""

    endless = True
    direction = None

    def __init__(self, calls: AbstractCalls, title: str, box: Box, outputs: tuple[str, ...] | None):
        self._calls, self._law, self._names = calls, box, outputs
        self.inputs = box.variables
        self.box = np.asarray(box.lower), np.asarray(box.upper)
        self.title = f"{title}, a function of {in_short([each.name for each in box.variables])}"

    def prepare(self, keep: Path) -> None:
        keep.mkdir(parents=True, exist_ok=True)
        self._keep, self._drawn = keep, 0
        self._calls.prepare(keep)
        self.remarks = self._calls.remarks
        tried = [self._called(jax.random.key(0), "trial", _TRIED, replicate) for replicate in (0, 1)]
        first, again = (one.samples for one in tried)
        k = first.n_outputs
        self.outputs = as_variables(self._names, numbered_outputs(k), "source.outputs")
        self.noisy = tried[0].rows != tried[1].rows or bool((np.asarray(first.y) != np.asarray(again.y)).any())
        self.order = int(self._calls.derivatives)
        self.measured = ("value", "delta") if self.order else ("value",)

    def draw(self, key: PRNGKey, n: int, order: int = 1) -> Samples:
        blocks = [self._called(key, "samples", size, number) for number, size in enumerate(block_sizes(n))]
        self._drawn = n
        return joined([block.samples for block in blocks], self.outputs)

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self._law.sample(key, n)

    def evaluators(self, key: PRNGKey) -> tuple[Evaluator, Evaluator]:
        """Both over the box: nothing is known of another law of the inputs."""
        replicates = REPLICATES if self.noisy else 1
        points = max(FEWEST_TESTED, min(MOST_TESTED, self._drawn // replicates))
        found = [self._called(key, "test", points, r) for r in range(replicates)]
        everywhere = sorted(set.intersection(*(set(one.rows) for one in found)))
        samples = [one.samples[[one.rows.index(row) for row in everywhere]] for one in found]
        evaluator = Evaluator.on(mean_of(samples), f"the mean of {REPLICATES} calls" if self.noisy else "the simulator")
        return evaluator, evaluator

    @cached_property
    def seconds_per_sample(self) -> float:
        """Of a sample with its derivatives, by as many workers as there are: what more of them add to a few, twice as
        many as before until that takes as long as to start the workers.
        """
        few = self._seconds(_TRIED)
        n, more = _TRIED, 0.0
        while more < 2.0 * few and n < _MOST_TIMED:
            n *= 4
            more = self._seconds(n)
        return max(more - few, _UNSEEN * few) / (n - _TRIED)

    def _seconds(self, n: int) -> float:
        points = np.asarray(self._law.sample(jax.random.key(1), n))
        start = time.perf_counter()
        self._calls(points, 0, None)
        return time.perf_counter() - start

    def label_noise(self, key: PRNGKey) -> float:
        """By the same points with other seeds."""
        if not self.noisy:
            return 0.0
        one, two = (self._called(key, "noise", _NOISE_POINTS, replicate) for replicate in (0, 1))
        both = sorted({*one.rows} & {*two.rows})
        pair = [np.asarray(part.samples.y)[[part.rows.index(row) for row in both]] for part in (one, two)]
        noise = np.mean((pair[0] - pair[1]) ** 2, axis=0) / 2.0
        return float(np.max(noise / np.maximum(np.var(pair[0], axis=0), np.finfo(float).tiny)))

    def cost(self, error: float) -> Cost:
        """Of as many calls as have `error` as their mean's standard error, by the noise at the tried points."""
        if not self.noisy or error <= 0:
            return Cost(self.seconds_per_sample, "one call")
        pair = [np.asarray(self._called(jax.random.key(0), "trial", _TRIED, r).samples.y) for r in (0, 1)]
        variance = float(np.max(np.mean((pair[0] - pair[1]) ** 2, axis=0))) / 2.0
        calls = max(1, round(variance / error**2))
        return Cost(calls * self.seconds_per_sample, f"{count_text(calls)} calls")

    def state(self) -> str:
        return self._calls.identity

    def _called(self, key: PRNGKey, purpose: str, n: int, number: int) -> Called:
        """Block `number` of the samples: other points for each block; of the others the same points, other seeds."""
        block_key = jax.random.fold_in(key, number)
        point_key = block_key if purpose == "samples" else key
        points = np.asarray(self._law.from_uniform(unit_points("sobol", point_key, n, len(self.inputs))))
        seed = int(jax.random.randint(block_key, (), 0, 2**31 - 1))
        # Blocks of one key are named by it: those of another key hold other points.
        named = "".join(f"{word:08x}" for word in np.asarray(jax.random.key_data(key)))
        found = self._calls(points, seed, self._keep / f"{purpose}-{named}-{number:04d}-{n}.results")
        self.remarks = tuple(dict.fromkeys((*self.remarks, *found.faults)))
        return found


def block_sizes(n: int) -> list[int]:
    """How many points each block of `n` has, the last one what is left.

    >>> block_sizes(300)
    [64, 64, 128, 44]
    """
    sizes = []
    while n > sum(sizes):
        sizes.append(min(max(BLOCK, sum(sizes)), n - sum(sizes)))
    return sizes


def joined(parts: list[Samples], outputs: tuple[Variable, ...]) -> Samples:
    """All samples of all parts, one part after the other, their outputs called so."""
    arrays = {
        name: None if getattr(parts[0], name) is None else np.concatenate([getattr(part, name) for part in parts])
        for name in ("x", "y", "dydx")
    }
    missing = any(part.missing for part in parts)
    return Samples(**arrays, missing=missing, inputs=parts[0].inputs, outputs=outputs)


def mean_of(replicates: list[Samples]) -> Samples:
    """The mean of samples at the same points, with its standard errors; of one alone as it is."""
    first = replicates[0]
    if len(replicates) == 1:
        return first

    def moments(name: str):
        arrays = [getattr(one, name) for one in replicates]
        if arrays[0] is None:
            return None, None
        return np.mean(arrays, axis=0), np.std(arrays, axis=0, ddof=1) / np.sqrt(len(arrays))

    (y, y_stderr), (dydx, dydx_stderr) = moments("y"), moments("dydx")
    missing = any(one.missing for one in replicates)
    names = {"inputs": first.inputs, "outputs": first.outputs}
    return Samples(first.x, y, dydx, y_stderr=y_stderr, dydx_stderr=dydx_stderr, missing=missing, **names)
