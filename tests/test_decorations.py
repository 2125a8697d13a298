"""Programs that are not smooth everywhere, and their decorations: kinks, jumps, holes, guards, powers, integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.enclosure import EnclosureError, Interval, enclose, further_decorations, smoothness
from sobolev_pruning.enclosure.decorations import BENT, CUSTOM, JUMPS, KINKED, UNDEFINED
from sobolev_pruning.enclosure.natural import rules as interval_rules
from sobolev_pruning.enclosure.scalar import integers
from sobolev_pruning.reference import GaussianBasket
from tolerances import AD_AGAINST_DIFFERENCES

METHODS = ("interval", "affine", "split")
BOXES = {"left": (-2.0, -1.0), "across": (-1.0, 2.0), "from 0": (0.0, 1.0), "around -1": (-1.01, -0.99)}


@pytest.fixture(autouse=True)
def promotion_as_users_have_it():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def wholes(x, dtype=int):
    return x.astype(dtype)


PROGRAMS = {
    "powers of arange": lambda x: x ** jnp.arange(4),
    "powers of floats": lambda x: x ** jnp.array([1.0, 2.0, 3.0]),
    "slope of powers": jax.grad(lambda x: jnp.sum(x ** jnp.array([1.0, 2.0, 3.0]))),
    "vander": lambda x: jnp.vander(x[None], 4),
    "powers under vmap": lambda x: jax.vmap(lambda n: x**n)(jnp.arange(4)),
    "powers in a loop": lambda x: lax.fori_loop(0, 4, lambda i, total: total + x**i, 0.0),
    "powers in a scan": lambda x: lax.scan(lambda total, i: (total + x**i, x**i), 0.0, jnp.arange(4))[1],
    "a high power": lambda x: x**1024.0,
    "an odd high power": lambda x: x**1023.0,
    "negative powers": lambda x: x ** jnp.array([-1, -2, -3]),
    "power of a power": lambda x: jnp.power(x, jnp.round(x)),
    "zeroth power": lambda x: jnp.sqrt(x) ** 0,
    "bool": lambda x: wholes(x, bool),
    "and": lambda x: wholes(x) & 1,
    "or": lambda x: wholes(x) | 2,
    "exclusive or": lambda x: wholes(x) ^ 5,
    "not": lambda x: ~wholes(x),
    "quotient": lambda x: lax.div(wholes(7 * x), 3),
    "floor division": lambda x: wholes(7 * x) // 3,
    "remainder of wholes": lambda x: wholes(7 * x) % 3,
    "wrap of int8": lambda x: wholes(x, jnp.int8) * jnp.int8(100),
    "wrap of int32": lambda x: wholes(x, jnp.int32) * jnp.int32(2**30),
    "sum of wholes": lambda x: jnp.sum(wholes(jnp.array([1.0, 2.0]) * x)),
    "cumulative sum of wholes": lambda x: jnp.cumsum(wholes(jnp.array([1.0, 3.0]) * x)),
    "product of wholes": lambda x: jnp.prod(wholes(jnp.array([1.0, 3.0]) * x)),
    "square of wholes": lambda x: wholes(3 * x) ** 2,
    "guard by isnan": lambda x: jnp.where(jnp.isnan(jnp.log(x)), 0.0, jnp.log(x)),
    "nan_to_num": lambda x: jnp.nan_to_num(jnp.sqrt(x), nan=-5.0),
    "guard by a comparison": lambda x: jnp.where(jnp.sqrt(x) >= 0, 1.0, -1.0),
    "nanmax": lambda x: jnp.nanmax(jnp.log(jnp.stack([x, x + 1]))),
    "isfinite": lambda x: jnp.where(jnp.isfinite(jnp.log(x)), 1.0, 2.0),
    "sort with NaN": lambda x: jnp.sort(jnp.stack([jnp.sqrt(x), 3.0 + 0 * x])),
    "cond on NaN": lambda x: lax.cond(jnp.sqrt(x) > 0.5, lambda: 1.0, lambda: 2.0),
    "minimum with infinity": lambda x: jnp.minimum(x, jnp.inf),
    "maximum with infinity": lambda x: jnp.maximum(x, -jnp.inf),
    "limit that is no number": lambda x: jnp.where(x > jnp.log(x - 1.5), -5.0, x),
    "largest of no numbers": lambda x: jnp.where(
        jnp.stack([x, jnp.sqrt(x)]) == jnp.max(jnp.stack([x, jnp.sqrt(x)])), 1, 0
    ),
    "step": lambda x: jnp.where(x > 0.25, x, -1.0),
    "safe root": lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0),
    "floor": lambda x: 0.1 * jnp.floor(1.7 * x),
    "sign": jnp.sign,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_value_is_enclosed(name):
    """All values that are numbers, at points inside, at both ends and next to them."""
    program = PROGRAMS[name]
    for low, high in BOXES.values():
        points = np.unique(np.concatenate([np.linspace(low, high, 41), np.nextafter([low, high], [high, low])]))
        values = np.asarray(jax.vmap(program)(points), float).reshape(len(points), -1)
        for method in METHODS[: 2 if (low, high) == BOXES["across"] else 1]:
            found = enclose(program, method)(Interval(low, high))
            lower, upper = (np.ravel(np.asarray(end)).astype(float) for end in (found.lower, found.upper))
            number = np.isfinite(values)
            assert np.all((lower <= values) & (values <= upper) | ~number), (name, method, low, high)
            undefined = np.isnan(values).any(axis=0)
            assert not (undefined & np.ravel(np.asarray(found.is_defined()))).any(), (name, method, low, high)


def test_powers_are_tight_on_either_side_of_zero():
    found = enclose(lambda x: x ** jnp.arange(4))(Interval(-1.0, 2.0))
    np.testing.assert_allclose(found.lower, [1, -1, 0, -1], atol=1e-14)
    np.testing.assert_allclose(found.upper, [1, 2, 4, 8], rtol=1e-14)
    by_exponent = jax.jit(enclose(lambda x, p: x**p))
    for exponent, ends in ((3.0, (-1.0, 8.0)), (2.0, (0.0, 4.0)), (-2.0, (0.25, np.inf)), (0.0, (1.0, 1.0))):
        found = by_exponent(Interval(-1.0, 2.0), jnp.asarray(exponent))
        np.testing.assert_allclose([found.lower, found.upper], ends, rtol=1e-14, atol=1e-14)
    base = Interval(jnp.array([-2.0, 0.0, -2.0]), jnp.array([-1.0, 0.0, -1.0]))
    exponent = Interval(jnp.array([-1.0, 0.0, 0.5]), jnp.array([-1.0, 1.0, 3.5]))
    found = enclose(jnp.power)(base, exponent)  # of -2 the powers 1, 2 and 3; 0**0 is 1, 0**1 is 0
    np.testing.assert_allclose(found.lower, [-1.0, 0.0, -8.0], rtol=1e-14)
    np.testing.assert_allclose(found.upper, [-0.5, 1.0, 4.0], rtol=1e-14)
    assert found.is_defined().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (jnp.sin, 0),
        (jnp.abs, KINKED),
        (lambda x: jnp.maximum(x, x * x), KINKED),
        (lambda x: jnp.clip(x, -0.5, 3.0), KINKED),
        (jax.nn.relu, KINKED),
        (jax.nn.elu, BENT),
        (jax.nn.leaky_relu, KINKED),
        (lambda x: jnp.where(x < 1, x**2, 2 * x - 1), KINKED),
        (lambda x: jnp.where(x < 1, x**2, 2 * x - 1.01), JUMPS),
        (lambda x: jnp.where(0 < x, x, jnp.expm1(x)), KINKED),
        (jnp.sign, JUMPS),
        (jnp.floor, JUMPS),
        (lambda x: x.astype(int).astype(float), JUMPS),
        (jnp.sqrt, UNDEFINED | KINKED),
        (jnp.log, UNDEFINED),
        (lambda x: 1 / x, UNDEFINED),
        (lambda x: x**0.5, UNDEFINED | KINKED),
        (lambda x: jnp.where(jnp.logical_not(jnp.sqrt(x) < 2.0), 2.0, x), UNDEFINED | KINKED | JUMPS),
        (lambda x: lax.stop_gradient(x) * x, CUSTOM),
        (lambda x: jnp.where(jnp.abs(x) < 100, x**2, 0.0), 0),
        (lambda x: jnp.where(jnp.floor(x) > 100, 0.0, x**2), 0),
        (jax.scipy.stats.norm.cdf, 0),
        (lambda x: jnp.logaddexp(x, 1 - x), 0),
        (jax.hessian(jax.nn.relu), JUMPS),
        (jax.hessian(lambda x: jnp.maximum(x, 0)), JUMPS),
    ],
)
def test_a_decoration_names_what_a_program_lacks(program, expected):
    box, away = Interval(-1.1, 1.1), Interval(1.25, 1.5)
    for method in ("interval", "affine"):
        assert int(enclose(program, method)(box).decoration) == expected
        assert int(enclose(program, method)(away).decoration) == (expected if expected == CUSTOM else 0)
    compiled = jax.jit(jax.vmap(enclose(program)))
    both = compiled(Interval(jnp.array([-1.1, 1.25]), jnp.array([1.1, 1.5])))
    assert both.decoration.tolist() == [expected, expected if expected == CUSTOM else 0]


@pytest.mark.parametrize("method", ["interval", "affine"])
def test_what_does_not_depend_on_the_box_is_smooth(method):
    """Rounding makes an interval about 0 of the rate, and neither its modulus nor the choice is a kink in x."""
    rate, time = jnp.array(0.0), jnp.array(2.0)

    def growth(x):
        small = jnp.abs(rate * time) < 1e-5
        return x * jnp.where(small, 1.0 + rate * time, jnp.expm1(rate * time) / jnp.where(small, 1.0, rate * time))

    box = Interval(-1.0, 1.0)
    assert int(enclose(growth, method)(box).decoration) == 0
    assert int(jax.jit(enclose(growth, method))(box).decoration) == 0
    assert int(enclose(lambda x: x + jnp.sqrt(rate - time), method)(box).decoration) == UNDEFINED
    basket = GaussianBasket.random(n_assets=3, seed=5)
    lower, upper = basket.box
    assert int(enclose(lambda x: basket.value(x[None])[0], method)(Interval(lower, upper)).decoration) == 0


def test_rounding_to_a_shorter_type_is_a_staircase():
    found = enclose(lambda x: x.astype(jnp.float32).astype(float))(Interval(1.25, 1.5))
    assert int(found.decoration) == JUMPS
    assert int(enclose(lambda x: x.astype(float))(Interval(np.float32(1.25), np.float32(1.5))).decoration) == 0


def test_a_kink_that_is_only_touched_counts():
    for ends, slope in (((-1.0, 0.0), 0.0), ((0.0, 1.0), 1.0), ((0.0, 0.0), 0.5)):
        assert not enclose(jnp.abs)(Interval(*ends)).is_differentiable()
        assert enclose(jax.grad(lambda x: jnp.maximum(x, 0)))(Interval(*ends)).contains(slope)


def test_a_function_with_a_derivative_of_its_own_is_known():
    @jax.custom_jvp
    def rounded(x):
        return jnp.round(x)

    rounded.defjvp(lambda primals, tangents: (rounded(*primals), tangents[0]))

    @jax.custom_vjp
    def reversed_slope(x):
        return x

    reversed_slope.defvjp(lambda x: (x, None), lambda _, cotangent: (-cotangent,))
    box = Interval(-0.25, 0.25)
    assert int(enclose(rounded)(box).decoration) == CUSTOM
    assert int(enclose(rounded)(Interval(-1.0, 1.0)).decoration) == CUSTOM | JUMPS
    assert int(enclose(reversed_slope)(box).decoration) == CUSTOM


def test_decorations_travel_through_loops_branches_and_enclosures_of_enclosures():
    box = Interval(-1.0, 2.0)
    in_loop = enclose(lambda x: lax.fori_loop(0, 30, lambda i, a: a + jnp.abs(x), 0.0))(box)
    assert int(in_loop.decoration) == KINKED
    in_branch = jax.jit(enclose(lambda x: lax.cond(x > 0, lambda a: jnp.sqrt(a), lambda a: -a, x)))(box)
    assert int(in_branch.decoration) == JUMPS | KINKED | UNDEFINED
    in_scan = enclose(lambda x: lax.scan(lambda c, i: (c, jnp.floor(x) + i), 0.0, jnp.arange(20.0))[1])(box)
    assert in_scan.decoration.tolist() == [JUMPS] * 20
    outer = enclose(jnp.exp)(enclose(jnp.sqrt)(box))
    assert int(outer.decoration) == UNDEFINED | KINKED
    gathered = enclose(lambda x: jnp.abs(x)[jnp.array([1, 1, 0])])(
        Interval(jnp.array([-1.0, 1.0]), jnp.array([1.0, 2.0]))
    )
    assert gathered.decoration.tolist() == [0, 0, KINKED]
    beyond = enclose(lambda x: jnp.take(jnp.abs(x), jnp.array([1, 5])))(
        Interval(jnp.array([-1.0, 1.0]), jnp.array([1.0, 2.0]))
    )
    assert beyond.is_defined().tolist() == [True, False]
    product = enclose(lambda x: jnp.abs(x)[:, None] * jnp.ones((2, 2)) @ jnp.ones(2))(
        Interval(jnp.array([-1.0, 1.0]), jnp.array([1.0, 2.0]))
    )
    assert product.decoration.tolist() == [KINKED, 0]


def test_a_second_derivative_inside_a_loop_has_the_jump_of_the_first():
    def looped(x):
        return lax.fori_loop(0, 20, lambda i, total: total + jnp.maximum(x, 0.0), 0.0)

    assert int(enclose(jax.hessian(looped))(Interval(-1.0, 1.0)).decoration) & JUMPS
    assert not int(enclose(jax.hessian(looped))(Interval(0.5, 1.0)).decoration) & JUMPS


def test_a_weight_that_is_no_number_is_said():
    box = Interval(jnp.zeros(2), jnp.ones(2))
    found = enclose(lambda x: jnp.array([[1.0, jnp.nan], [1.0, 2.0]]) @ x)(box)
    assert found.is_defined().tolist() == [False, True] and not found.is_bounded()[0]
    assert not enclose(lambda x, w: w @ x)(box, jnp.array([1.0, jnp.nan])).is_defined()


@pytest.mark.parametrize("method", ["interval", "affine"])
def test_bounds_have_derivatives(method):
    def upper(radius):
        return enclose(lambda x: jnp.sin(x) ** 2, method)(Interval(1 - radius, 1 + radius)).upper

    step = 1e-5
    slope = (upper(0.1 + step) - upper(0.1 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(upper)(0.1), slope, rtol=AD_AGAINST_DIFFERENCES)


def test_bounds_of_products_of_matrices_have_derivatives():
    step = 1e-5
    weights = jnp.array([[1.0, -2.0], [0.5, 1.0]])

    def of_layer(radius):
        box = Interval(jnp.zeros(2) - radius, jnp.ones(2) + radius)
        return jnp.sum(enclose(lambda x: weights @ x)(box).upper)

    slope = (of_layer(0.1 + step) - of_layer(0.1 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(of_layer)(0.1), slope, rtol=AD_AGAINST_DIFFERENCES)


def asks(x):
    return x if x > 0 else -x


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (asks, r"test_decorations.py:\d+ asks for the value of a number that is enclosed"),
        (lambda x: np.sin(x), r"test_decorations.py:\d+ asks for the value"),
        (lambda x: jnp.abs(x + 1j), r"produced at .*test_decorations.py:\d+, computes with complex numbers"),
        (lambda x: jnp.real(jnp.exp(1j * x)), "complex numbers"),
        (lambda x: jnp.log(x.astype(jnp.bfloat16)), r"`?log`?, produced at .*:\d+, computes in bfloat16"),
        (lambda x: lax.shift_left(x.astype(int), 2), r"`shift_left`, produced at .*test_decorations.py:\d+"),
    ],
)
def test_what_cannot_be_enclosed_is_said_with_its_line(program, sentence):
    for method in METHODS:
        with pytest.raises(InputError, match=sentence):
            enclose(program, method)(Interval(1.0, 2.0))


def test_a_choice_on_nothing_is_anything():
    found = enclose(lambda x: lax.cond(x > 0, lambda: 1.0, lambda: 2.0))(Interval.empty())
    assert (float(found.lower), float(found.upper)) == (1.0, 2.0)


def test_the_slope_of_max_min_and_clip_is_exact_on_either_side():
    for program in (lambda x: jnp.maximum(x, 0.0), lambda x: -jnp.minimum(-x, 0.0), lambda x: jnp.clip(x, 0.0, 9.0)):
        for ends, slope in (((0.25, 2.0), 1.0), ((-2.0, -0.25), 0.0)):
            for method in ("interval", "affine"):
                found = enclose(jax.grad(program), method)(Interval(*ends))
                np.testing.assert_allclose([found.lower, found.upper], slope, atol=1e-15)
    with pytest.raises(EnclosureError, match="depends on the box"):
        enclose(lambda x: jnp.arange(3.0)[x.astype(int)])(Interval(0.0, 2.0))


def test_every_rule_says_whether_it_is_smooth():
    """A new rule of a function with a kink that is in neither set would be taken for smooth."""
    said = set(smoothness.LOCAL) | smoothness.SMOOTH | further_decorations.SMOOTH
    assert set(interval_rules.RULES) | set(integers.RULES) <= said
    assert not set(smoothness.LOCAL) & smoothness.SMOOTH
