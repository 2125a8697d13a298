"""Samples from a file of results: columns for inputs, outputs and partial derivatives by name or pattern."""

import fnmatch
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.spelling import spelled
from .._foundation.variables import Variable, name_and_unit
from .doubts import Doubts, doubts_about
from .split import quantile_box, split
from .tables.read import read_table
from .tables.table import NotNumbers, Table, numbers

_WEIGHTS = ("weight", "weights", "sample_weight", "sample_weights")


@dataclass(frozen=True)
class ColumnRange:
    """One column: its name and unit (None where the header has none in brackets), role and range."""

    variable: Variable
    role: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class DataFile:
    """Samples read from a file, with the names and units of their columns.

    `missing` names the partial derivatives that the file lacks. They, and the empty cells of the others, are NaN in
    `samples.dydx`, which training leaves out; `samples.dydx` is None where the file has no derivative at all. `doubts`
    are what the samples look like (see `doubts_about`) and which columns are not used.
    """

    path: Path
    samples: Samples
    missing: tuple[str, ...]
    ranges: tuple[ColumnRange, ...]
    doubts: Doubts

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """The 1% to 99% quantile of every input."""
        return quantile_box(self.samples)

    @property
    def note(self) -> str:
        """What was found and what is missing, and whether derivatives are noisy."""
        return " ".join((self._found, *self.doubts.noise))

    @property
    def _found(self) -> str:
        d, k = self.samples.n_inputs, self.samples.n_outputs
        n_partials, found = d * k, f"{self.path.name}: {len(self.samples)} samples, {d} inputs, {k} outputs"
        unknown = self.samples.n_unknown
        if self.samples.dydx is None:
            return f"{found}, no derivatives: training is on values alone."
        if not unknown:
            return f"{found}, all {n_partials} partial derivatives."
        named = ", ".join(self.missing[:5]) + (", ..." if len(self.missing) > 5 else "")
        columns = f"; {len(self.missing)} of {n_partials} partial derivatives are missing ({named})" if named else ""
        return f"{found}{columns}; {unknown} of {self.samples.dydx.size} derivatives are not known and left out."

    def split(self, *, held_out: float = 0.1, test: float = 0.1, seed: int = 0) -> tuple[Samples, Samples, Samples]:
        """Training, held-out and test samples, at random by `seed`; the two numbers are parts of the whole file."""
        if not 0 < held_out + test < 1:
            raise InputError(f"held_out and test are {held_out} and {test}; together they must be below 1.")
        test_key, held_key = jax.random.split(jax.random.key(seed))
        rest, test_samples = split(self.samples, test, test_key)
        training, held = split(rest, held_out / (1.0 - test), held_key)
        return training, held, test_samples


def read_samples(
    path: str | Path,
    *,
    x: str | Sequence[str] = "x*",
    y: str | Sequence[str] = "y*",
    dydx: str | Sequence[str] | None = None,
) -> DataFile:
    """Samples from a CSV, NPZ, HDF5 or Parquet file.

    - `x`, `y`: names of columns, or patterns such as `"x*"`, which take all columns that match in the file's order.
      A unit in square brackets behind a name, as in `spot [USD]`, is read as such and is no part of the name.
    - `dydx`: the names of the partial derivatives, output by output; or a template with `{y}` and `{x}` for the names
      of the output and the input, or `{j}` and `{i}` for their numbers from 0. By default `d{y}/d{x}`, `d{y}_d{x}` and
      `dydx{j}_{i}` are tried (for one output `dydx{i}` too: an array `dydx` of an NPZ or HDF5 file).

    Rows where an input or output is empty, NaN or infinite, as those of runs that failed, are left out and counted in a
    warning. An empty cell among the derivatives, or a derivative without a column, is one that is not known. Python's
    `warnings` tell also of columns whose slopes the values contradict, and of what else `doubts_about` finds; a column
    of weights is told to be left out.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "pricer.csv"
    >>> _ = path.write_text("spot [USD],price,dprice/dspot\\n90,1.5,0.2\\n110,9.0,0.7\\n")
    >>> data = read_samples(path, x=["spot"], y=["price"])
    >>> data.note
    'pricer.csv: 2 samples, 1 inputs, 1 outputs, all 1 partial derivatives.'
    """
    require_float64("read_samples")
    path = Path(path)
    table, units = _columns(path)
    x_names = _choose(path, table, x, "x")
    inputs = set(x_names)
    y_names = tuple(name for name in _choose(path, table, y, "y") if name not in inputs)
    if not y_names:
        raise InputError(f"In {path} x and y name the same columns; give different ones.")
    partials = _partials(path, table, x_names, y_names, dydx)
    missing = tuple(name for row in partials for name, there in row if not there)
    columns = {name: numbers(path, name, table[name]) for name in (*x_names, *y_names)}
    whole, dropped = _whole_rows(path, columns)
    columns = {name: column[whole] for name, column in columns.items()}
    values = np.column_stack([columns[name] for name in y_names])
    slopes = None
    if len(missing) < len(x_names) * len(y_names):
        found = {name: numbers(path, name, table[name]) for row in partials for name, there in row if there}
        _check_partials(path, found, whole)
        found = {name: column[whole] for name, column in found.items()}
        unknown = np.full(len(values), np.nan)
        slopes = np.stack([np.column_stack([found.get(name, unknown) for name, _ in row]) for row in partials], axis=1)
    scalar = len(y_names) == 1
    try:
        variables = {name: Variable(name, units[name]) for name in (*x_names, *y_names)}
    except InputError as error:
        raise InputError(f"{path} has a column whose header names nothing: {error}") from None
    samples = Samples(
        x=np.column_stack([columns[name] for name in x_names]),
        y=values[:, 0] if scalar else values,
        dydx=slopes[:, 0] if scalar and slopes is not None else slopes,
        missing=slopes is not None and bool(np.isnan(slopes).any()),
        inputs=[variables[name] for name in x_names],
        outputs=[variables[name] for name in y_names],
    )
    roles = {**dict.fromkeys(x_names, "input"), **dict.fromkeys(y_names, "output")}
    ranges = tuple(
        ColumnRange(variables[name], role, float(columns[name].min()), float(columns[name].max()))
        for name, role in roles.items()
    )
    doubts = doubts_about(samples, [[name for name, _ in row] for row in partials])
    doubts = replace(doubts, warnings=(*dropped, *_not_used(table, samples), *doubts.warnings))
    for sentence in doubts.warnings:
        warnings.warn(f"{path}: {sentence}", stacklevel=2)
    return DataFile(path, samples, missing, ranges, doubts)


def columns_in(path: str | Path) -> tuple[str, ...]:
    """The names of the columns of a data file, without their units, whatever they hold."""
    return tuple(_columns(Path(path))[0])


def read_inputs(path: str | Path, *, x: str | Sequence[str] = "x*") -> Float[np.ndarray, "n d"]:
    """The inputs alone, `(n, d)`, from a file that `read_samples` reads, or from one without outputs."""
    path = Path(path)
    table, _ = _columns(path)
    table = {name: numbers(path, name, table[name]) for name in _choose(path, table, x, "x")}
    whole, dropped = _whole_rows(path, table)
    for sentence in dropped:
        warnings.warn(f"{path}: {sentence}", stacklevel=2)
    return np.column_stack(list(table.values()))[whole]


def _not_used(table: Table, samples: Samples) -> list[str]:
    said = [
        f"The column {name!r} is not used, and every sample counts the same; to weigh them give their standard errors, "
        "Samples(y_stderr=...), and train with weigh_by_stderr=True."
        for name in table
        if name.lower() in _WEIGHTS
    ]
    slopes = [name for name in table if name.startswith("dydx")]
    if slopes and samples.dydx is None:
        said.append(f"The column {slopes[0]!r} looks like a derivative and is not used; name the derivatives by dydx.")
    return said


def _columns(path: Path) -> tuple[Table, dict[str, str | None]]:
    """The columns and their units by name."""
    table: Table = {}
    units: dict[str, str | None] = {}
    for header, column in read_table(path).items():
        name, unit = name_and_unit(header)
        if name in table:
            raise InputError(f"{path} has two columns named {name!r}; rename one of them.")
        table[name], units[name] = column, unit
    return table, units


def _choose(path: Path, table: Table, wanted: str | Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(wanted, str):
        chosen = tuple(_matching(wanted, table))
        if not chosen:
            raise InputError(
                f"In {path} no column matches {what}={wanted!r}; there are {_some(table)}{_proposal(table)}."
            )
        return chosen
    chosen = tuple(
        column
        for name in wanted
        for column in (_matching(name, table) if "*" in name and name not in table else [name]) or [name]
    )
    for name in chosen:
        if name not in table:
            raise InputError(f"In {path} there is no column {name!r} for {what}; there are {_some(table)}.")
    if len(set(chosen)) != len(chosen) or not chosen:
        raise InputError(f"{what} names the columns {list(chosen)}; name each once, and at least one.")
    return chosen


def _matching(pattern: str, table: Table) -> list[str]:
    return [name for name in table if fnmatch.fnmatchcase(name, pattern)]


def _partials(path: Path, table: Table, x_names, y_names, dydx) -> list[list[tuple[str, bool]]]:
    """Per output, per input: the column's name and whether the file has it."""
    k, d = len(y_names), len(x_names)
    if dydx is not None and not isinstance(dydx, str):
        names = tuple(dydx)
        if len(names) != k * d:
            raise InputError(f"dydx names {len(names)} columns; {k} outputs and {d} inputs have {k * d} derivatives.")
        _choose(path, table, names, "dydx")
        return [[(names[j * d + i], True) for i in range(d)] for j in range(k)]
    templates = [dydx] if dydx else ["d{y}/d{x}", "d{y}_d{x}", *(["dydx{i}"] if k == 1 else []), "dydx{j}_{i}"]
    best = None
    for template in templates:
        try:
            names = [
                [template.format(x=xn, y=yn, i=i, j=j) for i, xn in enumerate(x_names)] for j, yn in enumerate(y_names)
            ]
        except (KeyError, IndexError, ValueError):
            raise InputError(f"dydx={template!r} is no template; use {{y}} and {{x}}, or {{j}} and {{i}}.") from None
        found = [[(name, name in table) for name in row] for row in names]
        if best is None or _count(found) > _count(best):
            best = found
    if dydx and not _count(best):
        raise InputError(f"In {path} no column matches dydx={dydx!r} (as {best[0][0][0]!r}); there are {_some(table)}.")
    return best


def _count(found) -> int:
    return sum(there for row in found for _, there in row)


def _whole_rows(path: Path, columns: dict[str, np.ndarray]) -> tuple[Bool[np.ndarray, "n"], list[str]]:
    """Which rows have a number in every column, and a sentence on the others where there are any."""
    faults = {name: ~np.isfinite(cells) for name, cells in columns.items()}
    whole = ~np.logical_or.reduce(list(faults.values()))
    lost = np.flatnonzero(~whole)
    if not lost.size:
        return whole, []
    row = int(lost[0])
    name = next(name for name, fault in faults.items() if fault[row])
    value = columns[name][row]
    first = f"row {row + 1}, column {name!r}, which holds {'nothing or NaN' if np.isnan(value) else value}"
    if lost.size == len(whole):
        raise InputError(f"In {path} every row lacks a number that is needed (the first: {first}); correct the file.")
    lack, are = ("lacks", "is") if lost.size == 1 else ("lack", "are")
    counted = f"{lost.size} of {len(whole)} rows {lack} a finite input or output and {are} left out"
    return whole, [f"{counted} (the first: {first})."]


def _check_partials(path: Path, columns: dict[str, np.ndarray], whole: Bool[np.ndarray, "n"]) -> None:
    """Raises `InputError` for a derivative that is infinite; one that is not known is empty."""
    for name, cells in columns.items():
        wrong = np.flatnonzero(np.isinf(cells) & whole)
        if wrong.size:
            raise InputError(
                f"{path}, row {wrong[0] + 1}, column {name!r} holds {cells[wrong[0]]} ({wrong.size} such rows in all); "
                "correct it, or leave it empty where it is not known."
            )


def _proposal(table: Table) -> str:
    """What to give for x and y, where neither names columns: the last column of numbers is taken for the output."""
    columns = [name for name, column in table.items() if not isinstance(column, NotNumbers)]
    columns = [name for name in columns if name and "/d" not in name and not _counts(table[name])]
    if len(columns) < 2:
        return ""
    return f"; name them, such as x={','.join(_in_patterns(columns[:-1], table))} and y={spelled(columns[-1])}"


def _in_patterns(names: Sequence[str], table: Table) -> list[str]:
    """`names` as they have to be typed, those that differ in their last digits alone as one pattern."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.rstrip("0123456789"), []).append(name)
    told = []
    for start, group in alike.items():
        pattern = f"{start}*"
        if len(group) > 2 and _matching(pattern, table) == group:
            told.append(spelled(pattern))
        else:
            told += map(spelled, group)
    return told


def _counts(column: np.ndarray) -> bool:
    """Whether a column numbers the rows, as an index does."""
    return bool(np.array_equal(column, np.arange(len(column))) or np.array_equal(column, 1 + np.arange(len(column))))


def _some(table: Table) -> str:
    names = list(table)
    return ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
