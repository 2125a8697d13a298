"""Random programs, in full: at least 10^6 checks, no violation, no crash; refusals are counted."""

import programs
import pytest

pytestmark = pytest.mark.soundness

WANTED = 1_000_000
MOST = 1_000
"""Programs, whatever they give."""


def runs_of(seed: int) -> list[tuple[str, str]]:
    """Most by NumPy, as compiling is what takes time; some compiled, some box by box, some over split boxes."""
    runs = [("interval", "numpy")]
    if seed % 3 == 0:
        runs.append(("affine", "numpy"))
    if seed % 10 == 0:
        runs.append(("interval", "jit"))
    if seed % 20 == 1:
        runs.append(("interval", "eager"))
    if seed % 40 == 2:
        runs.append(("split", "numpy"))
    return runs


def test_values_and_gradients_of_random_programs_lie_in_their_enclosures():
    tally = programs.Tally()
    for seed in range(MOST):
        programs.check(programs.random_program(seed), seed, runs_of(seed), tally, boxes=24, each=8)
        if seed % 25 == 24:
            print(f"\n{tally.table().splitlines()[0]}", flush=True)
        if tally.made >= WANTED and seed >= 120:
            break
    print(f"\n{tally.table()}")
    for text in [*tally.failed[:40], *tally.crashed[:40]]:
        print(text, "\n")
    assert tally.made >= WANTED and not tally.failed and not tally.crashed
