"""Simulators that other processes can import."""

import os
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


if __name__ == "__main__":
    import jax

    import black_boxes  # this file, under the name that the tests know it by
    from sobolev_pruning.sampling import run_black_box

    jax.config.update("jax_enable_x64", True)
    run_black_box(black_boxes.logged, [[i / 7, 0.0] for i in range(int(sys.argv[1]))], workers=1, results=sys.argv[2])
