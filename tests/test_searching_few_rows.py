"""Few rows: tiny networks compared by cross-validation, whose errors are what new points show."""

import jax
import numpy as np
import pytest

from sobolev_pruning import InputError, Samples, Tolerance
from sobolev_pruning.running.asked import asked
from sobolev_pruning.running.plan import decide, pilot
from sobolev_pruning.running.sources import Workers
from sobolev_pruning.running.sources.objects import opened_object
from sobolev_pruning.searching.cross_validation import AGAINST, cross_validated

SETTINGS = {"activation": "tanh", "order": 1, "scaled": False, "key": jax.random.key(0)}


def rows(n: int, noise: float = 0.0, seed: int = 0) -> Samples:
    random = np.random.default_rng(seed)
    x = random.uniform(-1.0, 1.0, size=(n, 2))
    height = np.tanh(x[:, 0] + 0.5 * x[:, 1])
    slopes = (1.0 - height**2)[:, None] * np.array([1.0, 0.5])
    return Samples(x, height + noise * random.normal(size=n), slopes)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("cross-validation")


@pytest.fixture(scope="module")
def found(directory):
    return cross_validated(rows(20), tolerance=None, max_parameters=9, **SETTINGS, checkpoints=directory)


def test_the_error_of_rows_left_out_is_that_of_new_points(found):
    assert found.against == AGAINST and [one.widths for one in found.path] == [(2, 1, 1), (2, 2, 1)]
    new = rows(500, seed=1)
    error = np.mean((np.asarray(found.surrogate.value(new.x)) - new.y) ** 2) / np.var(new.y)
    assert error < 1e-6 and all(one.errors["value"] < 1e-3 and one.stderr["value"] > 0.0 for one in found.path)


def test_a_search_started_again_goes_on_from_its_checkpoints(found, directory):
    again = cross_validated(rows(20), tolerance=None, max_parameters=9, **SETTINGS, checkpoints=directory)
    assert again.path == found.path  # seconds included: nothing was trained again
    other = cross_validated(rows(20, seed=3), tolerance=None, max_parameters=5, **SETTINGS, checkpoints=directory)
    assert other.path[0].seconds != found.path[0].seconds


def test_the_smallest_shape_within_the_tolerance_is_chosen():
    tolerance = Tolerance(value=0.99, delta=0.9)
    chosen = cross_validated(rows(20), tolerance=tolerance, max_parameters=9, **SETTINGS)
    assert chosen.surrogate.n_parameters == 5 and all(one.accepted for one in chosen.path)
    with pytest.raises(InputError, match="the smallest network of this model has 5"):
        cross_validated(rows(20), tolerance=None, max_parameters=4, **SETTINGS)


def test_noise_that_cannot_be_learned_is_in_the_error():
    noisy = cross_validated(rows(20, noise=0.3), tolerance=None, max_parameters=5, **SETTINGS)
    assert noisy.path[0].errors["value"] > 0.05


def test_a_dozen_rows_are_planned_for():
    config, samples = asked(rows(12), None, None, None)
    with opened_object(samples, config.source, jax.random.key(0), Workers()) as source:
        planned, _ = decide(config, source, pilot(config, source, 0.0))
    assert planned.samples == 10 and planned.search.training.held_out == 0.0
    assert planned.search.training.noise_rounds == 0
