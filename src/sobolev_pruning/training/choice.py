"""Which optimiser suits a network of a given size and samples of a given number."""

from .adam import Adam
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .optimiser import AbstractOptimiser

LEVENBERG_MARQUARDT_UP_TO = 200
LBFGS_UP_TO = 5000

MOST_PRODUCTS = 10**9
"""Of an iteration of Levenberg-Marquardt: rows times the square of the parameters, some 10 to 20 seconds in all."""

MOST_ENTRIES = 4 * 10**7
"""Of an iteration of L-BFGS: rows times parameters."""


def suitable_optimiser(n_parameters: int, fixed_data: bool, n_samples: int = 8192) -> AbstractOptimiser:
    """Levenberg-Marquardt up to 200 parameters, L-BFGS up to 5,000 where the data are fixed, Adam beyond.

    The first two look at all samples in every iteration, so they also end where one of those costs too much:
    `n_samples n_parameters^2` above 1e9 for the first, `n_samples n_parameters` above 4e7 for the second. 153
    parameters on 300,000 samples are for Adam, whose steps do not depend on their number.

    `benchmarks/optimisers.py` prints the time that each takes to a given held-out loss, at sizes on both sides of
    these limits.

    >>> [type(suitable_optimiser(153, fixed_data=True, n_samples=n)).__name__ for n in (8192, 300_000)]
    ['LevenbergMarquardt', 'Adam']
    """
    if n_parameters <= LEVENBERG_MARQUARDT_UP_TO and n_samples * n_parameters**2 <= MOST_PRODUCTS:
        return LevenbergMarquardt()
    if n_parameters <= LBFGS_UP_TO and fixed_data and n_samples * n_parameters <= MOST_ENTRIES:
        return LBFGS()
    return Adam()
