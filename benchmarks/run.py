"""Runs the benchmarks one after another, each in a process of its own; `make bench` calls this.

python benchmarks/run.py                  all of them
python benchmarks/run.py training_speed   those named
"""

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

FOLDER = Path(__file__).parent
NOT_BENCHMARKS = {"run", "figures", "models", "rounding_margins", "extended_precision"}
"""This file, what has a `make` target of its own (accuracy; rounding, which takes an hour), and a helper."""


def main() -> int:
    """Gives 1 where a benchmark failed, 2 where a name is unknown."""
    console = Console()
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    chosen = sys.argv[1:] or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        Console(stderr=True).print(f"There is no benchmark {unknown[0]}; choose among {', '.join(known)}.")
        return 2
    failed = []
    for name in chosen:
        console.rule(name)
        start = time.perf_counter()
        if subprocess.run([sys.executable, FOLDER / f"{name}.py"]).returncode:
            failed.append(name)
        console.print(f"{name}: {time.perf_counter() - start:.0f} s\n")
    if failed:
        Console(stderr=True).print(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
