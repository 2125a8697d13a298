"""Claims as text: read, written, and refused."""

import json
from dataclasses import replace

import pytest

from sobolev_pruning import InputError
from sobolev_pruning.certificates import (
    Convex,
    Distance,
    Monotone,
    Range,
    Within,
    basket_claims,
    claim_text,
    read_claims,
)
from sobolev_pruning.certificates.claims import claim_from_json, claim_to_json
from surrogates import surrogate_of_shape

ONES = (1.0, 1.0, 1.0)
CLAIMS = {
    "value": Range("value"),
    "gamma": Range("curvature", ONES),
    "gradient >= -0.001": Within("gradient", lower=-1e-3),
    "value <= 2.5": Within("value", upper=2.5),
    "0 <= hessian <= 1": Within("hessian", lower=0.0, upper=1.0),
    "gamma >= -0.01": Within("curvature", lower=-0.01, direction=ONES),
    "increasing 0 2": Monotone((0, 2)),
    "decreasing 1 ~ 1e-09": Monotone((1,), increasing=False, margin=1e-9),
    "convex": Convex(),
    "convex ~ 0.5": Convex(margin=0.5),
    "distance value": Distance("value"),
    "distance hessian <= 0.25": Distance("hessian", bound=0.25),
}
BY_NAME = {
    "increasing in Vol": Monotone((1,)),
    'decreasing in "time, left", spot[0] ~ 0.5': Monotone((2, 0), increasing=False, margin=0.5),
    "convex in Vol": Convex(((0.0, 1.0, 0.0),)),
    "convex in spot[0], Vol ~ 0.001": Convex(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), margin=1e-3),
    "price >= 0": Within("value", lower=0.0, entry=(0,)),
    '"value"': Range("value", entry=(1,)),
    "-1 <= dprice/dspot[0] <= 0": Within("gradient", lower=-1.0, upper=0.0, entry=(0, 0)),
    'dvalue/d"time, left" <= 2': Within("gradient", upper=2.0, entry=(1, 2)),
    "d2price/dVol2": Range("hessian", entry=(0, 1, 1)),
    "d2price/dspot[0]dVol >= -3": Within("hessian", lower=-3.0, entry=(0, 0, 1)),
    'd2price/d"time, left"dVol >= -3': Within("hessian", lower=-3.0, entry=(0, 2, 1)),
}


@pytest.fixture(scope="module")
def network():
    return surrogate_of_shape([3, 2, 1], "tanh", scalar=True)


@pytest.fixture(scope="module")
def named():
    names = {"inputs": ["spot[0] [USD]", "Vol", "time, left"], "outputs": ["price [USD]", "value"]}
    return replace(surrogate_of_shape([3, 2, 2], "tanh", scalar=False), **names)


@pytest.mark.parametrize("text", CLAIMS)
def test_text_and_claim_say_the_same(network, text):
    assert read_claims(text, network) == (CLAIMS[text],)
    assert claim_text(CLAIMS[text]) == text


@pytest.mark.parametrize("text", BY_NAME)
def test_claims_by_name_and_their_text_say_the_same(named, text):
    assert read_claims(text, named) == (BY_NAME[text],)
    assert claim_text(BY_NAME[text], named) == text
    assert claim_from_json(json.loads(json.dumps(claim_to_json(BY_NAME[text])))) == BY_NAME[text]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Increasing vol", None),
        ("increasing 1", "increasing in Vol"),
        ("increasing Vol, spot[0]", "increasing in Vol spot[0]"),
        ("d2price/dVol^2 >= 0", "d2price/dVol2 >= 0"),
        ("d2price/dVol dspot[0]", "d2price/dVoldspot[0]"),
        ('d2price/d"Vol"/dspot[0]', "d2price/dVoldspot[0]"),
        ("VALUE >= 0", "value >= 0"),
    ],
)
def test_other_ways_to_say_it(named, text, same):
    if same is None:
        with pytest.raises(InputError, match=r"The claim 'Increasing vol' names 'vol', .*; did you mean 'Vol'"):
            read_claims(text, named)
    else:
        assert read_claims(text, named) == read_claims(same, named)


def test_without_names_entries_are_numbered(network):
    assert claim_text(Within("gradient", lower=0.0, entry=(1, 2))) == "dy1/dx2 >= 0"
    assert read_claims("dy/dx1 <= 1; d2y/dx0dx2 >= 0", network) == (
        Within("gradient", upper=1.0, entry=(0, 1)),
        Within("hessian", lower=0.0, entry=(0, 0, 2)),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dprice/dvega >= 0", "names 'vega', which is none of the 3; there are spot"),
        ("dprce/dVol >= 0", "names 'prce', which is none of the 2; did you mean 'price'"),
        ("d2price/dVola2 >= 0", "names 'Vola', which is none of the 3; did you mean 'Vol'"),
        ("prize <= 3", "names 'prize', which is none of the 2; did you mean 'price'"),
        ("increasing in Vol, x9", "names 'x9', which is none of the 3"),
        ("convex in time", "names 'time', which is none of the 3; did you mean 'time, left'"),
        ('increasing in "Vol', "have a double quote that is not closed"),
        ("convex in", "is no claim; write such as"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(named, text, message):
    with pytest.raises(InputError, match=message):
        read_claims(text, named)


def test_names_that_run_together_need_quotes(named):
    odd = replace(surrogate_of_shape([4, 2, 1], "tanh", scalar=True), inputs=["a", "ad", "b", "db"])
    pair = Within("hessian", lower=0.0, entry=(0, 0, 3))
    assert claim_text(pair, odd) == 'd2y/d"a"d"db" >= 0'
    assert read_claims(claim_text(pair, odd), odd) == (pair,)
    with pytest.raises(InputError, match="can be read in 2 ways; put the names in double quotes"):
        read_claims("d2y/daddb >= 0", odd)


def test_several_claims_with_any_spacing_each_once(network):
    found = read_claims(" Value>=0 ;increasing; decreasing 0,1~1e-3;; value >= 0.0 ", network)
    assert found == (Within("value", lower=0.0), Monotone((0, 1, 2)), Monotone((0, 1), False, 1e-3))


def test_the_claims_of_a_basket(network, basket):
    claims = basket_claims(basket, delta_margin=0.1, gamma_margin=0.1)
    assert read_claims("basket ~ 0.1", network, basket) == claims
    assert claim_text(claims[0]).startswith("[-") and "<= gradient <=" in claim_text(claims[0])
    assert claim_text(claims[1]) == "gamma >= -0.1"
    with pytest.raises(InputError, match="'basket' is about a basket option"):
        read_claims("basket", network)


@pytest.mark.parametrize("text", ["values", "value > 0", "distance", "distance gamma", "value >= x", "1", "convex 0"])
def test_what_is_no_claim_is_told(network, text):
    with pytest.raises(InputError, match=f"{text!r} is no claim; write such as"):
        read_claims(f"value; {text}", network)


def test_two_lower_bounds_are_told(network):
    with pytest.raises(InputError, match="has two lower bounds; write LOWER <= QUANTITY <= UPPER"):
        read_claims("0 <= value >= 1", network)
