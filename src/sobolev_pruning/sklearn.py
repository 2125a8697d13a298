"""An estimator for scikit-learn: a small network that is fitted to values and, where they are known, their slopes."""

from collections.abc import Sequence

import jax
import numpy as np

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"sobolev_pruning.sklearn needs scikit-learn 1.6 or newer ({error}); pip install 'sobolev-pruning[sklearn]'."
    ) from None

from ._foundation.errors import InputError
from ._foundation.samples import Samples
from .searching import Tolerance, shrink
from .surrogate import ErrorBars, Surrogate
from .training import AbstractOptimiser, error_bars, fit

_NETWORKS = ("surrogate_", "error_bars_")
"""Attributes that hold arrays of JAX."""

_FEWEST_HELD_OUT = 64
"""Rows from which on an eighth of them is held out to choose the weights; of fewer every row is learnt from."""


class SobolevRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A network fitted to values, and to derivatives where `fit` is given some, as a scikit-learn regressor.

    Inputs and outputs are scaled inside, so no scaler is needed before it; behind one, `dydx` is by the scaled inputs.
    It computes in float64 whatever JAX is set to, and leaves the setting alone.

    - `hidden`: nodes of each hidden layer.
    - `activation`: of the hidden layers, a name that `Surrogate.create` knows.
    - `tolerance`: None, a `Tolerance`, or the smallest R2 of the values that will do: then the smallest network within
      it is searched for, measured on a quarter of the rows (see `sobolev_pruning.shrink`; minutes).
    - `max_parameters`: None, or the size within which the most accurate network is searched for.
    - `optimiser`: as `sobolev_pruning.fit` takes it; None takes the one that suits the numbers of parameters and rows.
    - `scaled`: slopes count in units of the spreads of their inputs; for inputs of mixed units.
    - `random_state`: an int, a `RandomState` or None, of the initial weights and of the rows held out.

    After `fit`: `surrogate_`, the `Surrogate` (call it with float64 on in JAX, save it by `.save(path)`),
    `n_features_in_`, and `feature_names_in_` where `X` has column names, which the surrogate then has too.

    >>> import numpy as np
    >>> X = np.linspace(-1.0, 1.0, 40)[:, None]
    >>> model = SobolevRegressor(hidden=(6,), random_state=0).fit(X, np.sin(3 * X[:, 0]), dydx=3 * np.cos(3 * X))
    >>> bool(model.score(X, np.sin(3 * X[:, 0])) > 0.999), model.predict_gradient(X).shape
    (True, (40, 1))
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (32, 32),
        activation: str = "silu",
        tolerance: Tolerance | float | None = None,
        max_parameters: int | None = None,
        optimiser: AbstractOptimiser | None = None,
        scaled: bool = False,
        random_state=None,
    ):
        self.hidden = hidden
        self.activation = activation
        self.tolerance = tolerance
        self.max_parameters = max_parameters
        self.optimiser = optimiser
        self.scaled = scaled
        self.random_state = random_state

    def __getstate__(self):
        state = super().__getstate__()
        # JAX's own arrays become float32 where they are read with float64 off.
        return state | {name: jax.tree.map(np.asarray, state[name]) for name in _NETWORKS if name in state}

    def __setstate__(self, state):
        with jax.enable_x64(True):
            state = state | {name: jax.tree.map(jax.device_put, state[name]) for name in _NETWORKS if name in state}
        super().__setstate__(state)

    def fit(self, X, y, dydx=None):
        """Fits the network to rows `X`, `(n, d)`, values `y`, `(n,)` or `(n, k)`, and derivatives `dydx` of the shape
        of `y` and one more axis, `(n, d)` or `(n, k, d)`, in which NaN stands for what is not known.

        Raises `ValueError` (`InputError`) where shapes do not agree, or no network is within the tolerance.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, multi_output=True, ensure_min_samples=2)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with jax.enable_x64(True):
            order, samples = self._samples(X, y, dydx)
            create, train = jax.random.split(jax.random.key(seed))
            widths = [samples.n_inputs, *self.hidden, samples.n_outputs]
            start = Surrogate.create(widths, samples, self.activation, key=create)
            network = fit(
                start,
                samples,
                order,
                key=train,
                optimiser=self.optimiser,
                scaled=self.scaled,
                held_out=0.125 if len(samples) >= _FEWEST_HELD_OUT else 0.0,
            ).surrogate
            if self.tolerance is not None or self.max_parameters is not None:
                network = self._shrunk(network, samples, order, seed)
        self.surrogate_, self.error_bars_ = network, None
        self._rows = (X, y, dydx)
        return self

    def predict(self, X, return_std: bool = False):
        """Values at rows `X`, shaped as the `y` of `fit`; with `return_std` also their standard errors, as a pair.

        These are errors of the network (see `sobolev_pruning.error_bars`), without the noise of a new `y`. The first
        call computes what later ones use, from the rows of `fit`, which are kept for it. Raises `ValueError`
        (`InputError`) for a network of more than 3,000 parameters, and where it has used up all that the rows tell.
        """
        values = self._evaluated("value", X)
        if not return_std:
            return values
        with jax.enable_x64(True):
            return values, np.array(self._error_bars().value(X))

    def predict_gradient(self, X):
        """Derivatives of the values by the inputs at rows `X`: `(n, d)`, or `(n, k, d)` for `y` of shape `(n, k)`."""
        return self._evaluated("gradient", X)

    def _error_bars(self) -> ErrorBars:
        if self.error_bars_ is None:
            order, samples = self._samples(*self._rows)
            self.error_bars_ = error_bars(self.surrogate_, samples, order, scaled=self.scaled)
        return self.error_bars_

    def _samples(self, X, y, dydx) -> tuple[int, Samples]:
        """The order of their derivatives, and the rows."""
        order, names = 0 if dydx is None else 1, getattr(self, "feature_names_in_", None)
        return order, Samples(X, y, dydx, missing=order > 0, inputs=None if names is None else names.tolist())

    def _shrunk(self, network: Surrogate, samples: Samples, order: int, seed: int) -> Surrogate:
        tolerance = self.tolerance
        if tolerance is not None and not isinstance(tolerance, Tolerance):
            tolerance = Tolerance(value=tolerance)
        found = shrink(
            network,
            samples,
            tolerance=tolerance,
            max_parameters=self.max_parameters,
            order=order,
            scaled=self.scaled,
            box=network.training_range,
            seed=seed,
        )
        if found.surrogate is None:
            raise InputError("No network is within the tolerance; give more rows, a larger tolerance, or more nodes.")
        return found.surrogate

    def _evaluated(self, quantity: str, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        with jax.enable_x64(True):
            return np.array(getattr(self.surrogate_, quantity)(X))
