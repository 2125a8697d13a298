"""The report of a study as one self-contained page."""

from ..drawing.numbers import count_text, duration_text, widths_text
from ..drawing.templates import render
from .figures import approach_keys, factor_panels, front_panels
from .paired import study_headline
from .reading import study_reading
from .records import COMPARED_QUANTITIES, StudyRecord
from .statistics import Setting, settings_of
from .tables import crossing_factors, crossing_rows, duel_rows, setting_rows, spread_text
from .words import FACTOR_NOTES, FACTOR_TITLES, listed


def render_study(record: StudyRecord) -> str:
    """The report as HTML that needs no other file and no network. The same record gives the same page."""
    drawn = ((factor, factor_panels(record, factor)) for factor in record.factors)
    return render(
        __package__,
        record=record,
        headline=study_headline(record),
        layers=widths_text(record.oversized[0].widths),
        seeds=f"seeds {listed([str(seed) for seed in record.seeds])}" if len(record.seeds) > 1 else "one seed",
        tiles=_tiles(record),
        quantities=COMPARED_QUANTITIES,
        reading=study_reading(record),
        fronts=front_panels(record),
        keys=approach_keys(record),
        paired_comparisons=duel_rows(record),
        factors=[(FACTOR_TITLES[factor], FACTOR_NOTES[factor], panels) for factor, panels in drawn if panels],
        crossings=[
            (
                crossing.name.capitalize(),
                [FACTOR_TITLES[factor] for factor in crossing_factors(record, crossing)],
                crossing_rows(record, crossing),
            )
            for crossing in record.crossings
        ],
        settings=setting_rows(record),
        setting_factors=[FACTOR_TITLES[factor] for factor in record.factors if factor != "size"],
        faults=[f"{cell.setting}, seed {cell.seed}: {cell.fault}" for cell in record.cells if cell.fault],
    )


def _tiles(record: StudyRecord) -> list[tuple[str, str, str]]:
    oversized, settings = Setting(record.oversized), settings_of(record.cells)
    default = settings[record.default]
    tiles = [
        ("Networks", count_text(len(record.cells)), f"{len(settings)} settings, {len(record.seeds)} seeds"),
        ("Time of computing", duration_text(record.seconds), "all workers together"),
        ("Parameters", count_text(default.n_parameters), f"of {count_text(oversized.n_parameters)}, the default"),
    ]
    for quantity in COMPARED_QUANTITIES:
        beside = f"oversized {spread_text(oversized, quantity)}"
        tiles.append((f"Error of {quantity}", spread_text(default, quantity), beside))
    return tiles
