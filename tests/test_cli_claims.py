"""Claims as text: read, written, and refused."""

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


@pytest.mark.parametrize("text", CLAIMS)
def test_text_and_claim_say_the_same(text):
    assert read_claims(text, 3) == (CLAIMS[text],)
    assert claim_text(CLAIMS[text]) == text


def test_several_claims_with_any_spacing_each_once():
    found = read_claims(" Value>=0 ;increasing; decreasing 0,1~1e-3;; value >= 0.0 ", 3)
    assert found == (Within("value", lower=0.0), Monotone((0, 1, 2)), Monotone((0, 1), False, 1e-3))


def test_the_claims_of_a_basket(basket):
    claims = basket_claims(basket, delta_margin=0.1, gamma_margin=0.1)
    assert read_claims("basket ~ 0.1", 3, basket) == claims
    assert claim_text(claims[0]).startswith("[-") and "<= gradient <=" in claim_text(claims[0])
    assert claim_text(claims[1]) == "gamma >= -0.1"
    with pytest.raises(InputError, match="'basket' is about a basket option"):
        read_claims("basket", 3)


@pytest.mark.parametrize(
    "text", ["values", "value > 0", "distance", "distance gamma", "increasing x", "value >= x", "1", "convex 0"]
)
def test_what_is_no_claim_is_told(text):
    with pytest.raises(InputError, match=f"{text!r} is no claim; write such as"):
        read_claims(f"value; {text}", 3)


def test_two_lower_bounds_are_told():
    with pytest.raises(InputError, match="has two lower bounds; write LOWER <= QUANTITY <= UPPER"):
        read_claims("0 <= value >= 1", 3)
