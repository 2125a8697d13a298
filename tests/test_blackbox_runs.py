"""Black boxes: what they return, what may go wrong, and going on after a kill."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

import black_boxes
from sobolev_pruning import InputError
from sobolev_pruning.sampling import ProcessExecutor, run_black_box
from tolerances import AD_AGAINST_DIFFERENCES

POINTS = np.random.default_rng(0).uniform(0.5, 1.5, (12, 2))


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_own_derivatives_and_differences_with_common_random_numbers_agree(threads):
    own = run_black_box(black_boxes.noisy_with_gradient, POINTS, derivatives="own", seed=3, executor=threads)
    differences = run_black_box(black_boxes.noisy, POINTS, derivatives="differences", seed=3, executor=threads)
    values = run_black_box(black_boxes.noisy, POINTS, seed=3, executor=threads)
    assert own.samples.dydx.shape == (12, 2, 2)
    for run in (differences, values):
        np.testing.assert_array_equal(run.samples.y, own.samples.y)
    # The same seed on both sides of a difference: the noise of size 1 does not show, let alone divided by the step.
    scale = np.abs(own.samples.dydx).max(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(differences.samples.dydx / scale, own.samples.dydx / scale, atol=AD_AGAINST_DIFFERENCES)
    assert values.samples.dydx is None
    assert "training is on values alone" in values.note and "common random numbers" in differences.note
    other = run_black_box(black_boxes.noisy, POINTS, seed=4, executor=threads)
    assert not np.array_equal(other.samples.y, values.samples.y)
    assert len({float(z) for z in values.samples.y[:, 1] - 100 * POINTS[:, 0] * POINTS[:, 1]}) == 12


def test_every_fault_costs_its_sample_and_is_reported():
    # A good one first, so that its shape is the rule; a hang, a death and more in the middle; good ones after them.
    points = [[0.5], [1.0], [2.0], [3.0], [4.0], [6.0], [5.0], [0.25]]
    run = run_black_box(black_boxes.faulty, points, workers=1, time_limit=1.0)
    assert run.rows == (0, 6, 7)
    np.testing.assert_array_equal(run.samples.y, [0.5, 1.0, 0.25])
    assert [(failure.row, failure.what) for failure in run.failures] == [
        (1, "raised"), (2, "timed out"), (3, "died"), (4, "not finite"), (5, "wrong shape"),
    ]  # fmt: skip
    assert run.failures[0].message == "ValueError: no such market"
    assert (
        "failed: 1 died, 1 not finite, 1 raised, 1 timed out, 1 wrong shape (the first: row 1, ValueError" in run.note
    )


def test_a_hanging_call_in_a_foreign_executor_is_given_up():
    with ThreadPoolExecutor(2) as pool:
        run = run_black_box(
            lambda x, seed: time.sleep(2.0) if x[0] == 1.0 else 7.0, [[0.0], [1.0]], executor=pool, time_limit=0.2
        )
    assert run.rows == (0,)
    assert [failure.what for failure in run.failures] == ["timed out"]


def test_a_run_that_is_killed_goes_on_from_its_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = str(Path(__file__).parent)
    command = [sys.executable, str(Path(here) / "black_boxes.py"), "40", "kept.jsonl"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    kept = tmp_path / "kept.jsonl"
    deadline = time.monotonic() + 120.0
    while not (kept.exists() and kept.read_bytes().count(b"\n") > 5) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = kept.read_bytes().count(b"\n") - 1
    assert 5 <= before < 40
    with kept.open("ab") as file:  # a line cut short, as by a kill in the middle of writing
        file.write(b'{"row": 39, "y": 1')
    points = [[i / 7, 1.0] for i in range(40)]
    with pytest.raises(InputError, match="belongs to another run"):
        run_black_box(black_boxes.logged, points, results=kept)
    points = [[i / 7, 0.0] for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        run = run_black_box(black_boxes.logged, points, results=kept, executor=pool)
    assert run.n_kept == before and len(run.rows) == 40
    assert f"{before} of them from an earlier run; 1 damaged line of the kept results left out" in run.note
    np.testing.assert_array_equal(run.samples.y, [float(np.exp(i / 7)) for i in range(40)])
    # At most the calls that were on their way at the kill were made twice.
    assert 40 <= len((tmp_path / "calls0").read_text().splitlines()) <= 42
    again = run_black_box(black_boxes.logged, points, results=kept, workers=1)
    assert again.n_kept == 40
    np.testing.assert_array_equal(again.samples.y, run.samples.y)


def test_the_process_executor_is_an_executor():
    with ProcessExecutor(workers=2) as pool:
        assert list(pool.map(pow, [2, 3], [5, 2])) == [32, 9]
        with pytest.raises(InputError, match="define it at the top of a module, or give executor=ThreadPoolExecutor"):
            pool.submit(lambda: 1)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(pow, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": [1.0, 2.0]}, r"points has shape \(2,\)"),
        ({"points": [[np.nan]]}, "give finite numbers"),
        ({"derivatives": "adjoint"}, 'choose "own", "differences" or "none"'),
        ({"time_limit": 0.0}, "time_limit is 0.0 seconds"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"derivatives": "differences", "points": [[1.0], [1.0]]}, "step has shape"),
        ({"derivatives": "differences", "step": [1.0, 2.0]}, r"step has shape \(2,\); give \(1,\)"),
        (
            {"derivatives": "own"},
            "All 2 calls of the simulator failed; the first raised: TypeError: "
            r'derivatives="own" takes a pair \(y, dydx\), but it returned a float; correct the simulator or the points',
        ),
        ({"results": "nowhere/kept.jsonl"}, "There is no folder nowhere"),
    ],
)
def test_mistakes_get_one_sentence(types_unchecked, threads, options, message):
    arguments = {"points": [[0.25], [0.5]], "executor": threads} | options
    with pytest.raises(InputError, match=message):
        run_black_box(black_boxes.faulty, **arguments)


def test_a_gradient_of_another_length_costs_its_sample(threads):
    """The first input says how long the gradient is; there are two inputs."""
    points = [[2.0, 0.5], [3.0, 0.5], [2.0, 1.5]]
    run = run_black_box(lambda x, seed: (0.0, np.ones(int(x[0]))), points, derivatives="own", executor=threads)
    assert run.rows == (0, 2)
    assert [(found.row, found.what) for found in run.failures] == [(1, "wrong shape")]
    assert run.failures[0].message == "dydx of shape (3,), not (2,)"


def test_a_run_without_a_result_leaves_no_file_behind(tmp_path, threads):
    kept = tmp_path / "kept.jsonl"
    with pytest.raises(InputError, match="All 1 calls of the simulator failed"):
        run_black_box(black_boxes.faulty, [[1.0]], executor=threads, results=kept)
    with pytest.raises(InputError, match="There are 0 workers"):
        run_black_box(black_boxes.faulty, [[0.5]], workers=0, results=kept)
    assert not kept.exists()
    run_black_box(black_boxes.faulty, [[0.5]], executor=threads, results=kept)
    with pytest.raises(InputError, match=r"belongs to another run \(another simulator, other points"):
        run_black_box(black_boxes.logged, [[0.75]], executor=threads, results=kept)
    assert kept.exists()


def test_a_file_that_holds_something_else_is_refused(tmp_path, threads):
    for content in ("x,y\n1,2\n", "[1]\n{}\n"):
        (tmp_path / "kept.jsonl").write_text(content)
        with pytest.raises(InputError, match=r"holds no results of a black box|belongs to another run"):
            run_black_box(black_boxes.faulty, [[0.5]], executor=threads, results=tmp_path / "kept.jsonl")


def test_samples_are_float64_arrays(threads):
    run = run_black_box(black_boxes.faulty, [[0.25], [0.5]], executor=threads)
    assert isinstance(run.samples.y, jax.Array) and run.samples.y.dtype == np.float64
