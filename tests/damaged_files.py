"""Damaged files for every loader of data, read in a process of its own whose memory is limited; see `main`."""

import io
import json
import os
import resource
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import jax
import numpy as np
import pyarrow
import pyarrow.parquet

from black_boxes import noisy_with_gradient
from sobolev_pruning import InputError, Samples
from sobolev_pruning.running import read_as, read_config
from sobolev_pruning.sampling import read_inputs, read_samples, write_samples
from sobolev_pruning.sampling.kept_results import KeptResults
from sobolev_pruning.studying import StudyConfig
from sobolev_pruning.studying.cells import cells_of
from sobolev_pruning.studying.directory import StudyDirectory

MOST_BYTES = 2 * 2**30
N, D, K = 30, 2, 2
EXAMPLES = Path(__file__).parent.parent / "examples"
SECRET = 987654.25
"""Stands in a file that others name as their own."""


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three bytes or bits changed, taken out or doubled, or the file cut short."""
    if rng.integers(8) == 0:
        return content[: int(rng.integers(len(content)))]
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(max(1, len(damaged))))
        length = int(rng.integers(1, 20))
        match rng.integers(8):
            case 0 | 5:
                damaged[place : place + 1] = rng.bytes(1)
            case 1:
                del damaged[place : place + length]
            case 2:
                damaged[place:place] = damaged[place : place + length]
            case 3 | 6 | 7:
                damaged[place : place + 1] = bytes([damaged[place] ^ 1 << int(rng.integers(8))]) if damaged else b"\0"
            case _:
                damaged[place : place + 8] = int(rng.choice([2**31 - 1, 2**40, 2**63 - 1, 0])).to_bytes(8, "little")
    return bytes(damaged)


def mutated_inside(content: bytes, rng: np.random.Generator) -> bytes:
    """An NPZ file with one array damaged and every checksum right, or damaged as any other file."""
    if rng.integers(3) == 0:
        return mutated(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    chosen = list(members)[int(rng.integers(len(members)))]
    header, numbers = members[chosen][:128], members[chosen][128:]
    members[chosen] = mutated(header, rng) + numbers if rng.integers(2) else header + mutated(numbers, rng)
    damaged = io.BytesIO()
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, written in members.items():
            archive.writestr(member, written)
    return damaged.getvalue()


def table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, D))
    return {"x": x, "y": x @ rng.normal(size=(D, K)), "dydx": rng.normal(size=(N, K, D))}


def samples_read(path: Path, check: bool = True) -> None:
    """Reads the file as a user does; its numbers are its own."""
    for read in (lambda: read_samples(path, y=["y0", "y1"]).samples, lambda: read_inputs(path)):
        arrays = jax.tree.leaves(vars(found)) if hasattr(found := read(), "x") else [found]
        assert not any(SECRET in np.asarray(array) for array in arrays), "a foreign file was read"


def csv_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    arrays = table()
    columns = {f"x{i}": arrays["x"][:, i] for i in range(D)} | {f"y{j}": arrays["y"][:, j] for j in range(K)}
    rows = [[f'"{number!r}"' for number in row] for row in np.column_stack([*columns.values()]).tolist()]
    lines = [";".join(row) for row in [list(columns), *rows]]
    (folder / "quoted.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    write_samples(Samples(**arrays), folder / "plain.csv")
    return dict.fromkeys(["quoted.csv", "plain.csv"], samples_read)


def npz_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    arrays = table() | {"day": np.array(["Monday"] * N), "when": np.full(N, np.datetime64("2024-05-01"))}
    np.savez(folder / "plain.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **(arrays | {"x": np.asfortranarray(arrays["x"])}))
    return dict.fromkeys(["plain.npz", "packed.npz"], samples_read)


def hdf5_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    arrays = table()
    secret = folder / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["y"] = np.full((N, K), SECRET)
    (folder / "secret.bin").write_bytes(np.full((N, K), SECRET).tobytes())
    packed = {"chunks": True, "compression": "gzip", "shuffle": True}
    for name, packing in {"plain.h5": {}, "packed.h5": packed}.items():
        with h5py.File(folder / name, "w", libver="earliest" if packing else "latest") as file:
            for array in arrays:
                file.create_dataset(array, data=arrays[array], **packing)
            file["notes/day"] = np.array(["Monday"] * N, dtype=object)
            file["scale"] = 1.0
    with h5py.File(folder / "external.h5", "w") as file:
        file["x"] = arrays["x"]
        file.create_dataset("y", (N, K), "f8", external=[(str(folder / "secret.bin"), 0, 8 * N * K)])
    with h5py.File(folder / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((N, K), "f8")
        layout[:] = h5py.VirtualSource(secret, "y", (N, K))
        file["x"] = arrays["x"]
        file.create_virtual_dataset("y", layout)
    with h5py.File(folder / "linked.h5", "w") as file:
        file["x"], file["y0"] = arrays["x"], arrays["y"][:, 0]
        file["y"] = h5py.ExternalLink(str(secret), "y")
    return dict.fromkeys(["plain.h5", "packed.h5", "external.h5", "virtual.h5", "linked.h5"], samples_read)


def parquet_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    arrays = table()
    columns = {f"x{i}": arrays["x"][:, i] for i in range(D)} | {f"y{j}": arrays["y"][:, j] for j in range(K)}
    columns |= {"day": ["Monday"] * N, "dy0/dx0": [None, *arrays["dydx"][1:, 0, 0].tolist()]}
    for name, packing in {"plain.parquet": "none", "snappy.parquet": "snappy", "packed.parquet": "zstd"}.items():
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / name, compression=packing)
    return dict.fromkeys(["plain.parquet", "snappy.parquet", "packed.parquet"], samples_read)


def toml_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    readers = {"gaussian_basket.toml": read_config, "study_basket.toml": lambda path: read_as(StudyConfig, path)}
    for name in readers:
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    return readers


def results_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    points = table()["x"]
    run = (noisy_with_gradient, points, 3, "own")
    expected = {row: noisy_with_gradient(x, row) for row, x in enumerate(points)}
    kept = KeptResults(folder / "kept.results", *run)
    for row, result in expected.items():
        kept.add(row, *result)
    kept.close()

    def read(path: Path) -> None:
        found = KeptResults(path, *run)
        found.close()
        for row, result in found.found.items():
            np.testing.assert_array_equal(result[0], expected[row][0])
            np.testing.assert_array_equal(result[1], expected[row][1])
        if len(found.found) < len(expected) and not found.n_damaged:
            raise InputError("cut short between two lines")

    return {"kept.results": read}


def cells_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    config = read_as(StudyConfig, EXAMPLES / "study_basket.toml")
    (folder / "study").mkdir()
    directory = StudyDirectory(folder / "study", config, resume=False)
    cell = cells_of(config)[0]
    found = {"widths": [2, 3, 1], "errors": {"value": 0.1, "gamma": None}, "seconds": 1.5, "fault": None}
    network = {"layers.0.weight": np.arange(6.0).reshape(2, 3)}, {"widths": [3, 2], "activation": "silu"}
    directory.keep_cell(cell, found)
    directory.keep_oversized(0, network, found)
    kept_cell, kept_oversized = (directory.path / "cells", directory.path / "oversized")
    names = {"cell.json": next(kept_cell.iterdir()), "oversized.safetensors": next(kept_oversized.iterdir())}

    def read(path: Path) -> None:
        names[path.name].write_bytes(path.read_bytes())
        if path.name == "cell.json":
            back = directory.cell(cell)
            assert back in (None, found)
        else:
            back = directory.oversized(0)
            assert back is None or (back[1] == found and back[0][1] == network[1])
            assert back is None or np.array_equal(back[0][0]["layers.0.weight"], network[0]["layers.0.weight"])
        if back is None:
            raise InputError(directory.damaged.pop())

    for name, place in names.items():
        (folder / name).write_bytes(place.read_bytes())
    return dict.fromkeys(names, read)


KINDS = {
    "csv": csv_files,
    "npz": npz_files,
    "hdf5": hdf5_files,
    "parquet": parquet_files,
    "toml": toml_files,
    "results": results_files,
    "cells": cells_files,
}


def survive(kind: str, folder: Path, count: int, seed: int) -> dict[str, int]:
    """Reads `count` damaged files; counts those that were read and those that were refused in one sentence."""
    rng = np.random.default_rng(seed)
    readers = KINDS[kind](folder)
    for name, read in readers.items():  # undamaged ones are read, or refused for what they ask
        if name not in ("external.h5", "virtual.h5", "linked.h5"):
            read(folder / name)
    originals = {name: (folder / name).read_bytes() for name in readers}
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        name = list(readers)[number % len(readers)]
        damage = mutated_inside if kind == "npz" else mutated
        (folder / name).write_bytes(damage(originals[name], rng))
        try:
            readers[name](folder / name)
            outcomes["read"] += 1
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1500, str(error)
            outcomes["refused"] += 1
        except BaseException:
            (folder / name).rename(folder / f"failed_{number}_{name}")
            print(f"failed: {folder}/failed_{number}_{name}", file=sys.stderr)
            raise
    return outcomes


def limit_memory() -> None:
    lines = Path("/proc/self/status").read_text().splitlines()
    taken = next(int(line.split()[1]) for line in lines if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (1024 * taken + MOST_BYTES,) * 2)


def watch_opened_files(folder: Path) -> None:
    """Ends the process where Python opens a file for data that is not in `folder`."""
    allowed = [str(folder), str(EXAMPLES), sys.prefix, sys.base_prefix, "/proc/", "/sys/fs/cgroup", "/dev/"]
    allowed += [str(Path(__file__).parent.parent)]

    def look(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            name = os.path.abspath(os.fsdecode(arguments[0]))
            if not name.startswith(tuple(allowed)):
                print(f"a foreign file was opened: {name}", file=sys.stderr)
                os._exit(3)

    sys.addaudithook(look)


def main(folder: str, count: str, seed: str, *kinds: str) -> None:
    """Prints what became of `count` damaged files of each of `kinds`, and the largest memory in bytes, as JSON."""
    jax.config.update("jax_enable_x64", True)
    jax.numpy.zeros(1)  # looks at the machine
    outcomes = {}
    for kind in kinds:
        inside = Path(folder) / kind
        inside.mkdir()
        KINDS[kind](inside)  # imports what is imported late
    limit_memory()
    watch_opened_files(Path(folder))
    for kind in kinds:
        again = Path(folder) / f"{kind}-damaged"
        again.mkdir()
        outcomes[kind] = survive(kind, again, int(count), int(seed))
    print(json.dumps({"outcomes": outcomes, "bytes": largest_memory()}))


def largest_memory() -> int:
    """The most bytes that this program held; `ru_maxrss` counts those of the process that started it, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
