"""Least squares of one layer's pre-activations on the nodes before it, values and derivatives together."""

import numpy as np

from .jets import Jets

# Singular values below this share of the largest are noise of rounding; along them weights stay as they were.
_RANK_TOLERANCE = 1e-10


def stacked(features: Jets, targets: Jets, metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets as the rows of one regression, reduced to few rows by an orthogonal transformation.

    Values are taken about their means, because the bias takes the constant. Each order of derivatives is scaled so that
    the targets weigh the same in all of them in the given `metric`, `(t, t)`, a square root of the cost `|B'
    metric|^2`: this is the automatic weight of the Sobolev fold, and makes it free of units.
    """
    blocks = [_centred(features), _centred(targets)]
    energies = [np.square(block @ metric).sum() for block in blocks[1]]
    weights = [1.0 / np.sqrt(energy) if energy > 0 else 0.0 for energy in energies]
    left, right = (
        np.concatenate([weight * block.reshape(-1, block.shape[-1]) for weight, block in zip(weights, jets)])
        for jets in blocks
    )
    triangle = np.linalg.qr(np.concatenate([left, right], axis=1), mode="r")
    return triangle[:, : left.shape[1]], triangle[:, left.shape[1] :]


def fitted(features: Jets, targets: Jets, metric: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias with `targets ~ weight features + bias`.

    Of all least-squares solutions this is the one nearest to the weight `start`, so that directions which the points do
    not determine (few points, dependent nodes) are left alone.
    """
    left, right = stacked(features, targets, metric)
    change = np.linalg.lstsq(left, right - left @ start.T, rcond=_RANK_TOLERANCE)[0]
    weight = start + change.T
    bias = targets[0].mean(axis=0) - weight @ features[0].mean(axis=0)
    return weight, bias


def _centred(jets: Jets) -> Jets:
    return [jets[0] - jets[0].mean(axis=0), *jets[1:]]
