"""The summary of a study as the terminal shows it."""

from rich import box
from rich.table import Table
from rich.text import Text

from ..drawing.numbers import count_text
from .figures import approaches
from .records import COMPARED_QUANTITIES, StudyRecord
from .statistics import Setting, varying
from .tables import spread_text
from .words import approach_text


def study_table(record: StudyRecord) -> Table:
    """Median errors of every approach at every size, the best of each size in bold; fits 80 columns."""
    table = Table(
        title="Small networks by how they were made: median error 1 - R², lower is better",
        title_style="bold",
        title_justify="left",
        caption=f"Over {len(record.seeds)} seeds. Bold: the smallest error of this size.",
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    for heading in ("Parameters", "Network"):
        table.add_column(heading, no_wrap=True)
    for quantity in COMPARED_QUANTITIES:
        table.add_column(quantity.capitalize(), justify="right", no_wrap=True)
    oversized = Setting(record.oversized)
    _add(table, count_text(oversized.n_parameters), "oversized", oversized, {})
    settings = varying(record, ("approach", "size"))
    for size in sorted({setting.n_parameters for setting in settings}, reverse=True):
        same = [setting for setting in settings if setting.n_parameters == size]
        least = {quantity: _least(same, quantity) for quantity in COMPARED_QUANTITIES}
        table.add_section()
        by_approach = {setting.levels["approach"]: setting for setting in same}
        for number, approach in enumerate(name for name in approaches(record) if name in by_approach):
            first = count_text(size) if number == 0 else ""
            _add(table, first, approach_text(approach), by_approach[approach], least)
    return table


def _add(table: Table, size: str, name: str, setting: Setting, least: dict) -> None:
    cells = []
    for quantity in COMPARED_QUANTITIES:
        spread = setting.spread(quantity)
        is_best = spread is not None and spread[1] == least.get(quantity)
        cells.append(Text(spread_text(setting, quantity), style="bold green" if is_best else ""))
    table.add_row(size, name, *cells)


def _least(settings: list[Setting], quantity: str) -> float | None:
    return min((found[1] for setting in settings if (found := setting.spread(quantity))), default=None)
