"""The errors of networks in files, against a reference or against data."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from .._foundation.errors import InputError
from ..evaluation import Evaluator
from ..interchange import read_network
from ..running import read_config
from ..running.sources import reference_of
from ..surrogate import Surrogate
from .domain import DataOptions, outside_training_range, read_data
from .models import describe
from .records import EvaluationRecord


def evaluate_models(
    models: Sequence[Path], *, reference: Path | None = None, data: DataOptions | None = None, seed: int = 0
) -> EvaluationRecord:
    """Evaluates as `evaluate` does: against the reference of the configuration file `reference`, or against `data`."""
    if (reference is None) == (data is None):
        raise InputError("Say what to compare with by exactly one of --reference CONFIG.toml and --data FILE.")
    networks = {path: read_network(path) for path in models}
    warnings: list[str] = []
    evaluations, entries = [], []
    if reference is not None:
        config = read_config(reference)
        truth = reference_of(config.source, config.seed)
        for path, network in networks.items():
            if network.widths[0] != truth.n_inputs:
                raise InputError(
                    f"{path} has {network.widths[0]} inputs, but the reference of {reference} has {truth.n_inputs}; "
                    "give networks of that reference."
                )
        points = truth.test_points(jax.random.key(seed))
        evaluator = Evaluator.of(truth, points)
        for path, network in networks.items():
            evaluations.append(evaluator(network))
            entries.append(evaluator.by_name(network))
            warnings += _warnings(path, network, points)
    else:
        for path, network in networks.items():
            samples = read_data(network, data)
            evaluator = Evaluator.on(samples)
            evaluations.append(evaluator(network))
            entries.append(evaluator.by_name(network))
            warnings += _warnings(path, network, samples.x)
    return EvaluationRecord(
        networks=tuple(describe(network, path) for path, network in networks.items()),
        evaluations=tuple(evaluations),
        entries=tuple(entries),
        against=str(reference if data is None else data.path),
        warnings=tuple(warnings),
    )


def _warnings(path: Path, network: Surrogate, points) -> list[str]:
    found = outside_training_range(network, jnp.min(points, axis=0), jnp.max(points, axis=0))
    return [f"{path}: {sentence}" for sentence in found]
