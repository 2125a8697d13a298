"""The files of a finished study, from its records."""

import csv
import io
import json
from collections.abc import Sequence

from ..drawing import json_text
from ..running.tables import REPORTED_QUANTITIES
from .reading import study_reading
from .records import CellRecord, StudyRecord

SCHEMA = 1


def study_json(record: StudyRecord) -> str:
    """`study.json`: the record as it is, with `schema` in front and the sentences of the report under `reading`."""
    content = {"schema": SCHEMA, **json.loads(json_text(record)), "reading": study_reading(record)}
    return json.dumps(content, indent=1) + "\n"


def cells_csv(cells: Sequence[CellRecord]) -> str:
    """`cells.csv`: one row per network; what has no meaning for it, or could not be measured, is empty."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    levels = list(cells[0].levels)
    figures = [(kind, name) for kind in ("errors", "rmse") for name in REPORTED_QUANTITIES]
    names = [f"{kind.removesuffix('s')}_{name}" for kind, name in figures]
    writer.writerow([*levels, "seed", "widths", "n_parameters", *names, "seconds", "fault"])
    for cell in cells:
        found = [getattr(cell, kind).get(name) for kind, name in figures]
        known = [_text(cell.levels[factor]) for factor in levels]
        row = [*known, cell.seed, _text(cell.widths), cell.n_parameters, *found, round(cell.seconds, 3), cell.fault]
        writer.writerow(row)
    return table.getvalue()


def _text(level) -> str | int | None:
    return "-".join(map(str, level)) if isinstance(level, tuple) else level
