"""Lower bounds of the smallest eigenvalue of interval matrices, and the metric they are taken in."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..enclosure import Interval
from .maps import MappedModel

_EPS = np.finfo(float).eps


class Metric(NamedTuple):
    """Where the Hessian of a function of `z = A x + c` is judged: in `t` with `z = F t`, so that `F^-1 A` has rows near
    orthonormal, and `A' H_z A = C' H_t C` with `C = F^-1 A`. `factor` is F, None for x itself; the eigenvalues of
    `C C'` lie within `1 +- deviation`.

    Then `H_t >= -g I` gives `H_x >= -g (1 + deviation) I`, without the zero eigenvalues that `H_x` has for want of
    rank.
    """

    factor: jax.Array | None
    deviation: float

    @staticmethod
    def of(model: MappedModel, reduced: bool) -> "Metric":
        if not reduced:
            return Metric(None, 0.0)
        matrix = np.asarray(model.matrix.mid())
        try:
            factor = np.linalg.cholesky(matrix @ matrix.T)
            inverse = np.linalg.inv(factor)
        except np.linalg.LinAlgError:
            return Metric(None, 0.0)
        unit = np.eye(len(factor))
        rows = inverse @ model.matrix
        first = _norm_bound(rows @ _transposed(rows) - unit)
        second = _norm_bound(Interval.point(inverse) @ factor - unit)
        if not first + 3 * second < 0.01:
            return Metric(None, 0.0)  # rows almost dependent: nothing is gained
        # C = (I + D)^-1 rows with |D| <= second < 1/300: the eigenvalues of CC' are those of rows rows' up to (1 -+
        # second)^-2.
        return Metric(jnp.asarray(factor), 1.01 * (first + 2.1 * second * (1 + first)) + 1e-15)

    def hessian(self, model: MappedModel, z):
        """The Hessian in this metric, `(k, m, m)` or `(k, d, d)`."""
        if self.factor is None:
            return model.hessian(z)
        return self.factor.T @ model.inner_hessian(z) @ self.factor


def _transposed(x: Interval) -> Interval:
    return jax.tree.map(jnp.transpose, x)


def _norm_bound(x: Interval) -> float:
    """A bound of the spectral norm of every matrix in `x`."""
    size = np.asarray(x.mag())
    return float(max(size.sum(axis=0).max(), size.sum(axis=1).max()) * (1 + 1e-12))


def smallest_eigenvalue(lower: np.ndarray, upper: np.ndarray, metric: Metric) -> np.ndarray:
    """A lower bound of the smallest eigenvalue, in x, of all symmetric matrices in `[lower, upper]`, `(n, k, m, m)`.

    Nonnegative iff positive semidefiniteness is proved. Gershgorin's discs after a change to the approximate
    eigenvectors V of the middle: `V' H V >= g I` and `|V'V - I| <= delta` give `H >= g/(1 + delta)` for g >= 0, `g/(1 -
    delta)` else.
    """
    known = np.isfinite(lower).all(axis=(-2, -1)) & np.isfinite(upper).all(axis=(-2, -1))
    safe_lower, safe_upper = (np.where(known[..., None, None], a, 0.0) for a in (lower, upper))
    # The true matrix is symmetric, so that it lies in the intersection with the transposed.
    safe_lower = np.maximum(safe_lower, np.swapaxes(safe_lower, -1, -2))
    safe_upper = np.maximum(np.minimum(safe_upper, np.swapaxes(safe_upper, -1, -2)), safe_lower)
    # A row and column of zeros, as an input makes that enters by a product with a constant, has the eigenvalue 0 and
    # nothing to do with the others: with another number on its diagonal it does not stand in their way.
    empty = (safe_lower == 0).all(axis=-1) & (safe_upper == 0).all(axis=-1)
    size = np.maximum(np.abs(safe_lower), np.abs(safe_upper)).max(axis=(-2, -1))[..., None]
    filled = np.where(empty, np.where(size > 0, size, 1.0), 0.0)[..., None] * np.eye(safe_lower.shape[-1])
    safe_lower, safe_upper = safe_lower + filled, safe_upper + filled
    middle = 0.5 * (safe_lower + safe_upper)
    radius = (0.5 * (safe_upper - safe_lower)) * (1 + 4 * _EPS) + 4 * _EPS * np.abs(middle)
    vectors = np.linalg.eigh(middle)[1]
    across, m = np.swapaxes(vectors, -1, -2), middle.shape[-1]
    gamma = (2 * m + 8) * _EPS
    size = np.abs(across) @ np.abs(middle) @ np.abs(vectors)
    spread = (np.abs(across) @ radius @ np.abs(vectors)) * (1 + gamma) + gamma * size + 1e-300
    turned = across @ middle @ vectors
    diagonal = np.diagonal(turned, axis1=-2, axis2=-1)
    discs = diagonal + np.abs(diagonal) - (np.abs(turned) + spread).sum(axis=-1)
    bound = (discs - (m + 4) * _EPS * np.abs(turned).sum(axis=-1) - 1e-300).min(axis=-1)
    delta = np.abs(across @ vectors - np.eye(m)).sum(axis=-1).max(axis=-1) + m * gamma
    bound = np.where(
        bound >= 0, bound / (1 + 2 * delta), bound / (1 - 2 * delta) * (1 + metric.deviation) * (1 + 4 * _EPS)
    )
    # A positive bound in t says only >= 0 in x where the rank is not full.
    singular = empty.any(axis=-1) | (metric.factor is not None)
    bound = np.where(singular, np.minimum(bound, 0.0), bound)
    return np.where(known & (delta < 0.1), bound, -np.inf)


def smallest_eigenvalue_of(matrices: np.ndarray) -> np.ndarray:
    """The smallest eigenvalue of each matrix, in floats."""
    return np.linalg.eigvalsh(0.5 * (matrices + np.swapaxes(matrices, -1, -2)))[..., 0]


def negative_curvature(lower: np.ndarray, upper: np.ndarray, metric: Metric) -> float:
    """An upper bound of `v' H v / v'v` for some v in x, from the enclosure `(m, m)` of a Hessian at a point.

    With w the eigenvector of the middle and v of least length with `C v = w`: `|w|^2 / v'v` lies within `1 +-
    deviation`.
    """
    if not (np.isfinite(lower) & np.isfinite(upper)).all():
        return np.inf
    middle, radius = 0.5 * (lower + upper), 0.5 * (upper - lower)
    w = np.linalg.eigh(0.5 * (middle + middle.T))[1][:, 0]
    gamma = (2 * len(w) + 8) * _EPS
    size = np.abs(w) @ (np.abs(middle) * gamma + radius * (1 + gamma)) @ np.abs(w)
    quotient = (w @ middle @ w + size) / (w @ w)
    quotient += 8 * len(w) * _EPS * abs(quotient)
    return quotient * (1 - metric.deviation) if quotient < 0 else np.inf
