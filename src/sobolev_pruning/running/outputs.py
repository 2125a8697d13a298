"""The files of a finished run, from its records."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from .._foundation.versions import versions
from ..certificates import Certificate, claim_text
from ..evaluation import Evaluation
from .records import ErrorRecord, RemovalRecord, ReportRecord, SearchRecord, StageRecord
from .summary import verdict
from .worst import LEVELS

SCHEMA = 2


def metrics_json(record: ReportRecord, seconds: float) -> str:
    """`metrics.json`, schema 2: what the report says, in numbers.

    - "source", "inputs", "outputs", "box", "remarks", "decisions" and "verdict": as the report has them;
    - "stages": size, errors and time of every stage, on the box and (under "exposure") on exposure inputs; with several
      outputs the figures are those of the worst, and "outputs" has them one by one;
    - "errors": of the final network, for each output in its units;
    - "search": its limits and every network tried, null where nothing was searched;
    - "peers": what scikit-learn makes of the same samples; "claims": what is proved.
    """
    content = {
        "schema": SCHEMA,
        "seed": record.seed,
        "versions": versions(),
        "seconds": round(seconds, 3),
        "source": record.source,
        "inputs": [asdict(variable) for variable in record.inputs],
        "outputs": [asdict(variable) for variable in record.outputs],
        "box": [end.tolist() for end in record.box],
        "remarks": record.remarks,
        "decisions": [asdict(decision) for decision in record.decisions],
        "verdict": verdict(record),
        "stages": [_stage_metrics(stage) for stage in record.stages],
        "errors": [_errors(error) for error in record.errors],
        "search": None if record.search is None else _search(record.search),
        "peers": [asdict(peer) for peer in record.peers],
        "claims": [] if record.certificate is None else _claims(record.certificate),
    }
    return json.dumps(content, indent=1) + "\n"


def _errors(error: ErrorRecord) -> dict:
    quantiles = {f"{level:g}": quantile for level, quantile in zip(LEVELS, error.quantiles)}
    return {"size": error.size, "spread": error.spread, "rmse": error.rmse, "quantiles": quantiles}


def _search(search: SearchRecord) -> dict:
    return {
        "figure": search.figure,
        "against": search.against,
        "limits": search.limits,
        "met": search.met,
        "cut_short": search.cut_short,
        "path": [asdict(candidate) for candidate in search.path],
    }


def _claims(certificate: Certificate) -> list[dict]:
    return [
        {
            "claim": claim_text(answer.claim, certificate),
            "status": answer.status,
            "lower": [_finite(bound) for bound in answer.lower],
            "upper": [_finite(bound) for bound in answer.upper],
        }
        for answer in certificate.answers
    ]


def _finite(bound: float) -> float | None:
    """JSON has no infinity: null stands for a side without a bound."""
    return bound if math.isfinite(bound) else None


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
