"""A whole run: reference model, samples, oversized network, pruning, fine-tuning, evaluation, report."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._foundation.arrays import Points
from .._foundation.files import write_atomically
from .._foundation.precision import require_float64
from .._foundation.versions import versions
from ..evaluation import Evaluation, Evaluator, fit_oracle
from ..evaluation.evaluate import is_estimated
from ..interchange import save_onnx
from ..reference import AbstractReference, GaussianBasket, Truth
from ..surrogate import Surrogate
from ..training import History
from ..training.stage_store import Stage
from .builders import build_reference, key_for
from .config import RunConfig
from .config_file import to_toml
from .outputs import history_csv, metrics_json, significance_csv
from .page import render_report
from .pruning_stages import prune_in_rounds
from .published import published_for
from .records import Predictions, ReportRecord, StageRecord
from .reference_config import BasketConfig
from .run_directory import locked_directory, open_run_directory
from .stages import finetune, train_controls, train_oversized
from .timing import measure

ESTIMATED_POINTS = 512
"""Test points where every truth is the mean of many paths; a closed form has 4,096."""

_SHOWN_NAMES = 8


@dataclass(frozen=True)
class RunResult:
    """Where the files of a run are, its records, and its final network."""

    directory: Path
    record: ReportRecord
    surrogate: Surrogate


def run(config: RunConfig, out: Path | None = None, *, resume: bool = False, progress: bool = False) -> RunResult:
    """Does the whole method as `config` says and fills the directory `out` (default `runs/NAME-SEED`).

    A run that was stopped, however rudely, ends with the same figures when it is started again with `resume`.

    Raises `InputError` where the directory holds another run, this one without `resume`, or one that is going on.
    """
    require_float64("A run")
    out = Path("runs") / f"{config.name}-{config.seed}" if out is None else Path(out)
    with locked_directory(out):
        return _run(config, out, resume, progress)


def _run(config: RunConfig, out: Path, resume: bool, progress: bool) -> RunResult:
    start = time.perf_counter()
    reference = build_reference(config)  # first, so that what it refuses leaves no directory
    store = open_run_directory(out, config, reference, resume)
    samples = reference.sample(key_for(config, "samples"), config.samples, order=config.samples_order)

    oversized = train_oversized(store, config, samples, progress)
    pruned, removals = prune_in_rounds(store, config, reference, samples, oversized.surrogate, progress)
    tuned = finetune(store, config, reference, samples, oversized.surrogate, pruned.surrogate, progress)
    final_name, final = list({"pruned": pruned, **tuned}.items())[-1]
    stages = {"oversized": oversized, "pruned": pruned, **tuned}
    if config.controls and tuned:
        stages |= train_controls(store, config, reference, samples, pruned.surrogate, final_name, progress)

    records_of = _Records(config, reference)
    records = [records_of.record(name, _describe(name, config), stage) for name, stage in stages.items()]
    if config.oracle:
        records.append(records_of.oracle_record(samples))
    seconds = sum(stage.seconds for stage in stages.values())
    final_rmse = next(record.evaluation.value.rmse for record in records if record.name == final_name)
    record = ReportRecord(
        name=config.name,
        seed=config.seed,
        reference=records_of.title,
        stages=tuple(records),
        removals=removals,
        timings=measure(reference, oversized.surrogate, final.surrogate, final_rmse, seconds),
        published=published_for(config),
        config=to_toml(config),
        versions=versions(),
    )
    _write(out, record, final.surrogate, time.perf_counter() - start)
    return RunResult(out, record, final.surrogate)


def _write(out: Path, record: ReportRecord, final: Surrogate, seconds: float) -> None:
    final.save(out / "surrogate.safetensors")
    save_onnx(final, out / "surrogate.onnx")
    write_atomically(out / "metrics.json", metrics_json(record.seed, record.stages, seconds))
    write_atomically(out / "history.csv", history_csv(record.stages))
    write_atomically(out / "significance.csv", significance_csv(record.removals))
    write_atomically(out / "report.html", render_report(record))


class _Records:
    """Evaluates every stage on the same points: uniform in the box, and of the exposure's law."""

    def __init__(self, config: RunConfig, reference: AbstractReference):
        self.reference = reference
        key = key_for(config, "test points")
        estimated = is_estimated(reference, reference.test_points(key, 1))
        self.points = reference.test_points(key, *([ESTIMATED_POINTS] if estimated else []))
        exposure = reference.exposure_inputs(key_for(config, "exposure inputs"), len(self.points))
        self.on_box, self.on_exposure = Evaluator.of(reference, self.points), Evaluator.of(reference, exposure)
        self.title = _title(reference)
        self.axis, self.axis_label = _axis(reference, self.points, self.on_box.truth)
        self.direction = _direction(reference, self.axis_label)

    def record(self, name: str, description: str, stage: Stage) -> StageRecord:
        surrogate = stage.surrogate
        return StageRecord(
            name=name,
            description=description,
            widths=surrogate.widths,
            n_parameters=surrogate.n_parameters,
            history=history_of(stage),
            seconds=stage.seconds,
            **self._evaluated(surrogate),
        )

    def oracle_record(self, samples) -> StageRecord:
        start = time.perf_counter()
        oracle = fit_oracle(self.reference, samples)
        return StageRecord(
            name="oracle",
            description="The closed formula, its parameters fitted to the same samples: what label noise alone costs.",
            widths=None,
            n_parameters=self.reference.n_inputs + 2,
            history=None,
            seconds=time.perf_counter() - start,
            **self._evaluated(oracle),
        )

    def _evaluated(self, model: Surrogate | GaussianBasket) -> dict[str, Evaluation | Predictions]:
        return {
            "evaluation": self.on_box(model),
            "exposure": self.on_exposure(model),
            "predictions": self._predictions(model),
        }

    def _predictions(self, model: Surrogate | GaussianBasket) -> Predictions:
        truth, said = self.on_box.truth, self.on_box.said_by(model)
        direction, moved = self.direction
        unknown = np.full(len(self.points), np.nan)
        return Predictions(
            axis=self.axis,
            axis_label=self.axis_label,
            direction=moved,
            value=_first_output(said.value),
            true_value=_first_output(truth.value),
            delta=_first_output(np.asarray(said.gradient) @ direction),
            true_delta=_first_output(np.asarray(truth.gradient) @ direction),
            gamma=unknown if said.gamma is None else _first_output(said.gamma),
            true_gamma=unknown if truth.gamma is None else _first_output(truth.gamma),
        )


def _title(reference: AbstractReference) -> str:
    """What is imitated, as the report's first line says it."""
    if isinstance(reference, GaussianBasket):
        return f"A {reference.kind} on a basket of {reference.n_inputs} Gaussian assets"
    names = ", ".join(_names(reference)[:_SHOWN_NAMES])
    more = f" and {reference.n_inputs - _SHOWN_NAMES} more" if reference.n_inputs > _SHOWN_NAMES else ""
    kind = getattr(reference, "kind", type(reference).__name__)
    return f"{kind[:1].upper()}{kind[1:]}, a function of {names}{more}"


def _names(reference: AbstractReference) -> tuple[str, ...]:
    return tuple(variable.name for variable in reference.inputs)


def _direction(reference: AbstractReference, axis_label: str) -> tuple[np.ndarray, str]:
    """The direction of deltas and gammas in figures, with its name; without one of the reference's own, the axis."""
    if reference.gamma_direction is not None:
        return np.asarray(reference.gamma_direction), reference.gamma_name
    return np.array([float(name == axis_label) for name in _names(reference)]), axis_label


def _axis(reference: AbstractReference, points: Points, truth: Truth) -> tuple[np.ndarray, str]:
    """The price of a basket; else the input along which the truth changes most over the box."""
    if isinstance(reference, GaussianBasket):
        return np.asarray(points @ reference.weights), "basket price"
    points = np.asarray(points)
    gradient = np.asarray(truth.gradient).reshape(len(points), -1, points.shape[1])[:, 0]
    best = int(np.argmax(np.mean(gradient**2, axis=0) * points.var(axis=0)))
    return points[:, best], _names(reference)[best]


def _first_output(array) -> np.ndarray:
    array = np.asarray(array)
    return array if array.ndim == 1 else array[:, 0]


def history_of(stage: Stage) -> History | None:
    """The loss curves that a stage saved; None where it trained nothing."""
    columns = {name.removeprefix("history."): a for name, a in stage.arrays.items() if name.startswith("history.")}
    return History(**columns) if columns else None


def _labels(config: RunConfig) -> str:
    """What the samples are called: every label of the basket is the mean of an antithetic pair."""
    return "antithetic pairs" if isinstance(config.reference, BasketConfig) else "samples"


def _describe(name: str, config: RunConfig) -> str:
    """One sentence about a stage for the report's reader."""
    finetuning = config.finetuning
    order = config.oversized.training.order
    labels = {0: "values alone", 1: "values and first derivatives", 2: "values, first and second derivatives"}
    fresh = finetuning.reference.samples if finetuning.reference else None
    reference_data = f"{fresh:,} fresh {_labels(config)}" if fresh else f"the same {config.samples:,} {_labels(config)}"
    return {
        "oversized": f"Trained on {labels[order]} of {config.samples:,} {_labels(config)}.",
        "pruned": "The least significant nodes removed, what they contributed folded into the others.",
        "finetuned-teacher": "The pruned network, fine-tuned on values and derivatives of the oversized one.",
        "finetuned-fixed": f"The pruned network, fine-tuned on the same {config.samples:,} {_labels(config)}.",
        "finetuned-reference": f"The pruned network, fine-tuned on {reference_data} of the reference.",
        "plain": "Control: the pruned network, fine-tuned on the same samples for as many steps, on values alone.",
        "scratch": "Control: a network of the final size, trained from random weights on the same samples and steps.",
    }[name]
