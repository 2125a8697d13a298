"""The automatic plan: what a run leaves open is decided by a pilot, and the record says why."""

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from .._foundation.files import write_atomically
from .._foundation.samples import Samples
from ..searching.cross_validation import FEW_ROWS
from .builders import key_for
from .config import (
    AdamConfig,
    LBFGSConfig,
    LevenbergMarquardtConfig,
    OptimiserConfig,
    OversizedConfig,
    RunConfig,
    SearchConfig,
    ToleranceConfig,
    TrainingConfig,
)
from .records import Decision
from .sources import AbstractSource

PILOT = 2048
"""Samples of the pilot, of a source that draws as many as it is asked for, where they take a tenth of the time."""

DEFAULT_FACTOR = 2.0
"""Without a tolerance: the error of the network found over that of the best network, in every quantity."""

NETWORK_TOLERANCE = (0.9999, 0.999)
"""Without a tolerance, where the source is a network: R2 of value and slopes."""

_SIMULATOR_SHARE, _PILOT_SHARE = 0.5, 0.1
"""The part of the time that a simulator may take, half of it for test points, and that of the pilot."""

_LEAST_TRAINING = 0.25
"""The part of the time that is for training even where so many samples were asked for that they take all of it."""

_FEWEST, _MOST = 64, 16_384
_MOST_SEARCHED = 131_072
_MIXED = 4.0
"""Inputs whose ranges differ by more than this factor are of different kinds: slopes count per range."""

_HELD = 0.99
"""Directions are counted until they hold this part of the slopes' mean square."""

_NARROWEST, _WIDEST, _PER_DIRECTION, _DEPTH = 32, 128, 8, 3
_FEW_ROWS = 500
_ADAM_STEPS, _ADAM_RATE = 8000, 1e-2
"""On the airfoil data a network of 3 x 64 has value R2 0.99982 and scaled slopes 0.9989 so, after 10 s; 3,000 steps at
2e-3 leave one of 3 x 32 at 0.9987 and 0.9945, and 8,000 at 3e-3 one of 3 x 64 at 0.99981 and 0.9987.
"""
_MOST_STARTS = 4
_WEIGHTS = (1.0, 0.1)
"""Of first and second derivatives: labels of the latter have more noise."""


@dataclass(frozen=True)
class Pilot:
    """What a few samples show: seconds for one more of them, `spans` directions that slopes span, and the part of the
    variance of values that is noise (None where nothing tells).
    """

    samples: Samples
    seconds: float
    spans: int | None
    noise: float | None


@dataclass(frozen=True)
class Plan:
    """A configuration with nothing left open, why so, and how many seconds a sample takes."""

    config: RunConfig
    decisions: tuple[Decision, ...]
    seconds_per_sample: float


def planned(config: RunConfig, source: AbstractSource, path: Path) -> Plan:
    """What `config` leaves open, decided; the decisions of an earlier call, kept in the file `path`, stand.

    Where something else was asked for then, all is decided anew, but with the time that a sample took then. A run with
    phases of pruning leaves nothing open.
    """
    if config.pruning:
        return Plan(config, (), 0.0)
    kept, seconds = _kept(path, config)
    if kept is not None:
        return kept
    seconds = source.seconds_per_sample if seconds is None else seconds
    decided, decisions = decide(config, source, pilot(config, source, seconds))
    content = {
        "asked": config.model_dump(mode="json"),
        "seconds per sample": seconds,
        "planned": decided.model_dump(mode="json"),
        "decisions": [asdict(decision) for decision in decisions],
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")
    return Plan(decided, decisions, seconds)


def seconds_for_training(plan: Plan, source: AbstractSource) -> float:
    """What is left of the minutes of a plan for training, once samples, and test points of a simulator, are drawn; a
    part of them in any case.
    """
    drawings = 1 if source.reference is not None else 2
    minutes = 60.0 * plan.config.minutes
    return max(_LEAST_TRAINING * minutes, minutes - drawings * plan.seconds_per_sample * plan.config.samples)


def _kept(path: Path, config: RunConfig) -> tuple[Plan | None, float | None]:
    """The plan in the file, where it is that of `config`, and the seconds of a sample, where the file tells them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        seconds = float(content["seconds per sample"])
        if content["asked"] != config.model_dump(mode="json"):
            return None, seconds
        decisions = tuple(Decision(**decision) for decision in content["decisions"])
        return Plan(RunConfig.model_validate_json(json.dumps(content["planned"])), decisions, seconds), seconds
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None, None


def pilot(config: RunConfig, source: AbstractSource, seconds: float) -> Pilot:
    """A few samples with derivatives where these are valid, and what they show; one takes so many `seconds`."""
    n = _MOST
    if source.endless:
        n = max(_FEWEST, min(PILOT, int(_PILOT_SHARE * 60.0 * config.minutes / max(seconds, 1e-12))))
    # With the key of the run's own samples: results of a simulator's calls are kept, and serve again.
    samples = source.draw(key_for(config, "samples"), n, min(source.order, 1))
    noise = source.label_noise(key_for(config, "pilot"))
    return Pilot(samples, seconds, _directions(samples, source), noise)


def decide(config: RunConfig, source: AbstractSource, found: Pilot) -> tuple[RunConfig, tuple[Decision, ...]]:
    """The plan: every choice that `config` leaves open, made by what the pilot `found`."""
    choices = _Choices(config)
    order = choices.of(
        "search.training.order",
        "Derivatives",
        source.order,
        {0: "none", 1: "first derivatives", 2: "first and second derivatives"}[source.order],
        "labels have valid ones" if source.order else "the source gives none that can be trusted",
    )
    if found.noise:
        choices.made.append(Decision("Noise of labels", source.noise_words, _noise_words(found.noise), "source"))
    ranges = source.box[1] - source.box[0]
    mixed = float(ranges.max() / ranges.min()) > _MIXED
    scaled = choices.of(
        "oversized.training.scaled",
        "Slopes count",
        mixed,
        "per range of their input" if mixed else "as they are",
        f"ranges of the inputs differ by a factor of {ranges.max() / ranges.min():.3g}",
    )
    samples = choices.of("samples", "Samples", *_samples(config, source, found))
    hidden = choices.of("oversized.hidden", "Oversized network", *_hidden(source, found, samples))
    widths = (len(source.inputs), *hidden, len(source.outputs))
    optimiser = choices.of("oversized.training.optimiser", "Its training", *_optimiser(widths, samples))
    search = config.search or SearchConfig()
    goal = choices.goal(search, source, scaled)
    searched = choices.of("search.samples", "Samples of the search", *_searched(config, source, found, samples))
    starts = choices.of(
        "search.training.starts",
        "Starts",
        _MOST_STARTS,
        f"{_MOST_STARTS} of the last training",
        "small networks have several local minima, and training finds a nearby one",
    )
    noisy = found.noise is None or found.noise > 0
    few = not source.endless and samples < _FEW_ROWS
    rounds = int(noisy and not source.endless and order > 0 and not few)
    rounds = choices.of(
        "search.training.noise_rounds",
        "Noise",
        rounds,
        "labels weighed by their estimated noise" if rounds else "labels weighed as they are",
        "rows are all there are"
        if rounds
        else "too few rows to estimate it"
        if few
        else "more samples can be drawn"
        if noisy
        else "labels have none",
    )
    training = _with(
        search.training,
        order=order,
        weight=_WEIGHTS if order == 2 else 1.0,
        scaled=scaled,
        optimiser=LevenbergMarquardtConfig(kind="levenberg-marquardt"),
        starts=starts,
        noise_rounds=rounds,
        held_out=0.0 if source.endless or samples < FEW_ROWS else 0.125,
    )
    large = _with(config.oversized.training, order=min(order, 1), scaled=scaled, optimiser=optimiser)
    oversized = OversizedConfig(hidden=hidden, activation=config.oversized.activation, training=large)
    search = SearchConfig(**goal, samples=searched, training=training)
    decided = config.model_copy(update={"samples": samples, "oversized": oversized, "search": search})
    return RunConfig.model_validate(decided.model_dump()), tuple(choices.made)


def _with(training: TrainingConfig, **chosen: Any) -> TrainingConfig:
    """`training` with what was `chosen` where the configuration says nothing."""
    left = {name: value for name, value in chosen.items() if name not in training.model_fields_set}
    return training.model_copy(update=left)


class _Choices:
    """What a configuration says stands; what it leaves open is decided, and told."""

    def __init__(self, config: RunConfig):
        self._config = config
        self.made: list[Decision] = []

    def of(self, key: str, what: str, chosen: Any, words: str, why: str) -> Any:
        """The value of `key` in the configuration, or else `chosen`."""
        table: Any = self._config
        for part in key.split("."):
            if table is None or part not in table.model_fields_set:
                self.made.append(Decision(what, words, why, key))
                return chosen
            table = getattr(table, part)
        self.made.append(Decision(what, str(table), "the configuration says so", key))
        return table

    def goal(self, search: SearchConfig, source: AbstractSource, scaled: bool) -> dict[str, Any]:
        """What the search is for."""
        if search.max_parameters is not None:
            words = f"the most accurate network of at most {search.max_parameters} parameters"
            self.made.append(Decision("Goal", words, "the configuration says so", "search.max_parameters"))
            return {"max_parameters": search.max_parameters}
        if search.tolerance is not None:
            words = "the smallest network within the tolerance"
            self.made.append(Decision("Goal", words, "the configuration says so", "search.tolerance"))
            return {"tolerance": search.tolerance}
        if source.is_network:
            value, slopes = NETWORK_TOLERANCE
            limits = ToleranceConfig(**{"value": value, "delta_scaled" if scaled else "delta": slopes})
            words = f"R2 of the value {value} and of slopes {slopes}"
            why = "the default for a network as source"
        else:
            measured = [{"delta": "delta_scaled"}.get(name, name) if scaled else name for name in source.measured]
            limits = ToleranceConfig(**dict.fromkeys(measured, DEFAULT_FACTOR), relative=True)
            words = f"errors at most {DEFAULT_FACTOR:g} times those of the best network in {', '.join(measured)}"
            why = "the default: nothing was asked for"
        self.made.append(Decision("Goal", words, why, "search.tolerance"))
        return {"tolerance": limits}


def _samples(config: RunConfig, source: AbstractSource, found: Pilot) -> tuple[int, str, str]:
    if not source.endless:
        n = len(source.draw(key_for(config, "samples"), 2**62, 0))
        return n, f"{n:,} rows", "all there are but those of the test"
    share = _SIMULATOR_SHARE if source.reference is not None else _SIMULATOR_SHARE / 2.0
    allowed = int(share * 60.0 * config.minutes / max(found.seconds, 1e-12))
    n = max(_FEWEST, min(_MOST, allowed))
    why = f"a sample takes {1e6 * found.seconds:.3g} microseconds"
    if n < _MOST:
        why = f"a sample takes {found.seconds:.3g} s, and half of {config.minutes:g} minutes is for the simulator"
    return n, f"{n:,}", why


def _noise_words(noise: float) -> str:
    return f"{noise:.2g} of the variance of values is noise"


def _searched(config: RunConfig, source: AbstractSource, found: Pilot, samples: int) -> tuple[int, str, str]:
    """How many samples the networks of a search are trained on."""
    if not source.endless:
        return samples, f"the same {samples:,}", "there are no others"
    if source.reference is None:
        return samples, f"the same {samples:,}", "calls of the simulator take the time"
    if found.noise == 0.0:
        return _MOST, f"{_MOST:,}", "labels have no noise, so few are enough"
    allowed = int(0.2 * 60.0 * config.minutes / max(found.seconds, 1e-12))
    n = max(samples, min(_MOST_SEARCHED, allowed))
    return n, f"{n:,} fresh ones", _noise_words(found.noise)


def _hidden(source: AbstractSource, found: Pilot, samples: int) -> tuple[tuple[int, ...], str, str]:
    spans = found.spans
    width = 64 if spans is None else _PER_DIRECTION * spans
    width = 1 << (max(_NARROWEST, min(_WIDEST, width)) - 1).bit_length()
    why = "nothing tells how many directions matter" if spans is None else f"slopes span {spans} directions"
    if samples < _FEW_ROWS:
        width, why = _NARROWEST, f"{why}; there are {samples} samples"
    hidden = (width,) * _DEPTH
    return hidden, "-".join(map(str, hidden)), why


def _optimiser(widths: tuple[int, ...], samples: int) -> tuple[OptimiserConfig, str, str]:
    parameters = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    if parameters * samples <= 4e7:
        return LBFGSConfig(kind="lbfgs", iterations=400), "L-BFGS", f"{parameters:,} parameters on {samples:,} samples"
    chosen = AdamConfig(kind="adam", steps=_ADAM_STEPS, learning_rate=_ADAM_RATE)
    return chosen, f"Adam, {_ADAM_STEPS:,} steps", f"{parameters:,} parameters on {samples:,} samples"


def _directions(samples: Samples, source: AbstractSource) -> int | None:
    """How many directions hold nearly all of the slopes, inputs in units of their ranges, the noise taken out."""
    if samples.dydx is None or np.isnan(samples.dydx).all():
        return None
    slopes = np.asarray(samples.dydx).reshape(-1, samples.n_inputs) * (source.box[1] - source.box[0])
    slopes = slopes[~np.isnan(slopes).any(axis=1)]
    slopes = slopes / np.sqrt(np.mean(slopes**2, axis=0).sum() or 1.0)
    values = np.linalg.eigvalsh(slopes.T @ slopes / max(1, len(slopes)))[::-1]
    total = np.cumsum(np.maximum(values, 0.0))
    return int(np.searchsorted(total, _HELD * total[-1])) + 1
