"""Files of results as sources: their rows are all the samples there are, a part of them the truth."""

from pathlib import Path

import jax
import numpy as np

from ..._foundation.arrays import Points, PRNGKey
from ..._foundation.errors import InputError
from ..._foundation.samples import Samples, digest_of
from ..._foundation.variables import in_short, position_of
from ...evaluation import Evaluator
from ...sampling import DataFile, split
from .source import AbstractSource, Cost

TEST_SHARE = 0.2
"""The part of the rows that no network is trained on."""

FEWEST_ROWS = 10


class DataSource(AbstractSource):
    """The rows of a data file, a fifth of them, chosen by `key`, kept for the test.

    `box`, by name of input, replaces the range from the 1% to the 99% quantile of every input.
    """

    endless = False
    direction = None

    def __init__(self, data: DataFile, key: PRNGKey, box: dict[str, tuple[float, float]] | None = None):
        if len(data.samples) < FEWEST_ROWS:
            raise InputError(
                f"{data.path} has {len(data.samples)} rows, too few to learn from and to test by; give at least "
                f"{FEWEST_ROWS}."
            )
        self.inputs, self.outputs = data.samples.inputs, data.samples.outputs
        told, given = (in_short([each.name for each in variables]) for variables in (self.outputs, self.inputs))
        self.title = f"{data.path.name}: {told}, a function of {given}, {len(data.samples):,} rows"
        lower, upper = (np.array(end) for end in data.box)
        for name, ends in (box or {}).items():
            place = position_of(name, self.inputs, "source.box")
            lower[place], upper[place] = ends
        self.box = lower, upper
        self._training, self._test = split(data.samples, TEST_SHARE, key)
        self._digest = digest_of(data.samples)
        self.order = int(data.samples.dydx is not None and not data.doubts.wrong_slopes)
        self.measured = ("value", "delta") if self.order else ("value",)
        self.remarks = (*data.doubts.warnings, *data.doubts.noise)

    @property
    def n_rows(self) -> int:
        """The rows that networks are trained on."""
        return len(self._training)

    def prepare(self, keep: Path) -> None:
        """Nothing: all is known."""

    def draw(self, key: PRNGKey, n: int, order: int = 1) -> Samples:
        return self._training if n >= len(self._training) else self._training[:n]

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self._training.x[jax.random.randint(key, (n,), 0, len(self._training))]

    def evaluators(self, key: PRNGKey) -> tuple[Evaluator, Evaluator]:
        x = np.asarray(self._test.x)
        inside = np.all((x >= self.box[0]) & (x <= self.box[1]), axis=1)
        in_box = self._test[inside] if inside.sum() >= 2 else self._test
        return Evaluator.on(in_box, "test rows"), Evaluator.on(self._test, "test rows")

    @property
    def seconds_per_sample(self) -> float:
        return 0.0

    def label_noise(self, key: PRNGKey) -> float | None:
        return None

    def cost(self, error: float) -> Cost | None:
        return None

    def state(self) -> str:
        return self._digest
