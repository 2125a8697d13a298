"""The interval type: invariants, IEEE 1788 numbers and sets, refusals."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.enclosure.scalar import rounding

INF = np.inf


def bounds(interval: Interval) -> tuple[float, float]:
    return float(interval.lower), float(interval.upper)


@pytest.mark.parametrize(
    ("lower", "upper", "sentence"),
    [
        (1.0, 0.0, "not below the upper endpoint"),
        (np.nan, 1.0, "an endpoint is NaN"),
        (INF, INF, "not below"),
        ([0.0, 2.0], [1.0, 1.0], r"index \(1,\)"),
        (np.zeros(2), np.ones(3), "do not fit together"),
        (1j, 1.0, "real numbers"),
    ],
)
def test_wrong_endpoints_are_refused_with_advice(lower, upper, sentence):
    with pytest.raises(InputError, match=sentence):
        Interval(lower, upper)


def test_denormal_endpoints_move_outward():
    tiny, denormal = float(np.finfo(np.float64).tiny), 5e-324
    assert bounds(Interval(denormal, denormal)) == (0.0, tiny)
    assert bounds(Interval(-denormal, -denormal)) == (-tiny, 0.0)
    assert bounds(Interval(-denormal, denormal)) == (-tiny, tiny)


def test_an_interval_is_a_pytree_that_vmap_and_jit_take():
    box = Interval(jnp.zeros((3, 2)), jnp.ones((3, 2)))
    doubled = jax.jit(jax.vmap(lambda b: b * 2.0))(box)
    assert isinstance(doubled, Interval) and doubled.shape == (3, 2) and doubled[0, 1].ndim == 0
    assert [str(path) for path, _ in jax.tree_util.tree_leaves_with_path(box)] == [
        "(GetAttrKey(name='lower'),)",
        "(GetAttrKey(name='upper'),)",
        "(GetAttrKey(name='decoration'),)",
    ]


def test_numbers_of_the_standard():
    box = Interval([-1.0, 2.0, -INF, INF, -INF], [3.0, 2.0, 5.0, -INF, INF])
    np.testing.assert_array_equal(box.mid()[:2], [1.0, 2.0])
    assert np.all(np.isfinite(box.mid()[jnp.array([2, 4])])) and np.isnan(box.mid()[3])
    np.testing.assert_array_equal(box.mag()[jnp.array([0, 1, 2, 4])], [3.0, 2.0, INF, INF])
    np.testing.assert_array_equal(box.mig()[jnp.array([0, 1, 2, 4])], [0.0, 2.0, 0.0, 0.0])
    assert box.wid()[0] >= 4.0 and box.wid()[1] == 0.0 and box.wid()[2] == INF and np.isnan(box.wid()[3])
    assert box.rad()[0] >= 2.0 and box.rad()[1] == 0.0
    np.testing.assert_array_equal(box.is_empty(), [False, False, False, True, False])
    np.testing.assert_array_equal(box.is_entire(), [False, False, False, False, True])
    np.testing.assert_array_equal(box.is_singleton(), [False, True, False, False, False])
    np.testing.assert_array_equal(box.is_bounded(), [True, True, False, True, False])


def test_midpoint_and_radius_cover_the_interval_exactly():
    from fractions import Fraction

    generator = np.random.default_rng(1)
    ends = np.sort(generator.normal(size=(200, 2)) * 10.0 ** generator.integers(-300, 300, (200, 1)), axis=1)
    box = Interval(ends[:, 0], ends[:, 1])
    for low, high, middle, radius in zip(*ends.T, np.asarray(box.mid()), np.asarray(box.rad())):
        assert Fraction(middle) - Fraction(radius) <= Fraction(low)
        assert Fraction(middle) + Fraction(radius) >= Fraction(high)


def test_an_interval_says_how_it_was_made_not_where_it_lies(monkeypatch):
    box = Interval(0.0, 1.0)
    inside = jax.jit(lambda b: b + 1.0)(box)
    by_hand = Interval.unchecked(box.lower, box.upper)
    assert box.guaranteed and (box + 1.0).guaranteed and inside.guaranteed and enclose(jnp.sin)(box).guaranteed
    assert not by_hand.guaranteed and not (by_hand + box).guaranteed and not enclose(jnp.sin)(by_hand).guaranteed
    with pytest.raises(InputError, match="guaranteed is not known under jit"):
        jax.jit(lambda b: b.guaranteed)(box)
    monkeypatch.setattr(rounding, "tested_on", lambda device, dtype: dtype == np.float32)
    assert inside.guaranteed and not (box + 1.0).guaranteed and not enclose(jnp.cos)(box).guaranteed
    assert not jax.jit(enclose(jnp.sinh))(box).guaranteed
    assert enclose(jnp.cos)(Interval(np.float32(0.0), np.float32(1.0))).guaranteed


def test_a_processor_without_tested_margins_claims_nothing(monkeypatch):
    device = jax.devices("cpu")[0]
    monkeypatch.setattr(rounding.platform, "machine", lambda: "aarch64")
    assert not rounding.tested_on(device, np.float64)
    monkeypatch.undo()
    assert rounding.tested_on(device, np.float64) and not rounding.tested_on(device, jnp.bfloat16)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert not rounding.tested_on(device, np.float64)


def test_a_decoration_says_where_a_function_is_defined_continuous_and_differentiable():
    box = Interval(jnp.array([-1.0, 1.0]), jnp.array([2.0, 2.0]))
    for function, defined, continuous, differentiable in (
        (jnp.sqrt, [False, True], [False, True], [False, True]),
        (jnp.floor, [True, True], [False, False], [False, False]),
        (jnp.abs, [True, True], [True, True], [False, True]),
        (jnp.exp, [True, True], [True, True], [True, True]),
    ):
        found = enclose(function)(box)
        assert found.is_defined().tolist() == defined, function
        assert found.is_continuous().tolist() == continuous, function
        assert found.is_differentiable().tolist() == differentiable, function
    assert (1.0 / box).is_defined().tolist() == [False, True]
    assert not Interval.unchecked(box.lower, box.upper).is_defined().any()


def test_margins_are_tested_on_processors_and_in_float64_on_some_gpus():
    tested, other = (SimpleNamespace(platform="gpu", device_kind=kind) for kind in (*rounding.TESTED_GPUS, "another"))
    for dtype in (np.float64, np.float32):
        assert rounding.tested_on(jax.devices("cpu")[0], dtype) and not rounding.tested_on(other, dtype)
        assert rounding.tested_on(tested, dtype) == (dtype == np.float64)


def test_sets():
    a, b, none = Interval(0.0, 2.0), Interval(1.0, 3.0), Interval.empty()
    assert bounds(a.intersection(b)) == (1.0, 2.0)
    assert bounds(a.hull(b)) == (0.0, 3.0) and bounds(a.hull(none)) == (0.0, 2.0)
    assert bool(a.intersection(Interval(5.0, 6.0)).is_empty()) and bool(a.intersection(none).is_empty())
    assert bool(a.intersection(b).subset(a)) and not bool(a.subset(b)) and bool(none.subset(a))
    assert bool(Interval(0.5, 1.0).interior(a)) and not bool(a.interior(a)) and bool(none.interior(a))
    assert bool(a.disjoint(Interval(2.5, 3.0))) and not bool(a.disjoint(b)) and bool(a.disjoint(none))
    assert bool(a.less(b)) and not bool(a.precedes(b)) and bool(a.precedes(Interval(2.0, 3.0)))
    assert bool(a.equal(Interval(0.0, 2.0)))
    inside = a.contains(jnp.array([0.0, 2.0, 2.1, INF, np.nan]))
    np.testing.assert_array_equal(inside, [True, True, False, False, False])
    assert not bool(Interval.entire().contains(INF))


def test_nan_claims_nothing():
    unknown = Interval.unchecked(jnp.asarray(jnp.nan), jnp.asarray(jnp.nan))
    assert bool(unknown.is_nai()) and not bool(unknown.contains(0.0)) and not bool(unknown.subset(Interval.entire()))
    one = Interval(0.0, 1.0)
    for result in (unknown + 1.0, unknown * 0.0, 1.0 / unknown, unknown.hull(one), abs(unknown), unknown**2):
        assert bool(result.is_nai())


def test_operators_take_arrays_on_either_side_and_round_outward():
    box = Interval([1.0, 2.0], [2.0, 3.0])
    tenth = jnp.array([0.1, 0.1])
    for result, exact in [
        (box + tenth, ([1.1, 2.1], [2.1, 3.1])),
        (tenth - box, ([-1.9, -2.9], [-0.9, -1.9])),
        (1.0 / box, ([0.5, 1 / 3], [1.0, 0.5])),
        (box**2, ([1.0, 4.0], [4.0, 9.0])),
        (-box, ([-2.0, -3.0], [-1.0, -2.0])),
    ]:
        assert np.all(np.asarray(result.lower) <= exact[0]) and np.all(np.asarray(result.upper) >= exact[1])
        np.testing.assert_allclose(result.lower, exact[0], rtol=4e-16)
        np.testing.assert_allclose(result.upper, exact[1], rtol=4e-16)
    product = jnp.array([[1.0, -1.0]]) @ box
    assert float(product.lower[0]) <= -2.0 and float(product.upper[0]) >= 0.0 and float(product.wid()[0]) < 2.0 + 1e-13


def test_a_broken_exponent_is_refused_with_advice(types_unchecked):
    with pytest.raises(InputError, match="takes an integer"):
        Interval(1.0, 2.0) ** 0.5


def test_empty_operands_make_empty_results_and_unbounded_ones_stay_sound():
    none, ray = Interval.empty(), Interval(0.0, INF)
    for result in (none + 1.0, none * Interval.entire(), 1.0 / none, none - none, abs(none)):
        assert bool(result.is_empty())
    assert bounds(ray * 2.0)[1] == INF and bounds(ray * 2.0)[0] == 0.0
    assert bounds(ray * 0.0) == (pytest.approx(0.0, abs=1e-300),) * 2
    assert bool((1.0 / Interval(-1.0, 1.0)).is_entire()) and bool((1.0 / Interval(0.0, 0.0)).is_empty())
    assert bounds(1.0 / ray) == (0.0, INF)
    huge = Interval(1e308, 1e308) * 10.0
    assert bounds(huge) == (pytest.approx(np.finfo(float).max), INF)
