"""The search for the smallest network that imitates the one in a file."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._foundation.errors import InputError
from ..interchange import read_network
from ..pruning import reduced
from ..searching import Tolerance, shrink
from ..searching.tolerance import LIMITED_QUANTITIES
from ..storage.locks import sole_writer
from .domain import DataOptions, find_domain
from .models import describe, expect_model_path, write_model
from .records import ShrinkingRecord, TrialRecord


def shrink_model(
    model: Path,
    out: Path,
    *,
    tolerance: str | None = None,
    max_parameters: int | None = None,
    figure: str = "r2",
    size: str = "parameters",
    against: str | None = None,
    reduced_inputs: bool = False,
    box: str | None = None,
    data: DataOptions | None = None,
    columns: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ShrinkingRecord:
    """Shrinks as `shrink` does, and writes the network found to `out`; nothing is written where none was found.

    It learns from the network itself over the box and measures errors against it; or learns from `data` with
    derivatives, and measures on a part of them held out, unless `against` says otherwise. With `reduced_inputs` the
    network written takes the inputs that matter alone. A limit holds for every output of the network.

    Networks tried are kept in the folder `OUT.checkpoints` until the search is over, so that the same call goes on from
    where another one was stopped.
    """
    expect_model_path(out)
    if (tolerance is None) == (max_parameters is None):
        raise InputError("shrink needs either --tolerance or --max-parameters: what is free is what it searches for.")
    limits = None if tolerance is None else read_tolerance(tolerance, figure)
    surrogate = read_network(model)
    domain = find_domain(surrogate, box, data, columns)
    if data is not None and domain.samples.dydx is None:
        raise InputError(
            f"{data.path} lacks derivatives (columns such as dy/dx0), which shrinking learns from; add them, or leave "
            "--data out to learn from the network itself."
        )
    kept = out.with_name(f"{out.name}.checkpoints")
    with sole_writer(out.with_name(f".{out.name}.lock"), str(out)):
        found = shrink(
            surrogate,
            domain.samples,
            tolerance=limits,
            max_parameters=max_parameters,
            size=size,
            against=against,
            box=domain.box,
            seed=seed,
            progress=progress,
            checkpoints=kept,
        )
        small = found.surrogate
        if small is not None and data is None:
            small = replace(small, training_range=(domain.box.lower, domain.box.upper))
        if small is not None and reduced_inputs:
            small = reduced(small)
        after = None if small is None else write_model(small, out)
        shutil.rmtree(kept, ignore_errors=True)
    return ShrinkingRecord(
        before=describe(surrogate, model),
        after=after,
        inputs=found.inputs,
        figure=figure,
        limits=found.limits,
        against=found.against,
        trials=tuple(
            TrialRecord(t.widths, t.n_parameters, t.n_operations, t.errors, t.stderr, t.on_labels, t.accepted)
            for t in found.path
        ),
        evaluation=found.verified,
        warnings=domain.warnings,
    )


def read_tolerance(text: str, figure: str) -> Tolerance:
    """What `--tolerance` says of this figure."""
    return Tolerance(**read_limits(text), figure=figure)


def read_limits(text: str) -> dict[str, float]:
    """What `--tolerance` says: `value=0.9999,delta=0.999,gamma=0.99`, any of them.

    >>> read_limits("value=0.9999, delta=0.999")
    {'value': 0.9999, 'delta': 0.999}
    """
    given = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            limit = float(number)
        except ValueError:
            limit = np.nan
        if name not in LIMITED_QUANTITIES or name in given or np.isnan(limit):
            raise InputError(
                f"--tolerance has {part.strip()!r}; write value=0.9999,delta=0.999,gamma=0.99, each at most once."
            )
        given[name] = limit
    return given
