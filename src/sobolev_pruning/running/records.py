"""What the report is drawn from: plain records of a finished (or stopped) run."""

from dataclasses import dataclass

import numpy as np

from ..evaluation import Evaluation
from ..training import History


@dataclass(frozen=True)
class Predictions:
    """Predicted and true value, delta and gamma at the test points, of the first output where there are several.

    `axis`, `(n,)`, is the coordinate that the points are drawn over (the basket price, or the input that matters most),
    `axis_label` its name; `value` and `gamma` are `(n,)`, `delta` is the first derivative along the reference's gamma
    direction, `(n,)`, and `direction` says in words which that is; each with its truth beside it, NaN where that is not
    known.
    """

    axis: np.ndarray
    axis_label: str
    direction: str
    value: np.ndarray
    true_value: np.ndarray
    delta: np.ndarray
    true_delta: np.ndarray
    gamma: np.ndarray
    true_gamma: np.ndarray


@dataclass(frozen=True)
class StageRecord:
    """One stage of the method: its network's size, its errors on the box and on exposure inputs, how it was trained.

    `widths` is None, and `n_parameters` still counts, where the stage is no network (the oracle). `description` is one
    sentence for the reader.
    """

    name: str
    description: str
    widths: tuple[int, ...] | None
    n_parameters: int
    evaluation: Evaluation
    exposure: Evaluation
    history: History | None
    predictions: Predictions
    seconds: float


@dataclass(frozen=True)
class RemovalRecord:
    """One round of pruning: scores of every node of every hidden layer before it, and which nodes stayed.

    `scores[l]`, `range_widths[l]` and `adjoints[l]` (largest absolute adjoint) are `(nodes,)`; `kept[l]` is a mask, all
    False where the layer went as a whole.
    """

    round: int
    method: str
    scores: tuple[np.ndarray, ...]
    range_widths: tuple[np.ndarray, ...]
    adjoints: tuple[np.ndarray, ...]
    kept: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Timings:
    """Seconds for one value with all first derivatives at one point, amortised over a batch.

    Of the reference (`reference_paths` simulated labels, enough for the surrogate's own accuracy), of the `oversized`
    and of the `final` surrogate; `total` are the seconds that sampling and training took, to be paid back by calls.
    """

    reference: float
    reference_paths: int
    oversized: float
    final: float
    total: float


@dataclass(frozen=True)
class ReportRecord:
    """A whole run.

    `published` holds the R2 of the paper's stages by stage name, to stand beside ours; it is empty for other models.
    """

    name: str
    seed: int
    reference: str
    stages: tuple[StageRecord, ...]
    removals: tuple[RemovalRecord, ...]
    timings: Timings
    published: dict[str, dict[str, float]]
    config: str
    versions: dict[str, str]
