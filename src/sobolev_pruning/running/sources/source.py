"""What every source offers to a run: where it is defined, its samples, the truth, what a call costs."""

import abc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._foundation.arrays import Points, PRNGKey
from ..._foundation.samples import Samples
from ..._foundation.variables import Variable
from ...evaluation import Evaluator
from ...reference import AbstractReference


@dataclass(frozen=True)
class Direction:
    """A direction in the space of inputs, `(d,)`, and what moving along it means, as "all spots"."""

    vector: Float[np.ndarray, "d"]
    words: str


@dataclass(frozen=True)
class Cost:
    """Seconds that the source takes for one value as exact as the surrogate's, with first derivatives where it has
    them, and what is called for that, in words.
    """

    seconds: float
    words: str


class AbstractSource(abc.ABC):
    """What is to be imitated: a reference model, a simulator of the user's own, a file of results, a network.

    - `reference`: the model that can be asked anywhere, None where samples are all there is; `is_network` says whether
      that is somebody's network; `noise_words` tell how the noise of its labels was lowered.
    - `title`: what it is, as a report's first line says it.
    - `inputs`, `outputs`: their names and units.
    - `box`: two arrays `(d,)`, where errors are measured and nodes folded.
    - `direction`: that along which a second derivative is meant without a name; None where there is none.
    - `endless`: whether `draw` gives as many new samples as are asked for; a file has its rows and no more.
    - `order`: of the highest derivatives whose labels can be trusted.
    - `measured`: the quantities whose errors can be measured, of value, delta and gamma.
    - `remarks`: sentences on what the reader should know before trusting labels, the gravest first.
    """

    reference: AbstractReference | None = None
    is_network: bool = False
    noise_words: str = "as it is"
    title: str
    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    box: tuple[Float[np.ndarray, "d"], Float[np.ndarray, "d"]]
    direction: Direction | None
    endless: bool
    order: int
    measured: tuple[str, ...]
    remarks: tuple[str, ...]

    @abc.abstractmethod
    def prepare(self, keep: Path) -> None:
        """Finds out what takes calls of a simulator, whose results are kept in the folder `keep`; before all else."""

    def quiet(self) -> "AbstractSource":
        """The same source with as little noise in its labels as it can draw them with."""
        return self

    @abc.abstractmethod
    def draw(self, key: PRNGKey, n: int, order: int = 1) -> Samples:
        """`n` samples to train on with derivatives up to `order`; all there are of a file that has fewer."""

    def draw_quietly(self, key: PRNGKey, n: int, order: int, design: str, conditional: bool) -> Samples:
        """As `draw`, by a `design` of points, with one coordinate of the noise integrated out where `conditional`."""
        return self.draw(key, n, order)

    @abc.abstractmethod
    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        """`n` inputs of the law that samples have."""

    @abc.abstractmethod
    def evaluators(self, key: PRNGKey) -> tuple[Evaluator, Evaluator]:
        """What measures networks on points that nothing is trained on: over the box, and where the source is used."""

    @property
    @abc.abstractmethod
    def seconds_per_sample(self) -> float:
        """Seconds for one more sample, with derivatives where they are valid; 0 where there are no more."""

    @abc.abstractmethod
    def label_noise(self, key: PRNGKey) -> float | None:
        """The part of the variance of labels of values that is noise; None where nothing tells."""

    @abc.abstractmethod
    def cost(self, error: float) -> Cost | None:
        """What a call costs, the root mean square error of the surrogate being `error`; None where nobody knows."""

    def state(self) -> str | None:
        """What determines the source beyond its table, such as the code of a function or the bytes of a file."""
        return None
