"""Whole programs: every kind of primitive and control flow, batches, refusals, rules of the user's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from compilations import counted_compilations
from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.activations import activate
from sobolev_pruning.enclosure import EnclosureError, Interval, enclose, register_rule
from sobolev_pruning.enclosure.affine.rules import AffineMethod
from sobolev_pruning.enclosure.affine.slabs import Slabs
from sobolev_pruning.enclosure.enclose import run
from sobolev_pruning.enclosure.pieces import halved, whole

MATRIX = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
INDEX = np.array([2, 0, 0, 1])


@jax.custom_vjp
def doubled(x):
    return 2 * x


doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))


@jax.custom_jvp
def tripled(x):
    return 3 * x


tripled.defjvp(lambda p, t: (3 * p[0], 3 * t[0]))

STRUCTURAL = {
    "transpose and reshape": lambda x: x.T.reshape(2, 6),
    "slices, padding, concatenation": lambda x: jnp.concatenate([jnp.pad(x[1:, ::2], 1), x[:2, :4]], axis=0),
    "gather and flip": lambda x: jnp.flip(x[:, INDEX], 0),
    "scatter": lambda x: x.at[1].set(x[0] * 2),
    "scatter-add with collisions": lambda x: jnp.zeros((3, 4)).at[:, INDEX].add(x),
    "dynamic slice": lambda x: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (1, 1), (2, 2)) + 1, (0, 0)),
    "sums": lambda x: x.sum(0) + jnp.cumsum(x, 1)[2] + jnp.cumsum(x, 0)[1] + x.mean(),
    "extremes": lambda x: x.max(0) + x.min() + lax.cummax(x, axis=1)[0] + jnp.maximum(x[0], x[1]),
    "products": lambda x: x.prod(0) + jnp.cumprod(x, 1)[0],
    "sorted": lambda x: jnp.sort(x, axis=1),
    "points sorted": lambda x: x[jnp.argsort(jnp.asarray(MATRIX[:, 0]))],
    "matrix by box": lambda x: jnp.asarray(MATRIX).T @ x,
    "box by matrix": lambda x: x @ jnp.asarray(MATRIX).T,
    "box by box": lambda x: x @ x.T,
    "batched product": lambda x: jnp.einsum("bi,bij->bj", x, jnp.asarray(np.stack([MATRIX.T] * 3))),
    "outer product": lambda x: jnp.einsum("i,j->ji", x[0], x[1]),
    "choice by the box": lambda x: jnp.where(x > 0.1, jnp.sin(x), x**2),
    "choice by points": lambda x: jnp.where(jnp.asarray(MATRIX) > 0, x, -x),
    "clip, sign, floor, round": lambda x: jnp.clip(x, -0.5, 0.5) + jnp.sign(x) + jnp.floor(3 * x) + jnp.round(2 * x),
    "norm and softmax": lambda x: jnp.linalg.norm(x) + jax.nn.softmax(x[0]),
    "logaddexp": lambda x: jnp.logaddexp(x, 0.3) + jax.nn.softplus(x),
    "activations of jax.nn": lambda x: jax.nn.gelu(x) + jax.nn.silu(x) + jax.nn.relu(x),
    "custom derivatives": lambda x: doubled(x) + tripled(x),
    "float32 inside": lambda x: (x.astype(jnp.float32) * jnp.float32(1.1)).astype(jnp.float64),
    "checkpoint": jax.checkpoint(lambda x: jnp.tanh(x) * x),
    "scan": lambda x: lax.scan(lambda c, r: (c * 0.5 + jnp.sin(r), c.sum()), jnp.zeros(4), x)[1],
    "reversed scan with counter": lambda x: lax.scan(lambda c, r: (c + 1.0, r * c), 1.0, x, reverse=True)[1],
    "while": lambda x: lax.fori_loop(0, 20, lambda i, c: 0.9 * c + x * i, x),
    "while with a traced bound": lambda x: lax.while_loop(
        lambda s: s[0] < 3 + jnp.argmax(jnp.asarray(MATRIX[0])), lambda s: (s[0] + 1, s[1] * 0.5 + x), (0, x)
    )[1],
    "cond, known": lambda x: lax.cond(jnp.sum(jnp.asarray(MATRIX)) < 1.0, jnp.sin, jnp.cos, x),
    "cond, decided by the box": lambda x: lax.cond(x[0, 0] > 0.0, lambda v: v + 1, lambda v: v * 2, x),
    "vmap inside": lambda x: jax.vmap(lambda r: jnp.exp(-(r @ r)))(x),
    "Hessian inside": lambda x: jax.hessian(lambda v: jnp.tanh(v @ jnp.asarray(MATRIX[0])) * v[1])(x[0]),
    "jvp inside": lambda x: jax.jvp(jnp.cos, (x,), (x * 0 + 2.0,))[1],
    "points rounded inside": lambda x: x * jnp.exp(jnp.asarray(MATRIX)) / jnp.sqrt(3.0),
}


def sampled(fn, box: Interval, count: int = 64):
    weight = np.random.default_rng(0).random((count, *box.shape))
    weight[0], weight[1] = 0.0, 1.0
    return jax.jit(jax.vmap(fn))(np.asarray(box.lower) + weight * (np.asarray(box.upper) - np.asarray(box.lower)))


def box_around(center, radius) -> Interval:
    return Interval(center - radius, center + radius)


def assert_contains(bounds, values, slack: float = 1e-14) -> None:
    """Containment of values that are themselves rounded."""
    lower, upper, values = np.asarray(bounds.lower), np.asarray(bounds.upper), np.asarray(values)
    room = slack * (1 + np.abs(values))
    assert np.all(lower[None] <= values + room) and np.all(values - room <= upper[None])


def usual_box() -> Interval:
    return box_around(np.sin(np.arange(12.0)).reshape(3, 4), 0.11)


@functools.cache
def natural(name: str):
    """Each is compiled once for all tests."""
    return jax.jit(enclose(STRUCTURAL[name]))


@functools.cache
def usual_values(name: str):
    return sampled(STRUCTURAL[name], usual_box())


@pytest.mark.parametrize("name", STRUCTURAL)
def test_programs_are_enclosed_by_intervals(name):
    result = natural(name)(usual_box())
    assert_contains(result, usual_values(name), 2e-7 if "float32" in name else 1e-14)
    assert np.all(np.isfinite(result.wid()))


AFFINE = [
    *("transpose and reshape", "slices, padding, concatenation", "gather and flip", "scatter-add with collisions"),
    *("sums", "extremes", "matrix by box", "box by matrix", "box by box", "batched product", "choice by the box"),
    *("choice by points", "norm and softmax", "scan", "cond, decided by the box", "Hessian inside"),
]


@pytest.mark.parametrize("name", AFFINE)
def test_programs_are_enclosed_by_affine_forms(name):
    box = usual_box()
    result = jax.jit(enclose(STRUCTURAL[name], "affine"))(box)
    assert_contains(result, usual_values(name))
    other = natural(name)(box)
    # Both are rounded, in two programs.
    assert np.all(result.lower >= other.lower - 1e-13) and np.all(result.upper <= other.upper + 1e-13)


def test_a_thin_box_is_enclosed_thinly():
    """No program of linear operations may lose more than rounding."""
    box = box_around(np.sin(np.arange(12.0)).reshape(3, 4), 0.0)
    for name in ("sums", "matrix by box", "box by matrix", "scatter-add with collisions", "while"):
        assert float(natural(name)(box).wid().max()) < 1e-12


def test_pytrees_points_and_static_leaves_pass_through():
    def fn(pair, activation, *, scale):
        return {"value": activation(pair["x"]) * scale, "count": jnp.arange(3), "none": None, "point": scale * 1}

    box = Interval([-1.0, 0.5], [1.0, 0.6])
    result = enclose(fn)({"x": box}, jnp.tanh, scale=np.array([2.0, 3.0]))
    assert result["none"] is None and result["count"].tolist() == [0, 1, 2]
    assert isinstance(result["point"], Interval) and bool(result["point"].contains(jnp.array([2.0, 3.0])).all())
    assert bool(result["value"].contains(jnp.tanh(jnp.array([0.3, 0.55])) * jnp.array([2.0, 3.0])).all())


@pytest.mark.parametrize("method", ["interval", "affine"])
def test_many_boxes_at_once_are_one_box_each_and_compiled_once(method):
    def fn(x):
        return jnp.sin(x @ jnp.asarray(MATRIX)) * x[0]

    boxes = box_around(np.random.default_rng(3).normal(size=(5, 3)), 0.1)
    together = jax.jit(jax.vmap(enclose(fn, method)))
    result = together(boxes)
    alone = jax.jit(enclose(fn, method))(boxes[2])
    np.testing.assert_allclose(result.lower[2], alone.lower, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.upper[2], alone.upper, rtol=1e-12, atol=1e-14)
    other = box_around(np.zeros((5, 3)), 0.3)
    with counted_compilations() as compiled:
        together(other)
    assert compiled() == 0


def test_correlations_survive_from_forward_values_to_the_adjoint():
    box = box_around(np.array([0.4, -0.2]), 0.05)

    def fn(x):
        return jax.grad(lambda v: jnp.sum(jnp.tanh(jnp.array([[1.0, 2.0], [-1.5, 1.0]]) @ v) ** 2))(x)

    true = sampled(fn, box, 2000)
    spread = true.max(0) - true.min(0)
    affine, interval = (jax.jit(enclose(fn, method))(box).wid() for method in ("affine", "interval"))
    assert np.all(affine < 1.3 * spread) and np.all(interval > 1.3 * spread)


def test_memory_is_bounded_by_condensing_symbols():
    def fn(x):
        h = x
        for _ in range(3):
            h = jnp.tanh(jnp.asarray(MATRIX.T[:3]) @ h)
        return h

    box = box_around(np.array([0.4, -0.2, 0.1]), 0.2)
    free, bounded = (jax.jit(enclose(fn, "affine", symbols=n))(box) for n in (1000, 7))
    assert_contains(bounded, sampled(fn, box))
    assert np.all(free.wid() <= bounded.wid() * (1 + 1e-9))


def test_splitting_tightens_and_stays_sound():
    def fn(x, weight):
        value, gradient = jax.value_and_grad(lambda v: jnp.sin(3 * v[0] * v[1]))(x)
        return {"y": value + weight * x[2], "g": gradient}

    box, weight = box_around(np.array([0.5, 0.5, 0.0]), 0.5), np.float64(2.0)
    whole = jax.jit(enclose(fn, "affine"))(box, weight)
    split = enclose(fn, "split", pieces=60)
    result = split(box, weight)
    values = sampled(lambda x: fn(x, weight), box, 4000)
    for key in ("y", "g"):
        assert_contains(result[key], values[key])
        assert np.all(result[key].subset(whole[key]))
    assert float(result["y"].wid()) < 1.3 * float(values["y"].max() - values["y"].min())
    assert np.all(split(box, weight)["g"].equal(result["g"]))


def test_kinks():
    box = Interval(np.array([-1.0, 0.5, 0.0, -0.3]), np.array([2.0, 0.7, 1.0, -0.1]))
    slope = enclose(lambda x: activate(x, "relu", 1))(box)
    np.testing.assert_array_equal(slope.lower, [0.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(slope.upper, [1.0, 1.0, 1.0, 0.0])
    for fn in (jax.nn.relu, lambda x: jnp.maximum(x, 0.0), lambda x: jnp.where(x > 0, x, 0.0), jnp.abs):
        gradient = enclose(jax.grad(lambda x, fn=fn: fn(x).sum()))(box)
        assert bool(gradient.contains(jnp.array([0.5, 1.0, 1.0, -1.0 if fn is jnp.abs else 0.0])).all())
    for name, order in (("relu", 2), ("elu", 3)):
        with pytest.raises(InputError, match="no derivative of order"):
            enclose(lambda x, n=name, o=order: activate(x, n, o))(box)
        refused = jax.jit(enclose(lambda x, n=name, o=order: activate(x, n, o)))(box)
        np.testing.assert_array_equal(refused.is_nai(), [True, False, True, False])
    bent = enclose(lambda x: activate(x, "elu", 2))(box)
    assert float(bent.lower[0]) <= 0.0 and float(bent.upper[0]) >= 1.0


def test_functions_of_the_library_are_enclosed_as_one_piece():
    """By their program, not by their name alone: another function of that name keeps its own range."""
    box = Interval(np.array([-3.0, -1.0, 0.5]), np.array([1.0, 2.0, 0.6]))
    for fn in (jax.nn.silu, jax.nn.softplus, jax.nn.elu):
        values = sampled(fn, box, 4000)
        found = jax.jit(enclose(fn))(box)
        assert_contains(found, values)
        assert np.all(found.wid() <= 1.001 * np.ptp(values, axis=0) + 1e-3)

    @jax.jit
    def silu(x):
        return 5.0 * x

    np.testing.assert_allclose(enclose(silu)(box).upper, [5.0, 10.0, 3.0])

    @jax.jit
    def elu(count):
        return 5 * count

    np.testing.assert_allclose(enclose(lambda x: x * elu(jnp.arange(3)).astype(float))(box).upper[1:], [10.0, 6.0])


def test_domains_follow_the_standard():
    for fn, inside in ((jnp.sqrt, 2.0), (jnp.log, np.log(4.0)), (jax.scipy.special.erfinv, None)):
        result = enclose(fn)(Interval([-2.0, -3.0], [4.0, -2.0]))
        assert bool(result.is_empty()[1])
        assert inside is None or bool(result.contains(inside)[0])


@pytest.mark.parametrize(
    ("fn", "sentence"),
    [
        (lambda x: jnp.linalg.cholesky(x), r"`cholesky`, produced at .*test_enclosure_programs.py:\d+, .* register"),
        (lambda x: x[jnp.asarray(x[0, 0] * 2, int)], "index of .* depends on the box"),
        (lambda x: lax.sort((x, x), num_keys=1)[1], "sorted by keys that depend on the box"),
        (lambda x: lax.while_loop(lambda v: v.sum() < 9.0, lambda v: v + 1, x), "how often the loop at .* depends"),
        (lambda x: activate(x, "silu", 5), "derivative 5 of the activation silu"),
    ],
)
@pytest.mark.parametrize("method", ["interval", "affine"])
def test_what_cannot_be_enclosed_is_named(fn, sentence, method):
    with pytest.raises(InputError, match=sentence):
        enclose(fn, method)(box_around(np.eye(2), 0.1))


def test_calls_that_make_no_sense_are_refused():
    box = Interval(0.0, 1.0)
    with pytest.raises(InputError, match="no argument is an Interval"):
        enclose(jnp.sin)(jnp.ones(2))
    with pytest.raises(InputError, match='method "tight" is unknown'):
        enclose(jnp.sin, "tight")
    with pytest.raises(InputError, match="cannot be split"):
        enclose(jnp.sin, "split", over="split")
    with pytest.raises(InputError, match="leaves no piece"):
        enclose(jnp.sin, "split", pieces=0)
    with pytest.raises(InputError, match="outside jit"):
        jax.jit(enclose(jnp.sin, "split"))(box)
    with pytest.raises(InputError, match="bounded box"):
        enclose(jnp.sin, "split")(Interval.entire())


def test_users_register_rules_for_primitives_of_their_own():
    fold = Primitive("fold")
    fold.def_impl(lambda x: x * x)
    fold.def_abstract_eval(lambda x: x)
    mlir.register_lowering(fold, mlir.lower_fun(lambda x: x * x, multiple_results=False))
    batching.defvectorized(fold)
    ad.defjvp(fold, lambda t, x: 2 * x * t)
    box = Interval(-1.0, 2.0)
    with pytest.raises(EnclosureError, match="`fold`"):
        enclose(fold.bind)(box)

    @register_rule(fold)
    def rule(a):
        return a**2

    for method in ("interval", "affine"):
        result = enclose(lambda x: fold.bind(x) + x, method)(box)
        assert float(result.lower) <= -0.25 and float(result.upper) >= 6.0
    assert bool(enclose(jax.grad(fold.bind))(box).contains(-2.0))


def test_squares_of_the_box_are_carried_exactly():
    """A quadratic of the box in few operations is enclosed up to rounding where its parabolas do not meet."""
    box = box_around(np.array([0.3, -0.2]), 0.5)

    def fn(x):
        return (2 * x[0] - 1) ** 2 + x[1] * x[1] * 3

    result = jax.jit(enclose(fn, "affine"))(box)
    np.testing.assert_allclose([result.lower, result.upper], [0.0 + 0.0, 1.4**2 + 3 * 0.49], atol=1e-12)
    # Twice the width, eight times the error: third order.
    errors, enclosed = [], jax.jit(enclose(lambda x: jnp.sin(2 * x) * jnp.exp(-x), "affine"))
    for radius in (0.1, 0.2):
        bounds = enclosed(box_around(0.2, radius))
        errors.append(float(bounds.upper) - np.sin(2 * (0.2 + radius)) * np.exp(-(0.2 + radius)))
    assert 6.0 < errors[1] / errors[0] < 11.0


def test_pieces_of_a_box_cover_it_whatever_is_cut():
    generator = np.random.default_rng(0)
    lower, upper = np.array([-1.0, 2.0, 0.0]), np.array([1.0, 2.5, 3.0])
    directions = np.array([[1.0, 0.5, -0.3], [0.2, 1.0, 0.7]])
    pieces = [whole(lower, upper, directions)]
    for _ in range(40):
        pieces[:1] = halved(pieces[0], int(generator.integers(5)), directions)
        generator.shuffle(pieces)
    points = lower + (upper - lower) * generator.random((20_000, 3))
    heights = points @ directions.T
    held = np.zeros(len(points), int)
    for piece in pieces:
        inside = np.all((piece.lower <= points) & (points <= piece.upper), axis=1)
        held += inside & np.all((piece.below <= heights) & (heights <= piece.above), axis=1)
    assert held.min() >= 1 and np.mean(held > 1) < 1e-3


def test_slabs_tighten_forms_and_stay_sound():
    """Along `x0 + x1` in a thin slab, `x0 - x1` free: the sum is as narrow as the slab."""
    box = Interval(np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    slabs = Slabs(jnp.array([[1.0, 1.0]]), jnp.array([0.2]), jnp.array([0.3]))

    def fn(x):
        return {"along": 2 * x[0] + 2 * x[1], "curved": jnp.exp(x[0] + x[1]), "across": x[0] - x[1]}

    result = run(fn, (box,), {}, AffineMethod(64, slabs))
    np.testing.assert_allclose([result["along"].lower, result["along"].upper], [0.4, 0.6], atol=1e-12)
    np.testing.assert_allclose([result["curved"].lower, result["curved"].upper], np.exp([0.2, 0.3]), atol=1e-12)
    assert float(result["across"].upper) >= 1.8
