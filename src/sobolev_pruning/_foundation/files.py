"""Files that are never half-written: written aside, flushed to disk, then renamed."""

import contextlib
import os
import tempfile
from pathlib import Path

from .ending import tidied
from .errors import InputError

ASIDE = ".aside"
"""How the name of a file ends that is being written aside; one that lies about was left by a kill."""


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Writes `content` to `path` so that a crash at any moment leaves the old file or the new one, never a part.

    A link is followed; what is no regular file (a device, a pipe) is written into. Raises `InputError` where the folder
    does not exist or cannot be written to, `path` is itself a folder, or the disk takes no more.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    expect_place(path)
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); make room or give leave there, or choose another place."
        ) from None


def write_result(path: str | Path, content: bytes | str) -> None:
    """As `write_atomically`, for what took long to compute: where `path` takes it not, it is left among the system's
    temporary files, and the `InputError` says where.
    """
    try:
        write_atomically(path, content)
    except InputError as fault:
        folder = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="sobolev-pruning-"))
            write_atomically(folder / Path(path).name, content)
        except (OSError, InputError):
            if folder is not None:
                folder.rmdir()
            raise fault from None
        raise InputError(f"{fault} What was to be in it is in {folder / Path(path).name} instead.") from None


def expect_place(path: str | Path) -> None:
    """Raises `InputError` where `path` is no place for a file, before any work is done for it."""
    path = Path(path)
    try:
        if "\0" in str(path):
            raise ValueError("a NUL in it")
        folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
        there, is_special = folder.is_dir(), path.exists() and not path.is_file()
    except (OSError, ValueError) as error:  # too long, say
        raise InputError(f"{str(path)[:80]!r} cannot be the name of a file ({error}); give another one.") from None
    if not there:
        raise InputError(f"There is no folder {folder} to write {path.name} into; make it first.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    if not os.access(path if is_special else folder, os.W_OK):
        what = f"{path}" if is_special else f"The folder {folder}"
        raise InputError(f"{what} cannot be written to; choose another place for {path.name}.")


def _replace(path: Path, data: bytes) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=ASIDE)
    aside = Path(aside)
    with tidied(lambda: aside.unlink(missing_ok=True)):
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(aside, 0o666 & ~_umask())
            os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    _synchronise(path.parent)


def _synchronise(folder: Path) -> None:
    """Puts the new name on the disk too, where the system can: a file without it is lost with the power."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
