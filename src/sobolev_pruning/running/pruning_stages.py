"""Pruning in rounds: score, decide, fold, retrain; each round kept by the run directory."""

import time
from pathlib import Path

import numpy as np

from .._foundation.samples import Samples
from ..pruning import Plan, apply_plan, make_plan, mask
from ..scoring import BoxLike, Significance, significance
from ..surrogate import Dense, Surrogate
from ..training.stage_store import Stage, StageStore
from .builders import key_for
from .config import PruningConfig, RunConfig
from .records import RemovalRecord
from .stages import trained


def prune_in_rounds(
    stages: StageStore,
    config: RunConfig,
    box: BoxLike,
    samples: Samples,
    oversized: Surrogate,
    progress: bool,
) -> tuple[Stage, tuple[RemovalRecord, ...]]:
    """The pruned network, and what each round removed.

    All rounds of a phase but the last only mask nodes, so that retraining is compiled once; the last one makes the
    network small and melts layers into their neighbours. The stage's seconds and loss curves are those of all rounds.
    """
    current, plan, rounds = oversized, None, []
    for settings in config.pruning:
        for number, counts in enumerate(targets(settings, current.widths[1:-1]), start=1):
            name = f"pruning-{len(rounds) + 1:02d}"
            is_last = number == settings.rounds

            def compute(
                inside: Path | None,
                settings=settings,
                counts=counts,
                current=current,
                plan=plan,
                name=name,
                last=is_last,
            ):
                stage, masks = prune_round(current, plan, settings, counts, box, samples, last)
                if settings.retraining is None:
                    return stage
                key = key_for(config, name)
                after = trained(stage.surrogate, samples, settings.retraining, key, name, inside, progress, masks)
                return Stage(after.surrogate, after.arrays | stage.arrays, after.seconds + stage.seconds)

            stage = stages.stage(name, compute)
            rounds.append((settings.significance, stage))
            plan = None if is_last else plan_after(stage, current)
            current = stage.surrogate
    removals = tuple(_record(number, method, stage) for number, (method, stage) in enumerate(rounds, start=1))
    return _joined([stage for _, stage in rounds]), removals


def prune_round(
    current: Surrogate,
    plan: Plan | None,
    settings: PruningConfig,
    counts: list[int],
    box: BoxLike,
    samples: Samples,
    make_small: bool,
) -> tuple[Stage, tuple[Dense, ...] | None]:
    """One round without its retraining, and the mask that this needs where the network keeps its shapes.

    `plan` is what `plan_after` gives of the round before; the network is made small where `make_small` says so.
    """
    start = time.perf_counter()
    found = _significance(current, box, samples, settings)
    chosen = None if settings.significance == "fold" else found
    decided = make_plan(current, counts, significance=chosen, box=box, fold=settings.fold, after=plan)
    if make_small:
        network, masks = apply_plan(current, decided, box=box), None
    else:
        masked = mask(current, decided, box=box)
        network, masks = masked.surrogate, masked.parameters
    return Stage(network, _removal_arrays(found, decided), time.perf_counter() - start), masks


def targets(settings: PruningConfig, widths: tuple[int, ...]) -> list[list[int]]:
    """Nodes that stay in each layer, round by round: each round takes the same share of what is left.

    A layer that goes as a whole is first narrowed like the narrowest that stays, and melts away in the last round.
    """
    floor = min(count for count in settings.keep if count)
    ends = [count or min(floor, width) for count, width in zip(settings.keep, widths)]
    shares = [number / settings.rounds for number in range(1, settings.rounds)]
    between = [[round(width * (end / width) ** share) for width, end in zip(widths, ends)] for share in shares]
    return [*between, list(settings.keep)]


def _significance(surrogate: Surrogate, box: BoxLike, samples: Samples, settings: PruningConfig) -> Significance:
    method = "interval" if settings.significance == "fold" else settings.significance
    return significance(surrogate, box, method, samples=samples)


def _removal_arrays(found: Significance, plan: Plan) -> dict[str, np.ndarray]:
    arrays = {}
    for layer, kept in enumerate(plan.kept_masks):
        arrays[f"removal.scores.{layer:03d}"] = plan.scores[layer]
        arrays[f"removal.range_widths.{layer:03d}"] = found.range_widths[layer]
        arrays[f"removal.adjoints.{layer:03d}"] = found.adjoint_sizes[layer]
        arrays[f"removal.kept.{layer:03d}"] = kept
    return arrays


def _layers(stage: Stage, name: str) -> tuple[np.ndarray, ...]:
    prefix = f"removal.{name}."
    return tuple(array for key, array in sorted(stage.arrays.items()) if key.startswith(prefix))


def plan_after(stage: Stage, before: Surrogate) -> Plan:
    """What the round before left standing, for the next one to go on from."""
    kept = tuple(tuple(np.flatnonzero(kept).tolist()) for kept in _layers(stage, "kept"))
    return Plan(before.widths, kept, "none", 0, None, _layers(stage, "scores"), "the round before")


def _record(number: int, method: str, stage: Stage) -> RemovalRecord:
    columns = (_layers(stage, name) for name in ("scores", "range_widths", "adjoints", "kept"))
    return RemovalRecord(number, method, *columns)


def _joined(rounds: list[Stage]) -> Stage:
    """The last network, with the loss curves of all rounds one after another."""
    names = [name for name in rounds[-1].arrays if name.startswith("history.")]
    columns, steps = {name: [] for name in names}, 0
    for stage in rounds:
        for name in names:
            offset = steps if name == "history.step" else 0
            columns[name].append(stage.arrays[name] + offset)
        steps = int(columns["history.step"][-1][-1]) if names else 0
    history = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Stage(rounds[-1].surrogate, history, sum(stage.seconds for stage in rounds))
