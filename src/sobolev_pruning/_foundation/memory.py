"""How much memory is at hand, so that what a file asks for is refused before it is taken."""

import os
from pathlib import Path

from .errors import InputError

UNKNOWN = 4 * 2**30
"""Taken to be at hand where the machine does not tell."""


def memory_at_hand() -> int:
    """Bytes that this process may still take: what the machine has free, within the limits set for the process."""
    found = [_machine(), _control_group(), _address_space()]
    return max(0, min((bytes_left for bytes_left in found if bytes_left is not None), default=UNKNOWN))


def expect_room(path: Path, needed: int) -> None:
    """Raises `InputError` where reading `path` takes `needed` bytes and so many are not at hand."""
    at_hand = memory_at_hand()
    if needed > at_hand:
        raise InputError(
            f"Reading {path} takes about {in_words(needed)} of memory, and {in_words(at_hand)} are at hand; read it on "
            "a larger machine, or give a part of it."
        )


def in_words(n_bytes: int) -> str:
    """A number of bytes for a sentence.

    >>> in_words(3 * 2**30), in_words(1500)
    ('3.0 GiB', '1.5 KiB')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if n_bytes >= 2 ** (10 * power):
            return f"{n_bytes / 2 ** (10 * power):,.1f} {unit}"
    return f"{n_bytes} bytes"


def _machine() -> int | None:
    fields = _fields(Path("/proc/meminfo"))
    if "MemAvailable" in fields:
        return fields["MemAvailable"]
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return None


def _control_group() -> int | None:
    """What the limit of a container leaves; None without one."""
    try:
        folder = Path("/sys/fs/cgroup")
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None


def _address_space() -> int | None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _fields(Path("/proc/self/status")).get("VmSize")
    return None if limit == resource.RLIM_INFINITY or taken is None else limit - taken


def _fields(path: Path) -> dict[str, int]:
    """The lines `Name: number kB` of a file of the kernel, in bytes."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}
