"""Primitives of people's programs beyond arithmetic: enclosed over the whole box, and as tightly as they can be."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import primitives as p
from jax.scipy.linalg import solve_triangular

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.enclosure import Interval, enclose, further_decorations
from sobolev_pruning.enclosure.interval import JUMPS, KINKED, UNDEFINED
from sobolev_pruning.enclosure.natural import functions as function_tables

IMAGE = np.sin(np.arange(24.0)).reshape(1, 2, 3, 4)
KERNEL = np.cos(np.arange(24.0)).reshape(3, 2, 2, 2)
TRIANGLE = np.array([[2.0, 9.0, 9.0], [0.5, -1.5, 9.0], [-1.0, 0.3, 1.2]])  # what lies above is not read


def convolved(image, kernel=KERNEL, **settings):
    padding = [(1, 2), (0, 1)]
    return lax.conv_general_dilated(image, jnp.asarray(kernel), (2, 1), padding, rhs_dilation=(1, 2), **settings)


def in_groups(image):
    return lax.conv_general_dilated(
        image, jnp.asarray(KERNEL[:2, :1]), (1, 1), [(0, 1), (1, -1)], feature_group_count=2, lhs_dilation=(2, 1)
    )


def triangular(matrix, right, **settings):
    return solve_triangular(matrix, right.reshape(3, 2), lower=True, **settings)


# Function, center of the box, and how much wider than the values seen its bounds may be.
LINEAR = {
    "convolution": (lambda x: convolved(x), IMAGE),
    "convolution in groups": (in_groups, IMAGE),
    "channels last": (
        lambda x: lax.conv_general_dilated(
            jnp.moveaxis(x, 1, -1), jnp.asarray(KERNEL.transpose(2, 3, 1, 0)), (1, 1), "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ),
        IMAGE,
    ),
    "its adjoint": (lambda x: jax.vjp(convolved, x)[1](convolved(jnp.asarray(IMAGE)) ** 0)[0] + x, IMAGE),
    "box as kernel": (lambda k: convolved(jnp.asarray(IMAGE), k), KERNEL),
    "convolve": (lambda x: jnp.convolve(x[0, 0, 0], jnp.asarray(KERNEL[0, 0, 0]), mode="same"), IMAGE),
    "mean of windows": (lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 1, 2), "VALID") / 4, IMAGE),
    "triangular system": (lambda b: triangular(jnp.asarray(TRIANGLE), b), np.arange(6.0)),
    "transposed": (lambda b: triangular(jnp.asarray(TRIANGLE), b, trans=1, unit_diagonal=True), np.arange(6.0)),
    "stack and unstack": (lambda x: jnp.stack(jnp.unstack(x, axis=2)[::-1], axis=1), IMAGE),
    "remainder, one quotient": (lambda x: jnp.fmod(x, jnp.asarray(2.0)), np.array([5.0, -3.1, 0.4])),
    "modulus, one quotient": (lambda x: jnp.mod(x, jnp.asarray(2.0)), np.array([5.0, -3.1, 0.4])),
}  # fmt: skip
WINDOW = ((1, 1, 2, 2), (1, 1, 1, 1), "SAME")
MONOTONE = {
    "largest of windows": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, *WINDOW), IMAGE),
    "smallest of windows": (lambda x: lax.reduce_window(x, jnp.inf, lax.min, *WINDOW), IMAGE),
    "largest few": (lambda x: lax.top_k(x, 2)[0], IMAGE),
    "written where larger": (lambda x: jnp.zeros(4).at[np.array([0, 2, 2, 3])].max(x[0, 0, 0]), IMAGE),
    "fewer bits": (lambda x: lax.reduce_precision(x, 8, 7), IMAGE),
    "cumulative maximum": (lambda x: lax.cummax(x, axis=3), IMAGE),
    "log2": (lambda x: jnp.log2(2 + x) + jnp.exp2(x), IMAGE),
}
PROGRAMS = LINEAR | MONOTONE
RADIUS = 0.03


@functools.cache
def enclosed(method: str, names: tuple[str, ...]):
    boxes = {name: Interval(PROGRAMS[name][1] - RADIUS, PROGRAMS[name][1] + RADIUS) for name in names}
    return jax.jit(lambda b: {name: enclose(PROGRAMS[name][0], method)(b[name]) for name in b})(boxes)


@functools.cache
def reached():
    """Values at random points, at random corners and at the two extreme corners."""
    generator = np.random.default_rng(0)
    points = {}
    for name, (_, center) in PROGRAMS.items():
        inner = generator.uniform(-1, 1, (60, *center.shape))
        corners = generator.choice([-1.0, 1.0], (60, *center.shape))
        ends = np.stack([np.ones(center.shape), -np.ones(center.shape)])
        points[name] = center + RADIUS * np.concatenate([inner, corners, ends])
    found = jax.jit(jax.vmap(lambda x: {name: fn(x[name]) for name, (fn, _) in PROGRAMS.items()}))(points)
    return {name: np.asarray(value) for name, value in found.items()}


@functools.cache
def slopes(name: str):
    """Sum of the moduli of the slopes: half the width of the exact range of a linear function, per unit of radius."""
    fn, center = LINEAR[name]
    jacobian = jax.jacfwd(fn)(jnp.asarray(center))
    return np.asarray(fn(jnp.asarray(center))), np.abs(np.asarray(jacobian)).sum(axis=tuple(range(-center.ndim, 0)))


@pytest.mark.parametrize("method", ["interval", "affine"])
@pytest.mark.parametrize("name", LINEAR)
def test_linear_programs_are_enclosed_exactly(name, method):
    bounds, (center, reach) = enclosed(method, tuple(LINEAR))[name], slopes(name)
    values = reached()[name]
    assert np.all(bounds.lower <= values.min(axis=0) + 1e-14) and np.all(bounds.upper >= values.max(axis=0) - 1e-14)
    if name == "its adjoint" and method == "interval":  # the box enters twice
        return
    np.testing.assert_allclose(bounds.lower, center - RADIUS * reach, atol=1e-13)
    np.testing.assert_allclose(bounds.upper, center + RADIUS * reach, atol=1e-13)


@pytest.mark.parametrize("name", MONOTONE)
def test_increasing_programs_are_enclosed_by_their_ends(name):
    bounds, values = enclosed("interval", tuple(MONOTONE))[name], reached()[name]
    np.testing.assert_allclose(bounds.lower, values[-1], atol=1e-14)
    np.testing.assert_allclose(bounds.upper, values[-2], atol=1e-14)
    assert np.all(bounds.lower <= values.min(axis=0) + 1e-15) and np.all(bounds.upper >= values.max(axis=0) - 1e-15)


def test_a_system_whose_matrix_is_a_box():
    box = Interval(TRIANGLE - 0.01, TRIANGLE + 0.01)
    right = np.arange(3.0)
    generator = np.random.default_rng(1)
    matrices = TRIANGLE + generator.uniform(-0.01, 0.01, (200, 3, 3))
    values = np.array([np.linalg.solve(np.tril(matrix), right) for matrix in matrices])
    bounds = jax.jit(enclose(lambda a: solve_triangular(a, jnp.asarray(right), lower=True)))(box)
    assert np.all(bounds.lower <= values.min(axis=0)) and np.all(bounds.upper >= values.max(axis=0))
    assert np.all(bounds.wid() <= 2.5 * np.ptp(values, axis=0))


@pytest.mark.parametrize(
    ("fn", "sentence"),
    [
        (lambda x: solve_triangular(jnp.eye(65) + x, jnp.ones(65)), "has 65 unknowns, more than 64"),
        (lambda x: jnp.arange(3.0)[jnp.argmax(x * jnp.arange(3.0))], "depends on the box"),
        (lambda x: jnp.linalg.slogdet(x * jnp.eye(4))[1], "`lu`, produced at"),
    ],
)
def test_what_is_not_ruled_is_refused_in_a_sentence(fn, sentence):
    with pytest.raises(InputError, match=sentence):
        enclose(fn)(Interval(-0.5, 1.0))


def test_reports_to_the_user_are_ignored():
    def fn(x):
        jax.debug.print("x is {}", x)
        jax.debug.callback(lambda v: None, x)
        return 2 * x

    for method in ("interval", "affine"):
        assert float(enclose(fn, method)(Interval(0.0, 1.0)).upper) == pytest.approx(2.0)


def test_positions_of_extremes():
    box = Interval(np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]]), np.array([[0.5, 3.0, 2.5], [4.0, 0.5, 2.0]]))
    most, least = jax.jit(lambda b: enclose(lambda x: (jnp.argmax(x, 1), jnp.argmin(x, 1)))(b))(box)
    np.testing.assert_array_equal(most.lower, [1, 0])
    np.testing.assert_array_equal(most.upper, [2, 0])
    np.testing.assert_array_equal(least.lower, [0, 1])
    np.testing.assert_array_equal(least.upper, [0, 1])


@pytest.mark.parametrize("method", ["interval", "affine"])
def test_derivatives_on_one_side_of_a_kink_are_exact(method):
    def fn(x):
        kinks = jnp.maximum(x[0], x[1]) + 2 * jnp.minimum(x[0], 0.7) + jnp.clip(x[1], 0.1, 1.0) + jnp.abs(x[2])
        return kinks + 3 * jnp.max(x) + 5 * jnp.min(x)

    center = np.array([2.0, 0.5, -1.0])
    gradient = jax.jit(enclose(jax.grad(fn), method))(Interval(center - 0.1, center + 0.1))
    np.testing.assert_allclose(gradient.lower, [4.0, 1.0, 4.0], rtol=1e-14)
    np.testing.assert_allclose(gradient.upper, [4.0, 1.0, 4.0], rtol=1e-14)
    touching = jax.jit(enclose(jax.grad(lambda x: jnp.max(x)), method))(Interval(center - 1.0, center + 1.0))
    assert np.all(touching.lower >= 0) and np.all(touching.upper <= 1 + 1e-14) and float(touching.upper[1]) > 0.99


FLAGS = [
    (p.tan_p, (1.0, 1.5), 0),
    (p.tan_p, (1.0, 1.6), UNDEFINED),
    (p.asin_p, (-0.5, 0.5), 0),
    (p.asin_p, (0.0, 1.0), KINKED),
    (p.acos_p, (0.0, 1.5), KINKED | UNDEFINED),
    (p.acosh_p, (1.0, 2.0), KINKED),
    (p.acosh_p, (0.5, 2.0), KINKED | UNDEFINED),
    (p.atanh_p, (0.0, 1.0), UNDEFINED),
    (p.cbrt_p, (0.0, 1.0), KINKED),
    (p.cbrt_p, (0.5, 1.0), 0),
]


@pytest.mark.parametrize(("primitive", "ends", "flags"), FLAGS)
def test_decorations_say_where_functions_are_not_smooth(primitive, ends, flags):
    assert int(further_decorations.FURTHER[primitive](Interval(*ends))) == flags


def test_decorations_of_two_operands():
    atan2, remainder = (further_decorations.FURTHER[q] for q in (p.atan2_p, p.rem_p))
    assert int(atan2(Interval(-1.0, 1.0), Interval(0.5, 1.0))) == 0
    assert int(atan2(Interval(0.0, 1.0), Interval(-1.0, 1.0))) == JUMPS
    assert int(remainder(Interval(2.1, 2.9), Interval(1.0, 1.0))) == 0
    assert int(remainder(Interval(-0.5, 0.5), Interval(1.0, 1.0))) == 0
    assert int(remainder(Interval(2.0, 2.9), Interval(1.0, 1.0))) == JUMPS
    assert int(remainder(Interval(2.1, 2.9), Interval(-1.0, 1.0))) == JUMPS | UNDEFINED


def test_every_rule_says_whether_it_is_smooth():
    ruled = set(function_tables.RULES)
    assert ruled == set(further_decorations.FURTHER) | further_decorations.SMOOTH
    assert not set(further_decorations.FURTHER) & further_decorations.SMOOTH
