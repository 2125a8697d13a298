"""Names and units: how they are written, that they travel with samples and networks, and what contradicts them."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from sobolev_pruning import InputError, Samples, Surrogate, fit
from sobolev_pruning._foundation.variables import Variable, expect_same, in_short, position_of
from sobolev_pruning.pruning import input_effects, pad, reduced, remove_inputs, widen
from sobolev_pruning.sampling import split
from sobolev_pruning.training import LBFGS
from surrogates import surrogate_of_shape

INPUTS = (Variable("spot", "USD"), Variable("volatility", "1/sqrt(year)"))
PRICE = (Variable("price"),)
X = np.random.default_rng(0).uniform(0.5, 1.5, (40, 2))
SAMPLES = Samples(X, X[:, 0] * X[:, 1], X[:, ::-1], inputs=INPUTS, outputs=PRICE)


@pytest.mark.parametrize(
    ("text", "name", "unit"),
    [
        ("spot", "spot", None),
        ("spot [USD]", "spot", "USD"),
        (" spot[USD] ", "spot", "USD"),
        ("spot[0]", "spot[0]", None),
        ("a[1, 2]", "a[1, 2]", None),
        ("spot[0] [USD]", "spot[0]", "USD"),
        ("rate [1/year]", "rate", "1/year"),
        ("[USD]", "[USD]", None),
    ],
)
def test_a_unit_stands_in_brackets_behind_a_name(text, name, unit):
    variable = Variable.of(text)
    assert (variable.name, variable.unit) == (name, unit)
    assert Variable.of(str(variable)) == variable


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["spot"], r"inputs has 1 name \(spot\); give 2, one for each"),
        (["spot", "spot [USD]"], "inputs has the name 'spot' twice; give each a name of its own"),
        (["spot", ""], "A variable has the name ''; give a text of 1 to 200 characters"),
        (["spot", "a" * 201], "give a text of 1 to 200 characters"),
        (["spot", "a\x1b[31m"], "give a text of one line that can be shown"),
        (["spot", 3], "A variable is 3; give its name as text"),
        ("spot", "inputs is the text 'spot'; give a sequence"),
    ],
)
def test_names_that_cannot_be_are_refused(types_unchecked, names, message):
    with pytest.raises(InputError, match=message):
        Samples(X, X[:, 0], inputs=names)
    with pytest.raises(InputError, match=message):
        replace(surrogate_of_shape([2, 3, 1], "silu", True), inputs=names)


def test_names_travel_from_samples_through_everything_that_makes_samples_or_networks():
    for part in (SAMPLES[3:5], *split(SAMPLES, 0.5, jax.random.key(0)), replace(SAMPLES, dydx=None)):
        assert (part.inputs, part.outputs) == (INPUTS, PRICE)
    start = Surrogate.create([2, 3, 1], SAMPLES, key=jax.random.key(0))
    networks = [start, pad(start, [4])[0].surrogate, widen(start, [4], jax.random.key(1))]
    networks.append(remove_inputs(start, [0], samples=SAMPLES).surrogate)
    for network in networks:
        assert (network.inputs, network.outputs) == (INPUTS, PRICE)
        assert network.label(X[:2]).inputs == INPUTS
    assert reduced(networks[-1]).inputs == INPUTS[1:]
    assert input_effects(start, samples=SAMPLES).shape == (2,)
    assert [variable.name for variable in Samples(X, X).inputs] == ["x0", "x1"]
    assert [variable.name for variable in Samples(X, X).outputs] == ["y0", "y1"]


def test_training_refuses_other_names_and_gives_names_to_a_network_without():
    start = Surrogate.create([2, 3, 1], replace(SAMPLES, inputs=None, outputs=None), key=jax.random.key(0))
    result = fit(start, SAMPLES, optimiser=LBFGS(2), key=jax.random.key(1))
    assert (result.surrogate.inputs, result.surrogate.outputs) == (INPUTS, PRICE)
    for turned, message in (
        (
            replace(SAMPLES, inputs=INPUTS[::-1]),
            "are spot, volatility, those of samples volatility, spot; give them in",
        ),
        (
            replace(SAMPLES, outputs=["worth"]),
            "are price, those of samples worth; give those of its own",
        ),
        (
            replace(SAMPLES, inputs=["spot [EUR]", INPUTS[1]]),
            r"spot \[USD\] where samples has spot \[EUR\]; conv",
        ),
    ):
        with pytest.raises(InputError, match=message):
            fit(result.surrogate, turned, key=jax.random.key(1))
    expect_same(INPUTS, (Variable("spot"), Variable("volatility")), "samples", "inputs")


def test_names_that_nobody_gave_agree_with_any_but_for_another_order():
    some = (Variable("x1"), Variable("x2"))  # what is left of a network without names
    expect_same(some, INPUTS, "samples", "inputs")
    expect_same(INPUTS, some, "samples", "inputs")
    with pytest.raises(InputError, match="are x1, x2, those of samples x2, x1; give them in one order"):
        expect_same(some, some[::-1], "samples", "inputs")


def test_a_wrong_name_is_answered_with_the_nearest():
    assert position_of("volatility", INPUTS, "--box") == 1
    with pytest.raises(InputError, match="--box names 'volatilty', which is none of the 2; did you mean 'volatility'"):
        position_of("volatilty", INPUTS, "--box")
    with pytest.raises(InputError, match="--box names 'mach', which is none of the 2; there are spot, volatility"):
        position_of("mach", INPUTS, "--box")
    assert in_short(["a", "b"]) == "a, b"
