"""The search for a small network as stages of a run: the search, the last training of what it found, its controls."""

from dataclasses import replace
from pathlib import Path

from .._foundation.samples import Samples
from ..searching import Shrink, Tolerance, shrink
from ..surrogate import Surrogate
from ..training import LevenbergMarquardt
from ..training.choice import suitable_optimiser
from ..training.stage_store import Stage, StageStore
from .builders import key_for
from .config import LBFGSConfig, RunConfig, ToleranceConfig, TrainingConfig
from .plan import DEFAULT_FACTOR
from .records import SearchRecord
from .sources import AbstractSource
from .stages import trained


def searched(
    stages: StageStore,
    config: RunConfig,
    source: AbstractSource,
    samples: Samples,
    oversized: Surrogate,
    kept: Path,
    progress: bool,
) -> tuple[dict[str, Stage], SearchRecord]:
    """The network found and the same after its last training, by stage name, and what was searched; networks tried
    are kept in the folder `kept`.

    Where no network holds the tolerance, the smallest one about as good as the oversized network is looked for, and
    where there is none either, the oversized one stays.
    """
    search = config.search

    def look(tolerance: ToleranceConfig | None, folder: str) -> Shrink:
        return shrink(
            oversized,
            samples if source.reference is None else source.reference,
            tolerance=None if tolerance is None else Tolerance(**tolerance.model_dump()),
            max_parameters=search.max_parameters,
            box=source.box,
            pairs=search.samples,
            order=search.training.order,
            scaled=search.training.scaled,
            seed=config.seed,
            progress=progress,
            checkpoints=kept / folder,
        )

    found = look(search.tolerance, "search")
    met = found.surrogate is not None
    path = found.path
    if not met and not search.tolerance.relative:
        limits = dict.fromkeys(search.tolerance.limited, DEFAULT_FACTOR)
        again = look(ToleranceConfig(**limits, relative=True), "search-again")
        found, path = replace(found, surrogate=again.surrogate, front=again.front), (*path, *again.path)
    network = oversized if found.surrogate is None else found.surrogate
    seconds = sum(candidate.seconds for candidate in path)
    record = SearchRecord(found.limits, found.figure, found.against, path, found.front, met)
    first = Stage(network, {}, seconds)
    if network is oversized:
        return {"found": first}, record
    labels = search_samples(config, source, samples)

    def finetuned(inside: Path | None) -> Stage:
        settings = training_for(network, labels, config.search.training)
        return trained(network, labels, settings, key_for(config, "finetuned"), "finetuned", inside, progress)

    return {"found": first, "finetuned": stages.stage("finetuned", finetuned)}, record


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
    stages: StageStore, config: RunConfig, source: AbstractSource, samples: Samples, final: Surrogate, progress: bool
) -> dict[str, Stage]:
    """Networks of the final shape to compare with: from random weights, and from the final ones on values alone."""
    labels, key = search_samples(config, source, samples), key_for(config, "finetuned")
    settings = training_for(final, labels, config.search.training)

    def plain(inside: Path | None) -> Stage:
        values = settings.model_copy(update={"order": 0, "noise_rounds": 0})
        return trained(final, labels, values, key, "plain", inside, progress)

    def scratch(inside: Path | None) -> Stage:
        start = Surrogate.create(final.widths, labels, final.activations, key=key_for(config, "scratch weights"))
        return trained(start, labels, settings, key, "scratch", inside, progress)

    return {name: stages.stage(name, compute) for name, compute in (("plain", plain), ("scratch", scratch))}
