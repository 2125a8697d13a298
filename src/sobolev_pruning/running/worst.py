"""Where the final network is worst, among the test points."""

import numpy as np

from ..evaluation import Evaluator
from ..surrogate import Surrogate
from .records import ErrorRecord, WorstPoint

WORST = 10
LEVELS = (0.5, 0.9, 0.99, 1.0)


def errors_of(network: Surrogate, evaluator: Evaluator) -> tuple[ErrorRecord, ...]:
    """Errors of each output in its own units, absolute values: root mean square, quantiles, and the worst points."""
    points = np.asarray(evaluator.points)
    n = len(points)
    true = np.asarray(evaluator.truth.value).reshape(n, -1)
    found = np.asarray(network.value(points)).reshape(n, -1)
    return tuple(_errors(points, found[:, j], true[:, j]) for j in range(true.shape[1]))


def _errors(points: np.ndarray, found: np.ndarray, true: np.ndarray) -> ErrorRecord:
    error = np.abs(found - true)
    worst = np.argsort(error)[::-1][:WORST]
    return ErrorRecord(
        size=float(np.sqrt(np.mean(true**2))),
        spread=float(true.std()),
        rmse=float(np.sqrt(np.mean(error**2))),
        quantiles=tuple(float(np.quantile(error, level)) for level in LEVELS),
        worst=tuple(
            WorstPoint(tuple(points[row].tolist()), float(found[row]), float(true[row])) for row in worst.tolist()
        ),
    )
