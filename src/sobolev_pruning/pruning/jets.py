"""Values of a layer with their derivatives along input directions, at many points: what a fold is fitted to."""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..activations import activate
from ..enclosure import Interval
from ..scoring import as_box
from ..surrogate import Surrogate

MOST_DIRECTIONS = 8
LEAST_POINTS = 1024
POINTS_PER_NODE = 8

Jets: TypeAlias = list[np.ndarray]
"""`[values (n, width), derivatives (n, q, width), ...]`: the m-th entry is the m-th derivative along q directions."""


def input_jets(surrogate: Surrogate, box, samples, order: int) -> Jets:
    """The network's scaled inputs at points of the box, or at those of `samples`, with derivatives up to `order`.

    Directions are random, orthonormal in inputs measured by their standard deviation over the points, at most
    `MOST_DIRECTIONS` at each point. With as many as inputs they hold the whole gradient; fewer give each part of it the
    same weight in the mean. The draws are fixed, so that a fold can be repeated to the bit.
    """
    if order == 2 and surrogate.smoothness < 1:
        raise InputError(
            f"{surrogate.activation} has no second derivative to fold; take order 1 or a smooth activation."
        )
    points = fold_points(surrogate, box, samples)
    scaling = surrogate.scaling
    values = (points - np.asarray(scaling.x_shift)) / np.asarray(scaling.x_scale)
    if order == 0:
        return [values]
    n, d = points.shape
    gaussian = np.random.default_rng(1).standard_normal((n, d, min(d, MOST_DIRECTIONS)))
    directions = np.linalg.qr(gaussian).Q.swapaxes(1, 2)
    along = directions * values.std(axis=0)
    return [values, along, *(np.zeros_like(along) for _ in range(order - 1))]


def fold_points(surrogate: Surrogate, box, samples) -> Float[np.ndarray, "n d"]:
    """Points to fit a fold at: of `samples` where given, else uniform in `box`; a few per node of the widest layer.

    Inputs are no nodes to be fitted: a thousand of them ask for no more points.
    """
    n = max(LEAST_POINTS, POINTS_PER_NODE * max(surrogate.widths[1:]))
    d = surrogate.widths[0]
    generator = np.random.default_rng(0)
    if samples is None:
        if box is None:
            raise InputError("The fold looks at points; give box=(lower, upper) or samples=.")
        bounds: Interval = as_box(box, d)
        return generator.uniform(np.asarray(bounds.lower), np.asarray(bounds.upper), (n, d))
    points = np.asarray(samples.x if isinstance(samples, Samples) else samples, np.float64)
    if points.ndim != 2 or points.shape[1] != d or not np.isfinite(points).all():
        raise InputError(f"samples has inputs of shape {points.shape}; give finite points (n, {d}).")
    return points if len(points) <= n else points[np.sort(generator.permutation(len(points))[:n])]


def affine(jets: Jets, weight: np.ndarray, bias: np.ndarray) -> Jets:
    """Jets of `weight h + bias`."""
    return [jets[0] @ weight.T + bias, *(derivative @ weight.T for derivative in jets[1:])]


def activated(jets: Jets, activation: str) -> Jets:
    """Jets of the activation, by the chain rule: `a' dz`, `a'' dz^2 + a' ddz`."""

    def derivative(order: int) -> np.ndarray:
        return np.asarray(activate(jnp.asarray(jets[0]), activation, order))

    result = [derivative(0)]
    if len(jets) > 1:
        slope = derivative(1)[:, None]
        result.append(slope * jets[1])
    if len(jets) > 2:
        result.append(derivative(2)[:, None] * jets[1] ** 2 + slope * jets[2])
    return result


def columns(jets: Jets, nodes) -> Jets:
    """The jets of some of the nodes."""
    return [array[..., nodes] for array in jets]
