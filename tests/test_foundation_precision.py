"""float64 switched off in mid-session is noticed wherever second derivatives would turn into noise."""

import jax
import pytest

from sobolev_pruning import InputError, evaluate
from sobolev_pruning.interchange import EXPORTERS


@pytest.fixture
def without_float64():
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


CALLS = {
    "evaluate": lambda surrogate, samples, path: evaluate(surrogate, samples),
    "value": lambda surrogate, samples, path: surrogate.value([[1.0, 1.0, 1.0]]),
    "gradient": lambda surrogate, samples, path: surrogate.gradient([[1.0, 1.0, 1.0]]),
    "hessian": lambda surrogate, samples, path: surrogate.hessian([[1.0, 1.0, 1.0]]),
    **{name: lambda surrogate, samples, path, way=way: way.write(surrogate, path) for name, way in EXPORTERS.items()},
}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_told(without_float64, surrogate, samples, tmp_path, name):
    with pytest.raises(InputError, match="needs float64, which is off in JAX"):
        CALLS[name](surrogate, samples, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
