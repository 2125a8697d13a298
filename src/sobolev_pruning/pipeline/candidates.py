"""The networks that a search looks at: how each is made from a larger one, trained, and measured."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..evaluation import Evaluation, Judge, evaluate
from ..pruning import Masked, compact, pad, prune
from ..reference import AbstractReference, Truth
from ..sampling import split
from ..scoring import as_box
from ..surrogate import Surrogate, parameter_count, to_tensors
from ..training import LevenbergMarquardt, fit
from .stage_store import Stage, StageStore
from .tolerance import all_measured

Shape: TypeAlias = tuple[int, ...]
"""Widths of the hidden layers."""

Judging: TypeAlias = Callable[[Surrogate], Evaluation]
"""What measures the errors of a network."""

_COARSE_SHARE = 16
"""A candidate is first trained on one of so many parts of the samples; only the best ones see them all."""
_PADDED_TO = 4
_ITERATIONS = 25
_PATIENCE = 5

_HOLD_OUT_BELOW = 500
"""With more samples than this for every parameter none is held out: noise cannot be fitted, but it would choose."""


@dataclass(frozen=True)
class Candidate:
    """One network that the search tried.

    `errors` are those of the tolerance's figure by quantity, `accepted` says whether all stayed within their limits,
    and `pairs` how many samples the candidate was trained on.
    """

    widths: tuple[int, ...]
    n_parameters: int
    errors: dict[str, float]
    accepted: bool
    pairs: int
    seconds: float


class Candidates:
    """Trains and measures networks of any shape; `path` lists all that were tried.

    Without a tolerance nothing is limited, and errors are 1 - R2 of all that can be measured.
    """

    def __init__(self, surrogate, data, tolerance, box, pairs, seed, progress, checkpoints, against):
        self.start, self.progress = surrogate, progress
        self.reference = data if isinstance(data, AbstractReference) else None
        if against is None:
            against = "surrogate" if self.reference is None else "reference"
        if not (isinstance(against, Samples) or against in ("reference", "surrogate")):
            raise InputError(f'against is {against!r}; give "reference", "surrogate" or samples to measure errors on.')
        if against == "reference" and self.reference is None:
            raise InputError('against is "reference", but no reference was given; give one in place of the samples.')
        if box is None and self.reference is None:
            raise InputError("shrink needs a box to measure errors in; give box=(lower, upper), or a reference.")
        self.box = as_box(self.reference.box if box is None else box, surrogate.widths[0])
        self.key = jax.random.key(seed)
        self.judge, self._verification = self._judges(against)
        of_start = self.judge(surrogate)
        self.against = of_start.against
        self.tolerance = all_measured(of_start) if tolerance is None else tolerance
        self.tolerance.errors(of_start)  # what cannot be measured is refused before any work
        self.limits = {} if tolerance is None else tolerance.limits(of_start)
        self.few, self.all = self._samples(data, pairs)
        self.path: list[Candidate] = []
        self.store = StageStore(checkpoints, self._fingerprint(pairs, seed))

    def coarse(self, shape: Shape, parent: Surrogate) -> tuple[Surrogate, dict[str, float]]:
        """A network of this shape folded from `parent` and trained on few samples, and its errors."""
        return self._tried(shape, "coarse", len(self.few), lambda name: self._train_coarse(shape, parent, name))

    def refined(self, network: Surrogate) -> tuple[Surrogate, dict[str, float]]:
        """The network trained on all samples, and its errors."""
        if len(self.all) == len(self.few):
            return network, self.errors(network)
        shape = network.widths[1:-1]
        return self._tried(shape, "full", len(self.all), lambda name: self._train_full(network, name))

    def verify(self, network: Surrogate):
        """Its evaluation on points never used before."""
        return self._verification()(network)

    def errors(self, network: Surrogate) -> dict[str, float]:
        """Its errors on the points of the search."""
        return self.tolerance.errors(self.judge(network))

    def within(self, errors: dict[str, float], times: float = 1.0) -> bool:
        """Whether every error stays within so many times its limit."""
        return all(errors[name] <= times * limit for name, limit in self.limits.items())

    def size(self, shape: Shape) -> int:
        """The number of parameters of a network of this shape."""
        return parameter_count((self.start.widths[0], *shape, self.start.widths[-1]))

    def _tried(self, shape: Shape, part: str, pairs: int, train) -> tuple[Surrogate, dict[str, float]]:
        name = f"{part} {'-'.join(map(str, shape))}"
        number = len(self.path) + 1
        stage = self.store.stage(f"{number:03d}-{name.replace(' ', '-')}", lambda inside: train(name))
        network, errors = stage.surrogate, self.errors(stage.surrogate)
        accepted = self.within(errors)
        self.path.append(Candidate(network.widths, network.n_parameters, errors, accepted, pairs, stage.seconds))
        return network, errors

    def _train_coarse(self, shape: Shape, parent: Surrogate, name: str) -> Stage:
        """Fine-tuned in a padded shape, which other candidates share: every new shape would be compiled."""
        start = time.perf_counter()
        folded = prune(parent, _keep(parent.widths[1:-1], shape), box=self.box, fold="sobolev")
        width = max(_PADDED_TO, 1 << (max(shape) - 1).bit_length())
        padded, plan = pad(folded, (width,) * len(shape))
        return self._trained(padded, self.few, name, start, lambda network: compact(network, plan))

    def _train_full(self, network: Surrogate, name: str) -> Stage:
        whole = pad(network, network.widths[1:-1])[0]
        return self._trained(whole, self.all, name, time.perf_counter(), lambda trained: trained)

    def _trained(self, masked: Masked, samples: Samples, name: str, start: float, finish) -> Stage:
        parameters = int(sum(mask.sum() for mask in jax.tree.leaves(masked.parameters)))
        result = fit(
            masked.surrogate,
            samples,
            key=self.key,
            optimiser=LevenbergMarquardt(_ITERATIONS),
            held_out=0.125 if len(samples) < _HOLD_OUT_BELOW * parameters else 0,
            patience=_PATIENCE,
            mask=masked.parameters,
            progress=f"shrink {name}" if self.progress else None,
        )
        return Stage(finish(result.surrogate), {}, time.perf_counter() - start)

    def _judges(self, against: str | Samples) -> tuple[Judging, Callable[[], Judging]]:
        """What measures errors during the search, and what makes its counterpart on points never used before."""
        if not isinstance(against, Samples):
            return self._judge("search points", against), lambda: self._judge("verification points", against)
        parts = split(against, 0.5, jax.random.fold_in(self.key, 2))
        search, verification = (partial(evaluate, truth=part) for part in parts)
        return search, lambda: verification

    def _judge(self, purpose: str, against: str) -> Judge:
        key = jax.random.fold_in(self.key, int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4]))
        shape = (4096, self.start.widths[0])
        points = jax.random.uniform(key, shape, jnp.float64, self.box.lower[None], self.box.upper[None])
        if against == "reference":
            return Judge.of(self.reference, points)
        direction = jnp.ones(shape[1])
        hessian = self.start.hessian(points)
        gamma = jnp.einsum("...ab,a,b->...", hessian, direction, direction)
        truth = Truth(self.start.value(points), self.start.gradient(points), gamma, hessian, "the start network")
        return Judge(truth, points, direction)

    def _samples(self, data, pairs: int) -> tuple[Samples, Samples]:
        """Few for every candidate, and all of them for those that come close."""
        key = jax.random.fold_in(self.key, 1)
        if isinstance(data, Samples):
            return data, data
        if self.reference is not None:
            full = self.reference.sample(key, pairs)
            return full[: max(4096, pairs // _COARSE_SHARE)], full
        # Labels of a network have no noise, so few are enough.
        shape = (16_384, self.start.widths[0])
        x = jax.random.uniform(key, shape, jnp.float64, self.box.lower[None], self.box.upper[None])
        taught = self.start.label(x)
        return taught, taught

    def _fingerprint(self, pairs: int, seed: int) -> str:
        digest = hashlib.sha256(f"{self.tolerance} {self.limits} {pairs} {seed}".encode())
        tensors, _ = to_tensors(self.start)
        for array in (*tensors.values(), self.box.lower, self.box.upper, self.all.x, self.all.y):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()


def _keep(widths: Sequence[int], shape: Sequence[int]) -> list[int]:
    """Which layers of a deeper network become the layers of `shape`: the first ones, as far as they are wide enough."""
    kept, left = [], list(shape)
    for position, width in enumerate(widths):
        still = len(widths) - position
        if left and (left[0] <= width or still == len(left)):
            kept.append(left.pop(0))
        else:
            kept.append(0)
    return kept
