"""The configuration that a plan makes, written for people: every choice with its reason behind it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from .builders import key_for
from .config import RunConfig
from .config_file import to_toml
from .plan import decide, pilot
from .records import Decision
from .sources import Workers, opened

_HEAD = """\
# What `sobolev-pruning run` would do with this source, every choice written out. Edit it, and run it with:
#     sobolev-pruning run {name}
# What is taken out is decided anew.

"""


def write_planned_config(config: RunConfig, path: Path, workers: Workers) -> None:
    """Plans the run of `config` and writes the plan to `path`, which must not exist yet.

    A simulator is called for that, as for the pilot of a run.
    """
    if path.exists():
        raise InputError(f"{path} exists already; give another name.")
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(config.source, config.seed, key_for(config, "source"), workers) as source,
    ):
        source.prepare(Path(folder))
        source = source.quiet()
        planned, decisions = decide(config, source, pilot(config, source, source.seconds_per_sample))
    write_atomically(path, _HEAD.format(name=path) + commented(to_toml(planned), decisions))


def commented(toml: str, decisions: Sequence[Decision]) -> str:
    """`toml` with the reason of each decision behind its key, or behind the header of its table.

    >>> print(commented("samples = 9\\n[search]\\n", [Decision("Samples", "9", "all there are", "samples")]))
    samples = 9  # all there are
    [search]
    """
    reasons = {decision.key: decision.why for decision in decisions}
    lines, table = [], ""
    for line in toml.splitlines():
        if line.startswith("["):
            table = line.strip("[]")
            key = table
        else:
            key = ".".join(part for part in (table, line.partition("=")[0].strip()) if part)
        reason = reasons.get(key)
        lines.append(line if reason is None or not line.strip() else f"{line}  # {reason}")
    return "\n".join(lines)
