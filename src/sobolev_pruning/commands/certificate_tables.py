"""Tables on the terminal about what is guaranteed: certificates, and the largest difference of two networks."""

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..certificates import Answer, Range, claim_text
from ..drawing.numbers import MISSING, OUTWARD_DIGITS, count_text, error_text, outward_text
from .records import CertificateRecord, ComparisonRecord
from .tables import network_text, plain_table

_STYLES = {"proved": "bold green", "refuted": "bold red", "undecided": "bold yellow"}
_MOST_ENTRIES = 16


def certificate_table(record: CertificateRecord) -> Table:
    """What became of every claim, with proved bounds and what points reach; bounds are rounded outward."""
    found = record.certificate
    table = plain_table(
        f"{network_text(record.network)}\nCertificate over {_box_text(found.lower, found.upper)}",
        ["Claim", "Answer"],
        ["Proved bounds", "Reached by points"],
        f"{count_text(found.pieces)} pieces of the box were enclosed ({escape(found.method)})."
        + (f" Rests on the rules {escape(', '.join(found.rules))}, which are trusted." if found.rules else "")
        + f"\nProved: {found.semantics}.",
    )
    for answer in found.answers:
        status = Text(answer.status, style=_STYLES[answer.status])
        table.add_row(claim_text(answer.claim), status, *_extent(answer, slice(None)))
        if isinstance(answer.claim, Range) and 1 < len(answer.lower) <= _MOST_ENTRIES:
            for entry, index in enumerate(np.ndindex(answer.shape)):
                name = f"  entry {', '.join(str(i) for i in index[1:] or index)}"
                name += f" of output {index[0]}" if answer.shape[0] > 1 and len(index) > 1 else ""
                table.add_row(Text(name, style="dim"), "", *_extent(answer, slice(entry, entry + 1)))
        if answer.status == "refuted":
            table.add_row(Text(f"  at {_point_text(answer.point)}", style="dim"), "", "", "")
        if answer.status == "undecided":
            said = (
                f"gap {error_text(answer.gap)} near {_box_text(*answer.where)}"
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
    table = plain_table(
        f"{network_text(record.first)}\n{network_text(record.second)}\n"
        f"Differences over {_box_text(record.lower, record.upper)}",
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
        table.add_row(difference.of, *sampled, bound, ratio)
    return table


def _box_text(lower, upper) -> str:
    ranges = list(dict.fromkeys(f"{low:.4g}:{high:.4g}" for low, high in zip(lower, upper)))
    if len(ranges) > 1:
        ranges = [f"{low:.4g}:{high:.4g}" for low, high in zip(lower, upper)]
    return ",".join(ranges if len(ranges) <= 8 else [*ranges[:7], "..."])


def _point_text(point) -> str:
    return "(" + ", ".join(f"{entry:.4g}" for entry in point) + ")"
