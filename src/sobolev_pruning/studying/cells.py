"""The cells of a study: one network each, told apart by their levels of the factors and by their seed."""

from dataclasses import dataclass, replace
from itertools import product

from ..pruning import CONSTANT_FOLDS
from .config import APPROACHES, FactorsConfig, StudyConfig

FACTORS = tuple(FactorsConfig.model_fields)
"""approach, criterion, fold, schedule, order, labels, size"""


@dataclass(frozen=True)
class Cell:
    """One network of a study, as `[default]` and `[factors]` name it; what has no meaning for its approach is None."""

    approach: str
    criterion: str | None
    fold: str | None
    schedule: str | None
    order: str | int
    labels: str | None
    size: tuple[int, ...]
    seed: int

    @property
    def setting(self) -> str:
        """All but the seed, fit for the name of a file."""
        levels = [self.approach, self.criterion, self.fold, self.schedule, f"order-{self.order}", self.labels]
        return "_".join(level for level in (*levels, "x".join(map(str, self.size))) if level is not None)

    @property
    def name(self) -> str:
        """Tells the cell apart from all others of the study."""
        return f"{self.setting}_seed-{self.seed}"


@dataclass(frozen=True)
class Variation:
    """A part of the plan: the `factors` that vary in it, and its `cells` of one seed."""

    name: str
    factors: tuple[str, ...]
    cells: tuple[Cell, ...]


def default_cell(config: StudyConfig) -> Cell:
    """The cell of the first seed around which the others are varied."""
    return _variation(config, "default", FactorsConfig()).cells[0]


def variations(config: StudyConfig) -> tuple[Variation, ...]:
    """One factor at a time around the default, then the named crossings; or the full product alone."""
    if config.full:
        return (_variation(config, "full", _everything(config)),)
    alone = {factor: getattr(config.factors, factor) for factor in FACTORS}
    tables = {name: FactorsConfig.model_construct(**{name: levels}) for name, levels in alone.items() if levels}
    return tuple(_variation(config, name, table) for name, table in (tables | config.crossings).items())


def _everything(config: StudyConfig) -> FactorsConfig:
    """Every level that is named for a factor: the default, then those of `[factors]`, then those of the crossings."""
    default = {"approach": "pruning", **dict(config.default)}
    tables = (config.factors, *config.crossings.values())
    named = {factor: [default[factor], *(level for t in tables for level in getattr(t, factor))] for factor in FACTORS}
    return FactorsConfig.model_construct(**{factor: tuple(dict.fromkeys(levels)) for factor, levels in named.items()})


def cells_of(config: StudyConfig) -> list[Cell]:
    """All cells of all seeds, each once; those of one shape follow one another, since they share compiled programs."""
    planned = [cell for variation in variations(config) for cell in variation.cells]
    cells = list(dict.fromkeys([default_cell(config), *planned]))
    cells.sort(key=lambda cell: (cell.size, APPROACHES.index(cell.approach), str(cell.order)))
    return [replace(cell, seed=seed) for cell in cells for seed in config.seeds]


def _variation(config: StudyConfig, name: str, table: FactorsConfig) -> Variation:
    """The product of the levels in `table`, the default's where it has none, without what does not exist."""
    default = {"approach": "pruning", **dict(config.default)}
    levels = {factor: getattr(table, factor) or (default[factor],) for factor in FACTORS}
    found = (_cell(config, dict(zip(levels, chosen))) for chosen in product(*levels.values()))
    varied = tuple(factor for factor in FACTORS if getattr(table, factor))
    return Variation(name, varied, tuple(dict.fromkeys(cell for cell in found if cell is not None)))


def _cell(config: StudyConfig, levels: dict) -> Cell | None:
    """The cell of these levels and the first seed; None where there is no such thing."""
    if levels["approach"] != "pruning":
        if levels["order"] == "none":
            return None
        levels = levels | dict.fromkeys(("criterion", "fold", "schedule"))
    elif levels["criterion"] == "fold" and levels["fold"] in CONSTANT_FOLDS:
        return None  # survivors that are chosen for a fold onto survivors
    if levels["order"] == "none":
        levels = levels | {"labels": None}
    elif levels["order"] > config.label_orders[levels["labels"]]:
        return None
    return Cell(**levels, seed=config.seeds[0])
