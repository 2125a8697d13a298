"""What the report of a study is drawn from: one record per network, and how the settings belong together."""

from dataclasses import dataclass

COMPARED_QUANTITIES = ("value", "delta", "gamma")
"""What the networks of a study are compared by: their errors 1 - R2 in these."""


@dataclass(frozen=True)
class CellRecord:
    """One network of a study.

    `setting` names its levels of all factors together, `levels` one by one (None where a factor has no meaning for its
    approach); networks of one setting differ by their `seed`. `n_parameters` counts what is not 0. `errors` are 1 - R2
    by quantity, `rmse` likewise in units of the quantity; None where there is no figure. `fault` says why there is no
    network, where its training diverged or it could not be made.
    """

    setting: str
    levels: dict[str, str | int | tuple[int, ...] | None]
    seed: int
    widths: tuple[int, ...]
    n_parameters: int
    errors: dict[str, float | None]
    rmse: dict[str, float | None]
    seconds: float
    fault: str | None


@dataclass(frozen=True)
class CrossingRecord:
    """Factors that were varied together, under the name that the configuration gives, and the settings of it."""

    name: str
    factors: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class StudyRecord:
    """A whole study; `oversized` holds the network that each seed's pruning starts from, `default` is a setting.

    `factors` names all factors in order; those of `crossings` were varied together.
    """

    name: str
    reference: str
    seeds: tuple[int, ...]
    default: str
    oversized: tuple[CellRecord, ...]
    cells: tuple[CellRecord, ...]
    factors: tuple[str, ...]
    crossings: tuple[CrossingRecord, ...]
    seconds: float
    config: str
    versions: dict[str, str]
