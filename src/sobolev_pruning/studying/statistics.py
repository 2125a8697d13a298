"""What the networks of a study say together: errors over the seeds of a setting, and one setting against another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .records import CellRecord, CrossingRecord, StudyRecord

LEAST_ERROR = 1e-16
"""Errors below this are rounding of float64; a logarithmic scale needs a bound."""


@dataclass(frozen=True)
class Setting:
    """The networks of one setting, one per seed."""

    cells: tuple[CellRecord, ...]

    @property
    def name(self) -> str:
        """Tells the setting apart from all others."""
        return self.cells[0].setting

    @property
    def levels(self) -> dict:
        """Its level of every factor."""
        return self.cells[0].levels

    @property
    def n_parameters(self) -> int:
        """Parameters that are not 0, the same for all seeds."""
        return self.cells[0].n_parameters

    def errors(self, quantity: str) -> dict[int, float]:
        """Error by seed, where there is one."""
        found = {cell.seed: cell.errors.get(quantity) for cell in self.cells}
        return {seed: max(error, LEAST_ERROR) for seed, error in found.items() if error is not None}

    def spread(self, quantity: str) -> tuple[float, float, float] | None:
        """Smallest, median and largest error over the seeds; None where there is none."""
        errors = list(self.errors(quantity).values())
        return (min(errors), float(np.median(errors)), max(errors)) if errors else None


@dataclass(frozen=True)
class Comparison:
    """Errors of one setting over those of another, seed by seed.

    `ratio` is their median, and `verdict` "better" or "worse" where all seeds agree, else "undecided".
    """

    ratio: float
    verdict: str


def settings_of(cells: Sequence[CellRecord]) -> dict[str, Setting]:
    """The settings by name, in the order in which they come."""
    found: dict[str, list[CellRecord]] = {}
    for cell in cells:
        found.setdefault(cell.setting, []).append(cell)
    return {name: Setting(tuple(same)) for name, same in found.items()}


def varying(record: StudyRecord, factors: Sequence[str]) -> list[Setting]:
    """The settings that differ from the default in no other factors than these."""
    settings = settings_of(record.cells)
    default = settings[record.default].levels
    others = [factor for factor in record.factors if factor not in factors]
    return [
        setting
        for setting in settings.values()
        if all(setting.levels[factor] in (None, default[factor]) for factor in others)
    ]


def crossed(record: StudyRecord, crossing: CrossingRecord) -> list[Setting]:
    """The settings of a crossing."""
    settings = settings_of(record.cells)
    return [settings[name] for name in crossing.settings]


def differing(settings: Sequence[Setting], factors: Sequence[str]) -> list[str]:
    """Those of the factors that have several levels among the settings."""
    return [factor for factor in factors if len({setting.levels[factor] for setting in settings}) > 1]


def compared(one: Setting, other: Setting, quantity: str) -> Comparison | None:
    """The error of `one` over that of `other`; None where they have no seed in common."""
    mine, theirs = one.errors(quantity), other.errors(quantity)
    ratios = np.array([mine[seed] / theirs[seed] for seed in mine if seed in theirs])
    if not ratios.size:
        return None
    verdict = "better" if (ratios < 1).all() else "worse" if (ratios > 1).all() else "undecided"
    return Comparison(float(np.median(ratios)), verdict)


def best(settings: Sequence[Setting], quantity: str) -> Setting | None:
    """The setting of smallest median error."""
    known = [setting for setting in settings if setting.spread(quantity)]
    return min(known, key=lambda setting: setting.spread(quantity)[1], default=None)


def front(settings: Sequence[Setting], quantity: str) -> list[tuple[int, float]]:
    """Size and median error of the settings that no smaller or equally small one beats, from small to large."""
    known = [setting for setting in settings if setting.spread(quantity)]
    found: list[tuple[int, float]] = []
    for size, error in sorted((setting.n_parameters, setting.spread(quantity)[1]) for setting in known):
        if not found or error < found[-1][1]:
            found.append((size, error))
    return found


def all_errors(settings: Sequence[Setting], quantity: str) -> list[float]:
    """The errors of all seeds, for the limits of an axis."""
    return [error for setting in settings for error in setting.errors(quantity).values()]
