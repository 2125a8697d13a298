"""What is recorded of every stage: its errors on points that nothing was trained on, and what it says there."""

import time

import numpy as np

from .._foundation.samples import Samples
from ..evaluation import Evaluation, Evaluator, fit_oracle
from ..reference import GaussianBasket
from ..surrogate import Surrogate
from ..training import History
from ..training.stage_store import Stage
from .builders import key_for
from .config import RunConfig
from .records import Predictions, StageRecord
from .source_config import BasketConfig
from .sources import AbstractSource


class Recorder:
    """Evaluates every stage on the same points: over the box, and where the source is used."""

    def __init__(self, config: RunConfig, source: AbstractSource):
        self.source, self._config = source, config
        self.on_box, self.on_exposure = source.evaluators(key_for(config, "test points"))
        self._axis, self._axis_label, self._direction, self._direction_words = _view(source, self.on_box)

    def record(self, name: str, stage: Stage) -> StageRecord:
        """The record of a stage."""
        surrogate = stage.surrogate
        return StageRecord(
            name=name,
            description=_describe(name, self._config),
            widths=surrogate.widths,
            n_parameters=surrogate.n_parameters,
            history=history_of(stage),
            seconds=stage.seconds,
            **self._evaluated(surrogate),
        )

    def oracle_record(self, samples: Samples) -> StageRecord:
        """The record of the closed formula, fitted to `samples`."""
        start = time.perf_counter()
        oracle = fit_oracle(self.source.reference, samples)
        return StageRecord(
            name="oracle",
            description="The closed formula, its parameters fitted to the same samples: what label noise alone costs.",
            widths=None,
            n_parameters=len(self.source.inputs) + 2,
            history=None,
            seconds=time.perf_counter() - start,
            **self._evaluated(oracle),
        )

    def _evaluated(self, model: Surrogate | GaussianBasket) -> dict[str, Evaluation | Predictions]:
        evaluation = self.on_box(model)
        same = self.on_exposure is self.on_box
        return {
            "evaluation": evaluation,
            "exposure": evaluation if same else self.on_exposure(model),
            "predictions": self._predictions(model),
        }

    def _predictions(self, model: Surrogate | GaussianBasket) -> Predictions:
        truth, said = self.on_box.truth, self.on_box.said_by(model)

        def along(gradient) -> np.ndarray:
            unknown = np.full(len(self.on_box.points), np.nan)
            return unknown if gradient is None else _first_output(np.asarray(gradient) @ self._direction)

        def gamma(found) -> np.ndarray:
            return np.full(len(self.on_box.points), np.nan) if found is None else _first_output(found)

        return Predictions(
            axis=self._axis,
            axis_label=self._axis_label,
            direction=self._direction_words,
            value=_first_output(said.value),
            true_value=_first_output(truth.value),
            delta=along(said.gradient),
            true_delta=along(truth.gradient),
            gamma=gamma(said.gamma),
            true_gamma=gamma(truth.gamma),
        )


def _view(source: AbstractSource, evaluator: Evaluator) -> tuple[np.ndarray, str, np.ndarray, str]:
    """The coordinate that points are drawn over, with its name, and the direction of slopes, in words.

    The price of a basket; else the input along which the truth changes most over the box, or, without derivatives, the
    one that the values follow most. Slopes are along the source's direction, else along that input.
    """
    points, truth = np.asarray(evaluator.points), evaluator.truth
    reference = getattr(source, "reference", None)
    if isinstance(reference, GaussianBasket):
        return np.asarray(points @ reference.weights), "basket price", source.direction.vector, source.direction.words
    if truth.gradient is not None:
        gradient = np.asarray(truth.gradient).reshape(len(points), -1, points.shape[1])[:, 0]
        effect = np.nanmean(gradient**2, axis=0) * points.var(axis=0)
    else:
        effect = np.abs(_correlations(points, _first_output(truth.value)))
    best = int(np.nanargmax(effect))
    label = str(source.inputs[best])
    if source.direction is None:
        return points[:, best], label, np.eye(points.shape[1])[best], label
    return points[:, best], label, source.direction.vector, source.direction.words


def _correlations(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each column of `points` with `values`; 0 for a column that never changes."""
    centred = points - points.mean(axis=0)
    sizes = np.sqrt(np.sum(centred**2, axis=0))
    return (values - values.mean()) @ centred / np.where(sizes > 0, sizes, 1.0)


def _first_output(array) -> np.ndarray:
    array = np.asarray(array)
    return array if array.ndim == 1 else array[:, 0]


def history_of(stage: Stage) -> History | None:
    """The loss curves that a stage saved; None where it trained nothing."""
    columns = {name.removeprefix("history."): a for name, a in stage.arrays.items() if name.startswith("history.")}
    return History(**columns) if columns else None


def _labels(config: RunConfig) -> str:
    """What the samples are called: every label of the basket is the mean of an antithetic pair."""
    return "antithetic pairs" if isinstance(config.source, BasketConfig) else "samples"


def _describe(name: str, config: RunConfig) -> str:
    """One sentence about a stage for the report's reader."""
    finetuning = config.finetuning
    order = config.oversized.training.order
    labels = {0: "values alone", 1: "values and first derivatives", 2: "values, first and second derivatives"}
    fresh = finetuning.reference.samples if finetuning.reference else None
    reference_data = f"{fresh:,} fresh {_labels(config)}" if fresh else f"the same {config.samples:,} {_labels(config)}"
    if config.search is not None:
        others = {
            "plain": "Control: the network found, trained on the same samples for as many steps, on values alone.",
            "scratch": "Control: a network of the same size, trained from random weights on the same samples.",
        }
        if name in others:
            return others[name]
    return {
        "oversized": f"Trained on {labels[order]} of {config.samples:,} {_labels(config)}.",
        "pruned": "The least significant nodes removed, what they contributed folded into the others.",
        "finetuned-teacher": "The pruned network, fine-tuned on values and derivatives of the oversized one.",
        "finetuned-fixed": f"The pruned network, fine-tuned on the same {config.samples:,} {_labels(config)}.",
        "finetuned-reference": f"The pruned network, fine-tuned on {reference_data} of the reference.",
        "found": "The network that the search ended with: folded from larger ones, and trained.",
        "finetuned": "The network found, trained on all samples of the search.",
        "plain": "Control: the pruned network, fine-tuned on the same samples for as many steps, on values alone.",
        "scratch": "Control: a network of the final size, trained from random weights on the same samples and steps.",
    }[name]
