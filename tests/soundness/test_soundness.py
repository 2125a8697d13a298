"""The full campaign: at least 10^7 containment checks, no violation. Run by `make test-soundness`."""

import campaign
import numpy as np
import pytest

from activation_names import EVERY

pytestmark = pytest.mark.soundness

FLOATS = [np.float64, np.float32]
METHODS = ["interval", "affine"]
WANTED = 10_000_000
_made = {}


def _clean(kind: str, record: campaign.Record) -> None:
    """None may fail; all are counted and printed."""
    _made[kind] = _made.get(kind, 0) + record.made
    print(f"\n{record.made:,} containment checks of {kind}, {len(record.failed)} violations", flush=True)
    assert record.made > 0 and not record.failed, record.failed[:5]


@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_and_their_adjoints(dtype):
    _clean("functions", campaign.elementary(list(campaign.PROGRAMS), METHODS, dtype, boxes=400, points=16))


@pytest.mark.parametrize("dtype", FLOATS)
def test_operations_and_their_adjoints(dtype):
    _clean("operations", campaign.binary(list(campaign.BINARY), METHODS, dtype, boxes=400, points=16))


@pytest.mark.parametrize("dtype", FLOATS)
def test_activations_of_every_order(dtype):
    _clean("activations", campaign.activations(EVERY, METHODS, dtype, boxes=400, points=16))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("names", campaign.NETWORKS, ids=str)
def test_networks(names, dtype):
    _clean("networks", campaign.networks(names, METHODS, dtype, boxes=24, points=200, draws=4))


@pytest.mark.parametrize("dtype", FLOATS)
def test_networks_over_split_boxes(dtype):
    for names in campaign.NETWORKS:
        record = campaign.networks(names, ["split"], dtype, boxes=12, points=100, draws=2, width=3)
        _clean("networks over split boxes", record)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("seed", range(3))
def test_random_programs(seed, dtype):
    _clean("programs", campaign.expressions([*METHODS, "split"], dtype, 24, 100, seed=seed, length=4))


def test_the_campaign_made_ten_million_checks():
    """What is missing is made up with further networks, whose checks are many and cheap."""
    seed = 1
    while sum(_made.values()) < WANTED:
        names, dtype = campaign.NETWORKS[seed % 3], FLOATS[seed // 3 % 2]
        _clean("networks", campaign.networks(names, METHODS, dtype, boxes=24, points=200, draws=4, seed=seed))
        seed += 1
    print("\ncontainment checks:", ", ".join(f"{kind} {made:,}" for kind, made in _made.items()))
    print(f"in all {sum(_made.values()):,}, no violation")
