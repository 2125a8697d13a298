"""What the commands on somebody's network found out: plain records, to be shown as a table or written as JSON."""

from dataclasses import dataclass

import numpy as np

from .._foundation.variables import Variable
from ..certificates import Certificate
from ..evaluation import EntryScores, Evaluation


@dataclass(frozen=True)
class NetworkRecord:
    """A network in a file, with its names of inputs and outputs."""

    path: str
    widths: tuple[int, ...]
    activation: str
    n_parameters: int
    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]


@dataclass(frozen=True)
class ColumnRecord:
    """A column of a data file: its name, its range, and whether it is an input, an output or a derivative."""

    name: str
    role: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class SamplingRecord:
    """Samples of a user's simulator in the data file `path`, as in `BlackBoxRun`.

    Of `n_points` points `n_samples` have a sample, `n_kept` of them from an earlier run; `failures` counts the others
    by what happened.
    """

    path: str
    function: str
    n_points: int
    n_samples: int
    n_kept: int
    derivatives: str
    columns: tuple[ColumnRecord, ...]
    failures: dict[str, int]
    first_failure: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SignificanceRecord:
    """Scores of every node over the box from `lower` to `upper`, as in `Significance`, one array per hidden layer."""

    network: NetworkRecord
    method: str
    order: int
    guaranteed: bool
    lower: np.ndarray
    upper: np.ndarray
    scores: tuple[np.ndarray, ...]
    range_widths: tuple[np.ndarray, ...]
    adjoints: tuple[np.ndarray, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PruningRecord:
    """A network before and after pruning; `evaluation` are the errors of the second as measured against the first.

    Over the whole box their values differ by no more than `proved_difference`, and somewhere by `reached_difference`;
    None where that was not asked for.
    """

    before: NetworkRecord
    after: NetworkRecord
    fold: str
    evaluation: Evaluation
    proved_difference: float | None
    reached_difference: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class TrialRecord:
    """One network that a search tried, as in `Candidate`."""

    widths: tuple[int, ...]
    n_parameters: int
    n_operations: int
    errors: dict[str, float]
    stderr: dict[str, float]
    on_labels: dict[str, float]
    accepted: bool


@dataclass(frozen=True)
class ShrinkingRecord:
    """A search for the smallest network, as in `Shrink`; `after` is None where none held the tolerance, and it looks at
    `inputs` alone.
    """

    before: NetworkRecord
    after: NetworkRecord | None
    inputs: tuple[int, ...]
    figure: str
    limits: dict[str, float]
    against: str
    trials: tuple[TrialRecord, ...]
    evaluation: Evaluation | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationRecord:
    """The errors of some networks against one truth, which `against` names; `entries` are those of every value and
    derivative by name.
    """

    networks: tuple[NetworkRecord, ...]
    evaluations: tuple[Evaluation, ...]
    entries: tuple[tuple[EntryScores, ...], ...]
    against: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """By how much two networks differ in one quantity, or in that of one output: Euclidean norms over all entries of it
    at a point.

    - `size`: the largest norm of the first network's quantity, `rms` and `largest` the root mean square and the maximum
      of the difference, all at points.
    - `guaranteed`: what the difference nowhere in the box exceeds; None where that was not asked for, or where there
      is no bound, as for second derivatives of networks with kinks, and for single outputs of several.
    """

    of: str
    size: float
    rms: float
    largest: float
    guaranteed: float | None


@dataclass(frozen=True)
class ComparisonRecord:
    """Two networks over the box from `lower` to `upper`."""

    first: NetworkRecord
    second: NetworkRecord
    lower: np.ndarray
    upper: np.ndarray
    n_points: int
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class CertificateRecord:
    """A certificate of a network; `path` is where it was written, or read from."""

    network: NetworkRecord
    path: str | None
    certificate: Certificate
    warnings: tuple[str, ...]
