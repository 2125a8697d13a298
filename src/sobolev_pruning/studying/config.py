"""The configuration of a study: what is varied, around what, and how the networks of its cells are trained."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from .._foundation.samples import Samples
from ..pruning import CONSTANT_FOLDS, FOLDS
from ..reference import DESIGNS
from ..running.config import (
    AdamConfig,
    Fraction,
    LBFGSConfig,
    OptimiserConfig,
    OversizedConfig,
    TrainingConfig,
    has_second_derivatives,
)
from ..running.source_config import BasketConfig, Count, SourceConfig, Table
from ..scoring import METHODS

APPROACHES: tuple[str, ...] = ("pruning", "scratch", "scratch-restarts", "growing", "set", "rigl")
"""Ways to a small network: pruning, random weights (once, and the best of several starts), growing, sparse training."""

Approach: TypeAlias = Literal[APPROACHES]  # type: ignore[valid-type]
Criterion: TypeAlias = Literal["fold", *METHODS]  # type: ignore[valid-type]
Fold: TypeAlias = Literal[FOLDS]  # type: ignore[valid-type]
Schedule: TypeAlias = Literal["one-shot", "rounds"]
Order: TypeAlias = Literal["none", 0, 1, 2]
Labels: TypeAlias = Literal["teacher", "fixed", "reference"]
Size: TypeAlias = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class DefaultConfig(Table):
    """`[default]`: the pruned network around which one factor at a time is varied.

    `criterion` and `fold` are as in `[[pruning]]` of a run. `schedule`: all nodes go at once, or in rounds with
    training between them. `order`: of the loss of fine-tuning, or "none". `labels`: as in `[finetuning]` of a run,
    those of the oversized network ("teacher"), the samples that it was trained on ("fixed"), or fresh samples
    ("reference"). `size`: the nodes of each hidden layer of the oversized network that stay; 0 melts a layer into its
    neighbours.
    """

    criterion: Criterion = "split"
    fold: Fold = "sobolev"
    schedule: Schedule = "one-shot"
    order: Order = 1
    labels: Labels = "reference"
    size: Size


class FactorsConfig(Table):
    """`[factors]`, or one of `[crossings.NAME]`: the levels of every factor; a factor left out stays at its default."""

    approach: Annotated[tuple[Approach, ...], Field(strict=False)] = ()
    criterion: Annotated[tuple[Criterion, ...], Field(strict=False)] = ()
    fold: Annotated[tuple[Fold, ...], Field(strict=False)] = ()
    schedule: Annotated[tuple[Schedule, ...], Field(strict=False)] = ()
    order: Annotated[tuple[Order, ...], Field(strict=False)] = ()
    labels: Annotated[tuple[Labels, ...], Field(strict=False)] = ()
    size: Annotated[tuple[Size, ...], Field(strict=False)] = ()


class RoundsConfig(Table):
    """`[rounds]`: the schedule "rounds": the network is trained on the samples of the oversized one after every round
    but the last, which fine-tuning follows.
    """

    number: Annotated[int, Field(ge=2)] = 4
    retraining: TrainingConfig = TrainingConfig(optimiser=AdamConfig(kind="adam", steps=500))


class StudyFinetuningConfig(Table):
    """`[finetuning]`: how every network of a cell is trained, pruned or not; sparse ones by the optimiser of
    `[sparse]`.

    `samples` are as many fresh ones of the reference, drawn as `design` and `conditional` say (see
    `[finetuning.reference]` of a run), or labels of the oversized network.
    """

    samples: Annotated[int, Field(ge=16)] = 8192
    design: Literal[DESIGNS] = "random"  # type: ignore[valid-type]
    conditional: bool = False
    optimiser: OptimiserConfig = LBFGSConfig(kind="lbfgs")
    scaled: bool = False
    held_out: Fraction = 0.125


class ScratchConfig(Table):
    """`[scratch]`: of so many starts "scratch-restarts" takes the one with the lowest held-out loss."""

    starts: Annotated[int, Field(ge=2)] = 5


class GrowingConfig(Table):
    """`[growing]`: the widths double so many times, and the network is trained before every time and after the last."""

    doublings: Count = 2


class SparseConfig(Table):
    """`[sparse]`: SET and RigL in the shape of the oversized network, trained by `optimiser` in all.

    `updates` times in the first three quarters of the training a share of the nonzero parameters is dropped and as many
    are grown elsewhere, `fraction` at first, less and less later.
    """

    updates: Count = 20
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    optimiser: AdamConfig = AdamConfig(kind="adam")


class StudyConfig(Table):
    """A whole study; `full` takes the product of all levels named anywhere, instead of one factor at a time and the
    crossings.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] = (0, 1, 2)
    samples: Annotated[int, Field(ge=16)] = 8192
    full: bool = False
    source: SourceConfig = BasketConfig()
    oversized: OversizedConfig = OversizedConfig()
    default: DefaultConfig
    factors: FactorsConfig = FactorsConfig()
    crossings: dict[Annotated[str, Field(min_length=1)], FactorsConfig] = Field({})
    rounds: RoundsConfig = RoundsConfig()
    finetuning: StudyFinetuningConfig = StudyFinetuningConfig()
    scratch: ScratchConfig = ScratchConfig()
    growing: GrowingConfig = GrowingConfig()
    sparse: SparseConfig = SparseConfig()

    @property
    def label_orders(self) -> dict[str, int]:
        """The largest order of derivatives that each kind of labels has: 2 where they are smooth."""
        smooth = has_second_derivatives(self.source)
        return {"teacher": 2, "fixed": 1 + smooth, "reference": 1 + (smooth or self.finetuning.conditional)}

    @model_validator(mode="after")
    def _seeds_differ(self):
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds names a seed twice, which would count one result as two: give each seed once")
        return self

    @model_validator(mode="after")
    def _labels_exist(self):
        if self.finetuning.conditional and getattr(self.source, "smoothing", 0) > 0:
            raise ValueError("source.smoothing and finetuning.conditional are two ways to smooth a payoff: choose one")
        trainings = (self.oversized.training, self.rounds.retraining)
        if not has_second_derivatives(self.source) and any(training.order == 2 for training in trainings):
            raise ValueError(
                "order 2 in oversized.training and rounds.retraining asks for second derivatives of simulated payoffs, "
                "which have a kink: set source.smoothing to a width such as 0.05, or take order 1 there"
            )
        named = {*(level for table in self._tables.values() for level in table.labels), self.default.labels}
        if "reference" in named and self.source.kind == "data":
            raise ValueError('labels "reference" are fresh samples, and a file has its rows: take "fixed" or "teacher"')
        for name, table in {"default": FactorsConfig(), **self._tables}.items():
            orders, labels = table.order or (self.default.order,), table.labels or (self.default.labels,)
            if 2 in orders and not any(self.label_orders[each] == 2 for each in labels):
                raise ValueError(
                    f"{name} asks for order 2 on labels that have no second derivatives, as payoffs have a kink: set "
                    'finetuning.conditional = true for the labels "reference", or source.smoothing to a width such '
                    "as 0.05"
                )
        return self

    @model_validator(mode="after")
    def _sizes_fit(self):
        hidden = self.oversized.hidden
        named = {"default": (self.default.size,)} | {name: table.size for name, table in self._tables.items()}
        for name, sizes in named.items():
            for size in sizes:
                if len(size) != len(hidden):
                    raise ValueError(
                        f"{name} names {len(size)} layers in the size {list(size)}, but the oversized network has "
                        f"{len(hidden)} hidden layers; give one number for each"
                    )
                if not any(size) or any(kept > width for kept, width in zip(size, hidden)):
                    raise ValueError(
                        f"{name} has the size {list(size)}; it must keep a node somewhere, and in no layer more than "
                        f"the oversized network has: {list(hidden)}"
                    )
        return self

    @model_validator(mode="after")
    def _default_exists(self):
        if self.default.criterion == "fold" and self.default.fold in CONSTANT_FOLDS:
            raise ValueError(
                f'default.criterion "fold" chooses survivors for a fold onto survivors, which {self.default.fold!r} is '
                'not: take the fold "sobolev" or "least-squares", or another criterion'
            )
        return self

    @model_validator(mode="after")
    def _crossings_cross(self):
        for name, factors in self.crossings.items():
            if sum(len(getattr(factors, factor)) > 0 for factor in FactorsConfig.model_fields) < 2:
                raise ValueError(f"crossings.{name} lists fewer than two factors; to vary one factor, use [factors]")
        return self

    @property
    def _tables(self) -> dict[str, FactorsConfig]:
        return {"factors": self.factors} | {f"crossings.{name}": table for name, table in self.crossings.items()}


def dense_widths(samples: Samples, size: tuple[int, ...]) -> tuple[int, ...]:
    """The widths of the network of a size for `samples`, inputs and outputs included: layers of 0 are not there."""
    return samples.n_inputs, *(width for width in size if width), samples.n_outputs
