"""What the report is drawn from: plain records of a finished (or stopped) run."""

from dataclasses import dataclass

import numpy as np

from .._foundation.variables import Variable
from ..certificates import Certificate
from ..evaluation import Evaluation
from ..searching import Candidate
from ..surrogate import ErrorBars
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

    Of the `source` (None where nobody knows; `source_words` say what is called, such as as many simulated labels as
    give the surrogate's own accuracy), of the `oversized` and of the `final` surrogate; `total` are the seconds that
    sampling and training took, to be paid back by calls.
    """

    source: float | None
    source_words: str
    oversized: float
    final: float
    total: float


@dataclass(frozen=True)
class Decision:
    """A choice of the plan: `what` was decided, what was `chosen`, `why`, and the `key` that overrides it."""

    what: str
    chosen: str
    why: str
    key: str


@dataclass(frozen=True)
class SearchRecord:
    """The search for a small network: limits of the errors (1 - R2 for "r2"), what they were measured against, every
    candidate, those that no other beats, whether one holds the limits, and whether time was over before the search was.
    """

    limits: dict[str, float]
    figure: str
    against: str
    path: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    met: bool
    cut_short: bool


@dataclass(frozen=True)
class SliceRecord:
    """Value and slope of the final network at `places`, `(n,)`, of one input, the others in the middle of the box; the
    true ones beside them where they are known, and the standard error of the true value where it is an estimate.
    """

    variable: Variable
    places: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    true_value: np.ndarray | None
    true_slope: np.ndarray | None
    value_stderr: np.ndarray | None


@dataclass(frozen=True)
class WorstPoint:
    """A test point, `(d,)`, with what the network says there and the truth."""

    point: tuple[float, ...]
    found: float
    true: float


@dataclass(frozen=True)
class ErrorRecord:
    """Errors of one output in its units: the root mean square of the output itself and its standard deviation, the root
    mean square error, quantiles of the absolute error (see `worst.LEVELS`), and the points where it is largest.
    """

    size: float
    spread: float
    rmse: float
    quantiles: tuple[float, ...]
    worst: tuple[WorstPoint, ...]


@dataclass(frozen=True)
class PeerRecord:
    """Another tool on the same samples: what it is, R2 and root mean square error of its values, seconds of its fit."""

    name: str
    words: str
    r2: float | None
    rmse: float
    seconds: float


@dataclass(frozen=True)
class ReportRecord:
    """A whole run.

    `source` is its title, `box` where errors are measured, `(d,)` each end; `remarks` are what the reader should know
    before trusting labels. `decisions` are those of the plan, and `search` what was searched, where there was one. Of
    the final network: `slices` through the box, `errors` of each output, `peers` on the same samples, the `certificate`
    over the box, the `explorer` as a part of a page (None where it would be too large), its `error_bars`, and `calls`,
    how its files are called. `published` holds the R2 of the paper's stages by stage name, to stand beside ours; it is
    empty for other models.
    """

    name: str
    seed: int
    source: str
    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    box: tuple[np.ndarray, np.ndarray]
    remarks: tuple[str, ...]
    decisions: tuple[Decision, ...]
    search: SearchRecord | None
    slices: tuple[SliceRecord, ...]
    errors: tuple[ErrorRecord, ...]
    peers: tuple[PeerRecord, ...]
    certificate: Certificate | None
    explorer: str | None
    error_bars: ErrorBars | None
    calls: tuple[tuple[str, str], ...]
    stages: tuple[StageRecord, ...]
    removals: tuple[RemovalRecord, ...]
    timings: Timings
    published: dict[str, dict[str, float]]
    config: str
    versions: dict[str, str]
