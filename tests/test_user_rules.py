"""Rules of the user's own: what rests on them says so, and what was compiled before is compiled again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import primitives

import sobolev_pruning as sp
from sobolev_pruning._foundation.errors import ContradictionFound
from sobolev_pruning.activations import activation_p
from sobolev_pruning.certificates import Range, Within, certify
from sobolev_pruning.enclosure import Interval, enclose, register_rule, registry
from sobolev_pruning.enclosure.decorations import JUMPS, UNDEFINED, UNPROVED
from surrogates import surrogate_of_shape

BOX = (np.zeros(3), np.ones(3))


@pytest.fixture(scope="module")
def surrogate():
    """One hidden layer: every test compiles it anew."""
    return surrogate_of_shape([3, 4, 1], "silu", True)


@pytest.fixture(autouse=True)
def rules_are_taken_back():
    yield
    registry._USER_RULES.clear()
    jax.clear_caches()


def too_small(a, **_):
    """A wrong rule: the range of an activation is not one number."""
    return Interval(jnp.zeros(a.shape), jnp.zeros(a.shape))


def unit(a, **_):
    return Interval(jnp.zeros(a.shape), jnp.ones(a.shape))


def test_what_a_user_does_not_vouch_for_proves_nothing(surrogate):
    claims = [Within("value", lower=-1e9, upper=1e9), Range("gradient")]
    assert certify(surrogate, BOX, claims[:1]).proved
    register_rule(activation_p, too_small)
    certificate = certify(surrogate, BOX, claims, pieces=64)
    assert [answer.status for answer in certificate.answers] == ["undecided"] * 2
    assert certificate.rules == ("activation (not guaranteed)",)
    assert all("rules of your own: activation (not guaranteed)" in answer.reason for answer in certificate.answers)
    assert not np.isfinite(certificate.answers[0].upper).any()
    assert not sp.significance(surrogate, BOX, method="interval").guaranteed


def test_a_certificate_names_the_rules_that_are_vouched_for(surrogate):
    def wide(a, *, name, order):
        return Interval(jnp.full(a.shape, -10.0), jnp.full(a.shape, 10.0))

    register_rule(primitives.tanh_p, wide, guaranteed=True)  # not in the program: not named
    register_rule(activation_p, wide, guaranteed=True, smooth=True)
    certificate = certify(surrogate, BOX, [Within("value", lower=-1e9, upper=1e9)])
    assert certificate.proved and certificate.rules == ("activation (guaranteed by its author)",)
    assert sp.significance(surrogate, BOX, method="interval").guaranteed


def test_a_wrong_rule_that_is_vouched_for_is_contradicted_by_what_is_seen(surrogate):
    register_rule(activation_p, too_small, guaranteed=True, smooth=True)
    with pytest.raises(
        ContradictionFound, match=r"your enclosure rules \(activation .* was seen at .* outside the bounds"
    ):
        certify(surrogate, BOX, [Range("gradient")], pieces=64)


def test_promises_of_a_rule_are_in_the_decoration():
    program, box = jax.scipy.special.i0e, Interval(0.0, 1.0)
    for promises, flags in (
        ({}, UNPROVED | JUMPS | UNDEFINED),
        ({"guaranteed": True}, JUMPS | UNDEFINED),
        ({"smooth": True}, UNPROVED),
        ({"guaranteed": True, "smooth": True}, 0),
    ):
        register_rule(primitives.bessel_i0e_p, unit, **promises)
        for method in ("interval", "affine", "split") if not promises else ("interval",):
            found = enclose(lambda x: program(x) + x, method)(box)
            assert int(found.decoration) == flags and found.guaranteed == (not flags & UNPROVED)


def test_registering_again_reaches_what_is_compiled(surrogate):
    bessel = jax.jit(enclose(jax.scipy.special.i0e))
    box = Interval(0.0, 1.0)
    register_rule(primitives.bessel_i0e_p, unit)
    assert (float(bessel(box).lower), float(bessel(box).upper)) == (0.0, 1.0)
    register_rule(primitives.bessel_i0e_p, lambda a, **_: unit(a) * 2.0)
    assert float(bessel(box).upper) >= 2.0
    before = sp.significance(surrogate, BOX, method="interval")
    register_rule(activation_p, too_small)
    assert not np.asarray(sp.significance(surrogate, BOX, method="interval").scores[0]).any()
    assert np.asarray(before.scores[0]).all()
