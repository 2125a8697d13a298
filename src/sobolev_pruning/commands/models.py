"""Networks in files: read whichever kind it is, written to where surrogates are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._foundation.errors import InputError
from .._foundation.files import expect_place
from ..interchange import EXPORTERS, Exporter, read_network, save_onnx
from ..interchange.read.network_file import ENDINGS
from ..sampling.user_function import user_function
from ..surrogate import ErrorBars, Surrogate, load_error_bars
from .boxes import read_box
from .records import NetworkRecord


def write_model(surrogate: Surrogate, path: str | Path) -> NetworkRecord:
    """Writes a network to a `.safetensors` or `.onnx` file, by its ending, and says what was written."""
    path = Path(path)
    if path.suffix == ".onnx":
        save_onnx(surrogate, path)
    else:
        surrogate.save(path)
    return describe(surrogate, path)


def expect_model_path(path: str | Path) -> None:
    """Raises `InputError` where no network can be written to `path`, before any work is done for it."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; give -o a .safetensors or an .onnx file.")
    expect_place(path)


def describe(surrogate: Surrogate, path: str | Path) -> NetworkRecord:
    """The network's record under the name of its file."""
    return NetworkRecord(
        str(path), surrogate.widths, surrogate.activation, surrogate.n_parameters, surrogate.inputs, surrogate.outputs
    )


def export(
    model: str | Path,
    to: str,
    out: str | Path,
    *,
    box: str | None = None,
    name: str | None = None,
    derivatives: int | None = None,
    dtype: str | None = None,
    columns: str | None = None,
    errors: bool = False,
) -> tuple[str, ...]:
    """Writes the network in the file `model` to `out`, in the form `to`: a name of `EXPORTERS`, or a function of your
    own, as `module:function`, that is called with the surrogate, the path, and `box`, the corners of its range.

    `box`, as `read_box` takes it, is the range that the written code checks its inputs against; by default the range
    that the network was trained on. Where its file does not know that, the sentence given back says so. `name`,
    `derivatives` and `dtype` are for the forms that have them; by default all derivatives are written. With `errors`
    the standard errors that the file holds beside the network are written, too.
    """
    with _exporter(to) as way:
        options = way.options({"name": name, "derivatives": derivatives, "dtype": dtype})
        expect_place(out)
        surrogate, bars = read_network(model), _error_bars(model, to, way) if errors else None
        asked = None if box is None else read_box(box, surrogate, columns)
        known = None if asked is None else (asked.lower, asked.upper)
        if "derivatives" in way.taken:
            options.setdefault("derivatives", 2)
        way.write(surrogate if bars is None else bars, out, box=known, **options)
    if asked is None and surrogate.training_range is None:
        return (f"{model} holds no training range, so {out} cannot check its inputs; give it by --box LOWER:UPPER.",)
    return ()


def _error_bars(model: str | Path, to: str, way: Exporter) -> ErrorBars:
    if not way.errors:
        able = ", ".join(name for name, other in EXPORTERS.items() if other.errors)
        raise InputError(f"--to {to} writes no standard errors; leave out --errors, or take one of {able}.")
    if Path(model).suffix == ".onnx":
        raise InputError(f"{model} holds no error bars; give the .safetensors file of a run, or leave out --errors.")
    return load_error_bars(model)


@contextmanager
def _exporter(to: str) -> Iterator[Exporter]:
    if ":" in to:
        with user_function(to, "--to") as write:
            yield Exporter(write, to, errors=True)
    elif to in EXPORTERS:
        yield EXPORTERS[to]
    else:
        raise InputError(
            f"--to is {to!r}; choose {', '.join(EXPORTERS)}, or give a function of yours as module:function."
        )
