"""Samples of a user's simulator, from a box to a data file."""

import re
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from .._foundation.errors import InputError
from .._foundation.files import expect_place
from ..reference import Design
from ..reference.designs import check_design, unit_points
from ..sampling import BlackBoxRun, damaged_lines, expect_data_path, run_black_box, write_samples
from ..sampling.executors import open_executor
from ..sampling.user_function import user_function
from ..storage.locks import sole_writer
from .boxes import read_ranges
from .records import ColumnRecord, SamplingRecord


def sample_function(
    target: str,
    out: Path,
    *,
    box: str,
    n: int,
    derivatives: Literal["own", "differences", "none"] = "none",
    design: Design = "random",
    workers: int | None = None,
    scheduler: str | None = None,
    time_limit: float | None = None,
    step: str | None = None,
    seed: int = 0,
) -> SamplingRecord:
    """Calls the function `target`, `module:function`, as `run_black_box` does, at `n` points that fill the `box` (as
    `read_ranges` takes it) by `design`, and writes the samples to the data file `out`.

    Results are kept in `kept_path(out)` as they arrive, until every point has its sample; the same call goes on from
    there. Differences stay inside the box; `step`, one number or one for each input with commas between, is theirs as a
    part of each range. Raises `InputError` where nothing can be sampled or written.
    """
    law = read_ranges(box)
    for variable in law.variables:
        if re.fullmatch(r"y\d*", variable.name):
            raise InputError(f"--box has an input {variable.name}, but outputs are called so; give it another name.")
    if n < 1:
        raise InputError(f"-n is {n}; give 1 point or more.")
    check_design(design)
    expect_data_path(out)
    expect_place(out)
    lower, upper = (np.asarray(end) for end in (law.lower, law.upper))
    points = np.asarray(law.from_uniform(unit_points(design, jax.random.key(seed), n, len(law.variables))))
    with (
        sole_writer(out.with_name(f".{out.name}.lock"), str(out)),
        user_function(target, "MODULE:FUNCTION") as simulate,
        nullcontext() if scheduler is None else open_executor(workers, scheduler) as executor,
    ):
        run = run_black_box(
            simulate,
            points,
            derivatives=derivatives,
            seed=seed,
            executor=executor,
            workers=workers,
            time_limit=time_limit,
            results=kept_path(out),
            step=None if step is None else read_step(step, len(law.variables)) * (upper - lower),
            box=(lower, upper),
            inputs=law.variables,
        )
        table = write_samples(run.samples, out)
        if not run.failures:
            kept_path(out).unlink()
    return _record(target, out, run, table)


def read_step(text: str, n_inputs: int) -> np.ndarray:
    """What `--step` says: parts of the ranges.

    >>> read_step("0.01", 2).tolist(), read_step("0.01, 0.1", 2).tolist()
    ([0.01, 0.01], [0.01, 0.1])
    """
    try:
        steps = np.asarray([float(part) for part in text.split(",")])
    except ValueError:
        steps = np.empty(0)
    if len(steps) not in (1, n_inputs) or not ((steps > 0) & (steps <= 0.25)).all():
        raise InputError(
            f"--step is {text!r}; give a part of each input's range such as 0.01, at most 0.25, or one for each of the "
            f"{n_inputs} inputs, separated by commas."
        )
    return np.broadcast_to(steps, n_inputs)


def kept_path(out: Path) -> Path:
    """Where the results for the data file `out` are kept as they arrive.

    >>> str(kept_path(Path("runs/samples.csv")))
    'runs/samples.csv.results'
    """
    return out.with_name(f"{out.name}.results")


def _record(target: str, out: Path, run: BlackBoxRun, table: dict[str, np.ndarray]) -> SamplingRecord:
    d, k = run.samples.n_inputs, run.samples.n_outputs
    roles = ["input"] * d + ["output"] * k + ["derivative"] * (len(table) - d - k)
    columns = (
        ColumnRecord(name, role, *(float(end(column, initial=np.nan)) for end in (np.fmin.reduce, np.fmax.reduce)))
        for role, (name, column) in zip(roles, table.items())
    )
    failures = Counter(failure.what for failure in run.failures)
    first = run.failures[0] if run.failures else None
    damaged = (f"{kept_path(out)}: {damaged_lines(run.n_damaged)}.",) if run.n_damaged else ()
    return SamplingRecord(
        path=str(out),
        function=target,
        n_points=len(run.rows) + len(run.failures),
        n_samples=len(run.rows),
        n_kept=run.n_kept,
        derivatives=run.derivatives,
        columns=tuple(columns),
        failures=dict(sorted(failures.items())),
        first_failure=None if first is None else f"point {first.row}, {first.message}",
        warnings=(*run.warnings, *damaged),
    )
