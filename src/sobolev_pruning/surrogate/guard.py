"""A network that minds the range it was trained on: calls outside of it warn, or are refused."""

import warnings
from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Values, as_points
from .._foundation.errors import InputError
from .network import Surrogate

_MARGIN = 0.01
"""A box may reach beyond the training range by this part of its width: samples rarely hit the ends of their law."""

_Points: TypeAlias = Float[Array, "*n d"] | Float[np.ndarray, "*n d"]

_REMEDY = "keep to the range, or train on a wider one"


class GuardedSurrogate(eqx.Module):
    """`surrogate` with its calls watched, see `guarded`; it is called like the network itself."""

    surrogate: Surrogate
    outside: Literal["warn", "refuse"] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "d"]) -> Float[Array, "..."]:
        return self.surrogate(self.watched(x))

    def value(self, points: ArrayOrList) -> Values:
        """`Surrogate.value`, at points that were looked at first."""
        return self.surrogate.value(self.watched(as_points(points, self.surrogate.widths[0])))

    def gradient(self, points: ArrayOrList) -> Gradients:
        """`Surrogate.gradient`, at points that were looked at first."""
        return self.surrogate.gradient(self.watched(as_points(points, self.surrogate.widths[0])))

    def hessian(self, points: ArrayOrList) -> Hessians:
        """`Surrogate.hessian`, at points that were looked at first."""
        return self.surrogate.hessian(self.watched(as_points(points, self.surrogate.widths[0])))

    def watched(self, points: _Points) -> _Points:
        """The points, when they were looked at."""
        ends = self.surrogate.training_range
        is_traced = any(isinstance(each, jax.core.Tracer) for each in (points, *ends))
        of = jnp if is_traced else np  # NumPy compares in a tenth of the time
        lowest, highest = (of.broadcast_to(end, points.shape) for end in ends)
        seen = of.asarray(points)
        outside = ~((seen >= lowest) & (seen <= highest))  # so that NaN is outside
        if is_traced:
            if self.outside == "warn":
                return points
            message = f"An input is outside of the range that the network was trained on; {_REMEDY}."
            return eqx.error_if(points, outside.any(), message)
        if outside.any():
            sentence = _sentence(points, outside, self.surrogate)
            if self.outside == "refuse":
                raise InputError(sentence)
            warnings.warn(sentence, stacklevel=3)
        return points


def _sentence(points: _Points, outside: Bool[np.ndarray, "*n d"], surrogate: Surrogate) -> str:
    """Which input of which point is outside, and how many points are."""
    where = np.argwhere(outside)
    *row, i = where[0].tolist()
    rows = f" of point {row[0]}" if row else ""
    others = len(np.unique(where[:, 0])) - 1 if row else 0
    more = f" (and {others} more points are outside)" if others else ""
    ends = (end[i] for end in surrogate.training_range)
    value, lowest, highest = (float(number) for number in (points[(*row, i)], *ends))
    return (
        f"Input {surrogate.inputs[i]}{rows} is {value:.6g}, but the network was trained from {lowest:.6g} to "
        f"{highest:.6g}{more}; "
        f"{_REMEDY}."
    )


def guarded(surrogate: Surrogate, outside: Literal["warn", "refuse"] = "refuse") -> GuardedSurrogate:
    """`surrogate`, to be called in the same way, whose calls outside its `training_range` warn or are refused.

    - `outside="refuse"`: a call with an input outside of the range, or with NaN, raises `InputError` naming the input;
      inside `jax.jit`, `vmap`, `grad` and the like, where inputs may not be known yet, the program raises when it runs,
      as `equinox.error_if` does.
    - `outside="warn"`: a call from outside such transformations gives a warning in the same words and goes on;
      inside of them nothing is said.

    The range is that of every input by itself: a point may lie inside of it and far from all samples. Raises
    `InputError` where the network does not know its range.

    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> price = guarded(Surrogate.create([1, 8, 8, 1], samples, key=jax.random.key(0)))
    >>> price.value([[0.5], [1.5]]).shape
    (2,)
    >>> price.value([[0.5], [2.5]])
    Traceback (most recent call last):
    sobolev_pruning._foundation.errors.InputError: Input x0 of point 1 is 2.5, but the network was trained from 0 to \
2; keep to the range, or train on a wider one.
    """
    if outside not in ("warn", "refuse"):
        raise InputError(f'outside is {outside!r}; choose "warn" or "refuse".')
    if surrogate.training_range is None:
        raise InputError(
            "The network holds no training range; train it, or give the range to the constructor: "
            "Surrogate(net.layers, net.scaling, net.activations, net.scalar_output, (lowest, highest))."
        )
    return GuardedSurrogate(surrogate, outside)


def outside_training_range(surrogate: Surrogate, lower: ArrayOrList, upper: ArrayOrList) -> tuple[str, ...]:
    """One sentence where the box from `lower` to `upper` leaves the range the network was trained on, else none."""
    if surrogate.training_range is None:
        return ()
    lowest, highest = (np.asarray(end) for end in surrogate.training_range)
    low, high = np.asarray(lower), np.asarray(upper)
    margin = _MARGIN * (highest - lowest)
    outside = np.flatnonzero((low < lowest - margin) | (high > highest + margin))
    if not outside.size:
        return ()
    i = int(outside[0])
    others = f" (and {outside.size - 1} more inputs likewise)" if outside.size > 1 else ""
    return (
        f"Input {surrogate.inputs[i]} reaches from {low[i]:.4g} to {high[i]:.4g}, but the network was trained from "
        f"{lowest[i]:.4g} to "
        f"{highest[i]:.4g}{others}; beyond it values are extrapolated.",
    )
