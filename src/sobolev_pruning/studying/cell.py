"""The work of one call of an executor: the oversized network of a seed, or the network of a cell, and its errors.

Arguments and results are plain data, so that any process on any machine can do it.
"""

import functools
import time
from contextlib import ExitStack
from typing import Any, TypeAlias

import jax
import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..running import RunConfig
from ..running.builders import key_for
from ..running.config import FinetuningConfig, FinetuningsConfig, FreshFinetuningConfig, PruningConfig, TrainingConfig
from ..running.sources import Workers, opened
from ..running.stages import finetuning_samples, teacher_samples, train_oversized
from ..surrogate import Surrogate, from_tensors, parameter_count, to_tensors
from ..training.stage_store import StageStore
from .cells import Cell
from .config import StudyConfig, dense_widths
from .networks import CellContext, network_of

Tensors: TypeAlias = tuple[dict[str, np.ndarray], dict]
"""A network as `to_tensors` takes it apart: arrays of JAX would lose half their digits on the way to a process in
which float64 is not on yet."""

_MOST_SEEDS = 16
"""Of so many seeds a process remembers the samples."""


def compute_oversized(settings: str, seed: int) -> tuple[Tensors, dict[str, Any]]:
    """The oversized network of a seed, and its fields of a `CellRecord`; `settings` is the `StudyConfig` as JSON."""
    with jax.enable_x64(True):
        start = time.perf_counter()
        shared = _shared(settings, seed)
        network = train_oversized(StageStore(None, ""), shared.run, shared.samples, False).surrogate
        figures = shared.figures(network) | {"seconds": time.perf_counter() - start}
        return to_tensors(network), figures | {"widths": network.widths, "n_parameters": network.n_parameters}


def compute_cell(settings: str, cell: Cell, oversized: Tensors) -> dict[str, Any]:
    """Size and errors of the network of `cell`: the fields of a `CellRecord` that are not known beforehand."""
    with jax.enable_x64(True):
        start = time.perf_counter()
        shared = _shared(settings, cell.seed)
        network = from_tensors(*oversized, "the oversized network")
        labels = None if cell.labels is None else shared.labels(cell.labels, network)
        context = CellContext(shared.study, shared.run, shared.source.box, shared.samples, network)
        widths = dense_widths(shared.samples, cell.size)
        sparse = cell.approach in ("set", "rigl")
        found = {"widths": network.widths if sparse else widths, "n_parameters": parameter_count(widths)}
        try:
            found |= shared.figures(network_of(cell, context, labels))
        except InputError as error:
            found |= {"errors": {}, "rmse": {}, "fault": str(error)}
        return found | {"seconds": time.perf_counter() - start}


class _Shared:
    """What all cells of a seed share, kept by a process from one to the next."""

    def __init__(self, study: StudyConfig, seed: int):
        self.study, self.run = study, _run_config(study, seed)
        # Never left: the module of a user's function stays where it can be found as long as the process lives.
        self._open = ExitStack()
        self.source = self._open.enter_context(opened(self.run.source, seed, key_for(self.run, "source"), Workers()))
        self.samples = self.source.draw(key_for(self.run, "samples"), study.samples, study.label_orders["fixed"])
        self._evaluator, _ = self.source.evaluators(key_for(self.run, "test points"))
        self._labels: dict[str, Samples] = {}

    def labels(self, whose: str, oversized: Surrogate) -> Samples:
        """What networks are fine-tuned on: the same samples for all orders."""
        if whose == "fixed":
            return self.samples
        if whose not in self._labels:
            if whose == "teacher":
                found = teacher_samples(self.run, self.run.finetuning.teacher, self.source, oversized)
            else:
                found = finetuning_samples(self.run, self.source, self.samples)
            self._labels[whose] = found
        return self._labels[whose]

    def figures(self, network: Surrogate) -> dict[str, Any]:
        """Errors 1 - R2 and root mean square errors at the test points."""
        found = self._evaluator(network)
        errors = {name: None if r2 is None else 1.0 - r2 for name, r2 in found.figures("r2").items()}
        return {"errors": _finite(errors), "rmse": _finite(found.figures("rmse")), "fault": None}


@functools.lru_cache(_MOST_SEEDS)
def _shared(settings: str, seed: int) -> _Shared:
    return _Shared(StudyConfig.model_validate_json(settings), seed)


def _run_config(study: StudyConfig, seed: int) -> RunConfig:
    """The run of the method that the cells of a seed are part of."""
    settings = study.finetuning
    fresh = FreshFinetuningConfig(
        samples=settings.samples,
        design=settings.design,
        conditional=settings.conditional,
        training=TrainingConfig(order=study.label_orders["reference"]),
    )
    teacher = FinetuningConfig(samples=settings.samples, training=TrainingConfig(order=2))
    return RunConfig(
        name=study.name,
        seed=seed,
        samples=study.samples,
        source=study.source,
        oversized=study.oversized,
        pruning=(PruningConfig(keep=study.default.size),),
        finetuning=FinetuningsConfig(teacher=teacher, reference=fresh),
    )


def _finite(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if found is None or not np.isfinite(found) else float(found) for name, found in figures.items()}
