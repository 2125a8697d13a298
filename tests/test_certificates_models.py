"""Which models a certificate can be about: those that a distance fits, and those whose derivatives are exactly 0."""

import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.certificates import Convex, Distance, Range, Within, certify
from sobolev_pruning.certificates.quantities import _norm
from sobolev_pruning.certificates.semidefinite import Metric, smallest_eigenvalue
from sobolev_pruning.commands.guaranteed_distance import guaranteed_distance
from sobolev_pruning.reference import from_function
from sobolev_pruning.scoring import as_box
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

BOX = (-1.0, 1.0)


def network_of(layers, scalar=True) -> Surrogate:
    """A tanh network of these weights and biases, scaled away from 0 and 1."""
    d, k = np.shape(layers[0][0])[1], np.shape(layers[-1][0])[0]
    scaling = Scaling(jnp.full(d, 0.3), jnp.full(d, 1.3), jnp.full(k, 0.1), jnp.full(k, 0.7))
    dense = [Dense(jnp.asarray(w, jnp.float64), jnp.asarray(b, jnp.float64)) for w, b in layers]
    return Surrogate(dense, scaling, "tanh", scalar and k == 1)


def affine(slopes, scalar=True) -> Surrogate:
    """One layer and nothing else."""
    return network_of([(slopes, np.zeros(len(slopes)))], scalar)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 1)), ((2, 2), (2, 1)), ((2, 3), (2, 2)), ((2, 1), (3, 1))], ids=str)
def test_models_of_different_functions_have_no_distance(shapes):
    first, second = (surrogate_of_shape([d, 1, k], "silu", False) for d, k in shapes)
    counted = [f"{d} inputs and {k} output{'s' * (k > 1)}" for d, k in shapes]
    message = f"The surrogate has {counted[0]}, the model it is against {counted[1]}"
    for of in ("value", "gradient"):
        with pytest.raises(InputError, match=message):
            certify(first, BOX, [Distance(of)], against=second)
    with pytest.raises(InputError, match=message):
        guaranteed_distance(first, second, as_box(BOX, shapes[0][0]), pieces=10)


def test_a_closed_form_of_another_number_of_outputs_has_no_distance():
    def both(x):
        return jnp.stack([x[0] + x[1], x[0] * x[1]])

    reference = from_function(lambda x, z: both(x), inputs=([-1.0, -1.0], [1.0, 1.0]), noise=1, exact=both)
    with pytest.raises(InputError, match="2 inputs and 1 output, the model it is against 2 inputs and 2 outputs"):
        certify(affine([[1.0, 2.0]]), BOX, [Distance("value")], against=reference)


def test_a_scalar_output_and_one_of_an_array_are_compared():
    """`0.7 (x0 - x1) / 1.3` against `0.7 (x0 + x1) / 1.3`: at most `1.4 / 1.3` apart, in slopes by the same."""
    first, second = affine([[1.0, -1.0]], scalar=True), affine([[1.0, 1.0]], scalar=False)
    claims = [Distance("value", tolerance=0.01), Distance("gradient")]
    value, slope = certify(first, BOX, claims, against=second).answers
    assert value.status == slope.status == "proved"
    # The shift of the inputs, 0.3, makes the largest difference of the values larger.
    np.testing.assert_allclose(value.reached_upper, 1.4 * 1.3 / 1.3, rtol=1e-3)
    np.testing.assert_allclose([slope.lower, slope.upper], 1.4 / 1.3, rtol=1e-8)


ZERO = [
    Within("hessian", lower=0.0, upper=0.0),
    Convex(),
    Range("hessian"),
    Within("curvature", lower=0.0, upper=0.0, direction=(1.0, 1.0)),
]


@pytest.mark.parametrize(
    "network",
    [
        affine([[1.0, -2.0]]),
        affine([[0.0, 0.0]]),
        # Nodes that nothing depends on, and nodes that depend on nothing.
        network_of([([[0.5, 1.0], [0.0, 0.0]], [0.3, 0.7]), ([[0.0, 2.0]], [0.1])]),
    ],
    ids=["affine", "zero", "dead nodes"],
)
def test_second_derivatives_that_are_exactly_zero_are_proved_so(network):
    answers = certify(network, BOX, ZERO, pieces=4).answers
    assert [answer.status for answer in answers] == ["proved"] * 4
    assert answers[2].lower == answers[2].upper == (0.0,) * 4


def test_the_hessian_of_an_affine_network_of_many_inputs_and_outputs_is_zero():
    """Cells of all inputs, in affine forms."""
    rng = np.random.default_rng(0)
    answers = certify(affine(rng.normal(size=(4, 5))), BOX, [Within("hessian", 0.0, 0.0), Convex()], pieces=4).answers
    assert [answer.status for answer in answers] == ["proved"] * 2


def test_an_input_that_enters_affinely_does_not_hide_convexity():
    """Its row and column of the Hessian are exactly 0; the rest has the eigenvalues 1 and 3."""
    matrix = np.zeros((1, 1, 3, 3))
    matrix[0, 0, ::2, ::2] = [[2.0, 1.0], [1.0, 2.0]]
    unchanged = Metric(None, 0.0)
    assert smallest_eigenvalue(matrix, matrix, unchanged)[0, 0] == 0.0
    assert smallest_eigenvalue(0 * matrix, 0 * matrix, unchanged)[0, 0] == 0.0
    matrix[0, 0, 0, 0] = -2.0
    bound = smallest_eigenvalue(matrix, matrix, unchanged)[0, 0]
    assert -np.sqrt(5.0) - ALGEBRAIC <= bound <= -np.sqrt(5.0)


def test_a_norm_of_zeros_is_zero():
    lower, upper = _norm(np.zeros((2, 3)), np.array([[0.0, 0.0, 0.0], [0.0, 1e-200, 0.0]]))
    assert lower.tolist() == [0.0, 0.0] and upper[0] == 0.0 and upper[1] >= 1e-200
