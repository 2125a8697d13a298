"""What `run` is given in Python, as the configuration of a run and, where no file holds it, the object to imitate."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError
from .._foundation.variables import numbered_inputs
from ..reference import Box
from ..searching import Tolerance
from .config import RunConfig
from .config_file import config_of, read_config
from .source_config import LibraryConfig
from .sources.objects import words_for
from .sources.text import name_of, source_table

Ranges: TypeAlias = Mapping[str, Sequence[float]] | Box | tuple[Sequence[float], Sequence[float]]
"""A range for each input by name, `{"spot": (60, 140)}`; or a box; or `(lower, upper)`."""


def asked(
    source: object,
    box: Ranges | None,
    tolerance: Tolerance | Mapping[str, float] | None,
    key: int | PRNGKey | None,
    **options: Any,
) -> tuple[RunConfig, object | None]:
    """The configuration of what is asked of `source`, which is kept apart where it is an object.

    `options` are those of `run` by name, None for what was not said.
    """
    said = {name: value for name, value in options.items() if value is not None}
    goal = {name: said.pop(name) for name in ("max_parameters",) if name in said}
    if tolerance is not None:
        goal["tolerance"] = _limits(tolerance)
    if goal:
        said["search"] = goal
    if key is not None:
        said["seed"] = _seed(key)
    if isinstance(source, RunConfig):
        if said or box is not None:
            raise InputError("The configuration says all of a run; put into it what else is asked for.")
        return source, None
    if isinstance(source, str | Path) and str(source).endswith(".toml"):
        if box is not None:
            raise InputError(f"The box is said in {source} itself, in [source]; put it there.")
        return read_config(source, **said), None
    if isinstance(source, str | Path):
        table, what = source_table(str(source)), None
        name = name_of(table)
    else:
        what = source
        table, name = {"kind": "object", "object": words_for(source)}, words_for(source)
    if "y" in said and table["kind"] not in ("data", *_LIBRARY):
        table["outputs"] = said.pop("y")
    for part in ("x", "y", "dydx", "noise", "derivatives", "time_limit"):
        if part in said:
            table[part] = said.pop(part)
    if box is not None:
        inputs = "inputs" if table["kind"] in _LIBRARY else "box"
        table[inputs] = _by_name(box)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    return config_of(RunConfig, {"name": name, "source": table} | said, "The call"), what


_LIBRARY = tuple(config.model_fields["kind"].annotation.__args__[0] for config in LibraryConfig.__args__)


def _limits(tolerance: Tolerance | Mapping[str, float]) -> dict[str, Any]:
    found = dict(tolerance) if isinstance(tolerance, Mapping) else vars(tolerance)
    return {name: limit for name, limit in found.items() if limit is not None}


def _seed(key: int | PRNGKey) -> int:
    if isinstance(key, int | np.integer):
        return int(key)
    return int(np.asarray(jax.random.key_data(key)).ravel()[-1])


def _by_name(box: Ranges) -> dict[str, tuple[float, float]]:
    if isinstance(box, Mapping):
        return {name: (float(ends[0]), float(ends[1])) for name, ends in box.items()}
    if isinstance(box, Box):
        variables, lower, upper = box.variables, box.lower, box.upper
    else:
        lower, upper = box
        variables = numbered_inputs(len(lower))
    ends = zip(variables, lower, upper, strict=True)
    return {str(each): (float(low), float(high)) for each, low, high in ends}
