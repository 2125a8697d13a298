"""The directory of a run: it belongs to one configuration, and holds files that are complete or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from .._foundation.errors import InputError
from .._foundation.files import ASIDE, write_atomically
from .._foundation.untrusted_file import shortened
from .._foundation.versions import versions_line, with_versions
from ..storage.locks import sole_writer
from .config import RunConfig
from .config_file import to_toml
from .source_config import LibraryConfig
from .sources import AbstractSource

CHECKPOINTS = "checkpoints"
"""The folder of a directory that stages are kept in."""

_VERSIONS = "# Made with "
_OWN = "# Source of the user's own: "
"""How the first line of a `config.toml` starts."""


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
    """Makes `path` the directory of the run that `config` describes; see `claim_directory`."""
    # The name of a function does not tell when its code changes, nor that of a file when its rows do.
    own = None if isinstance(config.source, LibraryConfig) else source.state()
    return claim_directory(path, config, resume, own)


def claim_directory(path: Path, config: BaseModel, resume: bool, own: str | None = None) -> str:
    """Makes `path`, locked, the directory of what `config` describes; gives a digest of that and of the versions.

    `own` is a digest of a model of the user's own.

    Raises `InputError` where it holds something else, or this already and `resume` is not asked for.
    """
    head = [f"{_VERSIONS}{versions_line()}."] + ([] if own is None else [f"{_OWN}{own}"])
    resolved = "\n".join([*head, to_toml(config)])
    # A name with a dot in front is the lock, or a file that a killed process was writing aside.
    if any(not entry.name.startswith(".") for entry in path.iterdir()):
        if not resume:
            raise InputError(f"{path} is not empty; add --resume to go on with the run in it, or give another --out.")
        _check_same(path / "config.toml", resolved)
        for left in path.rglob(f".*{ASIDE}"):
            left.unlink(missing_ok=True)
    write_atomically(path / "config.toml", resolved)
    return with_versions(resolved)


def _check_same(file: Path, resolved: str) -> None:
    """Refuses to resume a run with another configuration, naming the first line that differs."""
    if not file.exists():
        raise InputError(f"{file.parent} holds no config.toml, so there is no run to resume; give another --out.")
    try:
        before = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{file} is damaged, so that nobody can tell which run it belongs to; restore it, or give another --out."
        ) from None
    now = resolved.splitlines()
    for number, (old, new) in enumerate(zip(before, now), start=1):
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
    if len(before) != len(now):
        raise InputError(f"{file} differs from the configuration given; resume with the same, or give another --out.")
