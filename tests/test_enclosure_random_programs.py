"""The quick part of the campaign of random programs (`tests/soundness`), and its own instruments."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "soundness"))

import ball_interpreter
import flint
import numpy_interpreter
import programs
import random_programs

from sobolev_pruning.enclosure import Interval, enclose

SEEDS = {"interval": (1, 2, 3, 8, 9), "affine": (2,)}


@pytest.fixture(autouse=True)
def ordinary_promotion():
    """Random programs are written as users write them."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("method", SEEDS)
def test_values_and_gradients_of_random_programs_lie_in_their_enclosures(method):
    tally = programs.campaign(SEEDS[method], lambda seed: [(method, "numpy")], boxes=12, each=3)
    print(tally.table())
    assert tally.made > 300 and not tally.failed and not tally.crashed, [*tally.failed[:3], *tally.crashed[:3]]


def test_a_program_is_known_by_its_seed_and_defined_by_its_text():
    first, again = random_programs.random_program(7), random_programs.random_program(7)
    assert first == again and first.source.startswith("def program(x):")
    assert np.isfinite(first.compiled()(jnp.full(first.inputs, 0.3)))


def at(function, *points):
    """A program of numbers in ball arithmetic, at the points."""
    balls = np.empty((1, len(points)), object)
    balls[0] = [flint.arb(p) for p in points]
    (result,) = ball_interpreter.evaluate(jax.make_jaxpr(lambda x: function(x[0]))(jnp.zeros(1)), [balls])
    return list(np.broadcast_to(result, (len(points),)))


def test_the_oracle_evaluates_as_floats_do_where_rounding_does_not_matter():
    """A quarter of the operations that random programs are made of, in balls and by NumPy."""
    points = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
    undecided = 0
    for kind, texts in random_programs.KINDS.items():
        for text in texts[::4]:
            writer = random_programs._Writer(np.random.default_rng(0), 1)
            source = writer.filled(text, "u", "u")
            function = random_programs.Program(1, (("u", "x[0]"), ("s0", source)), "s0").compiled()
            expected = numpy_interpreter.run(jax.vmap(function), jnp.array(points)[:, None])
            for point, value, float_value in zip(points, at(lambda x, f=function: f(x[None]), *points), expected):
                where = (kind, source, point, value, float_value)
                if value is ball_interpreter.NAN:
                    assert np.isnan(float_value), where
                elif value is ball_interpreter.POLE or value is ball_interpreter.UNKNOWN:
                    undecided += 1
                else:
                    assert abs(float(value) - float_value) <= 1e-9 * (1 + abs(float_value)), where
    assert undecided < 60


def test_the_oracle_tells_no_value_from_an_infinite_one_and_from_an_open_question():
    assert at(lambda x: jnp.sqrt(x), -1.0)[0] is ball_interpreter.NAN
    assert at(lambda x: jnp.log(x), 0.0)[0] is ball_interpreter.POLE
    assert at(lambda x: jnp.where(jnp.isnan(jnp.sqrt(x)), 3.0, 0.0), -1.0)[0] == 3
    # Nothing decides whether sin^2 + cos^2 is at most 1.
    (open_question,) = at(lambda x: jnp.where(jnp.sin(x) ** 2 + jnp.cos(x) ** 2 <= 1.0, 1.0, 0.0), 0.3)
    assert open_question is ball_interpreter.UNKNOWN


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        (Interval.unchecked(np.array([0.0]), np.array([0.9]), np.array([0], np.uint8)), "misses"),
        (Interval.unchecked(np.array([0.0]), np.array([1.0]), np.array([0], np.uint8)), "continuous"),
        (Interval.unchecked(np.array([0.0]), np.array([1.0]), np.array([4], np.uint8)), None),
    ],
    ids=["a value outside", "a jump called continuous", "a jump called a jump"],
)
def test_the_checks_see_what_they_are_for(bounds, found):
    points, shifts = np.zeros((3, 1)), np.array([[0], [1], [-1]])
    truth = programs.truth_of(lambda x: jnp.where(x[0] > 0.0, 1.0, 0.0), points, shifts)
    inside = programs._inside(np.array([[-1.0]]), np.array([[1.0]]), points, shifts)
    wrong = [text for _, _, text in programs.compare(bounds, truth.values, inside, truth.steps, programs.Tally())]
    assert any(found in text for text in wrong) if found else not wrong


def test_kinks_are_seen():
    points, shifts = np.zeros((3, 1)), np.array([[0], [1], [-1]])
    truth = programs.truth_of(lambda x: jnp.abs(x[0]), points, shifts)
    inside = programs._inside(np.array([[-1.0]]), np.array([[1.0]]), points, shifts)
    bounds = Interval.unchecked(np.array([0.0]), np.array([1.0]), np.array([1], np.uint8))
    wrong = [text for _, _, text in programs.compare(bounds, truth.values, inside, truth.steps, programs.Tally())]
    assert wrong == ["is called differentiable, but has a kink"]


def test_programs_run_by_numpy_give_what_compiled_ones_give():
    def program(x):
        return jnp.sum(jnp.where(x > 0.2, jnp.tanh(x) * x[0], jnp.abs(x))) + lax_sum(x)

    def lax_sum(x):
        return jax.lax.scan(lambda a, b: (0.5 * a + jnp.sin(b), None), 0.0, x)[0]

    boxes = Interval(np.array([[-1.0, 0.5], [0.3, 0.1]]), np.array([[1.0, 0.6], [0.4, 0.3]]))
    batched = jax.vmap(enclose(jax.value_and_grad(program)))
    by_numpy, compiled = numpy_interpreter.run(batched, boxes), jax.jit(batched)(boxes)
    for ours, theirs in zip(jax.tree.leaves(by_numpy), jax.tree.leaves(compiled)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
