"""The formulas that every way out is written from: the table is complete, and right against ball arithmetic."""

import math

import flint
import numpy as np
import pytest

from sobolev_pruning.activations import ACTIVATIONS
from sobolev_pruning.interchange.expression import OPERATIONS, Term, in_order
from sobolev_pruning.interchange.formulas import FORMULAS
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


def test_there_is_a_formula_for_every_activation():
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_use_only_listed_operations(name):
    for term in in_order(FORMULAS[name](Term("variable"))):
        assert len(term.arguments) == OPERATIONS[term.operation]


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_agree_with_ball_arithmetic(name, order):
    points = POINTS[POINTS != 0.0]
    truth = np.array([float(taylor_derivative(name, x, order).mid()) for x in points])
    found = evaluated(FORMULAS[name](Term("variable")), points)[order]
    assert np.all(np.abs(found - truth) <= ELEMENTARY * np.maximum(1.0, np.abs(truth)))


def test_the_normal_tail_is_right_relatively_too():
    x = -np.linspace(0.01, 9.0, 300)
    cdf = evaluated(FORMULAS["gelu"](Term("variable")), x)[0] / x
    truth = np.array([float(((flint.arb(-s) / flint.arb(2).sqrt()).erfc() / 2).mid()) for s in x])
    # The factor e^{-x^2/2} carries the rounding of its exponent, at most x^2/2 ulp.
    assert np.all(np.abs(cdf / truth - 1) <= 4e-16 * (4 + x * x / 2))


@pytest.mark.parametrize("name", FORMULAS)
def test_far_out_nothing_overflows(name):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, slope, bend = evaluated(FORMULAS[name](Term("variable")), np.array([-1e4, 1e4]))
    assert np.all(np.isfinite([value, slope, bend]))
    assert math.isclose(bend[0] + bend[1] + 1, 1)


@pytest.mark.parametrize("name", FORMULAS)
def test_at_the_end_of_the_numbers_all_is_as_far_out(name):
    with np.errstate(over="ignore"):
        there = evaluated(FORMULAS[name](Term("variable")), np.array([-1e300, 1e300]))
    before = evaluated(FORMULAS[name](Term("variable")), np.array([-1e4, 1e4]))
    grows = before[0] > 100
    np.testing.assert_array_equal(there[0], np.where(grows, [-1e300, 1e300], before[0]))
    np.testing.assert_array_equal(there[1:], before[1:])


def test_a_shared_term_comes_once_and_after_its_arguments():
    x = Term("variable")
    shared = x * x
    ordered = in_order([shared + shared, shared - 1.0])
    assert [term.operation for term in ordered] == ["variable", "multiply", "add", "subtract"]
