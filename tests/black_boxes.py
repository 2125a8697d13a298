"""Simulators that other processes can import."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np


def noisy(x, seed):
    """Two outputs with noise that depends on the seed alone."""
    z = np.random.default_rng(seed).normal()
    return np.array([np.sin(x[0]) + x[1] * z, 100.0 * x[0] * x[1] + z])


def noisy_with_gradient(x, seed):
    z = np.random.default_rng(seed).normal()
    return noisy(x, seed), np.array([[np.cos(x[0]), z], [100.0 * x[1], 100.0 * x[0]]])


def faulty(x, seed):
    """The first input says what happens."""
    if x[0] == 1.0:
        raise ValueError("no such market")
    if x[0] == 2.0:
        time.sleep(60.0)
    if x[0] == 3.0:
        os._exit(3)
    return [np.nan, 1.0, np.array([1.0, 2.0])][int(x[0]) - 4] if x[0] >= 4.0 else float(x[0])


def logged(x, seed):
    """Writes down each call; x[1] is the number of a file in the current folder."""
    with Path(f"calls{int(x[1])}").open("a") as file:
        file.write(f"{float(x[0])!r}\n")
    time.sleep(0.05)
    return float(np.exp(x[0]))


class Unreadable(Exception):
    """Pickle makes it anew from its message alone, which is one argument too few."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


class Unloadable:
    """Can be sent, but not read back."""

    def __reduce__(self):
        return int, ("no number",)


def raises_what_cannot_be_read_back(x, seed):
    raise Unreadable(1, 2)


def returns_what_cannot_be_sent(x, seed):
    return (number for number in [1])


def returns_what_cannot_be_read_back(x, seed):
    return Unloadable()


def exits(x, seed):
    sys.exit(3)


def dies_leaving_a_child(x, seed):
    """The child holds the pipe to the pool open."""
    if os.fork() == 0:
        time.sleep(30.0)
    os._exit(7)


def kills_itself(x, seed):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(folder):
    """Tells its process by a file."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60.0)


if __name__ == "__main__":
    import black_boxes  # this file, under the name that the tests know it by

    if sys.argv[1] == "sleepers":
        from sobolev_pruning.sampling import ProcessExecutor

        pool = ProcessExecutor(workers=2)
        for future in [pool.submit(black_boxes.sleeps, sys.argv[2]) for _ in range(2)]:
            future.result()

    import jax

    from sobolev_pruning.sampling import run_black_box

    jax.config.update("jax_enable_x64", True)
    run_black_box(black_boxes.logged, [[i / 7, 0.0] for i in range(int(sys.argv[1]))], workers=1, results=sys.argv[2])
