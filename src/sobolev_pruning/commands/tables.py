"""Tables on the terminal about networks in files: their nodes, what pruning made of them, their errors."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .._foundation.errors import printable
from .._foundation.variables import Variable, in_short
from ..drawing.numbers import count_text, error_text, outward_text, r2_text, widths_text
from ..evaluation import EntryScores, Evaluation
from ..running.tables import REPORTED_QUANTITIES
from .records import (
    EvaluationRecord,
    NetworkRecord,
    PruningRecord,
    SamplingRecord,
    ShrinkingRecord,
    SignificanceRecord,
    TrialRecord,
)

_MOST_OUTPUTS = 8
"""Of a network with more outputs the worst are shown."""

_MOST_ENTRIES = 48
"""Of more values and derivatives those with the largest relative errors are shown."""

_MOST_NODES = 24
"""A network with more hidden nodes is shown layer by layer."""


def plain_table(title: str, left: Iterable[str], right: Iterable[str], caption: str | None = None) -> Table:
    """An empty table in the style of all commands; the columns `left` hold texts, the columns `right` numbers."""
    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        caption=caption,
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        header_style="bold",
    )
    for heading in left:
        table.add_column(heading, overflow="fold", min_width=10)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def network_text(network: NetworkRecord) -> str:
    """The network in one line.

    >>> network_text(NetworkRecord("a.onnx", (7, 8, 8, 1), "silu", 145, (), ()))
    'a.onnx: 7–8×2–1 silu, 145 parameters'
    """
    parameters = count_text(network.n_parameters)
    return f"{network.path}: {widths_text(network.widths)} {network.activation}, {parameters} parameters"


_DERIVATIVES = {
    "own": "derivatives are the simulator's own",
    "differences": "derivatives by differences with common random numbers",
    "none": "no derivatives",
}

_MOST_COLUMNS = 40
"""Of a file with more columns the first are shown."""


def sampling_table(record: SamplingRecord) -> Table:
    """The columns of the data file with their ranges; below, what failed."""
    title = f"{record.path}: {count_text(record.n_samples)} samples of {record.function}"
    kept = f" ({count_text(record.n_kept)} from an earlier run)" if record.n_kept else ""
    failed = ", ".join(f"{count} {what}" for what, count in record.failures.items())
    caption = (
        f"{count_text(record.n_points)} points{kept}, failed: {failed or 'none'}; {_DERIVATIVES[record.derivatives]}."
    )
    if record.first_failure is not None:
        caption += f"\nThe first to fail: {record.first_failure}. The same command tries them again."
    shown = record.columns[:_MOST_COLUMNS]
    if len(shown) < len(record.columns):
        caption += f"\n{len(record.columns) - len(shown)} more columns are not shown."
    table = plain_table(escape(title), ["Column", "Role"], ["Lowest", "Highest"], escape(caption))
    for column in shown:
        table.add_row(escape(printable(column.name)), column.role, f"{column.lowest:.6g}", f"{column.highest:.6g}")
    return table


def significance_table(record: SignificanceRecord) -> Table:
    """Every node with its score, or of larger networks every layer with its best, middle and worst."""
    kind = "proved bounds" if record.guaranteed else "not guaranteed"
    title = f"{network_text(record.network)}\nSignificance by {record.method}, order {record.order} ({kind})"
    if sum(len(layer) for layer in record.scores) <= _MOST_NODES:
        table = plain_table(title, ["Layer", "Node"], ["Width of range", "Largest adjoint", "Score"])
        for number, layer in enumerate(zip(record.range_widths, record.adjoints, record.scores), start=1):
            for node, row in enumerate(zip(*layer)):
                table.add_row(str(number), str(node), *(error_text(float(entry)) for entry in row))
        return table
    table = plain_table(title, ["Layer", "Most significant nodes"], ["Nodes", "Highest", "Median", "Lowest"])
    for number, layer in enumerate(record.scores, start=1):
        best = ", ".join(str(node) for node in np.argsort(-layer, kind="stable")[:5])
        figures = (error_text(float(figure)) for figure in (layer.max(), np.median(layer), layer.min()))
        table.add_row(str(number), best, str(len(layer)), *figures)
    return table


def pruning_table(record: PruningRecord) -> Table:
    """Before and after, and how well the small network imitates the large one."""
    title = f"{network_text(record.before)}\n{network_text(record.after)}"
    rows = {f"fold {record.fold}": record.evaluation}
    table = _errors_table(title, rows, record.before.path, record.before.outputs)
    if record.proved_difference is not None:
        proved, reached = outward_text(record.proved_difference, up=True), error_text(record.reached_difference)
        table.caption += f"\nProved: over the whole box values differ by at most {proved}; {reached} was found."
    return table


def shrinking_table(record: ShrinkingRecord) -> Table:
    """Every network tried, with its errors over their limits, or as they are where nothing is limited.

    An excess over the start network's error stands beside the error on the noisy labels; the outputs of a network with
    several stand below each other, of many of them the worst.
    """
    title = network_text(record.before)
    title += "\n" + ("No network within the tolerance" if record.after is None else network_text(record.after))
    if record.after is not None and len(record.inputs) < record.before.widths[0]:
        used = in_short([record.before.inputs[i].name for i in record.inputs])
        title += f"\nOf {record.before.widths[0]} inputs {used} matter{'s' * (len(record.inputs) == 1)}"
    limited = bool(record.limits)
    quantities = _by_quantity(list(record.limits) if limited else list(record.trials[0].errors))
    noisy = {name for trial in record.trials for name in trial.on_labels}
    headings = []
    for quantity, names in quantities.items():
        heading = f"{quantity.capitalize()}{' excess' * bool(noisy.intersection(names))}{' / limit' * limited}"
        headings += [f"{quantity.capitalize()} on labels"] * bool(noisy.intersection(names)) + [heading]
    several = max(map(len, quantities.values())) > 1
    table = plain_table(
        title,
        ["Network tried"],
        ["Parameters", *["Output"] * several, *headings, *["Holds"] * limited],
        _shrinking_note(record, bool(noisy)),
    )
    for trial in record.trials:
        cells = []
        shown = _shown_outputs(trial, quantities, record.limits)
        for names in quantities.values():
            chosen = [names[j] for j in shown] if len(names) > 1 else names
            if noisy.intersection(names):
                cells.append("\n".join(error_text(trial.on_labels.get(name)) for name in chosen))
            cells.append("\n".join(_with_stderr(trial, name, record.limits.get(name, 1.0)) for name in chosen))
        verdict = ["yes" if trial.accepted else "no"] * limited
        outputs = ["\n".join(record.before.outputs[j].name for j in shown)] * several
        table.add_row(widths_text(trial.widths), count_text(trial.n_parameters), *outputs, *cells, *verdict)
    return table


def _by_quantity(names: list[str]) -> dict[str, list[str]]:
    """Names of errors such as `value` or `delta of output 1` by quantity, those of several outputs in their order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.partition(" of output ")[0], []).append(name)
    return found


def _shown_outputs(trial: TrialRecord, quantities: dict[str, list[str]], limits: dict[str, float]) -> list[int]:
    """The outputs of a trial to be shown: all, or of many those that are the worst of any quantity."""
    outputs = max(map(len, quantities.values()))
    if outputs <= _MOST_OUTPUTS:
        return list(range(outputs))
    worst = {
        max(range(len(names)), key=lambda j: trial.errors[names[j]] / limits.get(names[j], 1.0))
        for names in quantities.values()
    }
    return sorted(worst)


def _shrinking_note(record: ShrinkingRecord, noisy: bool) -> str:
    if record.limits:
        note = f"Errors ({record.figure}) over their limits, against {record.against}: 1 or less holds"
        note += ", in every output." if any(" of output " in name for name in record.limits) else "."
    else:
        note = f"Errors (1 - R²) against {record.against}."
    if record.limits and any(error for trial in record.trials for error in trial.stderr.values()):
        note += " So does what is above 1 by no more than its standard error (±)."
    if noisy:
        note += (
            " On labels: with their noise, which hides the error itself. Excess: by how much the error is larger than "
            "that of the start network, whose own error is not part of it; none where it is no larger."
        )
    return note


def _with_stderr(trial: TrialRecord, name: str, limit: float) -> str:
    error, stderr = trial.errors[name] / limit, trial.stderr[name] / limit
    text = "none" if name in trial.on_labels and error <= 0 else error_text(error)
    return f"{text} ± {error_text(stderr)}" if stderr else text


def evaluation_table(record: EvaluationRecord) -> Table:
    """R2 and the largest errors of every network."""
    rows = {network.path: found for network, found in zip(record.networks, record.evaluations)}
    title = "\n".join(network_text(network) for network in record.networks)
    return _errors_table(title, rows, record.against, record.networks[0].outputs)


def entries_tables(record: EvaluationRecord) -> list[Table]:
    """Of every network the errors of its values and derivatives by name: in their units, and relative to their size."""
    return [_entries_table(network, entries) for network, entries in zip(record.networks, record.entries)]


def _entries_table(network: NetworkRecord, entries: tuple[EntryScores, ...]) -> Table:
    shown = sorted(sorted(entries, key=_relative, reverse=True)[:_MOST_ENTRIES], key=entries.index)
    caption = "Relative: the root mean square error as a part of the root mean square of what is true."
    if len(shown) < len(entries):
        caption += f" Shown are the {len(shown)} of {len(entries)} with the largest; --json has all."
    table = plain_table(
        escape(f"{network.path} by name"), ["Of", "Unit"], ["R²", "RMSE", "Relative", "Largest"], caption
    )
    for entry in shown:
        scores = entry.scores
        figures = r2_text(scores.r2), error_text(scores.rmse), error_text(entry.relative), error_text(scores.max_abs)
        table.add_row(Text(entry.name), Text(entry.unit or ""), *figures)
    return table


def _relative(entry: EntryScores) -> float:
    return np.inf if entry.relative is None else entry.relative


def _errors_table(title: str, rows: dict[str, Evaluation], against: str, outputs: Sequence[Variable]) -> Table:
    first = next(iter(rows.values()))
    truth = "" if first.against in ("samples", against) else f" ({first.against})"
    caption = f"Against {against}{truth} at {count_text(first.n_points)} points"
    caption += f"; gamma is the second derivative along {escape(first.direction)}." if first.gamma is not None else "."
    if len(first.outputs) > 1:
        caption += " Each output is measured about its own mean; the first rows are of the worst."
    table = plain_table(title, ["", "Figure"], [quantity.capitalize() for quantity in REPORTED_QUANTITIES], caption)
    for name, evaluation in rows.items():
        _add_figures(table, name, evaluation)
        if len(evaluation.outputs) > 1:
            for j in _worst_outputs(evaluation):
                _add_figures(table, escape(outputs[j].name), evaluation.outputs[j])
    return table


def _add_figures(table: Table, name: str, evaluation: Evaluation) -> None:
    lines = ("R²", "r2", r2_text), ("RMSE", "rmse", error_text), ("largest", "max_abs", error_text)
    for label, figure, text in lines:
        figures = evaluation.figures(figure)
        table.add_row(
            name if figure == "r2" else "", label, *(text(figures[quantity]) for quantity in REPORTED_QUANTITIES)
        )


def _worst_outputs(evaluation: Evaluation) -> list[int]:
    """All outputs, or of many those of lowest R2 in the value."""

    def r2(j: int) -> float:
        value = evaluation.outputs[j].value
        return np.inf if value is None or value.r2 is None else value.r2

    worst = sorted(range(len(evaluation.outputs)), key=r2)[:_MOST_OUTPUTS]
    return sorted(worst)
