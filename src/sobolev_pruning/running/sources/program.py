"""A program that reads rows of inputs from one file and writes rows of outputs to another."""

import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import shortened
from ...sampling.tables.read import read_table
from ...sampling.tables.table import Table, numbers
from .batch_calls import Rows

IN, OUT = "IN.csv", "OUT.csv"
"""What stands for the names of the two files in a command."""


class Program:
    """Calls `command` once for a batch of rows.

    The words `IN.csv` and `OUT.csv` of the command are replaced by paths in a folder that is gone afterwards. `IN.csv`
    has the columns `names` and `seed`; `OUT.csv` must have a row for each of its rows. Its columns are the outputs,
    `outputs` where they are named, else all but those of inputs and derivatives; with `derivatives` those too, called
    `dOUTPUT/dINPUT` or `dOUTPUT_dINPUT`.
    """

    def __init__(
        self, command: str, names: tuple[str, ...], outputs: tuple[str, ...] | None, derivatives: bool,
        time_limit: float | None,
    ):  # fmt: skip
        self.words = shlex.split(command)
        if not any(IN in word for word in self.words) or not any(OUT in word for word in self.words):
            raise InputError(f"The command {shortened(command)!r} must name {IN} and {OUT}, as in: ./pricer {IN} {OUT}")
        self.names, self.outputs, self.derivatives, self.time_limit = names, outputs, derivatives, time_limit

    def __call__(self, points: Float[np.ndarray, "n d"], seeds: list[int]) -> Rows:
        with tempfile.TemporaryDirectory() as folder:
            given, wanted = Path(folder) / IN, Path(folder) / OUT
            rows = (",".join(map(repr, [*row, seed])) for row, seed in zip(points.tolist(), seeds))
            given.write_text("\n".join([",".join([*self.names, "seed"]), *rows]) + "\n", encoding="utf-8")
            self._run([word.replace(IN, str(given)).replace(OUT, str(wanted)) for word in self.words])
            if not wanted.exists():
                raise InputError(f"{self.words[0]} ended without writing {OUT}; let it write one row per row of {IN}.")
            return self._read(wanted, points)

    def _run(self, words: list[str]) -> None:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=self.time_limit, errors="replace")
        except OSError as error:
            raise InputError(f"{words[0]} cannot be started ({error.strerror}); correct the command.") from None
        except subprocess.TimeoutExpired:
            raise InputError(f"{words[0]} took longer than {self.time_limit:g} seconds.") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            raise InputError(f"{words[0]} ended with status {done.returncode}: {shortened(said)}")

    def _read(self, path: Path, points: Float[np.ndarray, "n d"]) -> Rows:
        table = read_table(path)
        outputs = self.outputs or tuple(
            name for name in table if name not in (*self.names, "seed") and not _is_derivative(name)
        )
        missing = [name for name in outputs if name not in table]
        if missing or not outputs:
            raise InputError(f"{OUT} has no column {missing[0]!r}." if missing else f"{OUT} has no column of outputs.")
        n_rows = len(next(iter(table.values())))
        if n_rows != len(points):
            raise InputError(f"{OUT} has {n_rows} rows for the {len(points)} rows of {IN}.")
        columns = [numbers(path, name, table[name]) for name in outputs]
        y = columns[0] if len(columns) == 1 else np.column_stack(columns)
        if not self.derivatives:
            return y, None
        slopes = np.stack([np.column_stack([_slope(table, yn, xn) for xn in self.names]) for yn in outputs], axis=1)
        return y, slopes[:, 0] if len(outputs) == 1 else slopes


def _slope(table: Table, output: str, name: str) -> Float[np.ndarray, "n"]:
    for column in (f"d{output}/d{name}", f"d{output}_d{name}"):
        if column in table:
            return numbers(Path(OUT), column, table[column])
    raise InputError(f"{OUT} has no column d{output}/d{name}; write it, or leave out derivatives.")


def _is_derivative(name: str) -> bool:
    return name.startswith("d") and ("/d" in name or "_d" in name)
