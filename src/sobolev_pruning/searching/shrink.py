"""The search for the smallest network within a tolerance, or for the most accurate one within a size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..evaluation import Evaluation
from ..reference import AbstractReference
from ..scoring import BoxLike
from ..surrogate import Surrogate
from .candidates import Candidate, Candidates
from .shapes import Shape, uniform
from .tolerance import Tolerance

DEPTHS = (2, 1, 3)
"""Hidden layers of the networks looked at, in this order; no deeper than the network to start from."""

_START_WIDTH = 8
_WIDEST = 32
_LOOKING = 0.5
"""The part of the time after which no more widths are looked at: some are to be trained on all samples."""
_FINALISTS = 3
"""Networks within a size that are trained on all samples."""


@dataclass(frozen=True)
class Shrink:
    """What the search found.

    - `surrogate`: the network asked for; None where no network is within the tolerance. It takes all inputs.
    - `inputs`: the inputs that it looks at, counted from 0; `pruning.reduced(surrogate)` takes these alone.
    - `path`: every candidate in the order it was tried.
    - `front`: the candidates that no other beats in size and in all errors, by rising size.
    - `limits`: the largest error allowed, by quantity, of the `figure` (1 - R2 for "r2"); `against` says what the
      errors are measured against.
    - `verified`: the errors of `surrogate` once more, on points never used before.
    - `cut_short`: whether time was over before the search was.
    """

    surrogate: Surrogate | None
    inputs: tuple[int, ...]
    path: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    limits: dict[str, float]
    figure: str
    against: str
    verified: Evaluation | None
    cut_short: bool


def shrink(
    surrogate: Surrogate,
    data: AbstractReference | Samples | None = None,
    *,
    tolerance: Tolerance | None = None,
    max_parameters: int | None = None,
    size: str = "parameters",
    against: str | Samples | None = None,
    box: BoxLike | None = None,
    pairs: int = 1_000_000,
    order: int = 1,
    scaled: bool = False,
    seconds: float | None = None,
    seed: int = 0,
    progress: bool = False,
    checkpoints: Path | None = None,
) -> Shrink:
    """The smallest network (fewest parameters, or operations, as `size` says) whose value, delta and gamma errors stay
    within `tolerance`, or the most accurate one of at most `max_parameters`: give one of the two.

    Starts from `surrogate`, an oversized trained network. Every candidate is folded from a larger network and
    fine-tuned on labels of `surrogate`, or on the given samples, by Levenberg-Marquardt or, beyond its size, L-BFGS, in
    a padded shape with masks, so that a handful of programs serve all of them.

    Inputs that the start network is no worse without go first.

    Within a tolerance: for every depth up to 3 the width is halved from 8 (or doubled where 8 is too narrow) for as
    long as the errors stay close to their limits; where none of these holds, wider ones are looked at. The smallest
    network that holds when trained on all samples is narrowed further, by single layers halved, taken one node from, or
    melted away, and by inputs taken away, one or half of them, the smallest result first, until nothing smaller holds;
    what breaks the tolerance is rolled back.

    Within a size: for every depth and first width 1, 2, 4, ... the widest network that fits; the three with the least
    product of errors (1 - R2 of value, delta and gamma, as far as they can be measured) are trained on all samples.

    - `data`: a reference to draw `pairs` fresh samples from; or samples with derivatives; or None to learn from
      `surrogate` itself.
    - `against`: what errors are measured against. The "reference" (the default where there is one): its closed form, or
      the mean of many paths. The "surrogate" itself (the default without `data`). "held-out" (the default for samples):
      a quarter of them that no network is trained on, by how much larger the error is than that of `surrogate`, so
      that noise in the labels drops out (see `ExcessEvaluator`); nothing can be said of gamma then. Or other samples,
      of which the search looks at one half and the verification at the other; noise in those is part of every error,
      except where they have standard errors, or the tolerance is `relative`. An error that noise is in has a standard
      error, and is within its limit if it is no more than that above it.
    - `order`, `scaled`: of the trainings, as `fit` takes them; order 0 for samples without derivatives.
    - `seconds`: once the trainings so far took as long, no other is begun, and the best network by then is given;
      shapes are looked at in the first half of that time. Those of checkpoints count as they did, so that a search
      started again ends alike.
    - `box`: where errors are measured and nodes folded; the reference's by default, needed without one.
    - `checkpoints`: a directory; a search started again with the same arguments goes on from there.

    Raises `InputError` where the tolerance limits what cannot be measured, no network is as small as asked, or no box
    is known.
    """
    require_float64("shrink")
    if (tolerance is None) == (max_parameters is None):
        raise InputError("Give shrink either a tolerance or max_parameters: what is free is what it searches for.")
    candidates = Candidates(
        surrogate, data, tolerance, box, pairs, seed, progress, checkpoints, against, size, order, scaled, seconds
    )
    found = _within_tolerance(candidates) if max_parameters is None else _within_size(candidates, max_parameters)
    network, inputs = (None, ()) if found is None else (found[1], found[0].inputs)
    verified = None if network is None else candidates.verify(network)
    path = tuple(candidates.path)
    measure = candidates.measure
    return Shrink(
        network,
        inputs,
        path,
        front_of(path),
        measure.limits,
        measure.figure,
        candidates.against,
        verified,
        candidates.time_is_over(),
    )


def _depths(candidates: Candidates) -> list[int]:
    return [depth for depth in DEPTHS if depth < len(candidates.start.layers)]


Found: TypeAlias = tuple[Shape, Surrogate]
"""A network of the search and its shape."""


def _within_tolerance(candidates: Candidates) -> Found | None:
    close: dict[Shape, Surrogate] = {}
    for depth in _depths(candidates):
        if not candidates.time_is_over(_LOOKING):
            _narrow(candidates, depth, close)
    best = _first_that_holds(candidates, _by_size(candidates, close), close)
    while best is None and not candidates.time_is_over() and (wider := _wider(candidates)):
        nearer = [shape for shape in wider if _is_close(candidates, shape, candidates.start, close)]
        best = _first_that_holds(candidates, _by_size(candidates, nearer), close)
    while best is not None and not candidates.time_is_over():
        shape, network = best
        neighbours = {*shape.narrower(), *candidates.with_fewer_inputs(shape, network)}
        untried = neighbours - {candidate.shape for candidate in candidates.path}
        smaller = [
            s
            for s in _by_size(candidates, untried)
            if not candidates.time_is_over() and _is_close(candidates, s, network, close)
        ]
        found = _first_that_holds(candidates, smaller, close)
        if found is None:
            return best
        best = found
    return best


def _wider(candidates: Candidates) -> list[Shape]:
    """For every depth the shape of twice the largest width that was tried, where the network to start from has it."""
    widest: dict[int, int] = {}
    for candidate in candidates.path:
        hidden = candidate.shape.hidden
        widest[len(hidden)] = max(widest.get(len(hidden), 0), *hidden)
    most = min(_WIDEST, *candidates.start.widths[1:-1])
    return [uniform(2 * width, depth, candidates.inputs) for depth, width in widest.items() if 2 * width <= most]


def _by_size(candidates: Candidates, shapes: Iterable[Shape]) -> list[Shape]:
    return sorted(shapes, key=lambda shape: (candidates.size(shape), shape.hidden, shape.inputs))


def _is_close(candidates: Candidates, shape: Shape, parent: Surrogate, close: dict[Shape, Surrogate]) -> bool:
    """Whether the coarse network of this shape comes close to all limits; it is then put into `close`."""
    network, errors = candidates.coarse(shape, parent)
    if candidates.close(errors):
        close[shape] = network
    return shape in close


def _narrow(candidates: Candidates, depth: int, close: dict[Shape, Surrogate]) -> None:
    """Uniform widths: doubled from the start until one comes close, then halved while they do."""

    def shape(width: int) -> Shape:
        return uniform(width, depth, candidates.inputs)

    widest = min(_WIDEST, *candidates.start.widths[1:-1])
    width = min(_START_WIDTH, widest)
    while not _is_close(candidates, shape(width), candidates.start, close):
        width *= 2
        if width > widest or candidates.time_is_over(_LOOKING):
            return
    while width > 1 and not candidates.time_is_over(_LOOKING):
        if not _is_close(candidates, shape(width // 2), close[shape(width)], close):
            return
        width //= 2


def _first_that_holds(candidates: Candidates, shapes: Sequence[Shape], close: dict[Shape, Surrogate]) -> Found | None:
    for shape in shapes:
        network = close[shape]
        if candidates.within(candidates.errors(network)):
            return shape, network
        if candidates.time_is_over():
            return None
        network, errors = candidates.refined(shape, network)
        if candidates.within(errors):
            return shape, network
    return None


def _within_size(candidates: Candidates, most: int) -> Found:
    shapes = list(dict.fromkeys(shape for depth in _depths(candidates) for shape in _largest(candidates, depth, most)))
    if not shapes:
        smallest = candidates.parameters(uniform(1, 1, candidates.inputs))
        raise InputError(f"max_parameters is {most}; the smallest network of this model has {smallest}.")
    tried = []
    for shape in shapes:
        if tried and candidates.time_is_over(_LOOKING):
            break
        tried.append((shape, *candidates.coarse(shape, candidates.start)))
    finalists = sorted(tried, key=lambda one: one[2].product())[:_FINALISTS]
    refined = []
    for shape, network, _ in finalists:
        if refined and candidates.time_is_over():
            break
        refined.append((shape, *candidates.refined(shape, network)))
    return min(refined, key=lambda one: one[2].product())[:2]


def _largest(candidates: Candidates, depth: int, most: int) -> list[Shape]:
    """For first widths 1, 2, 4, ... the shape whose other layers are as wide as fits, all of one width."""
    inputs = candidates.inputs

    def fits(shape: Shape) -> bool:
        return candidates.parameters(shape) <= most

    widths = range(1, min(candidates.start.widths[1:-1]) + 1)
    if depth == 1:
        return [shape for width in widths if fits(shape := uniform(width, 1, inputs))][-1:]
    shapes, first = [], 1
    while first in widths:
        fitting = [Shape((first, *(width,) * (depth - 1)), inputs) for width in widths]
        shapes += [shape for shape in fitting if fits(shape)][-1:]
        first *= 2
    return shapes


def front_of(path: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that no other one beats: none is as small and as good in every error, and better in one."""

    def beaten(candidate: Candidate, by: Candidate) -> bool:
        mine = (candidate.n_parameters, *candidate.errors.values())
        theirs = (by.n_parameters, *by.errors.values())
        return all(b <= a for a, b in zip(mine, theirs)) and theirs != mine

    front = [candidate for candidate in path if not any(beaten(candidate, other) for other in path)]
    return tuple(sorted(front, key=lambda candidate: candidate.n_parameters))
