"""A whole run: source, plan, samples, oversized network, pruning or search, training, evaluation, report."""

import time
from dataclasses import dataclass
from pathlib import Path

from .._foundation.files import write_atomically
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.versions import versions, with_versions
from ..interchange import save_c, save_numpy, save_onnx
from ..surrogate import Surrogate
from ..training.stage_store import Stage, StageStore
from .builders import key_for
from .certifying import certificate_of
from .config import RunConfig
from .config_file import to_toml
from .outputs import history_csv, metrics_json, significance_csv
from .page import render_report
from .peers import peers_of
from .plan import planned
from .pruning_stages import prune_in_rounds
from .published import published_for
from .recording import Recorder
from .records import Decision, RemovalRecord, ReportRecord, SearchRecord, Timings
from .run_directory import CHECKPOINTS, claim_run_directory, locked_directory
from .search_stages import search_controls, searched
from .slices import slices_of
from .sources import AbstractSource, Workers, opened
from .stages import finetune, train_controls, train_oversized
from .timing import seconds_per_call
from .using import calls
from .worst import errors_of


@dataclass(frozen=True)
class RunResult:
    """Where the files of a run are, its records, and its final network."""

    directory: Path
    record: ReportRecord
    surrogate: Surrogate


@dataclass(frozen=True)
class _Way:
    """What came of the networks of a run: all stages by name, which of them is final, and how that one was found."""

    stages: dict[str, Stage]
    final: str
    removals: tuple[RemovalRecord, ...]
    search: SearchRecord | None


def run(
    config: RunConfig,
    out: Path | None = None,
    *,
    resume: bool = False,
    progress: bool = False,
    workers: Workers | None = None,
) -> RunResult:
    """Does the whole method as `config` says and fills the directory `out` (default `runs/NAME-SEED`).

    A run that was stopped, however rudely, ends with the same figures when it is started again with `resume`.
    `workers` call a simulator that is no JAX.

    Raises `InputError` where the directory holds another run, this one without `resume`, or one that is going on.
    """
    require_float64("A run")
    out = Path("runs") / f"{config.name}-{config.seed}" if out is None else Path(out)
    # First the source, so that what it refuses leaves no directory.
    with (
        opened(config.source, config.seed, key_for(config, "source"), workers or Workers()) as source,
        locked_directory(out),
    ):
        return _run(config, source, out, resume, progress)


def _run(config: RunConfig, source: AbstractSource, out: Path, resume: bool, progress: bool) -> RunResult:
    start = time.perf_counter()
    claim = claim_run_directory(out, config, source, resume)
    source.prepare(out / "calls")
    if not config.pruning:
        source = source.quiet()
    config, decisions = planned(config, source, out / "plan.json")
    store = StageStore(out / CHECKPOINTS, with_versions(f"{claim} {to_toml(config)}"))
    samples = source.draw(key_for(config, "samples"), config.samples, config.samples_order)
    oversized = train_oversized(store, config, samples, progress)
    if config.pruning:
        way = _pruned(config, source, store, samples, oversized, progress)
    else:
        way = _searched(config, source, store, samples, oversized, out / CHECKPOINTS, progress)
    record = _record(config, source, samples, way, decisions)
    final = way.stages[way.final].surrogate
    _write(out, record, final, time.perf_counter() - start)
    return RunResult(out, record, final)


def _pruned(
    config: RunConfig, source: AbstractSource, store: StageStore, samples: Samples, oversized: Stage, progress: bool
) -> _Way:
    """By the phases of the configuration, each followed by its retraining, and fine-tuning."""
    pruned, removals = prune_in_rounds(store, config, source.box, samples, oversized.surrogate, progress)
    tuned = finetune(store, config, source, samples, oversized.surrogate, pruned.surrogate, progress)
    final = list({"pruned": pruned, **tuned})[-1]
    stages = {"oversized": oversized, "pruned": pruned, **tuned}
    if config.controls and tuned:
        stages |= train_controls(store, config, source, samples, pruned.surrogate, final, progress)
    return _Way(stages, final, removals, None)


def _searched(
    config: RunConfig,
    source: AbstractSource,
    store: StageStore,
    samples: Samples,
    oversized: Stage,
    kept: Path,
    progress: bool,
) -> _Way:
    """By a search for the smallest network within a tolerance, or the best one of a size."""
    stages, found = searched(store, config, source, samples, oversized.surrogate, kept, progress)
    final = list(stages)[-1]
    if config.controls and "finetuned" in stages:
        stages |= search_controls(store, config, source, samples, stages[final].surrogate, progress)
    return _Way({"oversized": oversized, **stages}, final, (), found)


def _record(
    config: RunConfig, source: AbstractSource, samples: Samples, way: _Way, decisions: tuple[Decision, ...]
) -> ReportRecord:
    recorder = Recorder(config, source)
    final = way.stages[way.final].surrogate
    records = [recorder.record(name, stage) for name, stage in way.stages.items()]
    if config.oracle:
        records.append(recorder.oracle_record(samples))
    final_error = next(record.evaluation.value.rmse for record in records if record.name == way.final)
    cost = source.cost(final_error)
    timings = Timings(
        source=None if cost is None else cost.seconds,
        source_words="" if cost is None else cost.words,
        oversized=seconds_per_call(way.stages["oversized"].surrogate, source.box),
        final=seconds_per_call(final, source.box),
        total=sum(stage.seconds for stage in way.stages.values()),
    )
    return ReportRecord(
        name=config.name,
        seed=config.seed,
        source=source.title,
        inputs=source.inputs,
        outputs=source.outputs,
        box=source.box,
        remarks=source.remarks,
        decisions=decisions,
        search=way.search,
        slices=slices_of(final, source),
        errors=errors_of(final, recorder.on_box),
        peers=peers_of(samples, recorder.on_box) if config.controls and way.search is not None else (),
        certificate=certificate_of(final, source),
        calls=calls(source.inputs, source.outputs, (0.5 * (source.box[0] + source.box[1])).tolist()),
        stages=tuple(records),
        removals=way.removals,
        timings=timings,
        published=published_for(config),
        config=to_toml(config),
        versions=versions(),
    )


def _write(out: Path, record: ReportRecord, final: Surrogate, seconds: float) -> None:
    final.save(out / "surrogate.safetensors")
    save_onnx(final, out / "surrogate.onnx")
    save_c(final, out / "surrogate.h", name="surrogate")
    save_numpy(final, out / "surrogate.py")
    if record.certificate is not None:
        record.certificate.save(out / "certificate.json")
    write_atomically(out / "metrics.json", metrics_json(record.seed, record.stages, seconds))
    write_atomically(out / "history.csv", history_csv(record.stages))
    write_atomically(out / "significance.csv", significance_csv(record.removals))
    write_atomically(out / "report.html", render_report(record))
