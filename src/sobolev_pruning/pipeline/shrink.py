"""The search for the smallest network whose errors stay within a tolerance."""

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
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
_PADDED_TO = 4
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

    Starts from `surrogate`, an oversized trained network. Coarse: for every depth up to 3 the width is halved from 8
    (or doubled where 8 is too narrow) for as long as the errors stay close to their limits, each network folded from
    the one before and fine-tuned by Levenberg-Marquardt on a part of the samples, in a padded shape with masks, so that
    a handful of programs serve all of them. Fine: the smallest of these that holds when trained on all samples is
    narrowed further, by single layers halved, taken one node from, or melted away, the smallest result first, until
    nothing smaller holds; what breaks the tolerance is rolled back.

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
        self.close: dict[tuple[int, ...], Surrogate] = {}
        self.store = StageStore(checkpoints, self._fingerprint(pairs, seed))

    def run(self) -> Surrogate | None:
        for depth in DEPTHS:
            if depth < len(self.start.layers):
                self._narrow(depth)
        best = self._first_that_holds(sorted(self.close, key=self._order))
        while best is not None:
            shape, network = best
            smaller = [candidate for candidate in self._neighbours(shape) if self._is_close(candidate, network)]
            best = self._first_that_holds(smaller)
            if best is None:
                return network
        return None

    def verify(self, network: Surrogate) -> Evaluation:
        return self._judge("verification points")(network)

    def _narrow(self, depth: int) -> None:
        """Uniform widths: doubled from the start until one comes close, then halved while they do."""
        widest = min(_WIDEST, *self.start.widths[1:-1])
        width = min(_START_WIDTH, widest)
        while not self._is_close((width,) * depth, self.start):
            width *= 2
            if width > widest:
                return
        while width > 1 and self._is_close((width // 2,) * depth, self.close[(width,) * depth]):
            width //= 2

    def _first_that_holds(self, shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], Surrogate] | None:
        for shape in shapes:
            network = self._refined(shape)
            if network is not None:
                return shape, network
        return None

    def _neighbours(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Smaller shapes not tried yet, the smallest first: a layer halved, narrowed by one, or melted away."""
        found = set()
        for layer, width in enumerate(shape):
            for narrower in {width // 2, width - 1} - {0}:
                found.add((*shape[:layer], narrower, *shape[layer + 1 :]))
            if len(shape) > 1:
                found.add(shape[:layer] + shape[layer + 1 :])
        tried = {candidate.widths[1:-1] for candidate in self.path}
        return sorted(found - tried, key=self._order)

    def _order(self, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return self._size(shape), shape

    def _size(self, hidden: Sequence[int]) -> int:
        widths = (self.start.widths[0], *hidden, self.start.widths[-1])
        return sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(widths))

    def _is_close(self, shape: tuple[int, ...], parent: Surrogate) -> bool:
        """Whether a network of this shape, folded from `parent` and trained on the coarse part, comes close."""
        stage = self._stage(shape, "coarse", lambda name: self._train_coarse(shape, parent, name))
        errors = self._record(stage, len(self.coarse))
        if self._within(errors, _CLOSE):
            self.close[shape] = stage.surrogate
        return self._within(errors, _CLOSE)

    def _refined(self, shape: tuple[int, ...]) -> Surrogate | None:
        """The network of this shape trained on all samples, where it then meets the tolerance."""
        network = self.close[shape]
        if self._within(self._errors(network)) or len(self.full) == len(self.coarse):
            return network if self._within(self._errors(network)) else None
        stage = self._stage(shape, "full", lambda name: self._train_full(network, name))
        return stage.surrogate if self._within(self._record(stage, len(self.full))) else None

    def _stage(self, shape: tuple[int, ...], part: str, train: Callable[[str], Stage]) -> Stage:
        name = f"{part} {'-'.join(str(width) for width in shape)}"
        number = len(self.path) + 1
        return self.store.stage(f"{number:03d}-{name.replace(' ', '-')}", lambda inside: train(name))

    def _record(self, stage: Stage, pairs: int) -> dict[str, float]:
        network, errors = stage.surrogate, self._errors(stage.surrogate)
        accepted = self._within(errors)
        self.path.append(Candidate(network.widths, network.n_parameters, errors, accepted, pairs, stage.seconds))
        return errors

    def _errors(self, network: Surrogate) -> dict[str, float]:
        return self.tolerance.errors(self.judge(network))

    def _within(self, errors: dict[str, float], times: float = 1.0) -> bool:
        return all(errors[name] <= times * limit for name, limit in self.limits.items())

    def _train_coarse(self, shape: tuple[int, ...], parent: Surrogate, name: str) -> Stage:
        """Folded from the parent and fine-tuned in a padded shape, which other candidates share."""
        start = time.perf_counter()
        folded = prune(parent, _keep(parent.widths[1:-1], shape), box=self.box, fold="sobolev")
        width = max(_PADDED_TO, 1 << (max(shape) - 1).bit_length())
        padded, plan = pad(folded, (width,) * len(shape))
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
