"""Every model: its labels have its truth as their mean, and its truth agrees with independent codes and quadratures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import QuantLib as ql
import scipy.stats
from jax.scipy.special import ndtri

from sobolev_pruning import InputError
from sobolev_pruning.reference import black_scholes, gene_expression, heston, payoffs, random_medium, truth
from sobolev_pruning.reference.designs import unit_points
from sobolev_pruning.reference.quadratic_exponential import log_price_steps
from sobolev_pruning.sampling import check_derivatives
from tolerances import ALGEBRAIC, STANDARD_ERRORS

KEY = jax.random.key(7)
RANGES = {
    "spot": (80.0, 120.0),
    "volatility": (0.1, 0.4),
    "rate": (0.0, 0.08),
    "dividend": (0.0, 0.05),
    "strike": (90.0, 110.0),
    "maturity": (0.5, 2.0),
}
HESTON = {
    "spot": (80.0, 120.0),
    "initial_variance": (0.02, 0.1),
    "mean_reversion": (1.0, 2.0),
    "long_variance": (0.02, 0.1),
    "volatility_of_variance": (0.2, 0.6),
    "correlation": (-0.8, 0.2),
    "rate": (0.0, 0.05),
    "maturity": (0.5, 1.5),
}
HESTON_PAIR = {name: HESTON[name] for name in ("spot", "initial_variance")}
GENE = {
    "transcription": (10.0, 30.0),
    "rna_decay": (0.8, 1.2),
    "translation": (5.0, 15.0),
    "protein_decay": (0.3, 0.7),
    "time": (1.0, 3.0),
}
TWO = {"spot": (80.0, 120.0), "volatility": (0.1, 0.4)}

# With each model, the parts of value and derivatives that its discretisation may be off by.
MODELS = {
    "call": (lambda: black_scholes(payoffs.call, inputs=RANGES), 0.0),
    "put": (lambda: black_scholes(payoffs.put, inputs=RANGES, antithetic=True, design="sobol"), 0.0),
    "geometric-asian": (lambda: black_scholes(payoffs.geometric_asian_call, inputs=RANGES, dates=4), 0.0),
    "digital": (lambda: black_scholes(payoffs.digital_call, inputs=TWO, likelihood_ratio=True), 0.0),
    "strikes": (lambda: black_scholes(payoffs.call, inputs=TWO, strike=[90.0, 100.0, 115.0], rate=0.02), 0.0),
    "heston": (lambda: heston(payoffs.call, inputs=HESTON, steps=8), 0.02),
    "heston-put-conditional": (lambda: heston(payoffs.put, inputs=HESTON_PAIR, steps=8, conditional=True), 0.02),
    "gene": (lambda: gene_expression(inputs=GENE, steps=100), 0.02),
    "medium": (lambda: random_medium(12), 0.0),
}


@pytest.fixture(autouse=True)
def few_paths_look_for_jumps(monkeypatch):
    """The look for jumps takes most of the time of an estimate; with all its paths it is the subject of other tests."""
    monkeypatch.setattr(truth, "_TEST_PATHS", 1024)


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    make, bias = MODELS[request.param]
    return make(), bias


def assert_close(found, stderr, expected, bias):
    # Where nothing is random, as for the derivative of a discount factor alone, the standard error is 0.
    scale = np.sqrt(np.mean(np.asarray(expected) ** 2, axis=0, keepdims=True))
    allowed = STANDARD_ERRORS * np.asarray(stderr) + (bias + 1e-10) * scale
    assert np.all(np.abs(np.asarray(found) - np.asarray(expected)) <= allowed)


def test_labels_have_the_truth_as_their_mean(case):
    model, bias = case
    points = model.test_points(KEY, 3)
    slow = model.noise_law.size > 50
    order, paths = (1, 4096) if slow else (2, 16_384)
    expected, found = model.truth(points, order=order), model.estimate(points, KEY, paths=paths, order=order)
    assert_close(found.value, found.value_stderr, expected.value, bias)
    assert_close(found.gradient, found.gradient_stderr, expected.gradient, bias)
    if order == 2:  # differences over a hundredth of the box add a bias of their own to gamma
        assert_close(found.gamma, found.gamma_stderr, expected.gamma, 2 * bias + 0.02)
    assert np.all(np.asarray(found.value_stderr) < 0.05 * np.abs(np.asarray(expected.value)).max())


def test_derivatives_of_labels_are_valid(case):
    model, _ = case
    assert check_derivatives(model, KEY, n_points=2, paths=4096).verdict == "valid"


def test_derivatives_of_the_truth_agree_with_differences(case):
    model, _ = case
    if "put" in model.kind:
        pytest.skip("the put follows from the call by parity")
    point = model.test_points(KEY, 1)
    lower, upper = model.box
    step = 1e-3 * (upper - lower)
    shifts = jnp.concatenate([t * jnp.diag(step) for t in (-2.0, -1.0, 1.0, 2.0, 0.0)])  # one shape for all
    value, gradient = model.value(point + shifts), model.gradient(point + shifts)
    for moved, derivative in ((value, gradient[-1]), (gradient, model.hessian(point)[0])):
        far_down, down, up, far_up, _ = np.split(np.asarray(moved), 5)
        slopes = (far_down - 8 * down + 8 * up - far_up) / 12
        expected = np.asarray(derivative) * np.asarray(step)
        np.testing.assert_allclose(np.moveaxis(slopes, 0, -1), expected, atol=1e-6 * np.abs(expected).max() + 1e-13)


def test_inputs_and_fixed_parameters_are_recorded():
    model = black_scholes(payoffs.call, inputs={"spot": (80, 120), "maturity": (0.5, 1)}, assets=2, correlation=0.3)
    assert [str(variable) for variable in model.inputs] == ["spot[0]", "spot[1]", "maturity [year]"]
    fixed = dict(model.fixed)
    assert fixed["volatility"] == [0.2, 0.2]
    np.testing.assert_allclose(fixed["correlation"], [[1.0, 0.3], [0.3, 1.0]])
    assert "strike" in fixed and "spot" not in fixed
    np.testing.assert_array_equal(model.gamma_direction, [1.0, 1.0, 0.0])
    no_spot = black_scholes(payoffs.call, inputs={"volatility": (0.1, 0.2), "rate": (0.0, 0.1)})
    assert no_spot.gamma_direction is None and no_spot.gamma_name is None
    assert model.kind == "call on 2 Black-Scholes asset(s)"


# ---- independent codes -------------------------------------------------------------------------------------------

TODAY = ql.Date(1, 1, 2024)
DAYS = ql.Actual365Fixed()


def quantlib_curve(rate):
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


def quantlib_process(spot, volatility, rate, dividend):
    ql.Settings.instance().evaluationDate = TODAY
    surface = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, DAYS))
    quote = ql.QuoteHandle(ql.SimpleQuote(spot))
    return ql.BlackScholesMertonProcess(quote, quantlib_curve(dividend), quantlib_curve(rate), surface)


POINT = {"spot": 103.0, "volatility": 0.23, "rate": 0.03, "dividend": 0.01, "strike": 98.0, "maturity": 292 / 365}
EXERCISE = TODAY + 292


@pytest.mark.parametrize("kind", ["call", "put"])
def test_black_scholes_and_its_greeks_agree_with_quantlib(kind):
    model = black_scholes(getattr(payoffs, kind), inputs=RANGES)
    x = jnp.asarray([list(POINT.values())])
    process = quantlib_process(*list(POINT.values())[:4])
    side = ql.Option.Call if kind == "call" else ql.Option.Put
    option = ql.VanillaOption(ql.PlainVanillaPayoff(side, POINT["strike"]), ql.EuropeanExercise(EXERCISE))
    option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    np.testing.assert_allclose(model.value(x)[0], option.NPV(), rtol=ALGEBRAIC)
    greeks = [
        option.delta(),
        option.vega(),
        option.rho(),
        option.dividendRho(),
        option.strikeSensitivity(),
        -option.theta(),
    ]
    np.testing.assert_allclose(model.gradient(x)[0], greeks, rtol=1e-10)
    np.testing.assert_allclose(model.hessian(x)[0, 0, 0], option.gamma(), rtol=1e-10)


def test_the_digital_and_the_geometric_asian_agree_with_quantlib():
    x = jnp.asarray([list(POINT.values())])
    process = quantlib_process(*list(POINT.values())[:4])
    digital = ql.VanillaOption(ql.CashOrNothingPayoff(ql.Option.Call, 98.0, 1.0), ql.EuropeanExercise(EXERCISE))
    digital.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    model = black_scholes(payoffs.digital_call, inputs=RANGES)
    np.testing.assert_allclose(model.value(x)[0], digital.NPV(), rtol=ALGEBRAIC)
    np.testing.assert_allclose(model.gradient(x)[0, 0], digital.delta(), rtol=1e-10)
    dates = [TODAY + 73 * i for i in range(1, 5)]
    payoff = ql.PlainVanillaPayoff(ql.Option.Call, 98.0)
    asian = ql.DiscreteAveragingAsianOption(ql.Average.Geometric, 1.0, 0, dates, payoff, ql.EuropeanExercise(EXERCISE))
    asian.setPricingEngine(ql.AnalyticDiscreteGeometricAveragePriceAsianEngine(process))
    model = black_scholes(payoffs.geometric_asian_call, inputs=RANGES, dates=4)
    np.testing.assert_allclose(model.value(x)[0], asian.NPV(), rtol=1e-10)


def test_fourier_labels_are_the_truth_to_the_second_order():
    model = heston(payoffs.put, inputs=HESTON_PAIR, labels="fourier")
    samples = model.sample(KEY, 8, order=2, directions=model.gamma_direction[None])
    exact = model.truth(samples.x)
    for label, value in (
        (samples.y, exact.value),
        (samples.dydx, exact.gradient),
        (samples.hvp[:, 0] @ model.gamma_direction, exact.gamma),
    ):
        np.testing.assert_allclose(label, value, atol=ALGEBRAIC)


def test_heston_steps_keep_the_discounted_price_a_martingale():
    """Whatever the step: the mean of the growth given the variance's path is 1, on Sobol points of the variance."""
    p = {"mean_reversion": 0.5, "long_variance": 0.04, "volatility_of_variance": 1.0, "correlation": -0.7}
    p = {name: jnp.asarray(value) for name, value in {**p, "initial_variance": 0.02, "maturity": 2.0}.items()}
    z = ndtri(unit_points("sobol", KEY, 2**14, 2))

    def growth(z):
        mean, variance = log_price_steps(p, z)
        return jnp.exp(jnp.sum(mean) + 0.5 * jnp.sum(variance))

    assert abs(float(jnp.mean(jax.vmap(growth)(z))) - 1.0) < 1e-4


def quantlib_heston(spot, variance, reversion, long, vol, correlation, rate, kind=ql.Option.Call):
    ql.Settings.instance().evaluationDate = TODAY
    quote = ql.QuoteHandle(ql.SimpleQuote(spot))
    process = ql.HestonProcess(
        quantlib_curve(rate), quantlib_curve(0.0), quote, variance, reversion, long, vol, correlation
    )
    option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, 100.0), ql.EuropeanExercise(EXERCISE))
    option.setPricingEngine(ql.AnalyticHestonEngine(ql.HestonModel(process), 1e-11, 100_000))
    return option.NPV()


@pytest.mark.parametrize("kind", ["call", "put"])
def test_heston_by_fourier_agrees_with_quantlib(kind):
    model = heston(getattr(payoffs, kind), inputs=HESTON | {"volatility_of_variance": (0.1, 0.9)})
    points = np.array(model.test_points(KEY, 12))
    points[:, 7] = 292 / 365
    side = ql.Option.Call if kind == "call" else ql.Option.Put
    prices = [quantlib_heston(*map(float, point[:7]), kind=side) for point in points]
    np.testing.assert_allclose(model.value(points), prices, atol=1e-8)
    h = np.array([1e-2, 1e-5, 1e-4, 1e-5, 1e-4, 1e-4, 1e-5])
    slopes = [
        (quantlib_heston(*points[0, :7] + h[c] * e) - quantlib_heston(*points[0, :7] - h[c] * e)) / (2 * h[c])
        for c, e in enumerate(np.eye(7))
    ]
    if kind == "call":
        np.testing.assert_allclose(model.gradient(points[:1])[0, :7], slopes, rtol=1e-4, atol=1e-4)


def test_worst_of_and_exchange_options_agree_with_quantlib():
    inputs = {"spot": (80.0, 120.0)}
    market = {"assets": 2, "volatility": [0.2, 0.3], "correlation": 0.4, "rate": 0.03, "maturity": 292 / 365}
    processes = [quantlib_process(spot, vol, 0.03, 0.0) for spot, vol in ((105.0, 0.2), (97.0, 0.3))]
    point = jnp.asarray([[105.0, 97.0]])
    worst = black_scholes(payoffs.worst_of_call, inputs=inputs, strike=95.0, antithetic=True, **market)
    exercise = ql.EuropeanExercise(EXERCISE)
    option = ql.BasketOption(ql.MinBasketPayoff(ql.PlainVanillaPayoff(ql.Option.Call, 95.0)), exercise)
    option.setPricingEngine(ql.StulzEngine(*processes, 0.4))
    found = worst.truth(point, order=1)
    assert_close(found.value, found.value_stderr, [option.NPV()], 0.0)
    assert found.source == "Monte Carlo, 65536 paths"
    exchange = black_scholes(payoffs.spread_call, inputs=inputs, strike=0.0, **market)
    option = ql.MargrabeOption(1, 1, exercise)
    option.setPricingEngine(ql.AnalyticEuropeanMargrabeEngine(*processes, 0.4))
    found = exchange.truth(point, order=1)
    assert_close(found.value, found.value_stderr, [option.NPV()], 0.0)
    assert_close(found.gradient, found.gradient_stderr, [[option.delta1(), option.delta2()]], 0.0)


def quadrature(function, nodes=400):
    """The mean of `function(z1, z2)` over independent standard normal variables, by the trapezoidal rule."""
    z = np.linspace(-7.0, 7.0, nodes)
    weight = scipy.stats.norm.pdf(z) * (z[1] - z[0])
    first, second = np.meshgrid(z, z, indexing="ij")
    return float(np.sum(function(first, second) * np.outer(weight, weight)))


@pytest.mark.parametrize("name", ["basket", "arithmetic-asian", "spread", "barrier"])
def test_payoffs_without_closed_form_agree_with_quadrature(name):
    rate, strike, spot, vol = 0.03, 98.0, 103.0, 0.23
    discount = np.exp(-rate)

    def asset(z, time, level=spot, vol=vol):
        return level * np.exp((rate - 0.5 * vol**2) * time + vol * np.sqrt(time) * z)

    def two_assets(payoff):
        return quadrature(
            lambda a, b: payoff(asset(a, 1.0, vol=0.2), asset(0.4 * a + np.sqrt(1 - 0.16) * b, 1.0, vol=0.3))
        )

    def two_dates(payoff):
        return quadrature(lambda a, b: payoff(asset(a, 0.5), asset(b, 0.5, level=asset(a, 0.5))))

    pair = {"assets": 2, "volatility": [0.2, 0.3], "correlation": 0.4}
    payoff, expected, market = {
        "basket": (payoffs.call, lambda: two_assets(lambda s, t: np.maximum((s + t) / 2 - strike, 0)), pair),
        "spread": (payoffs.spread_call, lambda: two_assets(lambda s, t: np.maximum(s - t - strike / 20, 0)), pair),
        "arithmetic-asian": (
            payoffs.asian_call,
            lambda: two_dates(lambda s, t: np.maximum((s + t) / 2 - strike, 0)),
            {"dates": 2, "volatility": vol},
        ),
        "barrier": (
            payoffs.down_and_out_call(92.0),
            lambda: two_dates(lambda s, t: np.where(np.minimum(s, t) > 92.0, np.maximum(t - strike, 0), 0)),
            {"dates": 2, "volatility": vol, "likelihood_ratio": True},
        ),
    }[name]
    strike_given = strike / 20 if name == "spread" else strike
    model = black_scholes(payoff, inputs={"spot": (80, 120)}, rate=rate, strike=strike_given, **market)
    point = jnp.full((1, model.n_inputs), spot)
    found = model.truth(point, order=1)
    assert_close(found.value, found.value_stderr, [discount * expected()], 2e-4)
    assert check_derivatives(model, KEY, n_points=2).verdict == "valid"


def test_payoffs_with_jumps_are_recognised_and_mended():
    inputs = {"spot": (90.0, 110.0), "volatility": (0.15, 0.3)}
    jumping = black_scholes(payoffs.down_and_out_call(98.0), inputs=inputs, dates=2)
    assert check_derivatives(jumping, KEY, n_points=3).verdict == "jump"
    mended = black_scholes(payoffs.down_and_out_call(98.0, width=1.0), inputs=inputs, dates=2)
    assert check_derivatives(mended, KEY, n_points=3).verdict == "valid"
    assert check_derivatives(black_scholes(payoffs.digital_call, inputs=inputs), KEY).verdict == "jump"
    smoothed = black_scholes(payoffs.smoothed_digital_call(2.0), inputs=inputs)
    assert check_derivatives(smoothed, KEY).verdict == "valid"


def test_gene_expression_at_rest_has_the_published_mean_and_noise():
    """Thattai and van Oudenaarden (2001): the Fano factor is `1 + translation/(rna_decay + protein_decay)`."""
    model = gene_expression(inputs=GENE)
    for point in np.array(model.test_points(KEY, 4)):
        k, g, c, h, _ = point
        point[4] = 30.0 / min(g, h)
        mean = k * c / (g * h)
        expected = [mean / 100, (mean * (1 + c / (g + h)) + mean**2) / 1e4]
        np.testing.assert_allclose(model.value(point[None])[0], expected, rtol=1e-8)


def test_gene_expression_has_the_moments_of_the_jump_process():
    """Against an exact simulation of single reactions (Gillespie), written apart in NumPy."""
    k, g, c, h, time, n = 20.0, 1.0, 10.0, 0.5, 0.7, 4000
    generator = np.random.default_rng(0)
    state = np.tile([5.0, 50.0], (n, 1))
    clock = np.zeros(n)
    changes = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    alive = np.arange(n)
    while alive.size:
        rna, protein = state[alive].T
        rates = np.stack([np.full(alive.size, k), g * rna, c * rna, h * protein])
        total = rates.sum(axis=0)
        clock[alive] += generator.exponential(1.0 / total)
        chosen = (generator.uniform(size=alive.size) * total > np.cumsum(rates, axis=0)).sum(axis=0)
        alive, chosen = alive[clock[alive] < time], chosen[clock[alive] < time]
        state[alive] += changes[chosen]
    model = gene_expression(inputs=GENE)
    expected = model.value([[k, g, c, h, time]])[0]
    found = np.stack([state[:, 1] / 100, state[:, 1] ** 2 / 1e4])
    assert np.all(np.abs(found.mean(axis=1) - expected) <= STANDARD_ERRORS * found.std(axis=1) / np.sqrt(n))


def test_the_random_medium_agrees_with_finite_volumes():
    """The same equation by finite volumes on a grid 40 times finer, solved as a linear system."""
    cells, fine = 6, 40
    x = np.random.default_rng(0).normal(size=cells) * 0.7
    a = np.repeat(np.exp(x), fine)
    h = 1.0 / a.size
    between = 1.0 / (0.5 * h / a[:-1] + 0.5 * h / a[1:])
    ends = 2.0 * a[[0, -1]] / h
    matrix = np.diag(np.r_[ends[0], between] + np.r_[between, ends[1]]) - np.diag(between, 1) - np.diag(between, -1)
    u = np.linalg.solve(matrix, np.full(a.size, h))
    expected = u[80:160].mean()
    np.testing.assert_allclose(random_medium(cells).value(x[None])[0], expected, rtol=2e-4)


def test_a_thousand_inputs_cost_two_cumulative_sums():
    model = random_medium(1000)
    samples = model.sample(KEY, 64)
    assert samples.dydx.shape == (64, 1000)
    # The derivatives along all inputs together: u is proportional to 1/a.
    np.testing.assert_allclose(np.asarray(samples.dydx).sum(axis=1), -np.asarray(samples.y), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: black_scholes(payoffs.call, inputs={}), "give ranges by name"),
        (
            lambda: black_scholes(payoffs.call, inputs={"vol": (0, 1)}),
            "no parameter 'vol' to be an input; it has spot, v",
        ),
        (lambda: black_scholes(payoffs.call, inputs={"spot": 3.0}), r"inputs\['spot'\] is 3.0; give its range"),
        (lambda: black_scholes(payoffs.call, inputs={"spot": (2.0, 1.0)}), "empty range"),
        (lambda: black_scholes(payoffs.call, inputs={"spot": ([1.0, 2.0], 3.0)}), r"has shape \(2,\)"),
        (
            lambda: black_scholes(payoffs.call, inputs={"volatility": (0.0, 0.2)}),
            "volatility of .* goes down to 0; it must",
        ),
        (lambda: black_scholes(payoffs.call, inputs=TWO, maturity=-1.0), "maturity of black_scholes goes down to -1"),
        (lambda: black_scholes(payoffs.call, inputs=TWO, rate=np.nan), "rate of black_scholes is not finite"),
        (lambda: black_scholes(payoffs.call, inputs=TWO, dates=0), "dates=0"),
        (lambda: black_scholes(payoffs.call, inputs=TWO, assets=2, dividend=[0.0] * 3), "dividend has shape"),
        (lambda: black_scholes(payoffs.call, inputs=TWO, assets=2, correlation=np.eye(3)), "correlation must be"),
        (lambda: black_scholes(payoffs.call, inputs=TWO, assets=3, correlation=-0.7), "is not positive semidefinite"),
        (
            lambda: black_scholes(payoffs.call, inputs=TWO, assets=2, correlation=1.0, likelihood_ratio=True),
            "likelihood_ratio needs a density, and the correlation is singular",
        ),
        (
            lambda: heston(payoffs.call, inputs=TWO),
            "no parameter",
        ),
        (lambda: heston(payoffs.call, inputs={"spot": (1, 2)}, correlation=1.0), "keep it between -1 and 1"),
        (lambda: heston(payoffs.call, inputs=HESTON, steps=10, dates=3), "whole number of steps per date"),
        (lambda: heston(payoffs.asian_call, inputs=HESTON, conditional=True), "is for payoffs.call and payoffs.put"),
        (lambda: heston(payoffs.asian_call, inputs=HESTON, labels="fourier"), "is for payoffs.call and payoffs.put"),
        (lambda: gene_expression(inputs=GENE, steps=0), "steps=0"),
        (lambda: random_medium(2), "at least 3 cells"),
    ],
)
def test_mistakes_get_one_sentence(types_unchecked, make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_gamma_has_a_direction_only_where_its_step_means_something():
    calls = {1: {"spot": (80, 120), "maturity": (0.5, 1)}, 2: {"spot": (80, 120)}}
    assert [black_scholes(payoffs.call, inputs=calls[n], assets=n).gamma_name for n in (1, 2)] == ["spot", "all spots"]
    rates = gene_expression(inputs={"transcription": (10, 30), "translation": (5, 15)}, paths=64)
    assert rates.gamma_direction is None and rates.gamma_name is None
    points = rates.test_points(jax.random.key(0), 3)
    assert rates.truth(points).gamma is None and rates.truth(points).hessian is not None
    estimate = rates.estimate(points, jax.random.key(1), paths=64)
    assert estimate.gamma is None and estimate.gradient is not None
