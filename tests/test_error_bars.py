"""Error bars: their formulas by a second way, their size by repeated fits, and the files and exports that hold them."""

import ctypes
import json
import runpy
import subprocess
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import sobolev_pruning as sp
from sobolev_pruning import InputError, Samples, Surrogate
from sobolev_pruning.commands import export
from sobolev_pruning.interchange import save_c, save_javascript, save_numpy
from sobolev_pruning.surrogate import ErrorBars
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_c_out import STRICT, needs_gcc
from test_interchange_javascript_out import in_node, needs_node

NETWORKS = {
    "plain": lambda: surrogate_of_shape([2, 4, 3, 1], "silu", True),
    "two outputs": lambda: surrogate_of_shape([3, 4, 2], "tanh", False),
    "kinks": lambda: surrogate_of_shape([2, 4, 1], "relu", True),
    **{kind: lambda kind=kind: layered_surrogate(*LAYERED[kind]) for kind in LAYERED},
}
DIGITS = 2e-5  # exports write directions with six digits


def with_bars(name: str) -> ErrorBars:
    network = NETWORKS[name]()
    random = np.random.default_rng(4)
    directions = 0.1 * random.standard_normal((5, network.n_parameters))
    factors = 1.0 + random.random((2, network.widths[-1]))
    return ErrorBars(network, jnp.asarray(directions), jnp.asarray(factors))


def points_for(network, n=7):
    return 3.0 + 2.0 * np.random.default_rng(8).standard_normal((n, network.widths[0]))


@pytest.mark.parametrize("name", NETWORKS)
def test_bars_are_norms_of_changes_along_the_directions(name):
    bars = with_bars(name)
    network, x = bars.surrogate, points_for(bars.surrogate)
    parameters, unravel = ravel_pytree(network.layers)
    step = 1e-5
    squares = {"value": 0.0, "gradient": 0.0, "hessian": 0.0}
    for direction in bars.directions:  # by differences of the network itself
        ends = [replace(network, layers=unravel(parameters + sign * step * direction)) for sign in (1, -1)]
        for quantity in squares:
            high, low = (np.asarray(getattr(end, quantity)(x)) for end in ends)
            squares[quantity] = squares[quantity] + ((high - low) / (2 * step)) ** 2
    for quantity, square in squares.items():
        found, axes = np.asarray(getattr(bars, quantity)(x)), {"value": 0, "gradient": 1, "hessian": 2}[quantity]
        factor = np.asarray(bars.factors[min(axes, 1)])
        factor = factor[0] if network.scalar_output else factor.reshape(-1, *[1] * axes)
        assert found.shape == square.shape
        np.testing.assert_allclose(found, factor * np.sqrt(square), rtol=1e-6, atol=1e-8 * np.max(found, initial=1))


def test_the_mean_knows_that_errors_at_points_go_together():
    bars = with_bars("plain")
    x = points_for(bars.surrogate, 50)
    single = np.array([float(bars.statistic(jnp.mean, point[None])) for point in x[:3]])
    np.testing.assert_allclose(single, bars.value(x[:3]), rtol=1e-12)
    together, apart = float(bars.statistic(jnp.mean, x)), np.sqrt(np.mean(np.asarray(bars.value(x)) ** 2))
    assert apart / np.sqrt(50) < together < apart
    two = with_bars("two outputs")
    np.testing.assert_allclose(
        two.statistic(lambda values: values.mean(axis=0), points_for(two.surrogate, 1)),
        two.value(points_for(two.surrogate, 1))[0],
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_code_has_the_same_bars(name, tmp_path):
    bars = with_bars(name)
    x = points_for(bars.surrogate)
    save_numpy(bars, tmp_path / "net.py")
    net = runpy.run_path(str(tmp_path / "net.py"))
    for found, expected in ((net["value_stderr"](x), bars.value(x)), (net["gradient_stderr"](x), bars.gradient(x))):
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=DIGITS)
    np.testing.assert_allclose(net["value"](x), bars.surrogate.value(x), rtol=1e-12)


@needs_gcc
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_c_has_the_same_bars(name, dtype, tmp_path):
    bars = with_bars(name)
    x = np.ascontiguousarray(points_for(bars.surrogate), dtype)
    save_c(bars, tmp_path / "net.h", dtype=dtype, derivatives=1)
    number = "double" if dtype == "float64" else "float"
    (tmp_path / "net.c").write_text(
        f'#include "net.h"\nvoid stderrs(long n, const {number} *x, {number} *v, {number} *g)\n'
        "{ net_stderr_batch(n, x, v, g); }\n"
    )
    command = ["gcc", "-std=c99", *STRICT, "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = np.asarray(bars.value(x)), np.asarray(bars.gradient(x))
    found = [np.full(array.shape, np.nan, dtype) for array in expected]
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (x, *found))
    ctypes.CDLL(str(tmp_path / "net.so")).stderrs(ctypes.c_long(len(x)), *pointers)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=DIGITS if dtype == "float64" else 1e-3)


def test_the_command_writes_bars_where_it_is_asked(tmp_path):
    bars = with_bars("plain")
    bars.save(tmp_path / "net.safetensors")
    export(tmp_path / "net.safetensors", "numpy", tmp_path / "plain.py")
    export(tmp_path / "net.safetensors", "numpy", tmp_path / "bars.py", errors=True)
    x = points_for(bars.surrogate)
    assert "value_stderr" not in runpy.run_path(str(tmp_path / "plain.py"))
    found = runpy.run_path(str(tmp_path / "bars.py"))["value_stderr"](x)
    np.testing.assert_allclose(found, bars.value(x), rtol=DIGITS)
    with pytest.raises(InputError, match="--to onnx writes no standard errors; leave out --errors, or take one of c, "):
        export(tmp_path / "net.safetensors", "onnx", tmp_path / "net.onnx", errors=True)


@needs_node
def test_javascript_has_the_same_bars(tmp_path):
    cases = {name: with_bars(name) for name in NETWORKS}
    for number, bars in enumerate(cases.values()):
        save_javascript(bars, tmp_path / f"net{number}.mjs")
    points = [points_for(bars.surrogate).tolist() for bars in cases.values()]
    (tmp_path / "points.json").write_text(json.dumps(points))
    code = """
      import fs from "node:fs";
      const found = [];
      for (const [number, points] of JSON.parse(fs.readFileSync("points.json")).entries()) {
        const net = await import(`${process.cwd()}/net${number}.mjs`);
        found.push(points.map(net.standardErrors));
      }
      console.log(JSON.stringify(found));
    """
    for found, bars, x in zip(json.loads(in_node(code, tmp_path)), cases.values(), points):
        np.testing.assert_allclose([each["value"] for each in found], bars.value(x), rtol=DIGITS)
        np.testing.assert_allclose([each["gradient"] for each in found], bars.gradient(x), rtol=DIGITS)


def noisy_line(seed: int, n=400):
    """Values and slopes of `1 + 2 x` with errors that grow with x and are the same in both."""
    random = np.random.default_rng(seed)
    x = random.uniform(0.0, 1.0, (n, 1))
    noise = (0.02 + 0.2 * x[:, 0] ** 2) * random.standard_normal(n)
    return Samples(x, 1.0 + 2.0 * x[:, 0] + noise, (2.0 + noise)[:, None])


def fitted_line(samples):
    """The least of the plain loss, by linear algebra."""
    x, y, dydx = (np.asarray(array).ravel() for array in (samples.x, samples.y, samples.dydx))
    start = Surrogate.create([1, 1], samples, key=jax.random.key(0))
    # Half the weight each: values over their variance, slopes over theirs.
    rows = np.concatenate(
        [np.stack([x, np.ones_like(x)], 1) / y.std(), np.stack([np.ones_like(x), 0 * x], 1) / dydx.std()]
    )
    slope, intercept = np.linalg.lstsq(rows, np.concatenate([y / y.std(), dydx / dydx.std()]), rcond=None)[0]
    shift, scale = (float(np.asarray(each)[0]) for each in (start.scaling.x_shift, start.scaling.x_scale))
    y_shift, y_scale = (float(np.asarray(each)[0]) for each in (start.scaling.y_shift, start.scaling.y_scale))
    layer = replace(
        start.layers[0],
        weight=jnp.array([[slope * scale / y_scale]]),
        bias=jnp.array([(intercept + slope * shift - y_shift) / y_scale]),
    )
    return replace(start, layers=(layer,))


def test_bars_are_the_spread_of_repeated_fits_whatever_the_noise():
    points = np.array([[0.05], [0.5], [0.95]])
    networks, bars = [], []
    for seed in range(200):
        samples = noisy_line(seed)
        network = fitted_line(samples)
        networks.append(np.concatenate([network.value(points), network.gradient(points)[:1, 0]]))
        if seed < 20:
            made = sp.error_bars(network, samples)
            bars.append(np.concatenate([made.value(points), made.gradient(points)[:1, 0]]))
    spread, stated = np.std(networks, axis=0), np.sqrt(np.mean(np.square(bars), axis=0))
    # The spread of 200 fits is known to 5%, the bars to less.
    np.testing.assert_allclose(stated, spread, rtol=0.2)


def test_labels_that_are_not_known_count_for_nothing():
    samples = noisy_line(0)
    network = fitted_line(samples)
    gaps = np.asarray(samples.dydx).copy()
    gaps[::2] = np.nan
    half = Samples(samples.x, samples.y, gaps, missing=True)
    assert float(sp.error_bars(network, half).gradient([[0.5]])[0, 0]) > float(
        sp.error_bars(network, samples).gradient([[0.5]])[0, 0]
    )


def test_bars_of_the_noise_weighted_fit_cover_the_truth():
    basket = sp.reference.GaussianBasket.random(n_assets=2, seed=1)
    inside = []
    for seed in range(6):
        samples = basket.sample(jax.random.key(seed), 2048)
        network = Surrogate.create([2, 1, 3, 1], samples, key=jax.random.key(9))
        settings = dict(key=jax.random.key(3), optimiser=sp.LevenbergMarquardt(30, prior=0.5), held_out=0)
        network = sp.fit(network, samples, **settings).surrogate
        noise = sp.label_noise(network, samples)
        network = sp.fit(network, samples, **settings, noise=noise).surrogate
        bars, truth = sp.error_bars(network, samples, noise=noise), basket.truth(samples.x[:500], 1)
        inside.append(
            np.mean(np.abs(network.value(samples.x[:500]) - truth.value) < 1.645 * bars.value(samples.x[:500]))
        )
    assert 0.65 < np.mean(inside) <= 1.0


def test_calibration_makes_bars_right_in_the_mean_square_and_sees_bias():
    bars = with_bars("two outputs")
    x = points_for(bars.surrogate, 300)
    random = np.random.default_rng(2)
    value, gradient = np.asarray(bars.surrogate.value(x)), np.asarray(bars.surrogate.gradient(x))
    samples = Samples(x, value + np.array([0.3, 2.0]), gradient + 0.5 * random.standard_normal(gradient.shape))
    found = sp.calibrated(bars, samples)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(found.value(x)), axis=0)), [0.3, 2.0], rtol=1e-6)
    spreads = x.std(axis=0)
    expected = np.mean(((np.asarray(samples.dydx) - gradient) * spreads) ** 2, axis=(0, 2))
    np.testing.assert_allclose(
        np.mean((np.asarray(found.gradient(x)) * spreads) ** 2, axis=(0, 2)), expected, rtol=1e-6
    )
    noisy = replace(samples, y_stderr=np.full(value.shape, 1.0))
    with pytest.raises(InputError, match="too noisy to calibrate"):
        sp.calibrated(bars, noisy)


def test_files_hold_both(tmp_path):
    bars = with_bars("everything")
    x = points_for(bars.surrogate)
    bars.save(tmp_path / "net.safetensors")
    found = sp.load_error_bars(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(found.gradient(x), bars.gradient(x))
    np.testing.assert_array_equal(sp.load(tmp_path / "net.safetensors").value(x), bars.surrogate.value(x))
    bars.surrogate.save(tmp_path / "plain.safetensors")
    with pytest.raises(InputError, match="a network without error bars"):
        sp.load_error_bars(tmp_path / "plain.safetensors")
    for wrong in (bars.directions[:, 1:], jnp.full_like(bars.directions, jnp.nan)):
        replace(bars, directions=wrong).save(tmp_path / "wrong.safetensors")
        with pytest.raises(InputError, match="not those of its network"):
            sp.load_error_bars(tmp_path / "wrong.safetensors")


def test_labels_that_are_used_up_or_too_many_parameters_are_told():
    samples = noisy_line(0, 3)
    network = Surrogate.create([1, 6, 1], samples, "tanh", key=jax.random.key(0))
    network = sp.fit(
        network, samples, 0, key=jax.random.key(1), held_out=0, optimiser=sp.LevenbergMarquardt(200)
    ).surrogate
    with pytest.raises(InputError, match="3 labels leave no room to tell how certain the 19 parameters"):
        sp.error_bars(network, samples, 0)
    with pytest.raises(InputError, match="3000 at most"):
        sp.error_bars(Surrogate.create([1, 60, 60, 1], samples, key=jax.random.key(0)), samples)


def test_labels_that_are_met_exactly_leave_no_bars():
    network, x = fitted_line(noisy_line(0)), np.linspace(0, 1, 20)[:, None]
    samples = Samples(x, network.value(x), network.gradient(x))
    assert float(np.max(sp.error_bars(network, samples).value(x))) < 1e-6


def test_means_over_points_have_the_bars_of_their_own_changes():
    bars = with_bars("two outputs")
    inputs = sp.reference.Gaussian([3.0, 3.0, 3.0], [0.1, 0.2, 0.3])
    found = sp.propagate(bars, inputs, key=jax.random.key(0), draws=256, pieces=1)
    plain = sp.propagate(bars.surrogate, inputs, key=jax.random.key(0), draws=256, pieces=1)
    assert plain.surrogate_stderr is None
    np.testing.assert_array_equal(plain.sampled.mean, found.sampled.mean)
    points = np.asarray(inputs.sample(jax.random.key(0), 256))
    parameters, unravel = ravel_pytree(bars.surrogate.layers)
    step, means, deviations = 1e-5, 0.0, 0.0
    for direction in bars.directions:
        high, low = (
            np.asarray(replace(bars.surrogate, layers=unravel(parameters + sign * step * direction)).value(points))
            for sign in (1, -1)
        )
        means = means + ((high.mean(axis=0) - low.mean(axis=0)) / (2 * step)) ** 2
        deviations = deviations + ((high.std(axis=0, ddof=1) - low.std(axis=0, ddof=1)) / (2 * step)) ** 2
    factors = np.asarray(bars.factors[0])
    np.testing.assert_allclose(found.surrogate_stderr.mean, factors * np.sqrt(means), rtol=1e-6)
    np.testing.assert_allclose(found.surrogate_stderr.std, factors * np.sqrt(deviations), rtol=1e-6)
