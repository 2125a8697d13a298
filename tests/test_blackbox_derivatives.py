"""Derivatives of black boxes: differences that are slopes, or none; what counts as a number; cheap calls in batches."""

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest

from sobolev_pruning import InputError
from sobolev_pruning.sampling import run_black_box
from tolerances import AD_AGAINST_DIFFERENCES

LOWER, UPPER = np.array([0.5, 0.1]), np.array([1.5, 0.4])
POINTS = np.random.default_rng(0).uniform(LOWER, UPPER, (400, 2))


@pytest.fixture
def threads():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def differences(function, points=POINTS, **options):
    """The run and how many calls it took."""
    calls = []

    def counted(x, seed):
        calls.append(x.copy())
        return function(x, seed)

    with ThreadPoolExecutor(1) as pool:
        run = run_black_box(counted, points, derivatives="differences", executor=pool, **options)
    return run, calls


def noise(seed):
    return np.random.default_rng(seed).normal()


def test_a_simulator_may_change_its_input():
    """With one array for all calls the slopes came out as 3 x."""

    def doubles(x, seed):
        x *= 2.0
        return float(x[0] ** 2 + x[1])

    run, _ = differences(doubles, [[0.75, 0.2], [1.0, 0.3]])
    np.testing.assert_allclose(run.samples.dydx, [[6.0, 2.0], [8.0, 2.0]], rtol=AD_AGAINST_DIFFERENCES)


def test_a_simulator_that_ignores_its_seed_has_no_slopes():
    generator = np.random.default_rng(0)
    run, calls = differences(lambda x, seed: float(x[0]) + generator.normal())
    assert run.derivatives == "none" and run.samples.dydx is None and run.steps is None
    assert len(calls) == 402
    assert "for one point and one seed, so differences would not see the same noise" in run.note
    # Sums in another order are no noise.
    flips = iter([1.0, 1.0 + 1e-14] * 10_000)
    assert differences(lambda x, seed: float(x[0]) * next(flips))[0].derivatives == "differences"


SMOOTH = {
    "smooth": lambda x, seed: np.array([np.sin(3.0 * x[0]) * x[1], x[1] ** 2 * noise(seed)]),
    "fast": lambda x, seed: float(np.sin(60.0 * x[0])),
    "kink": lambda x, seed: max(float(x[0] * np.exp(x[1] * noise(seed))) - 1.0, 0.0),
    "one input rounded, but of little weight": lambda x, seed: x[0] ** 2 + 1e-3 * round(10.0 * x[1]),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("n", [12, 40, 400])
def test_where_differences_are_slopes_the_smallest_step_is_taken(name, n):
    run, calls = differences(SMOOTH[name], POINTS[:n], box=(LOWER, UPPER))
    assert run.derivatives == "differences" and run.warnings == ()
    np.testing.assert_allclose(run.steps, 1e-3 * (UPPER - LOWER), rtol=1e-12)
    assert len(calls) <= 1.1 * 5 * n


def epidemic(x, seed):
    """The share of 200 people that is ever infected."""
    generator = np.random.default_rng(seed)
    healthy, ill = 190, 10
    for _ in range(30):
        new = generator.binomial(healthy, 1.0 - (1.0 - x[0] / 200.0) ** ill)
        healthy, ill = healthy - new, ill + new - generator.binomial(ill, x[1])
    return (200 - healthy) / 200.0


JUMPING = {
    "epidemic": epidemic,
    "count": lambda x, seed: int(10.0 * x[0] + abs(noise(seed))),
    "digital": lambda x, seed: float(x[0] * np.exp(x[1] * noise(seed)) > 1.0),
}


@pytest.mark.parametrize("name", JUMPING)
@pytest.mark.parametrize("n", [12, 40, 400])
def test_where_differences_are_noise_samples_have_values_alone(name, n):
    run, calls = differences(JUMPING[name], POINTS[:n], box=(LOWER, UPPER))
    assert run.derivatives == "none" and run.samples.dydx is None
    assert len(calls) <= 1.1 * 5 * n and len(run.samples) == n
    assert "are noise at every step" in run.warnings[0] and "samples have values alone" in run.warnings[0]
    assert "training is on values alone" in run.note
    # Whoever gives a step has it.
    insisted, _ = differences(JUMPING[name], POINTS[:12], step=[0.05, 0.02], box=(LOWER, UPPER))
    assert insisted.derivatives == "differences" and insisted.samples.dydx.shape == (12, 2)


def test_a_jump_that_small_steps_miss_is_met_by_wider_ones():
    points = np.random.default_rng(1).uniform(LOWER, UPPER, (1000, 2))
    run, calls = differences(lambda x, seed: float(x[0] + (x[0] > 0.7)), points, box=(LOWER, UPPER))
    assert run.derivatives == "none" and "in x0 are noise" in run.note and len(calls) <= 1.1 * 5 * 1000


def test_wider_steps_see_through_rounding():
    """Two decimals of a smooth function: the slopes of a thousandth of the range are 0 or 5."""
    run, calls = differences(lambda x, seed: round(float(np.sin(3.0 * x[0]) + 3.0 * x[1]), 2), box=(LOWER, UPPER))
    assert run.derivatives == "differences" and len(calls) <= 1.1 * 5 * 400
    parts = run.steps / (UPPER - LOWER)
    assert (parts >= 0.008 * (1 - 1e-12)).all()
    assert "take wider steps" in run.note
    true = np.stack([3.0 * np.cos(3.0 * POINTS[:, 0]), np.full(400, 3.0)], axis=1)
    rms = np.sqrt(np.mean((np.asarray(run.samples.dydx) - true) ** 2, axis=0)) / np.sqrt(np.mean(true**2, axis=0))
    assert (rms < 1.0 / 3.0).all()


def test_differences_stay_in_the_box_and_are_right_at_its_edges():
    corners = [[0.5, 0.1], [1.5, 0.4], [0.5, 0.4], [1.0, 0.25]]
    run, calls = differences(lambda x, seed: float(x[0] ** 2 * x[1]), corners, box=(LOWER, UPPER))
    assert (np.asarray(calls) >= LOWER).all() and (np.asarray(calls) <= UPPER).all()
    expected = [[2.0 * x * y, x**2] for x, y in corners]
    np.testing.assert_allclose(run.samples.dydx, expected, rtol=AD_AGAINST_DIFFERENCES)
    with pytest.raises(InputError, match="Row 1 of points lies outside the box"):
        differences(SMOOTH["fast"], [[1.0, 0.2], [1.6, 0.2]], box=(LOWER, UPPER))
    with pytest.raises(InputError, match=r"step of x1 is 0\.1, over a quarter of its range"):
        differences(SMOOTH["fast"], corners, step=[0.1, 0.1], box=(LOWER, UPPER))


def test_partial_derivatives_that_are_not_known_are_missing(threads):
    def partial(x, seed):
        return x[0], [1.0, np.nan if x[1] > 0.2 else 2.0]

    run = run_black_box(partial, POINTS[:20], derivatives="own", executor=threads)
    assert len(run.rows) == 20 and run.failures == () and run.samples.missing
    np.testing.assert_array_equal(np.isnan(run.samples.dydx[:, 1]), POINTS[:20, 1] > 0.2)
    run = run_black_box(
        lambda x, seed: (x[0], [1.0, np.inf if x[1] > 0.2 else 2.0]), POINTS[:20], derivatives="own", executor=threads
    )
    assert [failure.row for failure in run.failures] == np.flatnonzero(POINTS[:20, 1] > 0.2).tolist()
    assert {(failure.what, failure.message) for failure in run.failures} == {("not finite", "dydx holds inf")}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("3.5", "it returned text ('3.5') where a number"),
        (["1", "2"], "it returned text"),
        (None, "it returned a NoneType (None)"),
        (1j, "it returned a complex"),
        ({"y": 1.0}, "it returned a dict"),
    ],
)
def test_what_is_no_number_is_told(threads, returned, message):
    run = run_black_box(lambda x, seed: returned if seed != first_seed() else 1.0, POINTS[:2], executor=threads)
    assert [failure.what for failure in run.failures] == ["raised"]
    assert message in run.failures[0].message


def first_seed() -> int:
    return int(np.random.SeedSequence([0, 0]).generate_state(1)[0])


def test_numbers_of_other_kinds_are_taken(threads):
    for one in (3, True, Decimal("3.5"), np.float32(2.5), np.int8(4)):
        assert float(run_black_box(lambda x, seed, one=one: one, POINTS[:1], executor=threads).samples.y[0]) == one


def test_what_a_simulator_exits_with_is_shown(threads):
    run = run_black_box(lambda x, seed: sys.exit(3) if x[0] > 1.0 else 1.0, POINTS[:20], executor=threads)
    assert {failure.what for failure in run.failures} == {"raised"}
    assert run.failures[0].message == "it called sys.exit(3)"


class Cluster(ThreadPoolExecutor):
    """An executor that counts its tasks, loses those whose jobs hold a point above 1.45, and is closed at will."""

    def __init__(self):
        super().__init__(2)
        self.tasks, self.closed, self.lock = 0, False, threading.Lock()

    def submit(self, fn, simulate, jobs):
        if self.closed:
            raise RuntimeError("the client is closed")
        with self.lock:
            self.tasks += 1
        if any(job.x[0] > 1.45 for job in jobs):
            lost: Future = Future()
            lost.set_exception(OSError("the worker was killed"))
            return lost
        return super().submit(fn, simulate, jobs)


def test_cheap_calls_go_in_batches_and_a_lost_batch_costs_its_culprit_alone():
    with Cluster() as cluster:
        run = run_black_box(lambda x, seed: float(x[0]), POINTS[POINTS[:, 0] < 1.4], executor=cluster)
        assert not run.failures and cluster.tasks < len(run.rows) / 4
        run = run_black_box(lambda x, seed: float(x[0]), POINTS, executor=cluster)
        np.testing.assert_array_equal([failure.row for failure in run.failures], np.flatnonzero(POINTS[:, 0] > 1.45))
        assert {(failure.what, failure.message) for failure in run.failures} == {
            ("died", "OSError: the worker was killed")
        }
        cluster.closed = True
        with pytest.raises(InputError, match=r"cannot be called any more: RuntimeError: the client is closed\."):
            run_black_box(lambda x, seed: 1.0, POINTS, executor=cluster)
