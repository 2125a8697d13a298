"""Factors of covariances and correlations, singular ones too: assets may move together exactly."""

import numpy as np
from jaxtyping import Float

from .._foundation.errors import InputError


def lower_factor(matrix: Float[np.ndarray, "d d"], name: str) -> Float[np.ndarray, "d d"]:
    """`L`, lower triangular with a diagonal of 0 or more, with `L L'` the symmetric positive semidefinite `matrix`.

    Of a definite matrix the Cholesky factor. Else, with eigenvalues `w` and eigenvectors `V`, `V sqrt(w) = (Q R)'`
    gives `L = R'`. Raises `InputError`, naming the matrix, where an eigenvalue is below 0 by more than rounding.

    >>> lower_factor(np.ones((2, 2)), "correlation").round(12).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    try:
        factor = np.linalg.cholesky(matrix)  # an eighth of the time of finding the eigenvalues
        if np.diag(factor).min() > 1e-7 * np.sqrt(np.diag(matrix).max()):  # below, a pivot is rounding
            return factor
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(matrix)
    rounding = 8 * len(matrix) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    if values[0] < -rounding:
        raise InputError(
            f"{name} is not positive semidefinite (smallest eigenvalue {values[0]:.3g}); correct its entries."
        )
    upper = np.linalg.qr((vectors * np.sqrt(np.where(values > rounding, values, 0.0))).T, mode="r")
    return (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T
