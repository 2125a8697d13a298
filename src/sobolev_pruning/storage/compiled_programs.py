"""Programs that commands compiled, kept in the user's cache folder, so that the next command need not compile them.

JAX names an entry by the program, all compile options, `XLA_FLAGS`, the versions of jaxlib and of the device; here the
features of the processor are added, since a home folder may be seen by several machines. So an enclosure compiled by
other flags is never taken for one of ours.

What is loaded is executed, so the folder is the user's alone: it is refused unless it belongs to the user and nobody
else may read or write it, and it is opened once, so that nobody can put another in its place afterwards.
"""

import contextlib
import hashlib
import os
import platform
import secrets
import stat
from functools import cache
from pathlib import Path

import jax
from jax._src import compilation_cache

from .._foundation.files import ASIDE

MOST_BYTES = 512 * 2**20
"""Beyond this the programs that were not used for longest are deleted, down to half of it."""

_OPEN_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN_ENTRY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def keep_compiled_programs() -> None:
    """Lets JAX look for compiled programs in the user's cache folder, and leave there what it compiles.

    The folder is `sobolev-pruning/programs` in `$XDG_CACHE_HOME`, by default in `~/.cache`. JAX's own
    `JAX_ENABLE_COMPILATION_CACHE=0` switches it off, and a user's `JAX_COMPILATION_CACHE_DIR` is left as it is. Where
    the folder cannot be made, or is not the user's alone, programs are compiled as ever, without a word.
    """
    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return
    if not (hasattr(os, "geteuid") and os.open in os.supports_dir_fd):
        return
    with contextlib.suppress(OSError, RuntimeError):  # no home folder is a RuntimeError
        path = cache_folder()
        programs = CompiledPrograms(path)
        compilation_cache.get_file_cache = lambda _: (programs, str(path))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        jax.config.update("jax_compilation_cache_dir", str(path))


def compiled_programs_are_kept() -> bool:
    """Whether `keep_compiled_programs` has been called and JAX follows it: then workers may do so too."""
    with contextlib.suppress(RuntimeError):
        return jax.config.jax_compilation_cache_dir == str(cache_folder())
    return False


def cache_folder() -> Path:
    """Where compiled programs are kept, by the rules of the XDG base directories: relative paths do not count."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "sobolev-pruning" / "programs"


class CompiledPrograms:
    """A folder of compiled programs, as JAX's compilation cache asks for one: `get` and `put` by a key.

    An entry is the digest of key and content, then the content. It is written aside and renamed, so several processes
    may write at once, and one killed while writing leaves no half. One that is damaged is deleted and counts as none;
    a full disk or a folder that takes nothing more is no fault.

    Raises `OSError` where the folder cannot be made or is not the user's alone.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        self._path = str(path)
        self._folder = os.open(path, os.O_RDONLY | _OPEN_FOLDER)
        status = os.fstat(self._folder)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            os.close(self._folder)
            raise PermissionError(f"{path} is not this user's alone")
        self._make_room()

    def get(self, key: str) -> bytes | None:
        """What was put under this key, or None."""
        name = _name(key)
        try:
            with self._open(name, os.O_RDONLY | _OPEN_ENTRY) as file:
                digest, content = file.read(32), file.read()
            if digest == _digest(key, content):
                os.utime(name, dir_fd=self._folder)
                return content
        except FileNotFoundError:
            return None
        except OSError:
            pass
        self._delete(name)
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keeps `value` under this key."""
        aside = f"{secrets.token_hex(16)}{ASIDE}"
        try:
            with self._open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_ENTRY) as file:
                file.write(_digest(key, value) + value)
            os.replace(aside, _name(key), src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            self._delete(aside)

    def _open(self, name: str, flags: int):
        return open(os.open(name, flags, mode=0o600, dir_fd=self._folder), "wb" if flags & os.O_WRONLY else "rb")

    def _delete(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def _make_room(self) -> None:
        entries = []
        with os.scandir(self._folder) as listing:
            for entry in listing:
                with contextlib.suppress(OSError):  # another process deleted it meanwhile
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime, status.st_size, entry.name))
        total = sum(size for _, size, _ in entries)
        if total <= MOST_BYTES:
            return
        for _, size, name in sorted(entries):
            if total <= MOST_BYTES / 2:
                break
            self._delete(name)
            total -= size


def _name(key: str) -> str:
    return hashlib.sha256(f"{key}\n{_processor()}".encode()).hexdigest()


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\n" + content).digest()


@cache
def _processor() -> str:
    """What this processor is and can do."""
    described: set[str] = set()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        described = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(described)])
