"""Files that are never half-written: written aside, flushed to disk, then renamed."""

import os
import tempfile
from pathlib import Path

from .errors import InputError


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Writes `content` to `path` so that a crash at any moment leaves the old file or the new one, never a part.

    Raises `InputError` where the folder does not exist or cannot be written to, or `path` is itself a folder.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} into; make it first.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    try:
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(
            f"The folder {path.parent} cannot be written to ({error.strerror}); choose another one for {path.name}."
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
