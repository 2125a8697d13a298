"""The files of a finished run, from its records."""

import csv
import io
import json
from collections.abc import Sequence

from .._foundation.versions import versions
from ..evaluation import Evaluation
from .records import RemovalRecord, StageRecord

SCHEMA = 1


def metrics_json(seed: int, stages: Sequence[StageRecord], seconds: float) -> str:
    """`metrics.json`: size, errors and time of every stage, on the box and (under "exposure") on exposure inputs.

    With several outputs the figures are those of the worst, and "outputs" has them one by one.
    """
    content = {
        "schema": SCHEMA,
        "seed": seed,
        "versions": versions(),
        "seconds": round(seconds, 3),
        "stages": [_stage_metrics(stage) for stage in stages],
    }
    return json.dumps(content, indent=1) + "\n"


def _stage_metrics(stage: StageRecord) -> dict:
    outputs = stage.evaluation.outputs
    delta = stage.evaluation.delta
    return {
        "name": stage.name,
        "widths": stage.widths,
        "n_parameters": stage.n_parameters,
        **_figures(stage.evaluation),
        "r2_by_component": {"delta": None if delta is None else delta.r2_by_component},
        "exposure": _figures(stage.exposure),
        **({"outputs": [_figures(one) for one in outputs]} if len(outputs) > 1 else {}),
        "seconds": round(stage.seconds, 3),
    }


def _figures(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    return {figure: evaluation.figures(figure) for figure in ("r2", "rmse", "p99", "max_abs")}


def history_csv(stages: Sequence[StageRecord]) -> str:
    """`history.csv`: the loss curves of all stages, one row per epoch."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    trained = [stage for stage in stages if stage.history is not None]
    if trained:
        writer.writerow(["stage", *trained[0].history.columns()])
    for stage in trained:
        for row in zip(*stage.history.columns().values()):
            writer.writerow([stage.name, *row])
    return table.getvalue()


def significance_csv(removals: Sequence[RemovalRecord]) -> str:
    """`significance.csv`: the score of every node in every round, and whether it stayed."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["round", "layer", "node", "range_width", "adjoint", "score", "kept"])
    for removal in removals:
        columns = zip(removal.range_widths, removal.adjoints, removal.scores, removal.kept)
        for layer, (widths, adjoints, scores, kept) in enumerate(columns, start=1):
            for node, row in enumerate(zip(widths, adjoints, scores, kept)):
                writer.writerow([removal.round, layer, node, *(float(entry) for entry in row[:3]), int(row[3])])
    return table.getvalue()
