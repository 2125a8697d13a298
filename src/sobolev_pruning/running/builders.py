"""From configuration to objects: optimisers, and keys."""

import math
import zlib

import jax

from .._foundation.arrays import PRNGKey
from ..training import LBFGS, AbstractOptimiser, Adam, LevenbergMarquardt
from .config import AdamConfig, LBFGSConfig, OptimiserConfig, RunConfig


def build_optimiser(config: OptimiserConfig) -> AbstractOptimiser:
    """The optimiser that a `[... .optimiser]` table describes."""
    if isinstance(config, AdamConfig):
        return Adam(config.steps, config.batch_size, config.learning_rate)
    if isinstance(config, LBFGSConfig):
        return LBFGS(config.iterations)
    return LevenbergMarquardt(config.iterations, math.inf if config.prior is None else config.prior)


def key_for(config: RunConfig, purpose: str) -> PRNGKey:
    """The random key of one purpose within a run: independent of what else the run does, and of the order."""
    return jax.random.fold_in(jax.random.key(config.seed), zlib.crc32(purpose.encode()))
