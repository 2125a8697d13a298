"""The directory of a run: it belongs to one configuration, and holds files that are complete or not there."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from .._foundation.errors import InputError
from .._foundation.files import ASIDE, write_atomically
from .._foundation.untrusted_file import shortened
from .._foundation.versions import versions_line, with_versions
from ..storage.locks import sole_writer
from .config import RunConfig, SearchConfig
from .config_file import to_toml
from .source_config import LibraryConfig
from .sources import AbstractSource

Config = TypeVar("Config", bound=BaseModel)

CHECKPOINTS = "checkpoints"
"""The folder of a directory that stages are kept in."""

GOALS = {"tolerance", "max_parameters"}
"""Keys of `[search]` that say what it is for."""

_VERSIONS = "# Made with "
_OWN = "# Source of the user's own: "
"""How the first line of a `config.toml` starts."""


def free_directory(name: str, seed: int, resume: bool) -> Path:
    """`runs/NAME-SEED`, or the next free one, `runs/NAME-SEED-2` and so on; to `resume` the last one there is."""
    first = Path("runs") / f"{name}-{seed}"
    place, number = first, 1
    while _is_taken(place):
        last, number = place, number + 1
        place = first.with_name(f"{first.name}-{number}")
    return last if resume and number > 1 else place


def _is_taken(place: Path) -> bool:
    return place.is_file() or (place.is_dir() and any(not entry.name.startswith(".") for entry in place.iterdir()))


@contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Makes the directory `path`, and keeps other processes from writing into it inside the context.

    Raises `InputError` where another one does so already, or nothing can be written.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give a directory with --out.")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{shortened(str(path))} cannot be written ({error.strerror}); give another --out.") from None
    with sole_writer(path / ".lock", f"the directory {path}"):
        yield


def claim_run_directory(path: Path, config: RunConfig, source: AbstractSource, resume: bool) -> str:
    """Makes `path` the directory of the run that `config` describes, and gives a digest of its source and the versions;
    see `claim_directory`. To resume it with other samples, other minutes and another goal is to go on with it.
    """
    # The name of a function does not tell when its code changes, nor that of a file when its rows do.
    own = None if isinstance(config.source, LibraryConfig) else source.state()
    claim_directory(path, config, resume, own, _may_go_on_as)
    return with_versions(str(own))


def _may_go_on_as(before: str, config: RunConfig) -> bool:
    """Whether the run of the `config.toml` with the text `before` is that of `config` but for what may change."""
    try:
        former = RunConfig.model_validate(tomllib.loads(before))
    except ValueError:
        return False
    return lasting(former) == lasting(config)


def lasting(config: RunConfig) -> dict:
    """What of `config` may not change when a run goes on: all but samples, minutes, and what a search is for."""
    table = config.model_dump(mode="json", exclude={"samples", "minutes"})
    if not config.pruning:
        table["search"] = (config.search or SearchConfig()).model_dump(mode="json", exclude=GOALS)
    return table


def trained_by(config: RunConfig) -> str:
    """What of `config` the stages before a search depend on: all but the minutes and what is searched for."""
    search = config.search and config.search.model_copy(update=dict.fromkeys(GOALS))
    return to_toml(config.model_copy(update={"minutes": 1.0, "search": search}))


def claim_directory(
    path: Path,
    config: Config,
    resume: bool,
    own: str | None = None,
    may_go_on_as: Callable[[str, Config], bool] = lambda before, config: False,
) -> str:
    """Makes `path`, locked, the directory of what `config` describes; gives a digest of that and of the versions.

    `own` is a digest of a model of the user's own; `may_go_on_as` tells of the text of a `config.toml` whether what it
    describes may go on as `config`.

    Raises `InputError` where it holds something else, or this already and `resume` is not asked for.
    """
    head = [f"{_VERSIONS}{versions_line()}."] + ([] if own is None else [f"{_OWN}{own}"])
    resolved = "\n".join([*head, to_toml(config)])
    # A name with a dot in front is the lock, or a file that a killed process was writing aside.
    if any(not entry.name.startswith(".") for entry in path.iterdir()):
        if not resume:
            raise InputError(f"{path} is not empty; add --resume to go on with the run in it, or give another --out.")
        before = _text(path / "config.toml")
        if may_go_on_as(before, config):
            before = "\n".join([*before.splitlines()[: len(head)], to_toml(config)])
        _check_same(path / "config.toml", before, resolved)
        for left in path.rglob(f".*{ASIDE}"):
            left.unlink(missing_ok=True)
    write_atomically(path / "config.toml", resolved)
    return with_versions(resolved)


def _text(file: Path) -> str:
    if not file.exists():
        raise InputError(f"{file.parent} holds no config.toml, so there is no run to resume; give another --out.")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{file} is damaged, so that nobody can tell which run it belongs to; restore it, or give another --out."
        ) from None


def _check_same(file: Path, before: str, resolved: str) -> None:
    """Refuses to resume a run with another configuration, naming the first line of the file that differs."""
    lines, now = before.splitlines(), resolved.splitlines()
    for number, (old, new) in enumerate(zip(lines, now), start=1):
        if old != new and old.startswith(_VERSIONS):
            raise InputError(
                f"{file.parent} was started with {old.removeprefix(_VERSIONS).rstrip('.')}, now there is "
                f"{new.removeprefix(_VERSIONS).rstrip('.')}, whose figures differ in their last digits; install the "
                "former to go on, or give another --out."
            )
        if old != new and old.startswith(_OWN) and new.startswith(_OWN):
            raise InputError(
                f"{file.parent} was started with another source: the code of a function, or the content of a file, has "
                "changed; go back to the former, or give another --out."
            )
        if old != new:
            raise InputError(
                f"{file}, line {number}: the run was started with `{shortened(old)}`, the configuration now says "
                f"`{shortened(new)}`; "
                "resume with the same configuration, or give another --out."
            )
    if len(lines) != len(now):
        raise InputError(f"{file} differs from the configuration given; resume with the same, or give another --out.")
