"""Doubts about samples: what is wrong is told with its column, and what is only noisy or curved is not called wrong."""

import time

import jax
import numpy as np
import pytest

from sobolev_pruning import InputError, LevenbergMarquardt, Samples, Surrogate, cli, fit
from sobolev_pruning._foundation.errors import DoubtfulSamples
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.sampling import doubts_about, read_samples, write_samples

SIZES = [(1, 400), (2, 300), (3, 1000), (7, 3000)]
CASES = pytest.mark.parametrize(("d", "n"), SIZES)


def curved(d: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`y = sin x_0 + prod x + (sum x)^2` and its gradient at random points."""
    x = np.random.default_rng(seed).uniform(-1.0, 1.0, (n, d))
    dydx = x.prod(axis=1, keepdims=True) / x + 2.0 * x.sum(axis=1, keepdims=True)
    dydx[:, 0] += np.cos(x[:, 0])
    return x, np.sin(x[:, 0]) + x.prod(axis=1) + x.sum(axis=1) ** 2, dydx


def warned(x, y, dydx) -> tuple[str, ...]:
    return doubts_about(Samples(x, y, dydx)).warnings


@CASES
def test_right_slopes_raise_no_doubts_whatever_the_noise_of_the_values(d, n):
    for seed in range(3):
        x, y, dydx = curved(d, n, seed)
        rng = np.random.default_rng(seed)
        for noise in (np.zeros(n), 0.5 * rng.normal(size=n), 5.0 * rng.normal(size=n), rng.standard_t(2, n)):
            found = doubts_about(Samples(x, y + noise, dydx))
            assert found.warnings == () and found.noise == ()


@CASES
def test_a_column_of_wrong_sign_or_size_is_named_with_its_factor(d, n):
    x, y, dydx = curved(d, n)
    for noise in (0.0, 0.002 * y.std()):
        values = y + noise * np.random.default_rng(1).normal(size=n)
        for factor, message in ((-1.0, "has the wrong sign:"), (100.0, "is about"), (0.01, "is about")):
            wrong = dydx.copy()
            wrong[:, -1] *= factor
            (told,) = warned(x, values, wrong)
            assert told.startswith(f"dy/dx{d - 1} {message}")
            if factor > 0 and not noise:
                assert abs(float(told.split()[3]) / factor - 1.0) < 0.1


@CASES
def test_noise_of_slopes_is_told_as_noise_and_with_its_size(d, n):
    x, y, dydx = curved(d, n)
    z = np.random.default_rng(2).normal(size=(n, d))
    # Of slopes alone, and of values and slopes of one path.
    for values, slopes in ((y, dydx + 2.0 * dydx.std(axis=0) * z), (y + 3.0 * (z * x).sum(axis=1), dydx + 3.0 * z)):
        found = doubts_about(Samples(x, values, slopes))
        assert found.warnings == ()
        (told,) = found.noise
        assert "estimate it with label_noise" in told and "(order 0)" in told
        assert 0.6 < float(told.split("noise of about ")[1].split()[0]) < 1.4


@CASES
@pytest.mark.parametrize("slopes", ["right almost everywhere", "0"])
def test_a_jump_is_told_with_its_height(d, n, slopes):
    x, y, dydx = curved(d, n)
    step = 3.0 * (x.sum(axis=1) > 0.2)
    (told,) = warned(x, step, 0.0 * x) if slopes == "0" else warned(x, y + step, dydx)
    assert told.startswith("y jumps by about") and "(order 0)" in told
    assert abs(float(told.split()[4]) / 3.0 - 1.0) < 0.2


@CASES
def test_kinks_and_wrong_rows_are_no_jumps(d, n):
    x, y, dydx = curved(d, n)
    up = x.sum(axis=1)
    assert warned(x, np.maximum(up, 0.0), (up > 0)[:, None] * np.ones(x.shape)) == ()
    wrong = y + 10.0 * (np.arange(n) % 50 == 7)
    assert warned(x, wrong, dydx) == ()


def test_two_far_clumps_are_told_and_levels_are_not():
    x, y, dydx = curved(2, 300)
    far = x + 20.0 * (np.arange(300) < 100)[:, None] * [0.0, 1.0]
    (told,) = warned(far, y, dydx)
    assert "two clumps, 200 with x1 up to" in told and "and 100 from" in told
    levels = np.where(np.arange(300)[:, None] % 2, [0.0, 1.0], [1.0, 1.0]) * x + [0.0, 1.0]
    levels[:, 0] = np.sign(x[:, 0])
    assert warned(levels, y, dydx) == ()


@pytest.mark.parametrize(("d", "n"), [(2, 1000), (3, 1000), (7, 2000)])
def test_the_noise_of_simulated_paths_is_no_jump(d, n):
    """Values and slopes of a payoff along single paths: most are 0, a few are large; or with less noise, in a part."""
    for conditional in (False, True):
        for seed in range(5):
            basket = GaussianBasket.random(n_assets=d, seed=seed, conditional=conditional)
            assert doubts_about(basket.sample(jax.random.key(seed + 100), n)).warnings == ()


def test_clumps_of_many_samples_are_counted_in_full():
    x = np.random.default_rng(0).uniform(size=(100_000, 1)) + 9.0 * (np.arange(100_000) % 10 == 0)[:, None]
    (told,) = doubts_about(Samples(x, x[:, 0])).warnings
    assert told.startswith("The samples lie in two clumps, 90000 with x0 up to 1 and 10000 from 9 on")


def test_few_samples_many_inputs_and_replicates_raise_no_doubts():
    x, y, dydx = curved(3, 100)
    assert warned(x, y, -dydx) == ()
    x = np.random.default_rng(0).normal(size=(2000, 40))
    assert warned(x, x.sum(axis=1), -np.ones(x.shape)) == ()
    x, y, dydx = curved(2, 200)
    twice = [np.concatenate([array, array]) for array in (x, y, dydx)]
    assert doubts_about(Samples(*twice)).warnings == () and len(warned(*twice[:2], -twice[2])) == 2


def test_many_samples_take_a_second_or_two():
    x, y, dydx = curved(5, 200_000)
    start = time.monotonic()
    assert warned(x, y, dydx) == ()
    assert time.monotonic() - start < 10.0


def test_reading_a_file_warns_with_the_name_of_the_column(tmp_path):
    x, y, dydx = curved(2, 300)
    dydx[:, 1] *= -1.0
    write_samples(Samples(x, y, dydx, inputs=["spot", "vol"], outputs=["price"]), tmp_path / "a.csv")
    with pytest.warns(UserWarning, match=r"a\.csv: dprice/dvol has the wrong sign: between near samples"):
        data = read_samples(tmp_path / "a.csv", x=["spot", "vol"], y=["price"])
    assert len(data.doubts.warnings) == 1
    x, y, dydx = curved(2, 300)
    noisy = dydx + 2.0 * dydx.std(axis=0) * np.random.default_rng(0).normal(size=dydx.shape)
    write_samples(Samples(x, y, noisy), tmp_path / "b.csv")
    assert "all 2 partial derivatives. dy/dx" in read_samples(tmp_path / "b.csv").note


def test_training_warns_of_samples_that_are_no_file():
    x, y, dydx = curved(2, 300)
    wrong = Samples(x, y, dydx * [1.0, -1.0])
    start = Surrogate.create([2, 3, 1], wrong, key=jax.random.key(0))
    settings = {"key": jax.random.key(1), "optimiser": LevenbergMarquardt(1)}
    with pytest.warns(DoubtfulSamples, match=r"dy/dx1 has the wrong sign"):
        fit(start, wrong, **settings)
    fit(start, wrong, order=0, **settings)  # where slopes do not count their sign is no matter


def test_columns_that_are_not_used_are_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(6.0).reshape(3, 2), y=np.arange(3.0), weight=np.ones(3))
    with pytest.warns(UserWarning, match=r"The column 'weight' is not used, .* weigh_by_stderr=True"):
        read_samples(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.arange(6.0).reshape(3, 2), y=np.arange(3.0), dydxs=np.ones((3, 2)))
    with pytest.warns(UserWarning, match="The column 'dydxs0' looks like a derivative and is not used"):
        read_samples(tmp_path / "b.npz")


def test_one_output_may_keep_its_axis_in_an_array_of_derivatives(tmp_path):
    x, y, dydx = curved(2, 20)
    for values, slopes in ((y, dydx[:, None, :]), (y[:, None], dydx[:, None, :]), (y[:, None], dydx)):
        np.savez(tmp_path / "a.npz", x=x, y=values, dydx=slopes)
        np.testing.assert_array_equal(read_samples(tmp_path / "a.npz").samples.dydx, dydx)


def test_a_warning_on_the_command_line_is_a_sentence(capsys):
    cli._show_warning("a.csv: [odd] column", UserWarning, "file.py", 3)
    assert capsys.readouterr().err == "Warning: a.csv: [odd] column\n"


def test_replicates_of_a_simulator_that_answers_0_or_1_give_its_mean():
    """What stands in a network's scaling, and in the loss, is the mean of all samples, copies among them."""
    x = np.repeat([[0.0], [0.5], [1.0]], 100, axis=0)
    y = np.concatenate([np.arange(100) < 5, np.arange(100) < 10, np.arange(100) < 15]).astype(float)
    scaling = Surrogate.create([1, 2, 1], Samples(x, y), key=jax.random.key(0)).scaling
    np.testing.assert_allclose(scaling.y_shift, [0.1])
    with pytest.raises(InputError, match=r"Input x0 is 0\.3 in every sample"):
        rounding = np.where(np.arange(300)[:, None] % 2, 0.3, 0.1 + 0.2)
        Surrogate.create([1, 2, 1], Samples(rounding, y), key=jax.random.key(0))
