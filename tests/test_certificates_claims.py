"""Certificates: true claims are proved, false ones refuted by a point, hard ones left undecided; always soundly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.certificates import Convex, Distance, Monotone, Range, Within, basket_claims, certify
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC


def plain_network(layers, activation="tanh") -> Surrogate:
    """A network of the given weights and biases whose scaling changes nothing."""
    d, k = np.shape(layers[0][0])[1], np.shape(layers[-1][0])[0]
    scaling = Scaling(jnp.zeros(d), jnp.ones(d), jnp.zeros(k), jnp.ones(k))
    dense = [Dense(jnp.asarray(w, jnp.float64), jnp.asarray(b, jnp.float64)) for w, b in layers]
    return Surrogate(dense, scaling, activation, k == 1)


def points_of(lower, upper, n=3000, seed=0):
    """Points of the whole box: inside, on its faces and in its corners."""
    xi = np.random.default_rng(seed).uniform(-1, 1, (n, len(lower))) * np.linspace(1, 4, n)[:, None]
    centre, half = 0.5 * (np.asarray(lower) + upper), 0.5 * (np.asarray(upper) - lower)
    return np.clip(centre + half * np.clip(xi, -1, 1), lower, upper)


@pytest.fixture(scope="module")
def ridge():
    """`tanh(x0 + 2 x1 - x2 + x3)`: rises in 0, 1, 3, falls in 2; range +-tanh(s) on the box of half width s/5."""
    return plain_network([([[1.0, 2.0, -1.0, 1.0]], [0.0]), ([[1.0]], [0.0])])


@pytest.fixture(scope="module")
def ridge_answers(ridge):
    claims = [
        Range("value", tolerance=0.01),
        Range("gradient"),
        Range("hessian", tolerance=0.1),
        Monotone((0, 1, 3)),
        Monotone((2,), increasing=False),
        Monotone((0, 2)),
        Within("value", upper=0.7),
        Within("gradient", lower=(0.39, 0.79, -1.01, 0.39), upper=(1.01, 2.01, -0.39, 1.01)),
        Convex(),
        Convex(directions=((1.0, 0.0, 0.0, 0.0),), margin=0.77),
        Convex(directions=((1.0, 0.0, 0.0, 0.0),), margin=0.76),
        Convex(margin=7 * 0.77),
        Range("curvature", direction=(1.0, 1.0, 1.0, 1.0)),
    ]
    return claims, certify(ridge, (-0.2, 0.2), claims).answers


def test_ranges_of_a_ridge_are_those_known_by_hand(ridge_answers):
    answers = dict(zip(*ridge_answers))
    value, gradient, hessian = (answers[claim] for claim in ridge_answers[0][:3])
    assert [value.status, gradient.status, hessian.status] == ["proved"] * 3
    edge, slope = np.tanh(1.0), 1 / np.cosh(1.0) ** 2
    assert -1.01 * edge <= value.lower[0] <= -edge <= edge <= value.upper[0] <= 1.01 * edge
    weights = np.array([1.0, 2.0, -1.0, 1.0])
    low, high = np.minimum(weights, slope * weights), np.maximum(weights, slope * weights)
    found_low, found_high = (end[0] for end in gradient.bounds)
    assert (found_low <= low).all() and (high <= found_high).all()
    assert (found_high - found_low <= 1.05 * (high - low)).all()
    extreme = 4 / (3 * np.sqrt(3)) * np.abs(np.outer(weights, weights))  # of tanh'', inside the box
    assert (hessian.bounds[1][0] >= extreme * (1 - ALGEBRAIC)).all() and (hessian.bounds[1][0] <= 1.1 * extreme).all()


def test_monotone_convex_and_bounded_claims_are_decided_as_they_must(ridge_answers):
    statuses = [answer.status for answer in ridge_answers[1]]
    expected = ["proved", "proved", "refuted", "refuted", "proved", "refuted", "proved", "refuted", "proved", "proved"]
    assert statuses[3:] == expected


def test_a_refuting_point_lies_in_the_box_and_refutes(ridge, ridge_answers):
    for claim, answer in zip(*ridge_answers):
        if answer.status != "refuted":
            continue
        point = np.asarray(answer.point)
        assert (np.abs(point) <= 0.2).all()
        assert answer.evidence[0] <= answer.evidence[1]
        if isinstance(claim, Within):
            assert float(ridge(jnp.asarray(point))) > 0.7
        if isinstance(claim, Monotone):
            assert float(jax.grad(ridge)(jnp.asarray(point))[2]) < 0
        if isinstance(claim, Convex):
            hessian = np.asarray(jax.hessian(ridge)(jnp.asarray(point)))
            assert (np.linalg.eigvalsh(hessian)[0] if claim.directions is None else hessian[0, 0]) < -claim.margin


def test_a_convex_network_of_low_rank_is_proved_convex_without_margin():
    """A sum of two softplus ridges in four inputs: two eigenvalues of every Hessian are exactly 0."""
    network = plain_network(
        [([[1.0, 2.0, -1.0, 0.3], [0.5, -1.0, 1.0, 2.0]], [0.1, -0.2]), ([[1.0, 2.0]], [0.0])], "softplus"
    )
    assert certify(network, (-1.0, [1.0, 1.0, 1.0, 0.5]), [Convex(), Monotone((3,))]).proved


@pytest.mark.parametrize(
    "widths, activation, scalar, width",
    [([4, 2, 1], "silu", True, 1.0), ([2, 3, 2], "gelu", False, 1.0), ([5, 6, 2, 1], "tanh", True, 0.4)],
    ids=["rank 2", "two inputs, two outputs", "slabs of all inputs"],
)
def test_ranges_hold_at_dense_points_of_the_whole_box(widths, activation, scalar, width):
    network = surrogate_of_shape(widths, activation, scalar)
    lower, upper = np.full(widths[0], 3.0 - width), np.full(widths[0], 3.0 + 0.7 * width)
    second = [Range("hessian")] if activation == "silu" else []  # second derivatives are dear to compile
    certificate = certify(network, (lower, upper), [Range("value"), Range("gradient"), *second], pieces=600)
    points = points_of(lower, upper)
    k = widths[-1]
    for answer, found in zip(certificate.answers, (network.value, network.gradient, network.hessian)):
        array = np.asarray(found(points)).reshape(len(points), *answer.shape)
        low, high = answer.bounds
        assert answer.shape[0] == k
        assert (low <= array.min(axis=0)).all() and (array.max(axis=0) <= high).all()
        assert (high - low <= 30 * (array.max(axis=0) - array.min(axis=0))).all()
        inner = np.reshape(answer.reached_lower, answer.shape)
        assert (low <= inner).all() and (inner <= np.reshape(answer.reached_upper, answer.shape)).all()


def test_the_distance_of_a_shifted_network_is_the_shift(ridge):
    other = plain_network([([[1.0, 2.0, -1.0, 1.0]], [0.0]), ([[1.0]], [0.25])])
    claims = [Distance("value", tolerance=0.01), Distance("gradient", bound=1e-3), Distance("value", bound=0.2)]
    value, gradient, false = certify(ridge, (-0.2, 0.2), claims, against=other).answers
    assert value.status == "proved" and 0.25 <= value.upper[0] <= 0.2525
    assert gradient.status == "proved"
    assert false.status == "refuted" and false.evidence[0] > 0.2


@pytest.mark.parametrize("against", ["closed form", "network"])
def test_distances_hold_at_dense_points(basket, against):
    """With the closed form cells live in two coordinates, with the network in the three inputs themselves."""
    network = surrogate_of_shape([3, 1, 1], "silu", True)
    names = ("value", "gradient")
    other = basket if against == "closed form" else surrogate_of_shape([3, 2, 1], "tanh", True, seed=7)
    lower, upper = np.full(3, 0.8), np.full(3, 1.3)
    points = points_of(lower, upper)
    certificate = certify(network, (lower, upper), [Distance(name) for name in names], against=other, pieces=1000)
    for answer, name in zip(certificate.answers, names):
        difference = np.asarray(getattr(network, name)(points) - getattr(other, name)(points))
        largest = np.linalg.norm(difference.reshape(len(points), -1), axis=1).max()
        assert largest <= answer.upper[0] <= 3 * largest


def test_too_few_pieces_leave_a_claim_undecided_and_say_where():
    network = surrogate_of_shape([2, 6, 1], "silu", True)
    box = (np.array([2.0, 2.0]), np.array([4.0, 4.0]))
    answer = certify(network, box, [Range("gradient", tolerance=1e-3)], pieces=12).answers[0]
    assert answer.status == "undecided" and answer.gap > 0
    low, high = np.asarray(answer.where)
    assert (box[0] <= low).all() and (low <= high).all() and (high <= box[1]).all()
    assert (np.asarray(answer.lower) <= answer.reached_lower).all()


def test_basket_claims_hold_for_the_closed_forms_own_slopes():
    """A call's delta reaches its limit only far in the money; the put's is that minus the full delta."""
    for kind, sign in (("call", 1.0), ("put", -1.0)):
        basket = GaussianBasket.random(n_assets=3, seed=5, drift=0.07, rate=0.03, kind=kind)
        delta, gamma = basket_claims(basket, gamma_margin=0.5)
        full = sign * np.exp(0.07 * 1.0 - 0.03 * 1.0) * np.asarray(basket.weights)
        np.testing.assert_allclose(np.minimum(full, 0.0), delta.lower, rtol=ALGEBRAIC)
        np.testing.assert_allclose(np.maximum(full, 0.0), delta.upper, rtol=ALGEBRAIC)
        assert gamma == Convex(directions=((1.0, 1.0, 1.0),), margin=0.5)


def test_second_order_claims_about_kinked_networks_are_refused():
    network = plain_network([([[1.0, 2.0]], [0.1]), ([[1.0]], [0.0])], "relu")
    for claim in (Convex(), Range("hessian"), Within("curvature", lower=0.0, direction=(1.0, 0.0))):
        with pytest.raises(InputError, match="kink"):
            certify(network, (-1.0, 1.0), [claim])
    slope, falling = certify(
        network, (-1.0, 1.0), [Monotone((0, 1), margin=1e-12), Monotone((1,), increasing=False)]
    ).answers
    assert slope.status == "proved" and falling.status == "refuted"


@pytest.mark.parametrize(
    "claims, message",
    [
        ([], "no claims"),
        ([Monotone((4,))], "input 4"),
        ([Distance("value")], "against"),
        ([Within("gradient", lower=(0.0, 0.0))], "does not fit"),
        ([Convex(directions=((1.0,),))], "give 4 finite numbers"),
    ],
)
def test_claims_that_do_not_fit_are_refused_with_advice(ridge, claims, message):
    with pytest.raises(InputError, match=message):
        certify(ridge, (-0.2, 0.2), claims)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Within("value"), "claims nothing"),
        (lambda: Range("curvature"), "direction"),
        (lambda: Convex(margin=-1.0), "margin"),
        (lambda: Monotone(()), "no inputs"),
    ],
)
def test_empty_claims_are_refused_when_made(make, message):
    with pytest.raises(InputError, match=message):
        make()
