"""The pool of processes: every call ends, whatever happens to it, and no process is left."""

import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

import black_boxes
from sobolev_pruning.sampling import ProcessExecutor

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def pool():
    with ProcessExecutor(workers=1, time_limit=60.0) as pool:
        yield pool


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        ("raises_what_cannot_be_read_back", RuntimeError, "Unreadable: 1 2"),
        ("exits", RuntimeError, "SystemExit: 3"),
        ("returns_what_cannot_be_sent", RuntimeError, "its result, a generator, cannot be sent back"),
        ("returns_what_cannot_be_read_back", RuntimeError, "its result cannot be read back"),
        ("dies_leaving_a_child", BrokenExecutor, "its process ended with status 7"),
        ("kills_itself", BrokenExecutor, "its process was killed by SIGKILL"),
    ],
)
def test_a_call_ends_with_what_happened_and_the_next_one_is_made(pool, function, kind, message):
    """A watcher that died of the exception left the future, and so its caller, waiting for ever."""
    with pytest.raises(kind, match=message):
        pool.submit(getattr(black_boxes, function), 1.0, 0).result(timeout=60.0)
    assert pool.submit(pow, 2, 3).result(timeout=60.0) == 8


def test_without_file_descriptors_every_call_ends():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        pool = ProcessExecutor(workers=2)
        with pytest.raises(BrokenExecutor, match=r"no process could be started .*Too many open files"):
            pool.submit(pow, 2, 3).result(timeout=60.0)
        with pytest.raises(BrokenExecutor, match="no process could be started"):
            pool.submit(pow, 2, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        pool.shutdown()


def test_a_script_without_a_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from sobolev_pruning.sampling import ProcessExecutor\nprint(ProcessExecutor(1).submit(pow, 2, 3).result())\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert 'put what it does under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_parent(tmp_path, number):
    parent = subprocess.Popen([sys.executable, str(HERE / "black_boxes.py"), "sleepers", str(tmp_path)], cwd=HERE)
    deadline = time.monotonic() + 120.0
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2 and all(map(alive, workers))
    os.kill(parent.pid, number)
    parent.wait(timeout=10.0)
    deadline = time.monotonic() + 5.0
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def test_left_by_an_exception_the_pool_does_not_wait(tmp_path):
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ProcessExecutor(workers=1) as pool:
        future = pool.submit(black_boxes.sleeps, str(tmp_path))
        while not list(tmp_path.iterdir()):
            time.sleep(0.05)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 5.0
    assert isinstance(future.exception(timeout=1.0), BrokenExecutor)
