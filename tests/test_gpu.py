"""A smoke test on a GPU: training, derivatives and enclosures give what the processor gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.enclosure.scalar.rounding import TESTED_GPUS
from sobolev_pruning.training import Adam, fit


def _gpu():
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


@pytest.mark.skipif(_gpu() is None, reason="JAX sees no GPU on this machine")
def test_the_gpu_gives_what_the_processor_gives(basket, samples, surrogate):
    results = []
    for device in (_gpu(), jax.devices("cpu")[0]):
        with jax.default_device(device):
            trained = fit(surrogate, samples, key=jax.random.key(0), optimiser=Adam(steps=20)).surrogate
            points = basket.test_points(jax.random.key(1), 64)
            lower, upper = basket.box
            bounds = enclose(trained)(Interval(jnp.asarray(lower), jnp.asarray(upper)))
            device = next(iter(bounds.lower.devices()))
            assert bounds.guaranteed == (device.platform == "cpu" or device.device_kind in TESTED_GPUS)
            assert bounds.astype(jnp.float32).guaranteed == (device.platform == "cpu")
            results.append([trained.value(points), trained.gradient(points), bounds.lower, bounds.upper])
    for on_gpu, on_cpu in zip(*results):
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-6, atol=1e-6)
