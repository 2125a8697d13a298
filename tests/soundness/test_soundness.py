"""The full campaign: at least 10^7 containment checks, no violation. Run by `make test-soundness`."""

import itertools

import campaign
import numpy as np
import pytest
from oracle import ELEMENTARY

from sobolev_pruning._foundation.activations import ACTIVATIONS

pytestmark = pytest.mark.soundness

TYPES = [np.float64, np.float32]
METHODS = ["interval", "affine"]
_made = {"checks": 0}


def _clean(results) -> None:
    """Adds up the checks of several runs; none may fail."""
    for made, failed in results:
        _made["checks"] += made
        assert made > 0
        assert not failed, failed[:5]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions(name, method, dtype):
    _clean(campaign.elementary(name, method, dtype, boxes=2000, points=16, seed=s) for s in range(2))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", campaign.BINARY)
def test_operations(name, method, dtype):
    _clean(campaign.binary(name, method, dtype, boxes=2000, points=16, seed=s) for s in range(2))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "order"), list(itertools.product(ACTIVATIONS, range(5))))
def test_activations(name, order, method, dtype):
    _clean([campaign.activations(name, order, method, dtype, boxes=1000, points=16)])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", [*METHODS, "split"])
@pytest.mark.parametrize("seed", range(12))
def test_networks(seed, method, dtype):
    width = [0.0, 1e-9, 1e-4, 0.03, 0.3, 3.0][seed % 6]
    _clean([campaign.networks(method, dtype, width, points=1000, seed=seed, sizes=(4, 8, 8, 8, 1))])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", [*METHODS, "split"])
@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed, method, dtype):
    width = [0.0, 1e-9, 1e-4, 0.03, 0.3, 3.0][seed % 6]
    _clean([campaign.expressions(method, dtype, width, points=1000, seed=seed, length=5 + seed % 8)])


def test_the_campaign_made_ten_million_checks():
    """Whatever is missing after the others is made up with networks, whose checks are many and cheap."""
    seed = 100
    while _made["checks"] < 10_000_000:
        method, dtype = METHODS[seed % 2], TYPES[seed // 2 % 2]
        width = 10.0 ** np.random.default_rng(seed).uniform(-6, 0.5)
        _clean([campaign.networks(method, dtype, width, points=20_000, seed=seed, sizes=(4, 8, 8, 8, 1))])
        seed += 1
