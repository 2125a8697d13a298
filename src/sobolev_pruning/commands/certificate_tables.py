"""Tables on the terminal about what is guaranteed: certificates, and the largest difference of two networks."""

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .._foundation.entry_names import entry_name
from .._foundation.variables import named_first, numbered_inputs, numbered_outputs
from ..certificates import Answer, Range, claim_text
from ..drawing.numbers import MISSING, OUTWARD_DIGITS, count_text, error_text, outward_text
from .boxes import box_text, point_text
from .records import CertificateRecord, ComparisonRecord
from .tables import network_text, plain_table

_STYLES = {"proved": "bold green", "refuted": "bold red", "undecided": "bold yellow"}
_MOST_ENTRIES = 16


def certificate_table(record: CertificateRecord) -> Table:
    """What became of every claim, with proved bounds and what points reach; bounds are rounded outward."""
    found = record.certificate
    k = max(answer.shape[0] for answer in found.answers)
    inputs, outputs = found.inputs or numbered_inputs(len(found.lower)), found.outputs or numbered_outputs(k)
    table = plain_table(
        escape(f"{network_text(record.network)}\nCertificate over {box_text(inputs, found.lower, found.upper)}"),
        ["Claim", "Answer"],
        ["Proved bounds", "Reached by points"],
        f"{count_text(found.pieces)} pieces of the box were enclosed ({escape(found.method)})."
        + (f" Rests on the rules {escape(', '.join(found.rules))}, which are trusted." if found.rules else "")
        + f"\nProved: {found.semantics}.",
    )
    for answer in found.answers:
        status = Text(answer.status, style=_STYLES[answer.status])
        table.add_row(Text(claim_text(answer.claim, found)), status, *_extent(answer, slice(None)))
        if isinstance(answer.claim, Range) and 1 < len(answer.lower) <= _MOST_ENTRIES:
            for entry, index in enumerate(np.ndindex(answer.shape)):
                name = entry_name(index, inputs, outputs)
                table.add_row(Text(f"  {name}", style="dim"), "", *_extent(answer, slice(entry, entry + 1)))
        if answer.status == "refuted":
            table.add_row(Text(f"  at {point_text(inputs, answer.point)}", style="dim"), "", "", "")
        if answer.status == "undecided":
            said = (
                f"gap {error_text(answer.gap)} near {box_text(inputs, *answer.where)}"
                if answer.reason is None
                else answer.reason
            )
            table.add_row(Text(f"  {said}", style="dim"), "", "")
    return table


def _extent(answer: Answer, entries: slice) -> tuple[str, str]:
    lower, upper = min(answer.lower[entries]), max(answer.upper[entries])
    reached = min(answer.reached_lower[entries]), max(answer.reached_upper[entries])
    known = np.isfinite(reached).all()
    return (
        f"{outward_text(lower, up=False)} to {outward_text(upper, up=True)}",
        f"{reached[0]:.{OUTWARD_DIGITS}g} to {reached[1]:.{OUTWARD_DIGITS}g}" if known else MISSING,
    )


def comparison_table(record: ComparisonRecord) -> Table:
    """The difference of two networks at points and at most."""
    box = box_text(named_first(record.first.inputs, record.second.inputs), record.lower, record.upper)
    table = plain_table(
        escape(f"{network_text(record.first)}\n{network_text(record.second)}\nDifferences over {box}"),
        ["Of"],
        ["Size", "Typical", "Largest found", "Guaranteed", "Ratio"],
        f"Norms over all entries. Size: of the first network. Found: at {count_text(record.n_points)} points and more. "
        "Guaranteed: no difference in the box is larger.",
    )
    for difference in record.differences:
        bound, ratio = MISSING, MISSING
        if difference.guaranteed is not None:
            bound = outward_text(difference.guaranteed, up=True)
            ratio = error_text(difference.guaranteed / difference.largest) if difference.largest > 0 else MISSING
        sampled = (error_text(figure) for figure in (difference.size, difference.rms, difference.largest))
        table.add_row(Text(difference.of), *sampled, bound, ratio)
    return table
