"""The search: what it returns holds, what it says of errors is so, and it starts again where it stopped."""

import jax
import numpy as np
import pytest

from sobolev_pruning import InputError, Samples, Surrogate, Tolerance, evaluate, fit, shrink
from sobolev_pruning.pruning import reduced
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.searching import Candidate
from sobolev_pruning.searching.candidates import Candidates
from sobolev_pruning.searching.shapes import Shape, layers_to_keep, uniform
from sobolev_pruning.searching.shrink import front_of
from sobolev_pruning.searching.tolerance import Errors
from sobolev_pruning.surrogate import operation_count
from sobolev_pruning.training import LBFGS, Adam
from tolerances import STANDARD_ERRORS

TOLERANCE = Tolerance(value=0.995, delta=0.99, gamma=0.9)


@pytest.fixture(scope="module")
def basket() -> GaussianBasket:
    return GaussianBasket.random(n_assets=2, seed=1)


@pytest.fixture(scope="module")
def oversized(basket) -> Surrogate:
    samples = basket.sample(jax.random.key(0), 1024)
    start = Surrogate.create([2, 6, 6, 1], samples, key=jax.random.key(1))
    return fit(start, samples, key=jax.random.key(2), optimiser=Adam(steps=800)).surrogate


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def found(basket, oversized, directory):
    return shrink(oversized, basket, tolerance=TOLERANCE, pairs=32_768, checkpoints=directory)


def test_the_network_found_holds_on_points_of_our_own(found, basket):
    errors = evaluate(found.surrogate, basket, seed=99).figures("r2")
    assert errors["value"] > 0.995 and errors["delta"] > 0.99 and errors["gamma"] > 0.9
    assert found.verified.figures("r2")["value"] > 0.995
    assert found.against == "closed form"


def test_nothing_smaller_on_the_path_held(found):
    accepted = [candidate for candidate in found.path if candidate.accepted]
    assert min(accepted, key=lambda c: c.n_parameters).widths == found.surrogate.widths
    assert found.surrogate.n_parameters <= 21
    assert any(not candidate.accepted for candidate in found.path)
    for candidate in found.path:
        assert candidate.accepted == all(candidate.errors[name] <= limit for name, limit in found.limits.items())


def test_the_search_starts_again_from_its_checkpoints_with_the_same_bits(found, basket, oversized, directory):
    again = shrink(oversized, basket, tolerance=TOLERANCE, pairs=32_768, checkpoints=directory)
    assert again.path == found.path  # seconds included: nothing was trained again
    points = basket.test_points(jax.random.key(5), 8)
    np.testing.assert_array_equal(again.surrogate.value(points), found.surrogate.value(points))


def test_the_best_network_of_a_size_is_as_good_as_any_other_tried(basket, oversized):
    found = shrink(oversized, basket, max_parameters=16, pairs=16_384)
    assert found.limits == {} and found.surrogate.n_parameters <= 16
    sizes = {candidate.widths[1:-1]: candidate.n_parameters for candidate in found.path}
    assert max(sizes.values()) <= 16 and {len(shape) for shape in sizes} == {1, 2}
    products = [np.prod(list(candidate.errors.values())) for candidate in found.path if candidate.pairs == 16_384]
    judged = [c for c in found.path if c.widths == found.surrogate.widths and c.pairs == 16_384]
    assert np.prod(list(judged[0].errors.values())) == min(products)
    assert found.verified.figures("r2")["value"] > 0.99


def test_what_is_searched_for_is_asked_clearly(oversized, basket):
    for settings in ({}, {"tolerance": TOLERANCE, "max_parameters": 20}):
        with pytest.raises(InputError, match="either a tolerance or max_parameters"):
            shrink(oversized, basket, **settings)
    with pytest.raises(InputError, match="the smallest network of this model has 5"):
        shrink(oversized, basket, max_parameters=4, pairs=4096)


def test_the_front_drops_what_is_larger_and_worse():
    def candidate(size, error):
        return Candidate((1, size, 1), (0,), size, size, {"value": error}, {"value": 0.0}, {}, True, 1, 0.0)

    small, large, beaten = candidate(3, 0.5), candidate(9, 0.1), candidate(9, 0.6)
    assert front_of([beaten, large, small]) == (small, large)


def test_layers_to_keep_fit_into_the_deeper_network():
    assert layers_to_keep((8, 8, 8), (4, 2)) == [4, 2, 0]
    assert layers_to_keep((2, 8, 8), (4, 2)) == [0, 4, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "limits nothing"),
        ({"value": 1.5}, "R2 asked of value is 1.5"),
        ({"delta": -1.0, "figure": "rmse"}, "limit on delta is -1.0"),
    ],
)
def test_an_impossible_tolerance_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Tolerance(**settings)


def test_a_search_without_a_box_is_refused(oversized):
    with pytest.raises(InputError, match="needs a box"):
        shrink(oversized, tolerance=TOLERANCE)


def test_relative_limits_refer_to_the_start(oversized, basket):
    evaluation = evaluate(oversized, basket)
    limits = Tolerance(value=2.0, relative=True).measure(evaluation).limits
    assert limits == {"value": 2.0 * (1.0 - evaluation.value.r2)}


def test_errors_are_measured_on_samples_of_the_users_own(basket, oversized):
    """Against exact labels the limit is absolute; against noisy ones it is relative to the start on the same noise."""
    points = basket.test_points(jax.random.key(8), 2000)
    exact = Samples(points, basket.value(points), basket.gradient(points))
    data = basket.sample(jax.random.key(9), 4096)
    limits = Tolerance(value=0.99, delta=0.95)
    found = shrink(oversized, data, tolerance=limits, against=exact, box=basket.box)
    assert found.against == "samples" and found.verified.n_points == 1000
    errors = evaluate(found.surrogate, exact).figures("r2")
    assert errors["value"] > 0.99 and errors["delta"] > 0.95
    relative = Tolerance(value=1.01, relative=True)
    noisy = Candidates(oversized, data, relative, basket.box, 0, 0, False, None, data, "parameters")
    floor = 1.0 - evaluate(oversized, data).value.r2
    assert 0.5 * floor < noisy.limits["value"] < 2.0 * floor and noisy.limits["value"] > 0.05


def test_a_relative_limit_on_noisy_labels_is_what_so_many_of_them_can_show(basket, oversized):
    data = basket.sample(jax.random.key(9), 256)
    relative = Tolerance(value=3.0, relative=True)
    noisy = Candidates(oversized, data, relative, basket.box, 0, 0, False, None, None, "parameters")
    of_start = noisy.data.evaluator(oversized)
    noise, error = of_start.value.excess.noise_share, 1.0 - of_start.value.r2
    assert noise > 0.1 * error  # the case that is meant
    expected = 2.0 * max(error - noise, 4.0 * noise / of_start.n_points)
    assert abs(noisy.limits["value"] - expected) <= 1e-12 * expected


def test_a_relative_limit_follows_the_best_network_seen(basket, oversized):
    data = oversized.label(basket.test_points(jax.random.key(1), 256))
    relative = Tolerance(value=2.0, relative=True)
    start = Surrogate.create([*oversized.widths[:1], 4, 1], data, key=jax.random.key(2))
    quiet = Candidates(start, data, relative, basket.box, 0, 0, False, None, data, "parameters")
    before = quiet.limits["value"]
    _, errors = quiet.coarse(Shape((4,), tuple(range(start.widths[0]))), start)
    assert errors.size["value"] < 0.5 * before
    assert quiet.limits["value"] == 2.0 * errors.size["value"]


def test_what_errors_are_measured_against_must_be_known(basket, oversized):
    data = basket.sample(jax.random.key(9), 256)
    for against, message in (
        ("closed form", "against is 'closed form'; give"),
        ("reference", "no reference was given"),
        ("held-out", "The gamma cannot be measured against held-out samples"),
    ):
        with pytest.raises(InputError, match=message):
            shrink(oversized, data, tolerance=TOLERANCE, against=against, box=basket.box)
    with pytest.raises(InputError, match="no samples were given"):
        shrink(oversized, basket, tolerance=TOLERANCE, against="held-out")
    with pytest.raises(InputError, match="and that of value is 0; give absolute limits"):
        shrink(oversized, tolerance=Tolerance(value=2.0, relative=True), box=basket.box)
    with pytest.raises(InputError, match="The p99 of value cannot be measured against held-out samples, whose noise"):
        shrink(oversized, data, tolerance=Tolerance(value=1e-4, figure="p99"), box=basket.box)
    with pytest.raises(InputError, match='size is \'area\'; choose "parameters" or "operations"'):
        shrink(oversized, basket, tolerance=TOLERANCE, size="area")


def test_shapes_grow_smaller_by_layers_and_by_inputs():
    shape = Shape((4, 2), (0, 2, 5))
    assert [s.hidden for s in shape.narrower()] == [(2,), (2, 2), (3, 2), (4,), (4, 1)]
    fewer = shape.with_fewer_inputs(np.asarray([0.5, 9.0, 0.1, 9.0, 9.0, 0.7]))
    assert [s.inputs for s in fewer] == [(0, 5)] and fewer[0].hidden == (4, 2)
    assert [len(s.inputs) for s in Shape((1,), tuple(range(9))).with_fewer_inputs(np.ones(9))] == [5, 8]
    assert Shape((3,), (4,)).with_fewer_inputs(np.ones(5)) == [] and uniform(2, 2, (1,)).widths(3) == (1, 2, 2, 3)


def test_an_error_is_within_its_limit_up_to_its_standard_error():
    limits = {"value": 1.0, "delta": 2.0}
    assert Errors({"value": 1.1, "delta": -3.0}, {"value": 0.2, "delta": 0.5}, {}).within(limits)
    assert not Errors({"value": 1.3, "delta": 0.0}, {"value": 0.2, "delta": 0.5}, {}).within(limits)
    unknown = Errors({"value": 0.1, "delta": 0.0}, {"value": 1.2, "delta": 0.0}, {})
    # Of the truth it tells nothing; of another network it tells that there is no difference to be seen.
    assert not unknown.within(limits) and unknown.within(limits, ("value",))
    assert Errors({"value": 1.0, "delta": -1.0}, {"value": 0.5, "delta": 0.25}, {}).product() == 0.25


def data_search(start, data, **limits) -> Candidates:
    box = data.x.min(axis=0), data.x.max(axis=0)
    return Candidates(start, data, Tolerance(**limits), box, 0, 0, False, None, None, "parameters")


def test_on_quiet_labels_a_tolerance_means_what_it_says(oversized):
    """A start with 0.99980 and a network with 0.999715: not within 0.9998, though its excess is below the limit."""
    x = np.random.default_rng(5).uniform(0.5, 1.5, (4096, 2))
    data = oversized.label(x)

    def off_by(share: float) -> Surrogate:
        """The network with its values moved by what is such a share of their variance."""
        scaling = oversized.scaling
        shift = np.sqrt(share * np.var(data.y))
        moved = type(scaling)(scaling.x_shift, scaling.x_scale, scaling.y_shift + shift, scaling.y_scale)
        return Surrogate(oversized.layers, moved, "silu", True)

    search = data_search(off_by(2.0e-4), data, value=0.9998)
    errors = search.errors(off_by(2.85e-4))
    assert search.measure.excess == () and errors.size["value"] == pytest.approx(2.85e-4, rel=0.05)
    assert errors.on_labels == {} and not search.within(errors) and search.within(search.errors(off_by(1.5e-4)))
    assert data_search(oversized, data, value=1e-3, figure="max_abs").measure.limits == {"value": 1e-3}
    noise = np.sqrt(1e-3 * np.var(data.y)) * np.random.default_rng(6).standard_normal(len(x))
    noisy = Samples(x, data.y + noise, data.dydx)
    search = data_search(off_by(2.0e-4), noisy, value=0.9998, delta=0.9998)
    errors = search.errors(off_by(2.85e-4))
    assert search.measure.excess == ("value",) and errors.on_labels["value"] == pytest.approx(1.285e-3, rel=0.2)
    assert abs(errors.size["value"] - 0.85e-4) < STANDARD_ERRORS * errors.stderr["value"]
    assert data_search(off_by(2.0e-4), noisy, value=0.98).measure.excess == ()


def test_a_tolerance_holds_for_every_output():
    """sin(3 x1 x2) and 1000 + cos(3 x1 + x2): of all entries together a constant explains 0.999998."""
    x = np.random.default_rng(7).uniform(-1.0, 1.0, (1024, 2))
    product, total = 3 * x[:, 0] * x[:, 1], 3 * x[:, 0] + x[:, 1]
    y = np.stack([np.sin(product), 1000 + np.cos(total)], axis=1)
    slopes = np.stack([np.cos(product)[:, None] * 3 * x[:, ::-1], -np.sin(total)[:, None] * [3.0, 1.0]], axis=1)
    samples = Samples(x, y, slopes)
    start = Surrogate.create([2, 8, 8, 2], samples, key=jax.random.key(0))
    zero = Surrogate(jax.tree.map(np.zeros_like, start.layers), start.scaling, "silu", False)
    search = data_search(start, samples, value=0.999, delta=0.9)
    assert list(search.limits) == [f"{of} of output {j}" for of in ("value", "delta") for j in (0, 1)]
    errors = search.errors(zero)
    assert not search.within(errors) and min(errors.size.values()) > 0.5
    trained = fit(start, samples, key=jax.random.key(1), optimiser=LBFGS(150)).surrogate
    found = shrink(trained, samples, tolerance=Tolerance(value=0.95), box=([-1.0, -1.0], [1.0, 1.0]))
    assert found.surrogate is not None and set(found.limits) == {"value of output 0", "value of output 1"}
    r2 = [output.value.r2 for output in evaluate(found.surrogate, samples).outputs]
    assert min(r2) > 0.94 and found.verified.value.r2 == min(output.value.r2 for output in found.verified.outputs)
    assert all(set(candidate.errors) == set(found.limits) for candidate in found.path)
    with pytest.raises(InputError, match="The value of output 1 never changes, so it has no R2"):
        data_search(start, Samples(x, y * [1.0, 0.0], slopes), value=0.9)


def test_the_axis_of_a_single_output_may_be_there_or_not(oversized):
    x = np.random.default_rng(8).uniform(0.5, 1.5, (256, 2))
    data = oversized.label(x)
    column = Samples(x, np.asarray(data.y)[:, None], np.asarray(data.dydx)[:, None])
    assert data_search(oversized, column, value=0.9).errors(oversized).size["value"] == 0.0
    two = Samples(x, np.stack([data.y, data.y], axis=1), np.stack([data.dydx, data.dydx], axis=1))
    for given in (two, Samples(x[:, :1], data.y, data.dydx[:, :1])):
        with pytest.raises(InputError, match="The surrogate has 2 inputs and 1 outputs, samples has"):
            shrink(oversized, given, tolerance=Tolerance(value=0.9), box=([0.5, 0.5], [1.5, 1.5]))


def test_noisy_samples_alone_lead_to_a_small_network_of_the_inputs_that_matter(basket):
    """Half of the inputs are noise; errors are the excess over the start on labels held out, gamma is not known."""
    pairs = basket.sample(jax.random.key(3), 8192)
    others = np.random.default_rng(4).uniform(0.0, 1.0, (len(pairs), 2))
    x = np.stack([others[:, 0], pairs.x[:, 0], pairs.x[:, 1], others[:, 1]], axis=1)
    dydx = np.stack([0.0 * others[:, 0], pairs.dydx[:, 0], pairs.dydx[:, 1], 0.0 * others[:, 1]], axis=1)
    samples = Samples(x, pairs.y, dydx)
    start = Surrogate.create([4, 6, 6, 1], samples, key=jax.random.key(1))
    start = fit(start, samples, key=jax.random.key(2), optimiser=LBFGS(150)).surrogate
    box = (x.min(axis=0), x.max(axis=0))
    found = shrink(start, samples, tolerance=Tolerance(value=0.999, delta=0.995), box=box, size="operations")
    assert found.inputs == (1, 2) and found.surrogate.widths[0] == 4 and found.against.startswith("held-out")
    small = reduced(found.surrogate)
    accepted = [c for c in found.path if c.accepted]
    assert min(c.n_operations for c in accepted) == operation_count(small.widths)
    assert all(c.stderr["value"] > 0 for c in found.path)
    assert found.verified.gamma is None and found.verified.value.excess.r2 < 0.002
    assert all(c.on_labels["value"] > 0.01 > 0.001 > c.errors["value"] - c.stderr["value"] for c in accepted)
    errors = evaluate(small, basket).figures("r2")
    assert errors["value"] > 0.99 and errors["delta"] > 0.98


def test_a_search_whose_time_is_over_gives_what_it_has_and_says_so(found, basket, oversized, directory):
    """By the seconds that the trainings of the checkpoints took, so that it ends alike every time."""
    settings = {"tolerance": TOLERANCE, "pairs": 32_768, "checkpoints": directory}
    seconds = [candidate.seconds for candidate in found.path]
    first = next(i for i, candidate in enumerate(found.path) if candidate.accepted)
    allowed = sum(seconds[: first + 1])
    half = shrink(oversized, basket, seconds=allowed, **settings)
    assert half.cut_short and half.path[0] == found.path[0]
    assert sum(candidate.seconds for candidate in half.path[:-1]) <= allowed  # the last one was begun in time
    assert half.surrogate is None or half.surrogate.n_parameters >= found.surrogate.n_parameters
    whole = shrink(oversized, basket, seconds=3.0 * sum(seconds), **settings)
    assert not whole.cut_short and whole.path == found.path
    nothing = shrink(oversized, basket, seconds=0.0, **settings)
    assert nothing.cut_short and nothing.surrogate is None and len(nothing.path) == 1
    within = shrink(oversized, basket, max_parameters=16, pairs=32_768, seconds=0.0)
    assert within.cut_short and within.surrogate.n_parameters <= 16
