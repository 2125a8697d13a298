"""The significance of every node of the network in a file."""

from pathlib import Path

import numpy as np

from .._foundation.files import expect_place
from ..interchange import read_network
from ..scoring import significance
from .domain import DataOptions, find_domain
from .models import describe
from .records import SignificanceRecord


def score_model(
    model: Path,
    *,
    box: str | None = None,
    data: DataOptions | None = None,
    columns: str | None = None,
    method: str = "split",
    order: int = 0,
    out: Path | None = None,
) -> SignificanceRecord:
    """Scores every hidden node as `significance` does, and writes the scores to the CSV file `out` where it is given.

    The box is that of `find_domain`; `data` also serves the criteria that look at samples.
    """
    if out is not None:
        expect_place(out)
    surrogate = read_network(model)
    domain = find_domain(surrogate, box, data, columns)
    found = significance(surrogate, domain.box, method, order, domain.samples)
    if out is not None:
        found.to_csv(out)
    return SignificanceRecord(
        network=describe(surrogate, model),
        method=method,
        order=order,
        guaranteed=found.guaranteed,
        lower=np.asarray(domain.box.lower),
        upper=np.asarray(domain.box.upper),
        scores=tuple(np.asarray(layer) for layer in found.scores),
        range_widths=found.range_widths,
        adjoints=found.adjoint_sizes,
        warnings=domain.warnings,
    )
