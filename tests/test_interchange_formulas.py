"""The formulas that every way out is written from: the table is complete, and right against ball arithmetic."""

import flint
import numpy as np
import pytest

from activation_names import EVERY
from sobolev_pruning.interchange.expression import OPERATIONS, Term, in_order, shared
from sobolev_pruning.interchange.formulas import formulas
from taylor import POINTS, taylor_derivative
from tolerances import ELEMENTARY

NUMPY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negate": np.negative,
    "absolute": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sigmoid": lambda x: np.where(x > 0, 1.0, np.exp(-np.abs(x))) / (1.0 + np.exp(-np.abs(x))),
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where_positive": lambda x, then, otherwise: np.where(x > 0, then, otherwise),
}


def evaluated(results, x):
    values = {}
    for term in in_order(results):
        arguments = [values[id(a)] if isinstance(a, Term) else a for a in term.arguments]
        values[id(term)] = x if term.operation == "variable" else NUMPY[term.operation](*arguments)
    return [values[id(result)] for result in results]


@pytest.mark.parametrize("name", EVERY)
def test_formulas_use_only_listed_operations(name):
    for term in in_order(formulas(name)):
        assert len(term.arguments) == OPERATIONS[term.operation]


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("name", EVERY)
def test_formulas_agree_with_ball_arithmetic(name, order):
    points = POINTS[POINTS != 0.0]
    truth = np.array([float(taylor_derivative(name, x, order).mid()) for x in points])
    found = evaluated(formulas(name), points)[order]
    assert np.all(np.abs(found - truth) <= ELEMENTARY * np.maximum(1.0, np.abs(truth)))


def test_the_normal_tail_is_right_relatively_too():
    x = -np.linspace(0.01, 9.0, 300)
    cdf = evaluated(formulas("gelu"), x)[0] / x
    truth = np.array([float(((flint.arb(-s) / flint.arb(2).sqrt()).erfc() / 2).mid()) for s in x])
    # The factor e^{-x^2/2} carries the rounding of its exponent, at most x^2/2 ulp.
    assert np.all(np.abs(cdf / truth - 1) <= 4e-16 * (4 + x * x / 2))


LEVELS = [name for name in EVERY if name not in ("exp", "sin")]  # the others have a straight line on each side


@pytest.mark.parametrize("name", LEVELS)
def test_far_out_nothing_overflows(name):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, slope, bend = evaluated(formulas(name), np.array([-1e4, 1e4]))
    assert np.all(np.isfinite([value, slope, bend]))
    assert np.max(np.abs(bend)) < 1e-11


@pytest.mark.parametrize("name", LEVELS)
def test_at_the_end_of_the_numbers_all_is_as_far_out(name):
    with np.errstate(over="ignore"):
        there = evaluated(formulas(name), np.array([-1e300, 1e300]))
    before = evaluated(formulas(name), np.array([-1e4, 1e4]))
    grows = np.abs(before[0]) > 20
    expected = np.where(grows, before[0] * 1e296, before[0])
    np.testing.assert_allclose(there[0], expected, rtol=1e-3 if name == "softsign" else ELEMENTARY)
    np.testing.assert_allclose(there[1:], before[1:], atol=1e-7 if name == "softsign" else 0.0)


def test_a_shared_term_comes_once_and_after_its_arguments():
    x = Term("variable")
    shared = x * x
    ordered = in_order([shared + shared, shared - 1.0])
    assert [term.operation for term in ordered] == ["variable", "multiply", "add", "subtract"]


def test_terms_written_alike_become_one_and_a_factor_1_goes():
    x = Term("variable")
    ordered = in_order(shared([x * x + 1.0 * x, 1 * (x * x)]))
    assert [term.operation for term in ordered] == ["variable", "multiply", "add"]
