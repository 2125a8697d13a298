"""Excess errors on noisy labels: right in the mean, and as uncertain as they say; the noise itself, found."""

from dataclasses import replace

import numpy as np
import pytest

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.evaluation import ExcessEvaluator, noise_level, score
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
    found = np.asarray([_figures(ExcessEvaluator(START, noisy(seed))(SMALL)) for seed in range(1, 41)])
    for (excess, stderr), truth in zip(found.transpose(1, 2, 0), expected):
        assert abs(excess.mean() - truth) < STANDARD_ERRORS * excess.std() / np.sqrt(len(excess))
        # The stated error also counts the choice of points, which are the same here.
        assert 0.8 < stderr.mean() / excess.std() < 1.5
        # Noise of the size of the signal: without pairing the error would be that of its square.
        assert stderr.mean() < 0.02


def test_the_start_has_no_excess_and_the_labels_keep_their_noise():
    samples = noisy(1)
    found = ExcessEvaluator(START, samples)(START)
    assert found.value.excess.r2 == found.value.excess.r2_stderr == found.delta.excess.rmse == 0.0
    assert found.value == replace(score(START.value(samples.x), samples.y), excess=found.value.excess)
    assert found.gamma is None and found.hessian is None and found.against == "held-out samples"


def test_labels_that_are_not_known_are_left_out():
    samples = noisy(1)
    dydx = np.array(samples.dydx)
    dydx[::2, 1] = np.nan
    part = ExcessEvaluator(START, Samples(samples.x, samples.y, dydx, missing=True))(SMALL).delta.excess
    rows = ExcessEvaluator(START, Samples(samples.x[1::2], samples.y[1::2], samples.dydx[1::2]))(SMALL).delta.excess
    assert part.r2 == pytest.approx(rows.r2, abs=0.05) and np.isfinite(part.r2_stderr)
    assert ExcessEvaluator(START, Samples(samples.x, samples.y))(SMALL).delta is None


@pytest.mark.parametrize("size", [0.0, 1e-4, 1e-2, 1.0])
def test_the_noise_of_labels_is_found_beside_the_error_of_the_network(size):
    """The start's own error is 1e-3 of the variance: without noise none is found, with noise it is."""
    generator = np.random.default_rng(5)
    x = generator.normal(3.0, 2.0, (4000, 2))
    value, gradient = np.asarray(TRUE.value(x)), np.asarray(TRUE.gradient(x))
    noise = np.sqrt(size) * np.array([value.std(), gradient.std()])
    samples = Samples(
        x,
        value + noise[0] * generator.standard_normal(value.shape),
        gradient + noise[1] * generator.standard_normal(gradient.shape),
    )
    found = ExcessEvaluator(START, samples)(START)
    for scores, expected in ((found.value, noise[0] ** 2), (found.delta, noise[1] ** 2)):
        if size:
            assert scores.excess.noise == pytest.approx(expected, rel=0.2, abs=1e-5 * expected / size)
            assert scores.excess.noise_share == pytest.approx(size / (1.0 + size), rel=0.25)
        else:
            assert scores.excess.noise_share < 0.05 * (1.0 - scores.r2)


def test_standard_errors_that_are_stated_are_the_noise():
    samples = noisy(1)
    stated = Samples(samples.x, samples.y, samples.dydx, None, None, 0.0 * samples.y + 0.5, 0.0 * samples.dydx + 0.25)
    found = noise_level(START, stated)
    assert found.value.tolist() == [0.25] and found.delta.tolist() == [[0.0625, 0.0625]]
    copies = Samples(np.ones((3, 2)) * [[1.0], [2.0], [1.0]], [0.0, 1.0, 0.1])
    assert np.isfinite(noise_level(START, copies).value).all()


def test_every_output_has_its_own_excess():
    start = surrogate_of_shape([2, 4, 2], "tanh", False, seed=1)
    small = surrogate_of_shape([2, 4, 2], "tanh", False, seed=2)
    generator = np.random.default_rng(6)
    x = generator.normal(3.0, 2.0, (500, 2))
    y = np.asarray(start.value(x)) + [0.1, 10.0] * generator.standard_normal((500, 2))
    found = ExcessEvaluator(start, Samples(x, y))(small).value
    for j, scores in enumerate(found.by_output):
        assert scores.r2 == score(small.value(x)[:, j], y[:, j]).r2
        surplus = np.square(small.value(x)[:, j] - y[:, j]) - np.square(start.value(x)[:, j] - y[:, j])
        assert scores.excess.r2 == pytest.approx(float(surplus.mean() / np.var(start.value(x)[:, j])), rel=1e-9)
    assert found.by_output[1].excess.noise == pytest.approx(100.0, rel=0.25)


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
    return [(one.excess.r2, one.excess.r2_stderr) for one in (evaluation.value, evaluation.delta)]
