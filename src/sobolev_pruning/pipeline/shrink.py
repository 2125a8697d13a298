"""The search for the smallest network whose errors stay within a tolerance."""

import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..evaluation import Evaluation, Judge
from ..pruning import Masked, compact, pad, prune
from ..reference import AbstractReference, Truth
from ..scoring import Box, as_box
from ..surrogate import Surrogate, to_tensors
from ..training import LevenbergMarquardt, fit
from .stage_store import Stage, StageStore
from .tolerance import Tolerance

DEPTHS = (2, 1, 3)
"""Hidden layers of the networks looked at, in this order; no deeper than the network to start from."""

_COARSE_SHARE = 16
"""A candidate is first trained on one of so many parts of the samples; only one that comes close sees them all."""
_CLOSE = 5.0
"""Close: every error within so many times its limit."""
_START_WIDTH = 8
_WIDEST = 32
_ITERATIONS = 25
_PATIENCE = 5


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


@dataclass(frozen=True)
class Shrink:
    """What the search found.

    - `surrogate`: the smallest network within the tolerance; None where none was.
    - `path`: every candidate in the order it was tried.
    - `front`: the candidates that no other beats in size and in all errors, by rising size.
    - `limits`: the largest error allowed, by quantity; `against` says what the errors are measured against.
    - `verified`: the errors of `surrogate` once more, on points never used before.
    """

    surrogate: Surrogate | None
    path: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    limits: dict[str, float]
    against: str
    verified: Evaluation | None


def shrink(
    surrogate: Surrogate,
    data: AbstractReference | Samples | None = None,
    *,
    tolerance: Tolerance,
    box: Box | None = None,
    pairs: int = 1_000_000,
    seed: int = 0,
    progress: bool = False,
    checkpoints: Path | None = None,
) -> Shrink:
    """The smallest network (fewest parameters) whose value, delta and gamma errors stay within `tolerance`.

    Starts from `surrogate`, an oversized trained network. For every depth up to 3 the width is halved from 8 (or
    doubled where 8 is too narrow), each candidate folded from the next wider one that met the tolerance and fine-tuned
    by Levenberg-Marquardt; from the best of these, single layers are halved, narrowed by one node, or melted away, the
    smallest result first, until nothing smaller holds. Candidates are trained in a padded shape with masks, so that a
    handful of programs serve all of them; one that breaks the tolerance is rolled back.

    - `data`: a reference to draw `pairs` fresh samples from, and to measure errors against; or samples with
      derivatives; or None to learn from `surrogate` itself. Without a reference errors are measured against
      `surrogate`.
    - `box`: where errors are measured and nodes folded; the reference's by default, needed without one.
    - `checkpoints`: a directory; a search started again with the same arguments goes on from there.

    Raises `InputError` where the tolerance limits what cannot be measured, or no box is known.
    """
    require_float64("shrink")
    search = _Search(surrogate, data, tolerance, box, pairs, seed, progress, checkpoints)
    found = search.run()
    verified = None if found is None else search.verify(found)
    return Shrink(found, tuple(search.path), front_of(search.path), search.limits, search.against, verified)


class _Search:
    """The state of one search: what was tried, and the smallest network that held."""

    def __init__(self, surrogate, data, tolerance, box, pairs, seed, progress, checkpoints):
        self.start, self.tolerance, self.progress = surrogate, tolerance, progress
        self.reference = data if isinstance(data, AbstractReference) else None
        if box is None and self.reference is None:
            raise InputError("shrink needs a box to measure errors in; give box=(lower, upper), or a reference.")
        self.box = as_box(self.reference.box if box is None else box, surrogate.widths[0])
        self.key = jax.random.key(seed)
        self.judge = self._judge("search points")
        self.against = self.judge.truth.source
        self.limits = tolerance.limits(self.judge(surrogate) if tolerance.relative else None)
        tolerance.errors(self.judge(surrogate))  # what cannot be measured is refused before any work
        self.coarse, self.full = self._samples(data, pairs)
        self.path: list[Candidate] = []
        self.networks: dict[tuple[int, ...], Surrogate] = {}
        self.store = StageStore(checkpoints, self._fingerprint(pairs, seed))

    def run(self) -> Surrogate | None:
        for depth in DEPTHS:
            if depth < len(self.start.layers) and self._beats_best((1,) * depth):
                self._narrow(depth)
        best = self._best()
        while best is not None:
            smaller = next((shape for shape in self._neighbours(best) if self._holds(shape, self.networks[best])), None)
            if smaller is None:
                return self.networks[best]
            best = smaller
        return None

    def verify(self, network: Surrogate) -> Evaluation:
        return self._judge("verification points")(network)

    def _narrow(self, depth: int) -> None:
        """Uniform widths: doubled from the start until one holds, then halved while they hold."""
        widest = min(_WIDEST, *self.start.widths[1:-1])
        width = min(_START_WIDTH, widest)
        while not self._holds((width,) * depth, self.start):
            width *= 2
            if width > widest or not self._beats_best((width,) * depth):
                return
        while width > 1 and self._holds((width // 2,) * depth, self.networks[(width,) * depth]):
            width //= 2

    def _neighbours(self, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Smaller shapes not tried yet, the smallest first: a layer halved, narrowed by one, or melted away."""
        found = set()
        for layer, width in enumerate(shape):
            for narrower in {width // 2, width - 1} - {0}:
                found.add((*shape[:layer], narrower, *shape[layer + 1 :]))
            if len(shape) > 1:
                found.add(shape[:layer] + shape[layer + 1 :])
        tried = {candidate.widths[1:-1] for candidate in self.path}
        return iter(sorted(found - tried, key=lambda candidate: (self._size(candidate), candidate)))

    def _best(self) -> tuple[int, ...] | None:
        return min(self.networks, key=lambda shape: (self._size(shape), shape), default=None)

    def _beats_best(self, shape: tuple[int, ...]) -> bool:
        best = self._best()
        return best is None or self._size(shape) < self._size(best)

    def _size(self, hidden: Sequence[int]) -> int:
        widths = (self.start.widths[0], *hidden, self.start.widths[-1])
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(widths))

    def _holds(self, shape: tuple[int, ...], parent: Surrogate) -> bool:
        """Whether a network of this shape meets the tolerance, trained from `parent`; kept where it does."""
        if shape in self.networks:
            return True
        name = "-".join(str(width) for width in shape)
        number = len(self.path) + 1
        stage = self.store.stage(f"{number:03d}-coarse-{name}", lambda inside: self._train_coarse(shape, parent, name))
        pairs, errors, seconds = len(self.coarse), self._errors(stage.surrogate), stage.seconds
        if not self._within(errors) and self._within(errors, _CLOSE) and len(self.full) > len(self.coarse):
            close = stage.surrogate
            stage = self.store.stage(f"{number:03d}-full-{name}", lambda inside: self._train_full(close, name))
            pairs, errors, seconds = len(self.full), self._errors(stage.surrogate), seconds + stage.seconds
        accepted = self._within(errors)
        network = stage.surrogate
        self.path.append(Candidate(network.widths, network.n_parameters, errors, accepted, pairs, seconds))
        if accepted:
            self.networks[shape] = network
        return accepted

    def _errors(self, network: Surrogate) -> dict[str, float]:
        return self.tolerance.errors(self.judge(network))

    def _within(self, errors: dict[str, float], times: float = 1.0) -> bool:
        return all(errors[name] <= times * limit for name, limit in self.limits.items())

    def _train_coarse(self, shape: tuple[int, ...], parent: Surrogate, name: str) -> Stage:
        """Folded from the parent and fine-tuned in a padded shape, which other candidates share."""
        start = time.perf_counter()
        folded = prune(parent, _keep(parent.widths[1:-1], shape), box=self.box, fold="sobolev")
        padded, plan = pad(folded, (1 << (max(shape) - 1).bit_length(),) * len(shape))
        return self._trained(padded, self.coarse, name, start, lambda network: compact(network, plan))

    def _train_full(self, network: Surrogate, name: str) -> Stage:
        whole = pad(network, network.widths[1:-1])[0]
        return self._trained(whole, self.full, name, time.perf_counter(), lambda trained: trained)

    def _trained(self, masked: Masked, samples: Samples, name: str, start: float, finish) -> Stage:
        result = fit(
            masked.surrogate,
            samples,
            key=self.key,
            optimiser=LevenbergMarquardt(_ITERATIONS),
            patience=_PATIENCE,
            mask=masked.parameters,
            progress=f"shrink {name}" if self.progress else None,
        )
        return Stage(finish(result.surrogate), {}, time.perf_counter() - start)

    def _judge(self, purpose: str) -> Judge:
        key = jax.random.fold_in(self.key, int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4]))
        shape = (4096, self.start.widths[0])
        points = jax.random.uniform(key, shape, jnp.float64, self.box.lower[None], self.box.upper[None])
        if self.reference is not None:
            return Judge.of(self.reference, points)
        direction = jnp.ones(shape[1])
        hessian = self.start.hessian(points)
        gamma = jnp.einsum("...ab,a,b->...", hessian, direction, direction)
        truth = Truth(self.start.value(points), self.start.gradient(points), gamma, hessian, "the start network")
        return Judge(truth, points, direction)

    def _samples(self, data, pairs: int) -> tuple[Samples, Samples]:
        """A coarse part for every candidate, and all of them for those that come close."""
        key = jax.random.fold_in(self.key, 1)
        if isinstance(data, Samples):
            return data, data
        if self.reference is not None:
            full = self.reference.sample(key, pairs)
            return full[: max(4096, pairs // _COARSE_SHARE)], full
        # Labels of a network have no noise, so few are enough.
        shape = (16_384, self.start.widths[0])
        x = jax.random.uniform(key, shape, jnp.float64, self.box.lower[None], self.box.upper[None])
        taught = Samples(x, self.start.value(x), self.start.gradient(x))
        return taught, taught

    def _fingerprint(self, pairs: int, seed: int) -> str:
        digest = hashlib.sha256(f"{self.tolerance} {pairs} {seed}".encode())
        tensors, _ = to_tensors(self.start)
        for array in (*tensors.values(), self.box.lower, self.box.upper, self.full.x, self.full.y):
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


def front_of(path: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that no other one beats: none is as small and as good in every error, and better in one."""

    def beaten(candidate: Candidate, by: Candidate) -> bool:
        mine = (candidate.n_parameters, *candidate.errors.values())
        theirs = (by.n_parameters, *by.errors.values())
        return all(b <= a for a, b in zip(mine, theirs)) and theirs != mine

    front = [candidate for candidate in path if not any(beaten(candidate, other) for other in path)]
    return tuple(sorted(front, key=lambda candidate: candidate.n_parameters))
