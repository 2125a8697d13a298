"""Every command on small files, cold and warm: without compiled programs, and with those of a call before.

python benchmarks/starting_up.py [--commands certify compare]

Times are wall clock of whole processes, the least of two warm calls; the target is 3 s for what computes less than one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp

TARGET = 3.0

BOX = ["--box", "0.9:1.1"]
CLAIMS = "value <= 100; -9 <= gradient <= 9"
COMMANDS = {
    "significance": ["significance", "net.safetensors", *BOX],
    "prune": ["prune", "net.safetensors", "--keep", "4", *BOX, "-o", "small.safetensors"],
    "evaluate": ["evaluate", "net.safetensors", "--data", "samples.npz"],
    "compare": ["compare", "net.safetensors", "small.safetensors", *BOX],
    "certify": ["certify", "net.safetensors", "--claims", CLAIMS, *BOX, "-o", "certificate.json"],
    "check": ["check", "certificate.json", "net.safetensors"],
    "export": ["export", "net.safetensors", "--to", "c", "-o", "net.h"],
    "sample": ["sample", "simulator.py:simulate", "--box", "0:1,0:1", "-n", "64", "-o", "drawn.npz", "--workers", "1"],
    "init": ["init", "-o", "mine.toml"],
}
SIMULATOR = "def simulate(x, seed):\n    return x[0] * x[1] + seed % 3\n"


def seconds(command: str, folder: Path) -> float:
    """Of one call in a process of its own; each command has its own cache folder."""
    (folder / "mine.toml").unlink(missing_ok=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "sobolev_pruning.cli", *COMMANDS[command]],
        cwd=folder,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / f"cache-{command}")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr}")
    return time.perf_counter() - start


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    chosen = parser.parse_args().commands
    basket = sp.reference.GaussianBasket.random(n_assets=3, seed=5)
    samples = basket.sample(jax.random.key(1), 1024)
    network = sp.Surrogate.create([3, 16, 8, 1], samples, key=jax.random.key(0))
    box = sp.Interval([0.9] * 3, [1.1] * 3)
    table = Table("command", "cold", "warm", "ratio", title=f"seconds, target {TARGET:.0f} when warm")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network.save(folder / "net.safetensors")
        sp.prune(network, keep=4, box=box).save(folder / "small.safetensors")
        sp.certify(network, box, claims=[sp.certificates.Range("value")]).save(folder / "certificate.json")
        np.savez(folder / "samples.npz", x=samples.x, y=samples.y, dydx=samples.dydx)
        (folder / "simulator.py").write_text(SIMULATOR)
        for command in chosen:
            cold = seconds(command, folder)
            warm = min(seconds(command, folder) for _ in range(2))
            mark = "" if warm <= TARGET else " (missed)"
            table.add_row(command, f"{cold:.2f}", f"{warm:.2f}{mark}", f"{cold / warm:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
