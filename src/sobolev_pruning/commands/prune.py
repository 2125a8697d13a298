"""Pruning the network in a file."""

from dataclasses import replace
from pathlib import Path

import jax

from .._foundation.errors import InputError
from .._foundation.variables import named_first
from ..evaluation.teacher import evaluator_against, uniform_points
from ..interchange import read_network
from ..pruning import prune
from ..scoring import significance
from .domain import DataOptions, find_domain
from .guaranteed_distance import guaranteed_distance
from .models import describe, expect_model_path, write_model
from .records import PruningRecord

FOR_THE_FOLD = "fold"

_PIECES = 1000
"""Cells of the box for a proof: some seconds for networks of some hundred parameters, minutes for the largest."""


def prune_model(
    model: Path,
    out: Path,
    *,
    keep: str,
    fold: str = "sobolev",
    method: str = FOR_THE_FOLD,
    prove: bool = False,
    box: str | None = None,
    data: DataOptions | None = None,
    columns: str | None = None,
) -> PruningRecord:
    """Prunes as `prune` does and writes the smaller network to `out`, with the box as the range it is meant for; its
    errors are those against the larger one. A network without names takes those of the data.

    - `keep`: a number of nodes per hidden layer, a fraction of them (with a decimal point), or one number for each
      layer, separated by commas, 0 for a layer that goes as a whole.
    - `method`: of `significance`, by whose scores nodes go; or "fold": the survivors that the fold can do best with.
    - `prove`: also bounds the difference of their values over the whole box.
    """
    expect_model_path(out)
    kept = read_keep(keep)
    surrogate = read_network(model)
    domain = find_domain(surrogate, box, data, columns)
    scores = None
    if method != FOR_THE_FOLD:
        scores = significance(surrogate, domain.box, method, samples=domain.samples)
    small = prune(surrogate, kept, significance=scores, box=domain.box, samples=domain.samples, fold=fold)
    # Folded for this box: beyond it nothing was looked at.
    small = replace(small, training_range=(domain.box.lower, domain.box.upper))
    if domain.samples is not None:
        names = {of: named_first(getattr(small, of), getattr(domain.samples, of)) for of in ("inputs", "outputs")}
        small = replace(small, **names)
    evaluator = evaluator_against(surrogate, uniform_points(domain.box, jax.random.key(0)), str(model))
    proved, reached = guaranteed_distance(surrogate, small, domain.box, pieces=_PIECES) if prove else (None, None)
    return PruningRecord(
        before=describe(surrogate, model),
        after=write_model(small, out),
        fold=fold,
        evaluation=evaluator(small),
        proved_difference=proved,
        reached_difference=reached,
        warnings=domain.warnings,
    )


def read_keep(text: str) -> int | float | list[int]:
    """What `--keep` says, as `prune` takes it.

    >>> read_keep("8"), read_keep("0.25"), read_keep("8, 4,0")
    (8, 0.25, [8, 4, 0])
    """
    try:
        if "," in text:
            return [int(part) for part in text.split(",")]
        return float(text) if "." in text else int(text)
    except ValueError:
        raise InputError(
            f"--keep is {text!r}; give a number of nodes per layer such as 8, a fraction such as 0.25, or one number "
            "per layer such as 8,4,0."
        ) from None
