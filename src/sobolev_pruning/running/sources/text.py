"""What `sobolev-pruning run SOURCE` is given, as a table `[source]`."""

import re
from pathlib import Path

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import shortened

DATA = (".csv", ".npz", ".h5", ".hdf5", ".parquet")
NETWORKS = (".onnx", ".safetensors")
LIBRARY = ("gaussian-basket", "black-scholes", "heston", "gene-expression", "random-medium")
_PROGRAM = "command:"


def source_table(text: str) -> dict:
    """The table that `text` stands for, without its box.

    A file of results by its ending, a network by its ending, `http://...` a model behind UM-Bridge,
    `command: ./pricer IN.csv OUT.csv` a program, `module:function` or `file.py:function` a function, and the kind of a
    library model. A path that exists is a file before it is anything else.

    >>> source_table("samples.csv"), source_table("pricer:price")
    ({'kind': 'data', 'file': 'samples.csv'}, {'kind': 'function', 'function': 'pricer:price'})
    """
    text = text.strip()
    if text.startswith(_PROGRAM):
        return {"kind": "program", "command": text.removeprefix(_PROGRAM).strip()}
    suffix = Path(text).suffix.lower()
    if suffix in DATA:
        return {"kind": "data", "file": text}
    if suffix in NETWORKS:
        return {"kind": "network", "file": text}
    if re.match(r"https?://", text):
        return {"kind": "um-bridge", "address": text}
    if text in LIBRARY:
        return {"kind": text}
    if ":" in text and not Path(text).exists():
        return {"kind": "function", "function": text}
    raise InputError(
        f"{shortened(text)} is no source: give a configuration (.toml), a data file ({', '.join(DATA)}), a network "
        f"({', '.join(NETWORKS)}), module:function, 'command: ./program IN.csv OUT.csv', the address of a UM-Bridge "
        f"server, or a model of the library ({', '.join(LIBRARY)})."
    )


def name_of(table: dict) -> str:
    """A name for the run of such a source: letters, digits, dots, dashes and underscores.

    >>> name_of({"kind": "function", "function": "pricer.py:price"})
    'price'
    """
    told = {
        "data": lambda: Path(table["file"]).stem,
        "network": lambda: Path(table["file"]).stem,
        "function": lambda: table["function"].rpartition(":")[2],
        "program": lambda: Path(table["command"].split()[0]).stem if table["command"].split() else "",
        "um-bridge": lambda: table.get("model") or "um-bridge",
    }
    name = told.get(table["kind"], lambda: table["kind"])()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100]
    return name if re.match(r"[A-Za-z0-9]", name) else f"run-{name}".rstrip("-")
