"""Choosing columns: the few features whose linear combinations come closest to all targets."""

import numpy as np

# A feature whose residual has lost this share of its length is a combination of those already chosen.
_DEPENDENT = 1e-7
_SWEEPS = 5
MOST_EXCHANGED = 64


def select(features: np.ndarray, targets: np.ndarray, count: int) -> list[int]:
    """Indices, rising, of `count` columns of `features`, `(rows, n)`, from which least squares reaches `targets` best.

    Forward selection: the column that lowers the squared residual of `targets`, `(rows, t)`, most is taken next
    (orthogonal least squares; Chen, Billings and Luo 1989). Then each chosen column in turn is given up for the best
    one in its place, until no exchange helps; beyond `MOST_EXCHANGED` columns, where an exchange gains little, this is
    left out. Columns that depend on those chosen are taken last, the longest first.

    >>> features = np.array([[1.0, 0.9, 0.0], [0.0, 0.9, 1.0]])
    >>> select(features, np.array([[1.0], [1.0]]), 1)
    [1]
    """
    chosen = [column for column, _ in _forward(features, targets, count)]
    if 0 < len(chosen) <= MOST_EXCHANGED:
        chosen = _exchanged(features, targets, chosen)
    longest = np.argsort(-np.square(features).sum(axis=0), kind="stable")
    chosen += [int(column) for column in longest if column not in chosen][: count - len(chosen)]
    return sorted(chosen)


def ordered_gains(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """By how much each column lowers the squared residual when forward selection takes it; 0 for dependent ones."""
    gains = np.zeros(features.shape[1])
    for column, gain in _forward(features, targets, features.shape[1]):
        gains[column] = gain
    return gains


def marginal_gains(features: np.ndarray, targets: np.ndarray, chosen: list[int]) -> np.ndarray:
    """By how much the squared residual would rise without each chosen column, and fall with each other one, `(n,)`."""
    inverse = np.linalg.pinv(features[:, chosen])
    lengths = np.square(inverse).sum(axis=1)
    losses = np.square(inverse @ targets).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    rest, missing = _residuals(features, targets, chosen)
    gains = np.maximum(_gains(rest, missing, features, chosen), 0.0)
    gains[chosen] = losses
    return gains


def _forward(features: np.ndarray, targets: np.ndarray, count: int) -> list[tuple[int, float]]:
    """Columns in the order of forward selection, with gains, until `count` or until only dependent ones are left."""
    chosen: list[tuple[int, float]] = []
    rest, missing = features, targets
    while len(chosen) < count:
        gains = _gains(rest, missing, features, [column for column, _ in chosen])
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        chosen.append((best, float(gains[best])))
        direction = rest[:, [best]] / np.linalg.norm(rest[:, best])
        missing = missing - direction @ (direction.T @ missing)
        rest = rest - direction @ (direction.T @ rest)
    return chosen


def _exchanged(features: np.ndarray, targets: np.ndarray, chosen: list[int]) -> list[int]:
    chosen = list(chosen)
    for _ in range(_SWEEPS):
        before = list(chosen)
        for place, column in enumerate(before):
            others = chosen[:place] + chosen[place + 1 :]
            gains = _gains(*_residuals(features, targets, others), features, others)
            best = int(np.argmax(gains))
            # Equal up to rounding is no reason to exchange, and would let the sweep run in circles.
            if gains[best] > gains[column] * (1 + 1e-9):
                chosen[place] = best
        if chosen == before:
            break
    return chosen


def _residuals(features: np.ndarray, targets: np.ndarray, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """What the chosen columns leave of features and targets."""
    basis = np.linalg.qr(features[:, chosen]).Q
    return features - basis @ (basis.T @ features), targets - basis @ (basis.T @ targets)


def _gains(rest: np.ndarray, missing: np.ndarray, features: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Fall of the squared residual with one more column; -1 for dependent and chosen ones."""
    lengths = np.square(rest).sum(axis=0)
    independent = lengths > _DEPENDENT**2 * np.square(features).sum(axis=0)
    independent[chosen] = False
    gains = np.square(rest.T @ missing).sum(axis=1) / np.where(independent, lengths, 1.0)
    return np.where(independent, gains, -1.0)
