"""The configuration of a run: every setting, its default and its bounds."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .._foundation.errors import InputError
from ..activations import activation
from ..pruning import FOLDS
from ..reference import DESIGNS
from ..scoring import METHODS
from ..searching.tolerance import LIMITED_QUANTITIES
from .source_config import (
    BasketConfig,
    Count,
    GeneExpressionConfig,
    HestonConfig,
    LibraryConfig,
    NetworkConfig,
    NotNegative,
    Positive,
    RandomMediumConfig,
    SourceConfig,
    Table,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]


class AdamConfig(Table):
    """Adam on mini-batches."""

    kind: Literal["adam"]
    steps: Count = 4000
    batch_size: Count = 256
    learning_rate: Positive = 3e-3


class LBFGSConfig(Table):
    """Limited-memory BFGS on the full batch."""

    kind: Literal["lbfgs"]
    iterations: Count = 300


class LevenbergMarquardtConfig(Table):
    """Levenberg-Marquardt on the full batch; `prior` is that of `sobolev_pruning.LevenbergMarquardt`, None for none."""

    kind: Literal["levenberg-marquardt"]
    iterations: Count = 60
    prior: Positive | None = None


OptimiserConfig = Annotated[AdamConfig | LBFGSConfig | LevenbergMarquardtConfig, Field(discriminator="kind")]


class TrainingConfig(Table):
    """How one network is trained; `noise_rounds` is how often more, with the labels' noise estimated from what the
    network before left of them (`sobolev_pruning.label_noise`).
    """

    order: Literal[0, 1, 2] = 1
    optimiser: OptimiserConfig = AdamConfig(kind="adam")
    balance: Literal["dimension", "fixed"] = "dimension"
    weight: NotNegative | Annotated[tuple[NotNegative, NotNegative], Field(strict=False)] = 1.0
    scaled: bool = False
    starts: Count = 1
    noise_rounds: Annotated[int, Field(ge=0)] = 0
    held_out: Fraction = 0.125
    patience: Count | None = None


def _known_activation(name: str) -> str:
    try:
        return activation(name).name
    except InputError as error:
        raise ValueError(str(error)) from None


class OversizedConfig(Table):
    """`[oversized]`: the network to start from."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = (128,) * 6
    activation: Annotated[str, AfterValidator(_known_activation)] = "silu"
    training: TrainingConfig = TrainingConfig()


class PruningConfig(Table):
    """One phase of `[[pruning]]`: which nodes go, how they are folded, and how often the network is retrained.

    `significance` is a method of `sobolev_pruning.significance`, or "fold": the survivors that the fold can do best
    with. `keep` is the number of nodes that stay in each hidden layer that is left; 0 replaces the layer by its affine
    fit. `rounds` is how many steps lead there, each followed by the training of `retraining`.
    """

    significance: Literal["fold", *METHODS] = "fold"  # type: ignore[valid-type]
    fold: Literal[FOLDS] = "sobolev"  # type: ignore[valid-type]
    keep: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, strict=False)]
    rounds: Count = 1
    retraining: TrainingConfig | None = None


class FinetuningConfig(Table):
    """`[finetuning.teacher]` or `[finetuning.fixed]`.

    teacher: derivative samples of the oversized network at inputs of the training law. fixed: the samples that the
    oversized network was trained on.
    """

    samples: Count | None = None
    training: TrainingConfig = TrainingConfig()


class FreshFinetuningConfig(Table):
    """`[finetuning.reference]`: `samples` fresh ones of the reference, or those of the oversized network where
    `samples` is left out.

    `design` and `conditional` take noise out of fresh samples: evenly spread points, and labels that are expectations
    over the one coordinate of the noise that matters most.
    """

    samples: Count | None = None
    design: Literal[DESIGNS] = "random"  # type: ignore[valid-type]
    conditional: bool = False
    training: TrainingConfig = TrainingConfig()


class FinetuningsConfig(Table):
    """`[finetuning]`: what the pruned network is fine-tuned on; each starts from the pruned network."""

    teacher: FinetuningConfig | None = None
    fixed: FinetuningConfig | None = None
    reference: FreshFinetuningConfig | None = None


class ToleranceConfig(Table):
    """`[search.tolerance]`: limits of the errors, as `sobolev_pruning.Tolerance` takes them."""

    value: Positive | None = None
    delta: Positive | None = None
    delta_scaled: Positive | None = None
    gamma: Positive | None = None
    hessian: Positive | None = None
    figure: Literal["r2", "rmse", "p99", "max_abs"] = "r2"
    relative: bool = False

    @property
    def limited(self) -> tuple[str, ...]:
        """The quantities that have a limit."""
        return tuple(name for name in LIMITED_QUANTITIES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _limits_something(self):
        if not self.limited:
            raise ValueError(f"search.tolerance limits nothing; give at least one of {', '.join(LIMITED_QUANTITIES)}")
        return self


class SearchConfig(Table):
    """`[search]`: instead of phases of pruning, the smallest network within `tolerance`, or the most accurate one of at
    most `max_parameters`; see `sobolev_pruning.shrink`.

    `samples` are as many fresh ones for its networks, of a source that can be asked anywhere; `training` is the last
    one of the network found.
    """

    tolerance: ToleranceConfig | None = None
    max_parameters: Count | None = None
    samples: Annotated[int, Field(ge=8)] = 65_536
    training: TrainingConfig = TrainingConfig(optimiser=LevenbergMarquardtConfig(kind="levenberg-marquardt"))

    @model_validator(mode="after")
    def _one_goal(self):
        if self.tolerance is not None and self.max_parameters is not None:
            raise ValueError("search has a tolerance and max_parameters; give one, the other is what it searches for")
        return self


def has_second_derivatives(source: SourceConfig) -> bool:
    """Whether the second derivatives of the source's labels are those of their mean: it has no kinks."""
    smoothed = isinstance(source, BasketConfig) and source.smoothing > 0
    conditional = isinstance(source, HestonConfig) and source.conditional
    return smoothed or conditional or isinstance(source, GeneExpressionConfig | RandomMediumConfig | NetworkConfig)


class RunConfig(Table):
    """A whole run, from the source to the report: with phases of `pruning` where they are given, else with a search.

    What a run with a search leaves open is decided by a plan, for about so many `minutes` in all (see `plan.py`).
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    samples: Annotated[int, Field(ge=8)] = 8192
    minutes: Positive = 10.0
    source: SourceConfig = BasketConfig()
    oversized: OversizedConfig = OversizedConfig()
    search: SearchConfig | None = None
    pruning: Annotated[tuple[PruningConfig, ...], Field(strict=False)] = ()
    finetuning: FinetuningsConfig = FinetuningsConfig()
    controls: bool = True
    oracle: bool = False

    @property
    def samples_order(self) -> int:
        """The largest order of the trainings on the run's own samples: derivatives up to it are drawn."""
        trainings = [self.oversized.training, *(phase.retraining for phase in self.pruning)]
        for tuning in (self.finetuning.fixed, self.finetuning.reference):
            if tuning is not None and tuning.samples is None:
                trainings.append(tuning.training)
        return max(1, *(training.order for training in trainings if training is not None))

    @model_validator(mode="after")
    def _second_derivatives_exist(self):
        fresh, reference = self.finetuning.reference, self.source
        smoothed = isinstance(reference, BasketConfig) and reference.smoothing > 0
        kinked = not has_second_derivatives(reference)
        smooth_fresh = fresh is None or fresh.samples is None or fresh.training.order < 2 or fresh.conditional
        kinked &= not isinstance(reference, NetworkConfig)
        if kinked and (self.samples_order == 2 or not smooth_fresh):
            raise ValueError(
                "order 2 asks for second derivatives of simulated payoffs, which have a kink: set source.smoothing "
                "to a width such as 0.05, set conditional in finetuning.reference, or take order 2 in "
                "finetuning.teacher alone"
            )
        if fresh is not None and fresh.samples is None and (fresh.conditional or fresh.design != "random"):
            raise ValueError(
                "design and conditional in finetuning.reference are about fresh samples: give finetuning.reference "
                "a number of samples"
            )
        if fresh is not None and fresh.conditional and smoothed:
            raise ValueError(
                "source.smoothing and finetuning.reference.conditional are two ways to smooth one payoff: choose one"
            )
        if fresh is not None and fresh.conditional and not isinstance(reference, BasketConfig | HestonConfig):
            raise ValueError(
                f"conditional in finetuning.reference is for the kinds gaussian-basket and heston, not {reference.kind}"
            )
        if fresh is not None and fresh.design != "random" and not isinstance(reference, LibraryConfig):
            raise ValueError(
                "design in finetuning.reference is for models of the library: give it to the reference of your own"
            )
        if fresh is not None and fresh.samples is not None and reference.kind == "data":
            raise ValueError(
                "finetuning.reference asks for fresh samples, and a file has its rows: use finetuning.fixed"
            )
        if self.oracle and not isinstance(reference, BasketConfig):
            raise ValueError(f"oracle fits the closed formula of the kind gaussian-basket; {reference.kind} has none")
        return self

    @model_validator(mode="after")
    def _pruning_or_search(self):
        if self.pruning and self.search is not None:
            raise ValueError("there are phases of [[pruning]] and a [search]; give one of them")
        if not self.pruning and self.finetuning != FinetuningsConfig():
            raise ValueError(
                "[finetuning] follows phases of [[pruning]], and there are none; the network that a search finds is "
                "trained as [search.training] says"
            )
        return self

    @model_validator(mode="after")
    def _phases_fit_together(self):
        widths = self.oversized.hidden
        for number, phase in enumerate(self.pruning, start=1):
            if len(phase.keep) != len(widths):
                raise ValueError(
                    f"pruning phase {number} names {len(phase.keep)} layers in keep, but the network then has "
                    f"{len(widths)} hidden layers; give one number for each"
                )
            for layer, (kept, width) in enumerate(zip(phase.keep, widths), start=1):
                if kept > width:
                    raise ValueError(
                        f"pruning phase {number} keeps {kept} nodes of hidden layer {layer}, which then has {width}"
                    )
            widths = tuple(kept for kept in phase.keep if kept)
            if not widths:
                raise ValueError(f"pruning phase {number} keeps 0 nodes of every layer; keep at least one somewhere")
        return self
