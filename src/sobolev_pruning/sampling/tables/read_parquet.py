"""Columns of a Parquet file: only those of numbers are read."""

from collections import Counter
from pathlib import Path

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import told
from .table import Budget, NotNumbers, Table, no_numbers


def read_parquet(path: Path) -> Table:
    """The columns of the file; of those that hold no numbers, what they hold."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet files need pyarrow; install sobolev-pruning[parquet].") from None
    with (
        told(path, "a Parquet file", "write it again"),
        pyarrow.OSFile(str(path)) as source,
        pyarrow.parquet.ParquetFile(source) as file,
    ):
        schema, rows = file.schema_arrow, file.metadata.num_rows
        for name, count in Counter(schema.names).items():
            if count > 1:
                raise InputError(f"{path} has two columns named {name!r}; rename one of them.")
        kinds = {field.name: _kind(pyarrow.types, field.type) for field in schema}
        wanted = [name for name, kind in kinds.items() if kind is None]
        if rows < 0:
            raise ValueError(f"it declares {rows} rows")
        Budget(path).take(rows, len(wanted))
        read = file.read(columns=wanted)
        if wanted and read.num_rows != rows:
            raise ValueError(f"it declares {rows} rows and holds {read.num_rows}")
        table: Table = {}
        for name, kind in kinds.items():
            other = kind is not None
            column = None if other else read.column(name).cast(pyarrow.float64(), safe=False).to_numpy()
            table[name] = NotNumbers(no_numbers(kind), rows) if other else column
    return table


def _kind(types, kind) -> str | None:
    """What a column of this type holds; None for numbers."""
    are_numbers = (types.is_floating, types.is_integer, types.is_boolean, types.is_decimal, types.is_null)
    if any(test(kind) for test in are_numbers):
        return None
    if types.is_temporal(kind):
        return "dates"
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
    return "text" if is_text else str(kind)
