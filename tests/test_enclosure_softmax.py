"""softmax and log-sum-exp: as tight as their monotonicity allows, whatever the program that computes them."""

import functools

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp

from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.enclosure.programs.program import written_out
from sobolev_pruning.enclosure.programs.rewriting import rewritten

CENTER = np.array([[0.1, -0.4, 1.2], [0.7, 0.3, -0.6]])
WEIGHTS = np.array([[1.0, 2.0, 0.5], [0.3, 1.0, 1.0]])
MASK = np.array([True, False, True])


def by_hand(x):
    e = jnp.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def masked(x):
    return jax.nn.softmax(jnp.where(MASK[None], x, -jnp.inf))


VALUES = {
    "softmax": jax.nn.softmax,
    "by hand": by_hand,
    "log_softmax": jax.nn.log_softmax,
    "logsumexp": lambda x: logsumexp(x, axis=1),
    "logsumexp of jax.nn": lambda x: jax.nn.logsumexp(x, axis=0, keepdims=True),
    "masked": masked,
    "where": lambda x: jax.nn.softmax(x, where=jnp.asarray(MASK)[None], axis=1),
    "of both axes": lambda x: jax.nn.softmax(x, axis=(0, 1)),
    "of each row": jax.vmap(jax.jit(jax.nn.softmax)),
    "cumulative": lambda x: jax.lax.cumlogsumexp(x, axis=1, reverse=True),
    "weighted": lambda x: logsumexp(x, axis=1, b=jnp.asarray(WEIGHTS)),
}
DERIVATIVES = {
    "softmax": jax.grad(lambda x: jax.nn.softmax(x)[0, 0]),
    "log_softmax": jax.grad(lambda x: jax.nn.log_softmax(x)[1, 2]),
    "logsumexp": jax.grad(lambda x: logsumexp(x, axis=1).sum()),
    "Hessian": lambda x: jax.hessian(jax.nn.logsumexp)(x[0]),
}


def box_of(radius: float) -> Interval:
    return Interval(CENTER - radius, CENTER + radius)


def corners_and_others(box: Interval, count: int = 60) -> np.ndarray:
    generator = np.random.default_rng(2)
    lower, upper = np.asarray(box.lower), np.asarray(box.upper)
    corner = np.array([[bool(i >> k & 1) for k in range(6)] for i in range(64)]).reshape(64, 2, 3)
    return np.concatenate([np.where(corner, upper, lower), lower + (upper - lower) * generator.random((count, 2, 3))])


BY_AFFINE_FORMS = {"values": ("softmax", "logsumexp", "masked"), "derivatives": ("softmax",)}
"""Forms take long to compile."""


@functools.cache
def enclosed(kind: str, method: str, radius: float):
    programs = VALUES if kind == "values" else DERIVATIVES
    if method == "affine":
        programs = {name: programs[name] for name in BY_AFFINE_FORMS[kind]}
    return jax.jit(lambda box: {name: enclose(fn, method)(box) for name, fn in programs.items()})(box_of(radius))


@functools.cache
def reached(kind: str, radius: float):
    programs = VALUES if kind == "values" else DERIVATIVES
    points = corners_and_others(box_of(radius))
    return jax.jit(jax.vmap(lambda x: {name: fn(x) for name, fn in programs.items()}))(points)


def cases(kind: str, programs: dict) -> list:
    return [("interval", name) for name in programs] + [("affine", name) for name in BY_AFFINE_FORMS[kind]]


@pytest.mark.parametrize(("method", "name"), cases("values", VALUES))
def test_values_are_enclosed_as_tightly_as_corners_say(method, name):
    bounds, values = enclosed("values", method, 0.2)[name], np.asarray(reached("values", 0.2)[name])
    room = 1e-14 * (1 + np.abs(values).max())
    lowest, highest = values.min(axis=0), values.max(axis=0)
    assert np.all(bounds.lower <= lowest + room) and np.all(bounds.upper >= highest - room)
    np.testing.assert_allclose(bounds.lower, lowest, atol=room)
    np.testing.assert_allclose(bounds.upper, highest, atol=room)


MOST = {"softmax": 2.8, "log_softmax": 1.01, "logsumexp": 1.01, "Hessian": 8.0}
"""Widths over those of what is reached."""


@pytest.mark.parametrize(("method", "name"), cases("derivatives", DERIVATIVES))
def test_derivatives_are_enclosed_without_the_shift(method, name):
    bounds, values = enclosed("derivatives", method, 0.2)[name], np.asarray(reached("derivatives", 0.2)[name])
    lowest, highest = values.min(axis=0), values.max(axis=0)
    assert np.all(bounds.lower <= lowest + 1e-14) and np.all(bounds.upper >= highest - 1e-14)
    assert np.all(bounds.wid() <= MOST[name] * (highest - lowest) + 1e-14)


def test_entries_lie_between_0_and_1_and_nothing_overflows():
    box = Interval(500 * CENTER - 3000.0, 500 * CENTER + 3000.0)
    found = jax.jit(lambda b: (enclose(jax.nn.softmax)(b), enclose(jax.nn.log_softmax)(b), enclose(logsumexp)(b)))(box)
    entries, logarithms, total = found
    assert np.all(entries.lower >= 0) and np.all(entries.upper <= 1) and np.all(logarithms.upper <= 0)
    assert np.all(np.isfinite(logarithms.lower)) and np.all(logarithms.lower > -7000)
    np.testing.assert_allclose([total.lower, total.upper], [600.0 - 3000, 600.0 + 3000], rtol=1e-13)


def test_rounding_is_outward():
    """Against balls, for points whose sums lose digits."""
    generator = np.random.default_rng(5)
    x = generator.normal(0, 1, (40, 5)) * 10.0 ** generator.integers(-3, 3, (40, 1))
    program = jax.jit(lambda b: (enclose(jax.nn.softmax)(b), enclose(lambda v: logsumexp(v, axis=1))(b)))
    entries, totals = program(Interval(x, x))
    for row, entry_low, entry_high, low, high in zip(x, entries.lower, entries.upper, totals.lower, totals.upper):
        terms = [flint.arb(float(v)).exp() for v in row]
        total = sum(terms, flint.arb(0))
        assert not flint.arb(float(low)) > total.log() and not flint.arb(float(high)) < total.log()
        assert float(high) - float(low) <= 1e-14 * (1 + abs(float(low)))
        for term, below, above in zip(terms, entry_low, entry_high):
            value = term / total
            assert not flint.arb(float(below)) > value and not flint.arb(float(above)) < value
            assert float(above) - float(below) <= 1e-12 * float(above) + 1e-300  # exponents of some hundred are rounded


def test_softmax_is_smooth_although_its_program_takes_a_maximum():
    for kind, names in (("values", list(VALUES)), ("derivatives", list(DERIVATIVES))):
        for name in names:
            assert np.all(enclosed(kind, "interval", 0.2)[name].is_continuous()), name


def primitives_of(fn, shape=(2, 3)):
    closed = jax.make_jaxpr(fn)(jax.ShapeDtypeStruct(shape, float))
    return [equation.primitive.name for equation in rewritten(written_out(closed)).equations]


def test_only_what_does_not_depend_on_the_shift_is_rewritten():
    def with_the_shift(x):
        m = x.max(axis=-1, keepdims=True)
        return jnp.exp(x - m)

    def another_sum(x):
        m = x.max(axis=-1, keepdims=True)
        return jnp.exp(x - m) / (1 + jnp.exp(x - m).sum(axis=-1, keepdims=True))

    def one_shift_for_all(x):
        e = jnp.exp(x - x.max())
        return e / e.sum(axis=-1, keepdims=True)

    assert "softmax" in primitives_of(by_hand)
    for fn in (with_the_shift, another_sum):
        assert not {"softmax", "log_sum_exp", "some_number"} & set(primitives_of(fn))
    assert "softmax" not in primitives_of(one_shift_for_all)
    box = box_of(0.2)
    for fn in (with_the_shift, another_sum, one_shift_for_all):
        values = np.asarray(jax.vmap(fn)(corners_and_others(box)))
        bounds = jax.jit(enclose(fn))(box)
        assert np.all(bounds.lower <= values.min(axis=0) + 1e-14) and np.all(bounds.upper >= values.max(axis=0) - 1e-14)


def test_a_jump_of_the_users_own_is_not_taken_for_that_of_the_shift():
    def chosen(x):
        return jnp.sum(jnp.where(x == x.max(axis=1, keepdims=True), 1.0, 0.0) * CENTER) + jax.nn.softmax(x)[0, 0]

    assert not bool(jax.jit(enclose(chosen))(box_of(0.5)).is_continuous())
    assert not np.any(jax.jit(enclose(jax.grad(chosen)))(box_of(0.5)).is_continuous())


def test_empty_and_unbounded_entries():
    box = Interval(np.array([0.0, -np.inf, 1.0]), np.array([0.0, 2.0, 1.0]))
    entries, total = jax.jit(lambda b: (enclose(jax.nn.softmax)(b), enclose(jax.nn.logsumexp)(b)))(box)
    assert float(entries.lower[1]) == 0.0 and float(entries.upper[0]) >= 1 / (1 + np.e)
    assert float(total.lower) <= np.log(1 + np.e) and float(total.upper) >= np.log(1 + np.e + np.e**2)
    none = Interval.unchecked(jnp.array([0.0, jnp.inf]), jnp.array([1.0, -jnp.inf]), np.zeros(2, np.uint8))
    assert bool(np.all(enclose(jax.nn.softmax)(none).is_empty()))
