"""Excess errors on noisy labels: right in the mean, and as uncertain as they say."""

import numpy as np
import pytest

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.evaluation import ExcessJudge, score
from surrogates import surrogate_of_shape
from tolerances import STANDARD_ERRORS

TRUE, START, SMALL = (surrogate_of_shape([2, 4, 1], "tanh", scalar=True, seed=seed) for seed in (1, 1, 2))
START, SMALL = (
    type(TRUE)(TRUE.layers[:1] + (type(layer)(factor * layer.weight, layer.bias),), TRUE.scaling, "tanh", True)
    for layer, factor in ((TRUE.layers[1], 1.05), (TRUE.layers[1], 0.9))
)


def noisy(seed: int, n: int = 4000) -> Samples:
    generator = np.random.default_rng(seed)
    x = np.random.default_rng(0).normal(3.0, 2.0, (n, 2))
    value, gradient = np.asarray(TRUE.value(x)), np.asarray(TRUE.gradient(x))
    noise = value.std() * generator.standard_normal(n)
    return Samples(x, value + noise, gradient + gradient.std() * generator.standard_normal(gradient.shape))


def exact_excess(samples: Samples) -> tuple[float, float]:
    results = []
    for quantity in ("value", "gradient"):
        truth, start, small = (np.asarray(getattr(net, quantity)(samples.x)) for net in (TRUE, START, SMALL))
        total = np.square(start - start.mean()).sum()
        results.append((np.square(small - truth).sum() - np.square(start - truth).sum()) / total)
    return tuple(results)


def test_the_excess_is_that_over_the_truth_within_its_standard_error():
    expected = exact_excess(noisy(0))
    found = np.asarray([_figures(ExcessJudge(START, noisy(seed))(SMALL)) for seed in range(1, 41)])
    for (excess, stderr), truth in zip(found.transpose(1, 2, 0), expected):
        assert abs(excess.mean() - truth) < STANDARD_ERRORS * excess.std() / np.sqrt(len(excess))
        # The stated error also counts the choice of points, which are the same here.
        assert 0.8 < stderr.mean() / excess.std() < 1.5
        # Noise of the size of the signal: without pairing the error would be that of its square.
        assert stderr.mean() < 0.02


def test_the_start_has_no_excess_and_nothing_is_said_of_what_noise_hides():
    found = ExcessJudge(START, noisy(1))(START)
    assert found.value.r2 == 1.0 and found.value.r2_stderr == 0.0 and found.delta.rmse == 0.0
    assert found.gamma is None and found.hessian is None and found.value.max_abs is None
    assert "in excess of the start network" in found.against


def test_labels_that_are_not_known_are_left_out():
    samples = noisy(1)
    dydx = np.array(samples.dydx)
    dydx[::2, 1] = np.nan
    part = ExcessJudge(START, Samples(samples.x, samples.y, dydx, missing=True))(SMALL)
    rows = ExcessJudge(START, Samples(samples.x[1::2], samples.y[1::2], samples.dydx[1::2]))(SMALL)
    assert part.delta.r2 == pytest.approx(rows.delta.r2, abs=0.05) and np.isfinite(part.delta.r2_stderr)
    assert ExcessJudge(START, Samples(samples.x, samples.y))(SMALL).delta is None


def test_the_standard_error_of_r2_is_how_much_it_moves_with_the_noise():
    generator = np.random.default_rng(2)
    truth = generator.normal(size=(2000, 2))
    predicted = truth + 0.1 * generator.normal(size=truth.shape)
    scores = [
        score(predicted, truth + 0.3 * generator.normal(size=truth.shape), np.full(truth.shape, 0.3)) for _ in range(60)
    ]
    r2 = np.asarray([one.r2 for one in scores])
    assert abs(r2.mean() - 0.99) < 0.001 and 0.7 < np.mean([one.r2_stderr for one in scores]) / r2.std() < 1.5
    assert score(predicted, truth).r2_stderr == 0.0


def _figures(evaluation) -> list[tuple[float, float]]:
    return [(1.0 - one.r2, one.r2_stderr) for one in (evaluation.value, evaluation.delta)]
