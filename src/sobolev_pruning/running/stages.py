"""The stages that make a network, each kept by the run directory."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.arrays import PRNGKey
from .._foundation.samples import Samples
from ..surrogate import Surrogate
from ..training import Fit, fit, label_noise
from ..training.stage_store import Stage, StageStore
from .builders import build_optimiser, key_for
from .config import FinetuningConfig, RunConfig, TrainingConfig
from .sources import AbstractSource


def train_oversized(stages: StageStore, config: RunConfig, samples: Samples, progress: bool) -> Stage:
    """The oversized network, from random weights."""
    settings = config.oversized
    widths = (samples.n_inputs, *settings.hidden, samples.n_outputs)
    start = Surrogate.create(widths, samples, settings.activation, key=key_for(config, "initial weights"))
    key = key_for(config, "oversized")
    return stages.stage(
        "oversized", lambda inside: trained(start, samples, settings.training, key, "oversized", inside, progress)
    )


def finetune(
    stages: StageStore,
    config: RunConfig,
    source: AbstractSource,
    samples: Samples,
    teacher: Surrogate,
    pruned: Surrogate,
    progress: bool,
) -> dict[str, Stage]:
    """The pruned network fine-tuned in each of the configured ways, by stage name."""
    tuned = {}
    for way in ("teacher", "fixed", "reference"):
        settings: FinetuningConfig | None = getattr(config.finetuning, way)
        if settings is None:
            continue
        name = f"finetuned-{way}"

        def compute(inside: Path | None, name=name, way=way, settings=settings) -> Stage:
            labels = teacher_samples(config, settings, source, teacher) if way == "teacher" else samples
            if way == "reference":
                labels = finetuning_samples(config, source, samples)
            return trained(pruned, labels, settings.training, key_for(config, name), name, inside, progress)

        tuned[name] = stages.stage(name, compute)
    return tuned


def train_controls(
    stages: StageStore,
    config: RunConfig,
    source: AbstractSource,
    samples: Samples,
    pruned: Surrogate,
    like: str,
    progress: bool,
) -> dict[str, Stage]:
    """Networks to compare with the stage `like`, on the same samples for as many steps, by stage name.

    plain: the pruned network, trained on values alone. scratch: random weights of the same widths.
    """
    way = like.removeprefix("finetuned-")
    settings: TrainingConfig = getattr(config.finetuning, way).training
    key = key_for(config, like)

    def labels() -> Samples:
        return finetuning_samples(config, source, samples) if way == "reference" else samples

    def plain(inside: Path | None) -> Stage:
        return trained(pruned, labels(), settings.model_copy(update={"order": 0}), key, "plain", inside, progress)

    def scratch(inside: Path | None) -> Stage:
        found, activation = labels(), config.oversized.activation
        start = Surrogate.create(pruned.widths, found, activation, key=key_for(config, "scratch weights"))
        return trained(start, found, settings, key, "scratch", inside, progress)

    return {name: stages.stage(name, compute) for name, compute in (("plain", plain), ("scratch", scratch))}


def finetuning_samples(config: RunConfig, source: AbstractSource, samples: Samples) -> Samples:
    """What `[finetuning.reference]` trains on: fresh samples, or the run's own where it states no number."""
    settings = config.finetuning.reference
    if settings.samples is None:
        return samples
    order = max(1, settings.training.order)
    return source.draw_quietly(
        key_for(config, "fresh samples"), settings.samples, order, settings.design, settings.conditional
    )


def teacher_samples(
    config: RunConfig, settings: FinetuningConfig, source: AbstractSource, teacher: Surrogate
) -> Samples:
    """What `[finetuning.teacher]` trains on: labels of `teacher` at inputs of the training law."""
    n = config.samples if settings.samples is None else settings.samples
    x = source.training_inputs(key_for(config, "teacher inputs"), n)
    directions = jax.random.normal(key_for(config, "teacher directions"), (n, 1, len(source.inputs)), jnp.float64)
    return teacher.label(x, max(1, settings.training.order), directions)


def trained(
    start: Surrogate,
    samples: Samples,
    settings: TrainingConfig,
    key: PRNGKey,
    label: str,
    inside: Path | None,
    progress: bool,
    mask=None,
) -> Stage:
    options = dict(
        key=key,
        optimiser=build_optimiser(settings.optimiser),
        balance=settings.balance,
        weight=settings.weight,
        scaled=settings.scaled,
        held_out=settings.held_out,
        patience=settings.patience,
        mask=mask,
    )
    result = fit(
        start,
        samples,
        settings.order,
        starts=settings.starts,
        progress=label if progress else None,
        checkpoints=inside,
        **options,
    )
    surrogate, seconds = result.surrogate, result.seconds
    for number in range(1, settings.noise_rounds + 1):
        again = fit(
            surrogate,
            samples,
            settings.order,
            noise=label_noise(surrogate, samples, settings.order),
            progress=f"{label}, noise {number}/{settings.noise_rounds}" if progress else None,
            checkpoints=inside and inside / f"noise-{number}",
            **options,
        )
        surrogate, seconds = again.surrogate, seconds + again.seconds
    # Losses over estimated noise have no unit in common with the first training's, so its curve is the one kept.
    return Stage(surrogate, _history_arrays(result), seconds)


def _history_arrays(result: Fit) -> dict[str, np.ndarray]:
    return {f"history.{name}": column for name, column in result.history.columns().items()}
