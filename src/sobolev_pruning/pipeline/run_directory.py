"""The directory of a run: it belongs to one configuration, and holds files that are complete or not there."""

import hashlib
from pathlib import Path

from pydantic import BaseModel

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .._foundation.untrusted_file import shortened
from .config import RunConfig
from .config_file import to_toml
from .stage_store import StageStore


def open_run_directory(path: Path, config: RunConfig, resume: bool) -> StageStore:
    """Makes `path` the directory of the run that `config` describes, and gives the store of its stages."""
    return StageStore(path / "checkpoints", claim_directory(path, config, resume))


def claim_directory(path: Path, config: BaseModel, resume: bool) -> str:
    """Makes `path` the directory of what `config` describes; gives a digest of it.

    Raises `InputError` where it holds something else, or this already and `resume` is not asked for.
    """
    resolved = to_toml(config)
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give a directory with --out.")
        # A name with a dot in front is a file that a killed process was writing aside.
        if path.is_dir() and any(not entry.name.startswith(".") for entry in path.iterdir()):
            if not resume:
                raise InputError(
                    f"{path} is not empty; add --resume to go on with the run in it, or give another --out."
                )
            _check_same(path / "config.toml", resolved)
        path.mkdir(parents=True, exist_ok=True)
        write_atomically(path / "config.toml", resolved)
    except OSError as error:
        raise InputError(f"{shortened(str(path))} cannot be written ({error.strerror}); give another --out.") from None
    return hashlib.sha256(resolved.encode()).hexdigest()


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
        if old != new:
            raise InputError(
                f"{file}, line {number}: the run was started with `{shortened(old)}`, the configuration now says "
                f"`{shortened(new)}`; "
                "resume with the same configuration, or give another --out."
            )
    if len(before) != len(now):
        raise InputError(f"{file} differs from the configuration given; resume with the same, or give another --out.")
