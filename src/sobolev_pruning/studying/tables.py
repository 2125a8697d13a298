"""The tables of a study's report as rows of ready texts."""

import statistics
from dataclasses import dataclass

from ..drawing.numbers import MISSING, count_text, duration_text, error_text, widths_text
from .paired import paired_comparisons
from .records import COMPARED_QUANTITIES, CrossingRecord, StudyRecord
from .statistics import Comparison, Setting, crossed, differing, settings_of
from .words import approach_text, level_text

MARKS = {"better": "✓", "worse": "✗", "undecided": "?"}


@dataclass(frozen=True)
class PairedRow:
    """Pruning beside another approach: how both were trained if not by default, and by quantity ratio and verdict."""

    other: str
    training: str
    parameters: str
    cells: tuple[tuple[str, str], ...]


def duel_rows(record: StudyRecord) -> tuple[PairedRow, ...]:
    """The error of pruning over that of every other approach."""
    return tuple(
        PairedRow(
            approach_text(duel.rival),
            duel.training,
            count_text(duel.other.n_parameters),
            tuple(_ratio(duel.found.get(quantity)) for quantity in COMPARED_QUANTITIES),
        )
        for duel in paired_comparisons(record)
    )


def _ratio(found: Comparison | None) -> tuple[str, str]:
    return (MISSING, "") if found is None else (f"{error_text(found.ratio)} {MARKS[found.verdict]}", found.verdict)


def spread_text(setting: Setting, quantity: str) -> str:
    """Median error over the seeds."""
    spread = setting.spread(quantity)
    return MISSING if spread is None else error_text(spread[1])


def range_text(setting: Setting, quantity: str) -> str:
    """Smallest and largest error over the seeds."""
    spread = setting.spread(quantity)
    return "" if spread is None else f"{error_text(spread[0])} to {error_text(spread[2])}"


@dataclass(frozen=True)
class SettingRow:
    """One setting: its levels, its size, the texts of median and range by quantity, and the median time."""

    levels: tuple[str, ...]
    layers: str
    parameters: str
    cells: tuple[tuple[str, str], ...]
    seconds: str


def crossing_rows(record: StudyRecord, crossing: CrossingRecord) -> tuple[SettingRow, ...]:
    """The settings of a crossing, with their levels of the factors that vary."""
    return tuple(_row(setting, crossing_factors(record, crossing)) for setting in crossed(record, crossing))


def crossing_factors(record: StudyRecord, crossing: CrossingRecord) -> list[str]:
    """The factors of a crossing that have several levels, but for the size, which has a column of its own."""
    return [factor for factor in differing(crossed(record, crossing), crossing.factors) if factor != "size"]


def setting_rows(record: StudyRecord) -> tuple[SettingRow, ...]:
    """All settings of the study, with the levels of all factors but the size, which has a column of its own."""
    factors = [factor for factor in record.factors if factor != "size"]
    return tuple(_row(setting, factors) for setting in settings_of(record.cells).values())


def _row(setting: Setting, factors) -> SettingRow:
    return SettingRow(
        levels=tuple(level_text(factor, setting) for factor in factors),
        layers=widths_text(setting.cells[0].widths),
        parameters=count_text(setting.n_parameters),
        cells=tuple(
            (spread_text(setting, quantity), range_text(setting, quantity)) for quantity in COMPARED_QUANTITIES
        ),
        seconds=duration_text(statistics.median(cell.seconds for cell in setting.cells)),
    )
