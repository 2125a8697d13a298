"""What `run` and `init` are given on the command line, as the configuration of a run."""

from dataclasses import dataclass
from typing import Any

from .._foundation.errors import InputError
from .._foundation.spelling import split_list, unquoted
from ..running import RunConfig, config_of, read_config
from ..running.sources.text import name_of, source_table
from .boxes import read_ranges
from .shrink import read_limits


@dataclass(frozen=True)
class RunOptions:
    """Options of `run` as they were typed; None for what was not."""

    box: str | None = None
    x: str | None = None
    y: str | None = None
    dydx: str | None = None
    derivatives: str | None = None
    noise: str | None = None
    time_limit: float | None = None
    tolerance: str | None = None
    figure: str | None = None
    max_parameters: int | None = None
    samples: int | None = None
    minutes: float | None = None
    seed: int | None = None


def configuration(source: str, options: RunOptions) -> RunConfig:
    """The configuration that `source` with these `options` stands for; what neither says is left to the plan.

    `source` is a configuration file (.toml), whose samples, minutes, seed and goal options replace, or anything that
    `source_table` takes. Raises `InputError` for what does not fit together.
    """
    goal = _goal(options)
    top = {"samples": options.samples, "minutes": options.minutes, "seed": options.seed}
    if source.endswith(".toml"):
        for name in ("box", "x", "y", "dydx", "derivatives", "noise", "time_limit"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} is said in {source} itself, in [source]; put it there.")
        return read_config(source, **top, search=goal)
    table = source_table(source)
    given: dict[str, Any] = {"name": name_of(table), "source": table | _of_source(table["kind"], options)}
    given |= {name: number for name, number in top.items() if number is not None}
    if goal is not None:
        given["search"] = goal
    return config_of(RunConfig, given)


def _goal(options: RunOptions) -> dict | None:
    if options.tolerance is not None and options.max_parameters is not None:
        raise InputError("--tolerance and --max-parameters ask for two things; give one of them.")
    if options.max_parameters is not None:
        return {"max_parameters": options.max_parameters}
    if options.tolerance is None:
        if options.figure is not None:
            raise InputError("--figure says what --tolerance limits; give that too.")
        return None
    return {"tolerance": read_limits(options.tolerance) | {"figure": options.figure or "r2"}}


_TAKEN = {
    "data": ("box", "x", "y", "dydx"),
    "network": ("box",),
    "function": ("box", "y", "derivatives", "noise", "time_limit"),
    "program": ("box", "y", "derivatives", "time_limit"),
    "um-bridge": ("box", "y", "derivatives", "time_limit"),
    "black-scholes": ("box",),
    "heston": ("box",),
    "gene-expression": ("box",),
}
"""Options that say something of a source, by its kind."""


def _of_source(kind: str, options: RunOptions) -> dict[str, Any]:
    """The part of the table that options say."""
    taken = _TAKEN.get(kind, ())
    found: dict[str, Any] = {}
    for name in ("box", "x", "y", "dydx", "derivatives", "noise", "time_limit"):
        text = getattr(options, name)
        if text is None:
            continue
        if name not in taken:
            raise InputError(f"--{name.replace('_', '-')} says nothing of a source of kind {kind}; leave it out.")
        found |= _READERS[name](kind, text)
    return found


def _box(kind: str, text: str) -> dict[str, Any]:
    law = read_ranges(text)
    ends = zip(law.variables, law.lower, law.upper, strict=True)
    ranges = {str(variable): (float(lower), float(upper)) for variable, lower, upper in ends}
    return {"inputs" if kind in ("black-scholes", "heston", "gene-expression") else "box": ranges}


def _noise(kind: str, text: str) -> dict[str, Any]:
    """`12`, `uniform:12`, `4x3`.

    >>> _noise("function", "uniform:4x3")
    {'noise': (4, 3), 'law': 'uniform'}
    """
    law, _, shape = text.rpartition(":")
    try:
        lengths = tuple(int(length) for length in shape.split("x"))
    except ValueError:
        raise InputError(f"--noise is {text!r}; give how many variables, as 12, uniform:12 or 4x3.") from None
    return {"noise": lengths[0] if len(lengths) == 1 else lengths} | ({"law": law} if law else {})


_READERS = {
    "box": _box,
    "x": lambda kind, text: {"x": _names(text)},
    "y": lambda kind, text: {"y": _names(text)} if kind == "data" else {"outputs": _names(text)},
    "dydx": lambda kind, text: {"dydx": text if "{" in text else _names(text)},
    "derivatives": lambda kind, text: {"derivatives": text},
    "noise": _noise,
    "time_limit": lambda kind, seconds: {"time_limit": seconds},
}


def _names(text: str) -> str | tuple[str, ...]:
    names = tuple(unquoted(name) for name in split_list(text))
    return names[0] if len(names) == 1 and "*" in text else names
