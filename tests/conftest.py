"""The tests live in a harsher world than users: float64, no silent promotion of dtypes or ranks, types checked."""

import gc
import os
import resource
import tempfile
from importlib.metadata import version
from pathlib import Path

# Compiling takes most of the tests' time. XLA's older code generator, which is also the one that enclosures are
# compiled by, takes a third less, and one thread for each program costs less than several; JAX 0.11 no longer has these
# flags. Programs that run for a moment need no optimisation, also in processes that tests start.
if version("jax").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import pytest
from jaxtyping import config as jaxtyping_config
from jaxtyping import install_import_hook

# Tracing makes many small objects that live on, and JAX clears up after itself at every collection: rarer collections
# save a tenth of the time.
gc.set_threshold(200_000, 20, 100)

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

MOST_KIBIBYTES = 3 * 2**20
"""What this process may have taken before compiled programs are given up."""

PROGRAMS_OF_A_CONTEXT = 256
"""So many programs are lowered in one MLIR context, which keeps their types and constants until it is given up."""

OPTIMISED = ("test_enclosure_soundness", "test_enclosure_random_programs", "test_enclosure_interval")
OPTIMISED += ("test_certificates_known_claims", "test_soundness")
"""Files whose subject is that bounds hold in floating point; their programs are optimised as users' are.

Rounding differs where a product is contracted into a sum. What other files check is no matter of the last bits, and
programs that are not optimised compile in two thirds of the time.
"""

PACKAGE = Path(__file__).parent.parent / "src" / "sobolev_pruning"
_ROOMS = sorted(place.stem for place in PACKAGE.iterdir() if (place / "__init__.py").exists())
install_import_hook([f"sobolev_pruning.{room}" for room in _ROOMS], "type_checker.check")

from sobolev_pruning._foundation.samples import Samples  # noqa: E402  (the hook must come first)
from sobolev_pruning.reference import GaussianBasket  # noqa: E402
from sobolev_pruning.storage.compiled_programs import keep_compiled_programs  # noqa: E402
from sobolev_pruning.surrogate import Surrogate  # noqa: E402

# What one process compiled, the other and every command that tests start need not: the user's cache folder is one of
# this run, made by its first process.
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE_OF_THIS_RUN = tempfile.TemporaryDirectory(prefix="cache-")
    os.environ["XDG_CACHE_HOME"] = CACHE_OF_THIS_RUN.name
keep_compiled_programs()


def share_contexts() -> None:
    """JAX makes a new MLIR context for every program, which costs as much as lowering a small program does."""
    from jax._src.interpreters import mlir

    make, contexts = mlir.make_ir_context, []

    def shared():
        if len(contexts) % PROGRAMS_OF_A_CONTEXT == 0:
            contexts[:] = [make()]
        else:
            contexts.append(contexts[0])
        return contexts[0]

    mlir.make_ir_context = shared


if version("jax").startswith("0.10."):
    share_contexts()


@pytest.fixture
def types_unchecked():
    """Without the type checker, as users call: for tests of the sentence that a wrong argument gets."""
    jaxtyping_config.update("jaxtyping_disable", True)
    yield
    jaxtyping_config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True, scope="module")
def compiled_programs_are_forgotten():
    """What one file compiles few others need; kept, the programs of all files fill gigabytes."""
    yield
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_KIBIBYTES:
        jax.clear_caches()


@pytest.fixture(autouse=True, scope="module")
def programs_are_optimised_where_it_matters(request):
    """What enclosures promise must hold for optimised programs; the others compile in half the time without."""
    quick = not request.path.name.startswith(OPTIMISED)
    if jax.config.read("jax_disable_most_optimizations") and not quick:
        jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", quick)


@pytest.fixture(scope="session")
def basket() -> GaussianBasket:
    """Three assets with drift and rate apart from 0 and from each other, so that no factor hides."""
    return GaussianBasket.random(n_assets=3, seed=5, drift=0.07, rate=0.03, strike=1.05)


@pytest.fixture(scope="session")
def samples(basket: GaussianBasket) -> Samples:
    """256 noisy pairs of the small basket."""
    return basket.sample(jax.random.key(11), 256)


@pytest.fixture(scope="session")
def surrogate(samples: Samples) -> Surrogate:
    """An untrained network of the small basket, with different widths and no bias at 0."""
    from surrogates import random_surrogate

    return random_surrogate([3, 6, 4, 1], samples, "silu")
