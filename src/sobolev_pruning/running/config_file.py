"""Reading and writing a configuration as TOML, with every fault named by its place in the file."""

import difflib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import TypeVar, get_origin

import tomli_w
from pydantic import BaseModel, ValidationError

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .._foundation.memory import in_words
from .._foundation.untrusted_file import shortened
from .config import RunConfig
from .source_config import KINDS

Config = TypeVar("Config", bound=BaseModel)

LARGEST = 2**20
"""Bytes of a configuration; those that people write have some thousand."""

MOST_PARTS = 50
"""Of a dotted key; four are the most that mean anything."""

_PART = r"(?:(?<![\w-])[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_DEEP_KEY = re.compile(rf"(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}")


def read_config(path: str | Path, **overrides) -> RunConfig:
    """Reads and checks the configuration of a run in `path`; see `read_as`."""
    return read_as(RunConfig, path, **overrides)


def read_as(model: type[Config], path: str | Path, **overrides) -> Config:
    """Reads `path` as what `model` describes; `overrides` that are not None replace its top-level keys.

    Raises `InputError` naming file, line, key, and what is allowed there.
    """
    path = Path(path)
    text = _text(path)
    given = _parsed(path, text)
    given |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InputError(_sentence(error, model, path, text)) from None


def config_of(model: type[Config], given: dict, where: str = "The command") -> Config:
    """What `model` makes of the tables `given`; raises `InputError`, as said by `where`, for what it refuses."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InputError(_sentence(error, model, where, "")) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:  # a ValueError: no UTF-8, or a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        reason = "no file can have that name" if "\0" in str(path) else reason
        raise InputError(
            f"{shortened(str(path))} cannot be read ({reason}); give the path of a TOML configuration."
        ) from None
    if len(content) > LARGEST:
        raise InputError(f"{path} is larger than {in_words(LARGEST)}; give the path of a TOML configuration.")
    return text.replace("\r\n", "\n")


def _parsed(path: Path, text: str) -> dict:
    # The parser takes time that grows with the square of the parts of a key, and calls itself for each bracket.
    if _DEEP_KEY.search(text):
        raise InputError(f"{path} has a key of more than {MOST_PARTS} parts, and no key has so many; correct it.")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{path} has brackets within brackets without end; correct it.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {shortened(str(error))}.") from None
    except ValueError:  # Python reads no integers of more than some thousand digits
        raise InputError(f"{path} has a number of thousands of digits; correct it.") from None


def to_toml(config: BaseModel) -> str:
    """The configuration as resolved, every default written out (what is switched off has no key)."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def _sentence(error: ValidationError, model: type[BaseModel], path: Path | str, text: str) -> str:
    """The first fault in one sentence, and how many more there are."""
    faults = error.errors()
    fault = faults[0]
    place = [part for part in fault["loc"] if not _is_union_tag(part, fault)]
    key = ".".join(str(part) for part in place) or "the configuration"
    line = _line_of(place, text)
    where = f"{path}, line {line}" if line else str(path)
    more = f" ({len(faults) - 1} more to correct after it)" if len(faults) > 1 else ""
    return f"{where}: {_explain(key, place, fault, model)}{more}."


def _is_union_tag(part, fault) -> bool:
    # pydantic puts the chosen member of a union into the place; it is no key of the file.
    return part in ("adam", "lbfgs", "levenberg-marquardt") or (part in KINDS and fault["loc"][0] == "source")


def _explain(key: str, place: list, fault: dict, model: type[BaseModel]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        if place == ["reference"]:
            return "the table [reference] is called [source] now"
        known = _known_keys(model, place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else "allowed here"
        return f"{shortened(key)} is not a known key; {hint} ({', '.join(known)})"
    if kind == "missing":
        return f"{key} is missing; add it"
    if kind == "value_error":
        return str(context["error"])
    value = fault["input"]
    shown = f"{key} is {_in_words(value)}" if not isinstance(value, dict) else key
    if kind == "literal_error":
        return f"{shown}; allowed are {context['expected']}"
    if kind == "union_tag_invalid":
        return f"{key}.kind is {shortened(repr(context['tag']))}; allowed are {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f'{key} has no kind; choose "adam", "lbfgs" or "levenberg-marquardt"'
    return f"{shown}; {fault['msg'].replace('Input should', 'it must').replace('String should', 'it must')}"


def _in_words(value) -> str:
    try:
        return shortened(repr(value))
    except ValueError:  # Python prints no integers of more than some thousand digits
        return "a number of thousands of digits"


def _known_keys(model: type[BaseModel] | None, place: list) -> list[str]:
    """The keys of the table at `place` in the file that `model` describes."""
    keys = list(model.model_fields)
    is_name = False
    for part in place:
        if isinstance(part, int) or is_name:  # an entry of a list, or a table that the user names
            is_name = False
            continue
        found = model.model_fields.get(part) if model else None
        is_name = found is not None and get_origin(found.annotation) is dict
        candidates = _models_in(found.annotation) if found else []
        keys = sorted({name for candidate in candidates for name in candidate.model_fields})
        model = candidates[0] if len(candidates) == 1 else None
    return keys


def _models_in(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _line_of(place: list, text: str) -> int | None:
    """The line that sets the key at `place`, or else the header of the closest table around it."""
    wanted = [str(part) for part in place if not isinstance(part, int)]
    table: list[str] = []
    closest, depth = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        key, equals, _ = line.partition("=")
        if line.startswith("["):
            table = _parts(line.strip("[").partition("]")[0])
            here = table
        elif equals:
            here = table + _parts(key)
        else:
            continue
        if here == wanted[: len(here)] and len(here) > depth:
            closest, depth = number, len(here)
    return closest


def _parts(key: str) -> list[str]:
    return [part.strip(" \t\"'") for part in key.split(".")]


def write_example_config(path: str | Path) -> None:
    """Writes a commented example configuration to `path`, which must not exist yet."""
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} exists already; give another name.")
    example = resources.files(__package__).joinpath("example.toml").read_text(encoding="utf-8")
    write_atomically(path, example)
