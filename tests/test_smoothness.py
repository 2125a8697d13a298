"""References that are not smooth: what is proved, refuted or undecided of them, and why."""

import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sobolev_pruning.certificates import Distance, certify
from sobolev_pruning.reference import from_function
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate
from surrogates import surrogate_of_shape

KINK = 0.31373
BOX = (np.full(2, -1.0), np.full(2, 1.0))


@pytest.fixture(scope="module")
def nothing() -> Surrogate:
    """A network that is 0 everywhere."""
    network = surrogate_of_shape([2, 2, 1], "silu", True)
    return eqx.tree_at(
        lambda n: (n.layers[-1].weight, n.layers[-1].bias, n.scaling.y_shift),
        network,
        replace_fn=jnp.zeros_like,
    )


def reference(exact):
    return from_function(lambda x, z: exact(x) + 0 * z[0], inputs=BOX, noise=1, exact=exact)


def hinge(x):
    return jnp.maximum(x[0] - KINK, 0.0) + 0.0 * x[1]


def modulus(x):
    return jnp.abs(x[0] - KINK) + 0.0 * x[1]


@pytest.mark.parametrize(
    ("exact", "claim", "status", "largest", "reason"),
    [
        (hinge, Distance("gradient", bound=0.3), "refuted", 1.0, None),
        (hinge, Distance("gradient", bound=1.0 + 1e-6), "proved", 1.0, None),
        (modulus, Distance("hessian", bound=0.5), "undecided", np.inf, r"may have a kink near \(0.31"),
        (lambda x: jnp.where(x[0] > KINK, 0.5, 0.0), Distance("value", bound=0.3), "refuted", 0.5, None),
        (lambda x: jnp.where(x[0] > KINK, 0.5, 0.0), Distance("value", bound=0.6), "proved", 0.5, None),
        (
            lambda x: jnp.where(x[0] > KINK, 0.5, 0.0),
            Distance("gradient", bound=0.1),
            "undecided",
            np.inf,
            "may jump near",
        ),
        (lambda x: 0.1 * jnp.floor(1.7 * x[0]), Distance("value", bound=0.1), "refuted", 0.2, None),
        (
            lambda x: jnp.where(jnp.abs(x[0] - KINK) < 1e-7, 5.0, 0.0),
            Distance("value", bound=0.01),
            "undecided",
            5.0,
            None,
        ),
        (lambda x: 0.001 * jnp.sqrt(x[0]), Distance("value", bound=0.01), "undecided", np.inf, r"not defined at \(-"),
        (lambda x: lax.stop_gradient(x[0]) * x[0], Distance("gradient", bound=1.5), "undecided", np.inf, "by hand"),
    ],
)
def test_smoothness_is_derived_from_the_program(nothing, exact, claim, status, largest, reason):
    """Distances from a network that is 0: those of the reference itself."""
    answer = certify(nothing, BOX, [claim], against=reference(exact), pieces=1000).answers[0]
    assert answer.status == status
    np.testing.assert_allclose(answer.upper[0], largest, rtol=1e-6)
    assert answer.lower[0] <= answer.reached_upper[0] <= answer.upper[0] or answer.reason is not None
    assert (answer.reason is None) == (reason is None)
    assert reason is None or re.search(reason, answer.reason)


def test_a_distance_across_a_kink_is_bounded_by_both_sides(nothing):
    """The network x and the reference |x - K|: gradients differ by 0 on one side and by 2 on the other."""
    scaling = Scaling(jnp.zeros(2), jnp.ones(2), jnp.zeros(1), jnp.ones(1))
    network = Surrogate([Dense(jnp.array([[1.0, 0.0]]), jnp.zeros(1))], scaling, "identity", True)
    answer = certify(network, BOX, [Distance("gradient")], against=reference(modulus), pieces=1000).answers[0]
    assert answer.lower[0] == 0.0 and answer.status == "proved"
    np.testing.assert_allclose(answer.upper[0], 2.0, rtol=1e-6)
