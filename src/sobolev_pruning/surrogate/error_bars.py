"""A surrogate with the uncertainty of its parameters: standard errors of value and derivatives at every point."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from .._foundation.arrays import ArrayOrList, as_points
from .._foundation.errors import InputError
from .._foundation.files import write_result
from .files import load
from .network import Surrogate
from .saving import to_tensors

_DIRECTIONS, _FACTORS = "error_bars.directions", "error_bars.factors"

_AT_ONCE = 256
"""Points whose changes along all directions are held in memory together."""


class ErrorBars(eqx.Module):
    """Standard errors of a `surrogate` whose parameters `p` have the covariance `directions' directions`.

    To first order a quantity `q(x; p)`, the value, a slope or a second derivative, then has the variance

        sum_r (d q(x; p + t directions_r) / dt at t = 0)^2,

    times the square of its factor: `factors` `(2, k)` holds one for the value of every output and one for its
    derivatives, 1 unless calibrated (`sobolev_pruning.calibrated`). `directions` `(r, p)` are in the order of
    `jax.flatten_util.ravel_pytree(surrogate.layers)`.
    """

    surrogate: Surrogate
    directions: Float[Array, "r p"]
    factors: Float[Array, "2 k"]

    def value(self, points: ArrayOrList) -> Array:
        """Of the value at each of the points `(n, d)`: `(n,)` or `(n, k)`."""
        return self._of(points, 0)

    def gradient(self, points: ArrayOrList) -> Array:
        """Of the first derivatives at each of the points: `(n, d)` or `(n, k, d)`."""
        return self._of(points, 1)

    def hessian(self, points: ArrayOrList) -> Array:
        """Of the second derivatives at each of the points: `(n, d, d)` or `(n, k, d, d)`."""
        return self._of(points, 2)

    def _of(self, points: ArrayOrList, order: int) -> Array:
        found = _deviations(self.surrogate, self.directions, as_points(points, self.surrogate.widths[0]), order)
        factor = self.factors[min(order, 1)]
        if self.surrogate.scalar_output:
            return factor[0] * found
        return factor.reshape(1, -1, *[1] * order) * found

    def statistic(self, function: Callable[[Array], Array], points: ArrayOrList) -> Array:
        """Of `function(values)`, such as a mean, with the values `(n,)` or `(n, k)` at the points `(n, d)`.

        Errors at points near each other are nearly the same, so that of a mean is not that of a point over the root of
        n. For several outputs the last axis of what the function returns stands for them.
        """
        found = _of_statistic(self.surrogate, self.directions, as_points(points, self.surrogate.widths[0]), function)
        return (self.factors[0, 0] if self.surrogate.scalar_output else self.factors[0]) * found

    def save(self, path: str | Path) -> None:
        """Writes surrogate and error bars to one safetensors file.

        `sobolev_pruning.load` reads the network of it, `load_error_bars` both.
        """
        tensors, header = to_tensors(self.surrogate)
        tensors |= {_DIRECTIONS: np.ascontiguousarray(self.directions), _FACTORS: np.ascontiguousarray(self.factors)}
        write_result(path, to_safetensors(tensors, metadata={"surrogate": json.dumps(header)}))

    def scaled(self, value: ArrayOrList, derivatives: ArrayOrList) -> "ErrorBars":
        """The same, factors multiplied by those of value and derivatives, `(k,)` each."""
        return replace(self, factors=self.factors * jnp.stack([jnp.asarray(value), jnp.asarray(derivatives)]))


@eqx.filter_jit
def _deviations(surrogate: Surrogate, directions: Float[Array, "r p"], points: Float[Array, "n d"], order: int):
    parameters, unravel = ravel_pytree(surrogate.layers)

    def at(point):
        def quantity(entries):
            network = replace(surrogate, layers=unravel(entries))
            for _ in range(order):
                network = jax.jacfwd(network)
            return network(point)

        # The derivatives are taken one by one: jacfwd of jacfwd, and the change along each direction in forward mode.
        changes = jax.vmap(lambda direction: jax.jvp(quantity, (parameters,), (direction,))[1])(directions)
        return jnp.sqrt(jnp.sum(changes**2, axis=0))

    return jax.lax.map(at, points, batch_size=_AT_ONCE)


@eqx.filter_jit
def _of_statistic(
    surrogate: Surrogate,
    directions: Float[Array, "r p"],
    points: Float[Array, "n d"],
    function: Callable[[Array], Array],
):
    parameters, unravel = ravel_pytree(surrogate.layers)

    def of(entries):
        return function(jax.vmap(replace(surrogate, layers=unravel(entries)))(points))

    # One direction after the other: changes of all values along all of them may not fit into memory.
    return jnp.linalg.norm(
        jax.lax.map(lambda direction: jax.jvp(of, (parameters,), (direction,))[1], directions), axis=0
    )


def load_error_bars(path: str | Path) -> ErrorBars:
    """Reads what `ErrorBars.save` wrote; nothing in the file is executed.

    Raises `InputError` where the file is damaged, of another kind, or holds a network without error bars.
    """
    bars = find_error_bars(path)
    if bars is None:
        raise InputError(f"{path} holds a network without error bars; make them by error_bars, and save those.")
    return bars


def find_error_bars(path: str | Path) -> ErrorBars | None:
    """As `load_error_bars`; None for a network without error bars."""
    surrogate = load(path)
    try:
        with safe_open(path, framework="numpy") as file:
            held = {name: file.get_tensor(name) for name in (_DIRECTIONS, _FACTORS) if name in file.keys()}
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error}); save it again.") from None
    if len(held) < 2:
        return None
    directions, factors = held[_DIRECTIONS], held[_FACTORS]
    sound = (
        directions.ndim == 2
        and directions.shape[1] == surrogate.n_parameters
        and factors.shape == (2, surrogate.widths[-1])
        and all(array.dtype == np.float64 and np.isfinite(array).all() for array in (directions, factors))
        and (factors >= 0).all()
    )
    if not sound:
        raise InputError(f"{path} holds error bars that are not those of its network; save them again.")
    return ErrorBars(surrogate, jnp.asarray(directions), jnp.asarray(factors))
