"""A whole study: the oversized network of every seed, every cell, and the report; what is done is never done again."""

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import jax

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .._foundation.progress import progress_bar
from .._foundation.versions import versions
from ..running import to_toml
from ..running.run_directory import locked_directory
from ..running.sources import Workers, opened
from ..sampling.executors import open_executor, outcomes
from ..sampling.scheduler import is_of_the_cluster
from .cell import compute_cell, compute_oversized
from .cells import FACTORS, Cell, cells_of, default_cell, variations
from .config import StudyConfig
from .directory import StudyDirectory
from .outputs import cells_csv, study_json
from .page import render_study
from .records import CellRecord, CrossingRecord, StudyRecord


@dataclass(frozen=True)
class StudyResult:
    """Where the files of a study are, what was found, and a sentence for each doubt."""

    directory: Path
    record: StudyRecord
    warnings: tuple[str, ...]


def study(
    config: StudyConfig,
    out: Path | None = None,
    *,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> StudyResult:
    """Trains and measures every network that `config` asks for and fills the directory `out` (default `runs/NAME`).

    Cells are computed by `workers` processes of this machine, by the workers of the Dask `scheduler` at that address,
    or by any `executor` of `concurrent.futures`. Each is kept as soon as it is done, so that a study that was stopped
    goes on with `resume`. All random numbers belong to the seed and the purpose, so figures do not depend on who
    computes what, nor on what else is computed: on machines of one kind they are the same to the bit. (Processes are
    started anew, so a script calls this under `if __name__ == "__main__":`.)

    Raises `InputError` where the directory holds another study, this one without `resume`, or one that is going on.
    """
    out = Path("runs") / config.name if out is None else Path(out)
    settings = config.model_dump_json()
    cells = cells_of(config)
    title = _title(config)
    given = open_executor(workers, scheduler) if executor is None else nullcontext(executor)
    with locked_directory(out), given as pool, _bar(len(config.seeds) + len(cells), progress) as advance:
        directory = StudyDirectory(out, config, resume)
        oversized = _oversized(pool, directory, settings, config, advance)
        found = _cells(pool, directory, settings, cells, oversized, advance)
        record = StudyRecord(
            name=config.name,
            reference=title,
            seeds=config.seeds,
            default=default_cell(config).setting,
            oversized=tuple(_oversized_record(seed, figures) for seed, (_, figures) in oversized.items()),
            cells=tuple(_record(cell, found[cell]) for cell in cells),
            factors=FACTORS,
            crossings=tuple(
                CrossingRecord(part.name, part.factors, tuple(cell.setting for cell in part.cells))
                for part in variations(config)
                if len(part.factors) > 1 and not config.full
            ),
            seconds=sum(figures["seconds"] for figures in (*found.values(), *(f for _, f in oversized.values()))),
            config=to_toml(config),
            versions=versions(),
        )
        write_atomically(out / "study.json", study_json(record))
        write_atomically(out / "cells.csv", cells_csv(record.cells))
        write_atomically(out / "report.html", render_study(record))
    return StudyResult(out, record, _warnings(directory))


def _title(config: StudyConfig) -> str:
    """What is imitated; refuses a simulator that every process would have to call again."""
    with opened(config.source, config.seeds[0], jax.random.key(0), Workers()) as source:
        if source.endless and source.reference is None:
            raise InputError(
                "A study trains its networks in many processes, each of which would call the simulator anew; sample "
                "it into a data file by `sobolev-pruning sample`, and study that."
            )
        return source.title


def _warnings(directory: StudyDirectory) -> tuple[str, ...]:
    if not directory.damaged:
        return ()
    n, some = len(directory.damaged), ", ".join(directory.damaged[:3]) + (", ..." if len(directory.damaged) > 3 else "")
    return (f"{n} damaged {'file' if n == 1 else 'files'} of {directory.path} computed again: {some}.",)


def _oversized(pool: Executor, directory: StudyDirectory, settings: str, config: StudyConfig, advance) -> dict:
    """Network and figures by seed."""
    found = {seed: directory.oversized(seed) for seed in config.seeds}
    missing = [seed for seed, kept in found.items() if kept is None]
    advance(len(found) - len(missing), "oversized networks")
    for seed, future in outcomes(pool, ((seed, compute_oversized, (settings, seed)) for seed in missing)):
        network, figures = _result(future)
        directory.keep_oversized(seed, network, figures)
        found[seed] = directory.oversized(seed)
        advance(1, "oversized networks")
    return found


def _cells(pool, directory: StudyDirectory, settings: str, cells: list[Cell], oversized: dict, advance) -> dict:
    """What was found for every cell."""
    found = {cell: directory.cell(cell) for cell in cells}
    missing = [cell for cell in cells if found[cell] is None]
    advance(len(found) - len(missing), "cells")
    calls = ((cell, compute_cell, (settings, cell, oversized[cell.seed][0])) for cell in missing)
    for cell, future in outcomes(pool, calls):
        directory.keep_cell(cell, _result(future))
        found[cell] = directory.cell(cell)
        advance(1, cell.approach)
    return found


def _result(future):
    try:
        return future.result()
    except (Exception, CancelledError) as error:
        if not isinstance(error, BrokenExecutor) and not is_of_the_cluster(error):
            raise
        raise InputError(
            f"A worker of the study was lost ({str(error) or type(error).__name__}); where it was for want of memory, "
            "take fewer --workers, and go on with --resume."
        ) from None


def _oversized_record(seed: int, figures: dict) -> CellRecord:
    return CellRecord("oversized", {}, seed, **figures | {"widths": tuple(figures["widths"])})


def _record(cell: Cell, found: dict) -> CellRecord:
    levels = {factor: getattr(cell, factor) for factor in FACTORS}
    return CellRecord(cell.setting, levels, cell.seed, **found | {"widths": tuple(found["widths"])})


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on standard error; gives the function that moves it on."""
    with progress_bar("oversized networks", total, "", shown=shown) as move:
        done = 0

        def advance(steps: int, what: str) -> None:
            nonlocal done
            done += steps
            move(done, "", what)

        yield advance
