"""Which optimiser suits a network of a given size."""

from .adam import Adam
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .optimiser import AbstractOptimiser

LEVENBERG_MARQUARDT_UP_TO = 200
LBFGS_UP_TO = 5000


def suitable_optimiser(n_parameters: int, fixed_data: bool) -> AbstractOptimiser:
    """Levenberg-Marquardt up to 200 parameters, L-BFGS up to 5,000 where the data are fixed, Adam beyond.

    `benchmarks/optimisers.py` prints the time that each takes to a given held-out loss, at sizes on both sides of
    these limits.

    >>> type(suitable_optimiser(21, fixed_data=True)).__name__
    'LevenbergMarquardt'
    """
    if n_parameters <= LEVENBERG_MARQUARDT_UP_TO:
        return LevenbergMarquardt()
    if n_parameters <= LBFGS_UP_TO and fixed_data:
        return LBFGS()
    return Adam()
