"""Surrogates as functional mock-up units, FMI 2.0: a zip of a description, C sources and a compiled library."""

import io
import platform
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
import zipfile
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.files import write_result
from ..._foundation.variables import Variable
from ...surrogate import Surrogate
from ..box import exported_range
from .c import c_header, c_name, constant, expect_c_name

_PRELUDE = """\
/* {name}: a surrogate as a functional mock-up unit of FMI 2.0, written by sobolev-pruning {version}.
 *
 * Needs C99, and nothing beside surrogate.h but the standard library.
 */
#define GUID "{guid}"
#define START {{{start}}}
{range}
#include "surrogate.h"
"""

_COMPILE = ("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "fmi2.c", "-o", "fmi2.so", "-lm")


def save_fmu(
    surrogate: Surrogate, path: str | Path, *, name: str | None = None, box: Sequence[ArrayOrList] | None = None
) -> None:
    """Writes `surrogate` to `path` as a functional mock-up unit, FMI 2.0, for co-simulation and model exchange.

    The unit has no states: its outputs follow its inputs at once, and `fmi2GetDirectionalDerivative` gives their exact
    derivatives. `modelDescription.xml` holds the names, with the units, where they are known, and for each input its
    minimum and maximum, the training range `box`, by default the surrogate's own where it is known, and as its start
    the middle of it, or else the shift of its scaling. An output that is called like an input is written with a
    2 behind it. Outside of the range the unit goes on, and logs a warning. `name` is the model's identifier, by default
    the name of the file without its ending, with `_` for what C does not allow.

    `sources/` holds the C header of `save_c` and the functions of the standard around it; `binaries/linux64` what the
    compiler `cc` makes of them. Where that is another system, or there is no compiler, the unit holds its sources
    only, and a warning says so.

    Raises `InputError` for a name that C does not allow, a box of another shape, numbers that overflow, and where
    `path` cannot be written.

    >>> import jax, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
    ...     save_fmu(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.fmu")
    ...     zipfile.ZipFile(f"{folder}/price.fmu").namelist()[:3]
    ['modelDescription.xml', 'sources/fmi2.c', 'sources/surrogate.h']
    """
    name = c_name(path) if name is None else name
    expect_c_name(name)
    corners = exported_range(surrogate, box)
    header = c_header(surrogate, "surrogate", 1, "float64", corners)
    start = np.asarray(surrogate.scaling.x_shift) if corners is None else np.mean(corners, axis=0)
    names = unique_names(surrogate.inputs, surrogate.outputs)
    # Told from the content alone, so that one network is one file.
    guid = f"{{{uuid.uuid5(uuid.NAMESPACE_OID, repr((name, names, surrogate.inputs, surrogate.outputs, header)))}}}"
    prelude = _PRELUDE.format(
        name=name,
        version=version("sobolev-pruning"),
        guid=guid,
        start=", ".join(constant(number, "double") for number in start),
        range="" if corners is None else "#define HAS_RANGE\n",
    )
    functions = resources.files(__package__).joinpath("fmi2.c").read_text(encoding="utf-8")
    files = {
        "modelDescription.xml": _description(surrogate, name, guid, names, start, corners),
        "sources/fmi2.c": f"{prelude}\n{functions}".encode(),
        "sources/surrogate.h": header.encode(),
    }
    library = _compiled({Path(place).name: content for place, content in files.items()})
    if isinstance(library, bytes):
        files[f"binaries/linux64/{name}.so"] = library
    else:
        warnings.warn(
            f"{library}, so {path} holds the C sources of its unit only; compile it where it is used "
            "(fmpy: Tools, Compile Platform Binary).",
            stacklevel=2,
        )
    write_result(path, _zipped(files))


def unique_names(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> list[str]:
    """The names of inputs, then outputs, with a number behind what was there before.

    >>> unique_names([Variable("price"), Variable("vol")], [Variable("price")])
    ['price', 'vol', 'price 2']
    """
    names: dict[str, None] = {}
    for variable in (*inputs, *outputs):
        unique, number = variable.name, 2
        while unique in names:
            unique, number = f"{variable.name} {number}", number + 1
        names[unique] = None
    return list(names)


def _description(
    surrogate: Surrogate,
    name: str,
    guid: str,
    names: Sequence[str],
    start: np.ndarray,
    corners: list[list[float]] | None,
) -> bytes:
    variables, d = (*surrogate.inputs, *surrogate.outputs), len(surrogate.inputs)
    root = ElementTree.Element(
        "fmiModelDescription",
        fmiVersion="2.0",
        modelName=name,
        guid=guid,
        description=f"A surrogate: network {'-'.join(map(str, surrogate.widths))}, activation {surrogate.activation}",
        generationTool=f"sobolev-pruning {version('sobolev-pruning')}",
        variableNamingConvention="flat",
        numberOfEventIndicators="0",
    )
    kinds = {
        "ModelExchange": {"completedIntegratorStepNotNeeded": "true"},
        "CoSimulation": {"canHandleVariableCommunicationStepSize": "true"},
    }
    for kind, more in kinds.items():
        able = {"canNotUseMemoryManagementFunctions": "true", "providesDirectionalDerivative": "true", **more}
        element = ElementTree.SubElement(root, kind, modelIdentifier=name, **able)
        ElementTree.SubElement(ElementTree.SubElement(element, "SourceFiles"), "File", name="fmi2.c")
    units = dict.fromkeys(variable.unit for variable in variables if variable.unit is not None)
    if units:
        definitions = ElementTree.SubElement(root, "UnitDefinitions")
        for unit in units:
            ElementTree.SubElement(definitions, "Unit", name=unit)
    categories = ElementTree.SubElement(root, "LogCategories")
    for category in ("logStatusWarning", "logStatusError"):
        ElementTree.SubElement(categories, "Category", name=category)
    listed = ElementTree.SubElement(root, "ModelVariables")
    for number, (unique, variable) in enumerate(zip(names, variables)):
        about = {"name": unique, "valueReference": str(number), "variability": "continuous"}
        about |= {"causality": "input"} if number < d else {"causality": "output", "initial": "calculated"}
        real = {} if variable.unit is None else {"unit": variable.unit}
        if number < d:
            if corners is not None:
                real |= {"min": repr(corners[0][number]), "max": repr(corners[1][number])}
            real |= {"start": repr(float(start[number]))}
        ElementTree.SubElement(ElementTree.SubElement(listed, "ScalarVariable", about), "Real", real)
    structure = ElementTree.SubElement(root, "ModelStructure")
    for part in ("Outputs", "InitialUnknowns"):  # without a list of its own each depends on every input
        element = ElementTree.SubElement(structure, part)
        for number in range(d, len(variables)):
            ElementTree.SubElement(element, "Unknown", index=str(number + 1))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _compiled(files: dict[str, bytes]) -> bytes | str:
    """The library for 64-bit Linux, or why there is none."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return f"This system is {platform.system()} on {platform.machine()}, not 64-bit Linux on x86"
    compiler = shutil.which("cc")
    if compiler is None:
        return "There is no C compiler (cc)"
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        done = subprocess.run([compiler, *_COMPILE], cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
            return f"The C compiler failed ({last:.200})"
        return Path(folder, "fmi2.so").read_bytes()


def _zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980: the same unit is the same file
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return target.getvalue()
