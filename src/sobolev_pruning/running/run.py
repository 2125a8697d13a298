"""A whole run: source, plan, samples, oversized network, pruning or search, training, evaluation, report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._foundation.arrays import PRNGKey
from .._foundation.files import write_atomically
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.versions import versions
from ..certificates import Certificate
from ..exploring import page_around
from ..interchange import save_c, save_javascript, save_numpy, save_onnx
from ..searching import Tolerance
from ..surrogate import Surrogate
from ..training.stage_store import Stage, StageStore
from .asked import Ranges, asked
from .bars import error_bars_of
from .builders import key_for
from .certifying import certificate_of
from .config import RunConfig
from .config_file import to_toml
from .explorer import explorer_of
from .outputs import history_csv, metrics_json, significance_csv
from .page import render_report
from .peers import peers_of
from .plan import planned, seconds_for_training
from .pruning_stages import prune_in_rounds
from .published import published_for
from .recording import Recorder
from .records import Decision, RemovalRecord, ReportRecord, SearchRecord, Timings
from .run_directory import CHECKPOINTS, claim_run_directory, free_directory, locked_directory, trained_by
from .search_stages import search_controls, searched
from .slices import slices_of
from .sources import AbstractSource, Workers, opened
from .sources.objects import opened_object
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

    @property
    def report(self) -> Path:
        """The report, a page for any browser."""
        return self.directory / "report.html"

    @property
    def certificate(self) -> Certificate | None:
        """What is proved of the network over the box; None where it is so large that the proof is left to `certify`."""
        return self.record.certificate


@dataclass(frozen=True)
class _Way:
    """What came of the networks of a run: all stages by name, which of them is final, how that one was found, and what
    the time cut short.
    """

    stages: dict[str, Stage]
    final: str
    removals: tuple[RemovalRecord, ...]
    search: SearchRecord | None
    cuts: tuple[Decision, ...]


def run(
    source: object,
    out: str | Path | None = None,
    *,
    box: Ranges | None = None,
    x: str | Sequence[str] | None = None,
    y: str | Sequence[str] | None = None,
    dydx: str | Sequence[str] | None = None,
    noise: int | tuple[int, ...] | None = None,
    derivatives: str | None = None,
    time_limit: float | None = None,
    tolerance: Tolerance | Mapping[str, float] | None = None,
    max_parameters: int | None = None,
    samples: int | None = None,
    minutes: float | None = None,
    key: int | PRNGKey | None = None,
    resume: bool = False,
    progress: bool = False,
    workers: Workers | None = None,
) -> RunResult:
    """The whole method, from `source` to a small network with its report, in the directory `out`.

    What is not said is decided by a pilot, as the command `sobolev-pruning run` does, and the report says why.

    - `source`: a function `(x, z)`, `(x, key)`, `(x, seed)` or `(x)`, told apart by the name of its second argument; a
      reference; samples; a network; or, as text, what the command takes: a data file, `module:function`, the file of a
      network or of a configuration (.toml). A `RunConfig` says all by itself.
    - `out`: by default `runs/NAME-SEED`, or the next one that is free.
    - `box`: the range of each input by name, `{"spot": (60, 140)}`, or `(lower, upper)`.
    - `x`, `y`, `dydx`: columns of a data file, as `sampling.read_samples` takes them; `y` names the outputs of others.
    - `noise`: the shape of `z`, where it cannot be found by trying.
    - `derivatives`, `time_limit`: of a simulator that is no JAX, as `sampling.run_black_box` takes them.
    - `tolerance`: `sp.Tolerance`, or limits by name; by default twice the errors of the best network. Or
      `max_parameters`: the most accurate network of that size.
    - `samples`, `minutes`: how many samples, and the time in all (10 minutes), that a plan goes by.
    - `key`: of everything random, a number or a key of JAX.
    - `resume`: goes on with the run in `out`. A run that was stopped, however rudely, ends with the same figures;
      samples, minutes and the goal may change.
    - `workers`: who calls a simulator that is no JAX.

    Raises `InputError` where the directory holds another run, this one without `resume`, or one that is going on.

    >>> import tempfile, jax, jax.numpy as jnp
    >>> def height(x):
    ...     return jnp.tanh(x[0] + 0.5 * x[1])
    >>> with tempfile.TemporaryDirectory() as place:
    ...     found = run(height, place, box={"size": (-1, 1), "angle": (-1, 1)}, max_parameters=5, samples=64)
    ...     found.surrogate.n_parameters, found.report.name
    (5, 'report.html')
    """
    require_float64("A run")
    config, what = asked(
        source,
        box,
        tolerance,
        key,
        x=x,
        y=y,
        dydx=dydx,
        noise=noise,
        derivatives=derivatives,
        time_limit=time_limit,
        max_parameters=max_parameters,
        samples=samples,
        minutes=minutes,
    )
    out = free_directory(config.name, config.seed, resume) if out is None else Path(out)
    workers, source_key = workers or Workers(), key_for(config, "source")
    if what is None:
        opening = opened(config.source, config.seed, source_key, workers)
    else:
        opening = opened_object(what, config.source, source_key, workers)
    # First the source, so that what it refuses leaves no directory.
    with opening as found, locked_directory(out):
        return _run(config, found, out, resume, progress)


def _run(config: RunConfig, source: AbstractSource, out: Path, resume: bool, progress: bool) -> RunResult:
    start = time.perf_counter()
    claim = claim_run_directory(out, config, source, resume)
    source.prepare(out / "calls")
    if not config.pruning:
        source = source.quiet()
    plan = planned(config, source, out / "plan.json")
    config, decisions = plan.config, plan.decisions
    store = StageStore(out / CHECKPOINTS, f"{claim} {trained_by(config)}")
    samples = source.draw(key_for(config, "samples"), config.samples, config.samples_order)
    oversized = train_oversized(store, config, samples, progress)
    if config.pruning:
        way = _pruned(config, source, store, samples, oversized, progress)
    else:
        seconds = seconds_for_training(plan, source) - oversized.seconds
        way = _searched(config, source, store, samples, oversized, seconds, out / CHECKPOINTS, progress)
    record = _record(config, source, samples, way, (*decisions, *way.cuts))
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
    return _Way(stages, final, removals, None, ())


def _searched(
    config: RunConfig,
    source: AbstractSource,
    store: StageStore,
    samples: Samples,
    oversized: Stage,
    seconds: float,
    kept: Path,
    progress: bool,
) -> _Way:
    """By a search for the smallest network within a tolerance, or the best one of a size."""
    found = searched(store, config, source, samples, oversized.surrogate, seconds, kept, progress)
    final = list(found.stages)[-1]
    stages = {"oversized": oversized, **found.stages}
    if found.controls:
        last = found.stages[final].surrogate
        stages |= search_controls(store, config, source, samples, last, found.training, progress)
    return _Way(stages, final, (), found.record, found.cuts)


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
    slices, errors = slices_of(final, source), errors_of(final, recorder.on_box)
    bars = error_bars_of(final, way.final, config, source, samples, recorder.on_box)
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
        slices=slices,
        errors=errors,
        peers=peers_of(samples, recorder.on_box) if config.controls and way.search is not None else (),
        certificate=certificate_of(final, source),
        explorer=explorer_of(final, bars, source, slices, errors),
        error_bars=bars,
        calls=calls(source.inputs, source.outputs, (0.5 * (source.box[0] + source.box[1])).tolist()),
        stages=tuple(records),
        removals=way.removals,
        timings=timings,
        published=published_for(config),
        config=to_toml(config),
        versions=versions(),
    )


def _write(out: Path, record: ReportRecord, final: Surrogate, seconds: float) -> None:
    written = final if record.error_bars is None else record.error_bars
    written.save(out / "surrogate.safetensors")
    save_onnx(final, out / "surrogate.onnx")
    save_c(final, out / "surrogate.h", name="surrogate")
    save_numpy(written, out / "surrogate.py")
    save_javascript(written, out / "surrogate.mjs")
    if record.explorer is not None:
        write_atomically(
            out / "explorer.html", page_around(record.explorer, final, f"{record.name}, seed {record.seed}")
        )
    if record.certificate is not None:
        record.certificate.save(out / "certificate.json")
    write_atomically(out / "metrics.json", metrics_json(record, seconds))
    write_atomically(out / "history.csv", history_csv(record.stages))
    write_atomically(out / "significance.csv", significance_csv(record.removals))
    write_atomically(out / "report.html", render_report(record))
