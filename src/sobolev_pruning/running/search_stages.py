"""The search for a small network as stages of a run: the search, the last training of what it found, its controls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .._foundation.samples import Samples
from ..certificates import digest
from ..searching import Candidate, Shrink, Tolerance, shrink
from ..searching.candidates import ITERATIONS, STEPS
from ..searching.cross_validation import FEW_ROWS, cross_validated
from ..surrogate import Surrogate
from ..training import LevenbergMarquardt
from ..training.choice import suitable_optimiser
from ..training.stage_store import Stage, StageStore
from .builders import key_for
from .config import AdamConfig, LBFGSConfig, RunConfig, ToleranceConfig, TrainingConfig
from .plan import DEFAULT_FACTOR
from .records import Decision, SearchRecord
from .sources import AbstractSource
from .stages import trained

_SEARCH_SHARE = 0.5
"""The part of the time for trainings that the search may take."""
_LEAST_AGAIN = 0.25
"""The part of the search's time that is left at least, where no network holds the tolerance, for the second search."""


@dataclass(frozen=True)
class Searched:
    """The stages of a search by name, what was searched, how its last network is trained (None where it stays as it
    is), whether time is left for controls, and what the time cut short.
    """

    stages: dict[str, Stage]
    record: SearchRecord
    training: TrainingConfig | None
    controls: bool
    cuts: tuple[Decision, ...]


def searched(
    stages: StageStore,
    config: RunConfig,
    source: AbstractSource,
    samples: Samples,
    oversized: Surrogate,
    seconds: float,
    kept: Path,
    progress: bool,
) -> Searched:
    """The network found and the same after its last training; networks tried are kept in the folder `kept`.

    `seconds` are for all trainings: half of them for the search, the others for the last training and its controls,
    which have fewer starts, and at last are left out, where the networks tried say that they would take longer.

    Of rows too few to hold a part out, tiny networks are compared by cross-validation.

    Where no network holds the tolerance, the smallest one about as good as the oversized network is looked for, and
    where there is none either, the oversized one stays.
    """
    search = config.search

    def look(tolerance: ToleranceConfig | None, folder: str, seconds: float) -> Shrink:
        if source.reference is None and len(samples) < FEW_ROWS:
            return cross_validated(
                samples,
                tolerance=None if tolerance is None else Tolerance(**tolerance.model_dump()),
                max_parameters=search.max_parameters,
                activation=config.oversized.activation,
                order=search.training.order,
                scaled=search.training.scaled,
                key=key_for(config, "cross-validation"),
                checkpoints=kept / "cross-validation",
            )
        return shrink(
            oversized,
            samples if source.reference is None else source.reference,
            tolerance=None if tolerance is None else Tolerance(**tolerance.model_dump()),
            max_parameters=search.max_parameters,
            box=source.box,
            pairs=search.samples,
            order=search.training.order,
            scaled=search.training.scaled,
            seconds=seconds,
            seed=config.seed,
            progress=progress,
            checkpoints=kept / folder,
        )

    allowed = _SEARCH_SHARE * seconds
    found = look(search.tolerance, "search", allowed)
    met = found.surrogate is not None
    path = found.path
    if not met and not search.tolerance.relative:
        limits = dict.fromkeys(search.tolerance.limited, DEFAULT_FACTOR)
        left = max(_LEAST_AGAIN * allowed, allowed - _seconds_of(path))
        again = look(ToleranceConfig(**limits, relative=True), "search-again", left)
        cut_short = found.cut_short or again.cut_short
        found = replace(again, limits=found.limits, figure=found.figure, cut_short=cut_short)
        path = (*path, *again.path)
    network = oversized if found.surrogate is None else found.surrogate
    first = Stage(network, {}, _seconds_of(path))
    cuts = []
    if found.cut_short:
        tried = f"cut short after {len(path)} networks"
        cuts.append(Decision("Search", tried, f"its part of {config.minutes:g} minutes was over", "minutes"))
    record = SearchRecord(found.limits, found.figure, found.against, path, found.front, met, found.cut_short)
    if network is oversized:
        return Searched({"found": first}, record, None, False, tuple(cuts))
    labels = search_samples(config, source, samples)
    settings = training_for(network, labels, config.search.training)
    one = seconds_of_one(path, network, settings, len(labels))
    settings, controls, less = within(settings, one, seconds - first.seconds, config)
    stages.depend_on(f"{digest(network)} {settings.model_dump_json()}")

    def finetuned(inside: Path | None) -> Stage:
        return trained(network, labels, settings, key_for(config, "finetuned"), "finetuned", inside, progress)

    both = {"found": first, "finetuned": stages.stage("finetuned", finetuned)}
    return Searched(both, record, settings, controls, (*cuts, *less))


def _seconds_of(path: Sequence[Candidate]) -> float:
    return sum(candidate.seconds for candidate in path)


def seconds_of_one(path: Sequence[Candidate], network: Surrogate, settings: TrainingConfig, n: int) -> float:
    """What one training of `network` on `n` samples may take: as its dearest one in the search, per pass over them."""
    dearest = max(
        (one for one in path if one.widths[1:-1] == network.widths[1:-1]),
        key=lambda one: one.seconds / one.pairs,
    )
    optimiser = settings.optimiser
    match optimiser:
        case AdamConfig():
            passes = optimiser.steps * optimiser.batch_size / n / STEPS
        case LBFGSConfig():
            passes = optimiser.iterations / STEPS
        case _:
            passes = optimiser.iterations / ITERATIONS
    return dearest.seconds * n / dearest.pairs * passes


def within(
    settings: TrainingConfig, one: float, seconds: float, config: RunConfig
) -> tuple[TrainingConfig, bool, tuple[Decision, ...]]:
    """`settings` with as many starts and rounds as fit into `seconds`, a training taking `one`; whether the controls
    fit in too; and what was cut.
    """
    trainings = 3 if config.controls else 1
    ways = [(starts, settings.noise_rounds, True) for starts in range(settings.starts, 0, -1)]
    ways += [(1, settings.noise_rounds, False), (1, 0, False)]
    starts, rounds, controls = next(
        (way for way in ways if (trainings if way[2] else 1) * (way[0] + way[1]) * one <= seconds), ways[-1]
    )
    why = f"{config.minutes:g} minutes have no more room"
    cuts = []
    if starts < settings.starts:
        cuts.append(Decision("Starts", f"{starts} instead of {settings.starts}", why, "minutes"))
    if rounds < settings.noise_rounds:
        cuts.append(Decision("Noise", "labels weighed as they are", why, "minutes"))
    if config.controls and not controls:
        cuts.append(Decision("Controls", "left out", why, "minutes"))
    chosen = {"starts": starts, "noise_rounds": rounds}
    return settings.model_copy(update=chosen), config.controls and controls, tuple(cuts)


def training_for(network: Surrogate, samples: Samples, settings: TrainingConfig) -> TrainingConfig:
    """`settings`, by L-BFGS where the network is too large for Levenberg-Marquardt on so many samples."""
    suitable = suitable_optimiser(network.n_parameters, fixed_data=True, n_samples=len(samples))
    if settings.optimiser.kind != "levenberg-marquardt" or isinstance(suitable, LevenbergMarquardt):
        return settings
    return settings.model_copy(update={"optimiser": LBFGSConfig(kind="lbfgs")})


def search_samples(config: RunConfig, source: AbstractSource, samples: Samples) -> Samples:
    """What the network found is trained on: fresh samples of a model that can be asked anywhere, else all there are."""
    if source.reference is None:
        return samples
    return source.draw(key_for(config, "search samples"), config.search.samples, config.search.training.order)


def search_controls(
    stages: StageStore,
    config: RunConfig,
    source: AbstractSource,
    samples: Samples,
    final: Surrogate,
    settings: TrainingConfig,
    progress: bool,
) -> dict[str, Stage]:
    """Networks of the final shape to compare with: from random weights, and from the final ones on values alone."""
    labels, key = search_samples(config, source, samples), key_for(config, "finetuned")

    def plain(inside: Path | None) -> Stage:
        values = settings.model_copy(update={"order": 0, "noise_rounds": 0})
        return trained(final, labels, values, key, "plain", inside, progress)

    def scratch(inside: Path | None) -> Stage:
        start = Surrogate.create(final.widths, labels, final.activations, key=key_for(config, "scratch weights"))
        return trained(start, labels, settings, key, "scratch", inside, progress)

    return {name: stages.stage(name, compute) for name, compute in (("plain", plain), ("scratch", scratch))}
