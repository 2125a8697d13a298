"""Attacks on running commands: killed and interrupted at random moments, a full disk, a second writer.

What `make test-faults` prints: how many attacks each command survived, ending with the bits of an undisturbed run once
it was called again, with nothing left running and no file left aside.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sobolev_pruning._foundation.files import ASIDE
from surrogates import surrogate_of_shape

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")

COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where make runs aside
    "import sobolev_pruning_command as command; sys.argv[0] = 'sobolev-pruning'; command.main()"
)
RUN = """\
name = "small"
samples = 64
[source]
n_assets = 2
[oversized]
hidden = [4, 4]
[oversized.training.optimiser]
kind = "adam"
steps = 200
[[pruning]]
keep = [2, 2]
[finetuning.teacher.training.optimiser]
kind = "levenberg-marquardt"
iterations = 4
"""
STUDY = """\
name = "small"
seeds = [0]
samples = 256
[source]
n_assets = 2
market_seed = 1
[oversized]
hidden = [6, 6]
[oversized.training.optimiser]
kind = "adam"
steps = 100
[finetuning]
samples = 256
optimiser = { kind = "levenberg-marquardt", iterations = 4 }
[default]
size = [2, 3]
[factors]
approach = ["pruning", "scratch"]
"""
SIMULATOR = "import time\n\ndef price(x, seed):\n    time.sleep(0.05)\n    return x[0] ** 2 + seed % 7\n"


@dataclass(frozen=True)
class Attacked:
    """A command, the file whose bits are compared, and what its second call has more than its first."""

    arguments: str
    result: str
    again: str = ""
    attacks: list[str] = field(default_factory=list)


COMMANDS = {
    "run": Attacked("run run.toml --out out", "out/surrogate.safetensors", "--resume"),
    "study": Attacked("study study.toml --out out --workers 1", "out/cells.csv", "--resume"),
    "shrink": Attacked("shrink net.safetensors --box 1:4 --max-parameters 12 -o out.safetensors", "out.safetensors"),
    "sample": Attacked("sample mine:price --box 0:1 -n 60 --workers 2 -o out.csv", "out.csv"),
    "certify": Attacked("certify net.safetensors --box 1:4 --claims value -o out.json", "out.json"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    make_folder(tmp_path)
    return tmp_path


def make_folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    (path / "run.toml").write_text(RUN)
    (path / "study.toml").write_text(STUDY)
    (path / "mine.py").write_text(SIMULATOR)
    surrogate_of_shape([2, 4, 3, 1], "silu", scalar=True).save(path / "net.safetensors")


def start(arguments: str, folder: Path, before: str = "") -> subprocess.Popen:
    """The command in a session of its own, by which what it leaves behind is found; `before` is Python that it runs
    first.
    """
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled")}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-c", before + COMMAND, *arguments.split()]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=os.environ | cache, start_new_session=True, **pipes)


def left_running(session: int) -> list[str]:
    """Processes of the session that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(path.parent.name)
    return found


def gone_within(seconds: float, session: int) -> bool:
    deadline = time.monotonic() + seconds
    while left_running(session) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left_running(session)


def figures(path: Path) -> bytes:
    """Its bytes, but for the column of seconds."""
    content = path.read_bytes()
    if path.name != "cells.csv":
        return content
    rows = [line.split(b",") for line in content.splitlines()]
    seconds = rows[0].index(b"seconds")
    return b"\n".join(b",".join(row[:seconds] + row[seconds + 1 :]) for row in rows)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_within_two_seconds_and_the_next_call_goes_on(folder, number):
    process = start(COMMANDS["sample"].arguments, folder)
    kept = folder / "out.csv.results"
    while not (kept.exists() and kept.read_bytes().count(b"\n") > 5):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    since = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - since < 2.0
    assert process.returncode == 128 + number and errors.startswith("Interrupted; a `run` or a `study` goes on")
    assert gone_within(2.0, process.pid)
    assert not list(folder.rglob(f".*{ASIDE}")) and not (folder / ".out.csv.lock").exists()
    before = kept.read_bytes().count(b"\n")
    assert 5 < before < 60


@pytest.mark.faults
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_survive_attacks_at_random_moments(name, tmp_path, capsys):
    """Twenty moments each, drawn over the time of an undisturbed call: killed, interrupted and terminated in turn."""
    command, moments = COMMANDS[name], random.Random(name)
    make_folder(tmp_path / "whole")
    since = time.monotonic()
    process = start(command.arguments, tmp_path / "whole")
    _, errors = process.communicate(timeout=600)
    took = time.monotonic() - since
    assert process.returncode in (0, 1), errors
    wanted = figures(tmp_path / "whole" / command.result)
    outcomes = {"survived": 0, "same bits": 0, "nothing left": 0, "in time": 0}
    for attack in range(20):
        folder = tmp_path / str(attack)
        make_folder(folder)
        number = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[attack % 3]
        process = start(command.arguments, folder)
        time.sleep(moments.uniform(0.05, 1.0) * took)
        since = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=600)
        outcomes["in time"] += time.monotonic() - since < 2.0
        outcomes["nothing left"] += gone_within(3.0, process.pid)
        begun = (folder / "out" / "config.toml").exists()
        process = start(f"{command.arguments} {command.again if begun else ''}", folder)
        _, errors = process.communicate(timeout=600)
        survived = process.returncode in (0, 1) and "Traceback" not in errors
        outcomes["survived"] += survived
        outcomes["same bits"] += survived and figures(folder / command.result) == wanted
    with capsys.disabled():
        print(f"\n{name:<10}" + "".join(f"{word} {count} of 20   " for word, count in outcomes.items()))
    assert set(outcomes.values()) == {20}


@pytest.mark.faults
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_sentence(name, folder, capsys):
    """No file may grow beyond 2,000 bytes."""

    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    process = start(COMMANDS[name].arguments, folder, before=limit)
    _, errors = process.communicate(timeout=600)
    with capsys.disabled():
        print(f"\n{name:<10}full disk: status {process.returncode}, {errors.strip()[-160:]}")
    assert "Traceback" not in errors
    assert process.returncode in (0, 2)  # what fits is written
    assert process.returncode == 0 or "cannot be written" in errors
    assert not list(folder.rglob(f".*{ASIDE}"))


@pytest.mark.faults
@pytest.mark.parametrize("name", ["run", "study", "shrink", "sample"])
def test_of_two_writers_one_is_told(name, folder, capsys):
    first = start(COMMANDS[name].arguments, folder)
    while not list(folder.rglob(".*.lock")) + list(folder.rglob(".lock")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    second = start(COMMANDS[name].arguments, folder)
    _, errors = second.communicate(timeout=600)
    _, of_first = first.communicate(timeout=600)
    with capsys.disabled():
        print(f"\n{name:<10}two writers: {first.returncode} and {second.returncode}")
    assert first.returncode in (0, 1), of_first
    assert second.returncode == 2 and "Another process is writing" in errors


SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"


class Cluster:
    """A Dask scheduler and its workers, processes of this machine."""

    def __init__(self, folder: Path, n_workers: int):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start_scheduler()
        self.workers = [self.start_worker() for _ in range(n_workers)]

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        self.scheduler = self._start(SCHEDULER, "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def start_worker(self) -> subprocess.Popen:
        return self._start(WORKER, self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def _start(self, program: str, *arguments: str) -> subprocess.Popen:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=self.folder, **silent)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.mark.faults
@pytest.mark.parametrize("victim", ["worker", "scheduler"])
def test_dask_workers_and_schedulers_may_die(victim, folder, capsys):
    """Five moments each: another worker takes over; the scheduler comes back, with new workers, three seconds later."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    whole = folder / "whole"
    make_folder(whole)
    command = COMMANDS["sample"]
    process = start(command.arguments, whole)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    moments, same = random.Random(victim), 0
    for attack in range(5):
        inside = folder / str(attack)
        make_folder(inside)
        cluster = Cluster(inside, n_workers=2)
        try:
            arguments = command.arguments.replace("--workers 2", f"--scheduler {cluster.address}")
            process = start(arguments, inside)
            kept = inside / "out.csv.results"
            while not (kept.exists() and kept.read_bytes().count(b"\n") > 2):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            time.sleep(moments.uniform(0.0, 1.5))
            if victim == "worker":
                cluster.workers[0].kill()
            else:
                for fallen in (*cluster.workers, cluster.scheduler):
                    fallen.kill()
                    fallen.wait()
                time.sleep(3.0)
                cluster.start_scheduler()
                cluster.workers = [cluster.start_worker() for _ in range(2)]
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0 and "Traceback" not in errors, errors
            same += figures(inside / command.result) == figures(whole / command.result)
        finally:
            cluster.stop()
    with capsys.disabled():
        print(f"\nsample    {victim} of Dask killed: survived 5 of 5   same bits {same} of 5")
    assert same == 5
