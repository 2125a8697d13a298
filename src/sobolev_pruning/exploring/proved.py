"""What is proved of value and slopes in every part of a box, beforehand, for a page that cannot prove anything."""

import itertools
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..enclosure import Interval
from ..enclosure.affine.rules import MOST_SQUARED, AffineMethod
from ..enclosure.affine.slabs import Slabs
from ..enclosure.enclose import run
from ..enclosure.pieces import whole
from ..surrogate import Surrogate

MOST_PARAMETERS = 4000
"""Of a network that is enclosed for a page: a larger one takes minutes."""

_CUTS = 9
"""Halvings of the box: 512 parts."""

_AT_ONCE = 64
"""Parts that are enclosed in one batch, which bounds the memory."""

_MOST_BOUNDS = 5000
"""Intervals of all parts together, so that they take no more than a third of a page."""

_DIGITS = 5
"""Of a bound, rounded outward: more are not read, and take place."""

_SYMBOLS = 8192
"""Noise symbols of an affine form, as `enclose` has them."""

_MOST_DIRECTIONS = 2
"""Combinations of inputs that are cut along together."""


@dataclass(frozen=True)
class ProvedParts:
    """A box cut by parallel planes: part `(i, j, ...)` holds the points `x` with `directions[0] @ x` between entries i
    and i + 1 of `edges[0]`, and so on, ends included.

    For each part, the number along the last direction running fastest, closed bounds of the value, `(n, k)`, and of the
    slopes, `(n, k, d)`. A part that holds no point of the box has the largest number for a lower end, and its negative
    for an upper one, which changes no union of parts.
    """

    directions: np.ndarray
    edges: tuple[np.ndarray, ...]
    value: tuple[np.ndarray, np.ndarray]
    gradient: tuple[np.ndarray, np.ndarray]


def proved_parts(surrogate: Surrogate, lower: np.ndarray, upper: np.ndarray) -> ProvedParts | None:
    """Enclosures of value and gradient over the parts of the box `[lower, upper]`, by affine arithmetic.

    The box is cut along two combinations of its inputs where little else moves the outputs, else along inputs. None for
    a network that takes long or has no bounded slopes, and where nothing is guaranteed.

    >>> import jax
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> network = Surrogate.create([1, 4, 1], samples, key=jax.random.key(0))
    >>> parts = proved_parts(network, np.array([0.0]), np.array([2.0]))
    >>> value = network.value([[0.001]]).item()
    >>> len(parts.edges[0]), bool(parts.value[0][0, 0] <= value <= parts.value[1][0, 0])
    (513, True)
    """
    d, k = surrogate.widths[0], surrogate.widths[-1]
    if surrogate.n_parameters > MOST_PARAMETERS or k * (1 + d) > _MOST_BOUNDS:
        return None
    cuts = min(_CUTS, int(np.log2(_MOST_BOUNDS / (k * (1 + d)))))
    directions, edges, slanted = _planes(surrogate, lower, upper, cuts)
    parts = jnp.array(list(itertools.product(*(itertools.pairwise(one) for one in edges))))  # (n, r, 2)
    n = len(parts)
    if slanted:
        box = (jnp.tile(lower, (n, 1)), jnp.tile(upper, (n, 1)))
        value, gradient = _enclosed(surrogate, *box, Slabs(jnp.asarray(directions), parts[..., 0], parts[..., 1]))
    else:
        value, gradient = _enclosed(surrogate, parts[..., 0], parts[..., 1], None)
    ends = _ends(value, (n, k)), _ends(gradient, (n, k, d))
    if not (value.guaranteed and gradient.guaranteed and all(np.isfinite(end).all() for one in ends for end in one)):
        return None
    return ProvedParts(directions, edges, *ends)


@jax.jit
def _enclosed(
    surrogate: Surrogate, lower: Float[Array, "n d"], upper: Float[Array, "n d"], slabs: Slabs | None
) -> tuple[Interval, Interval]:
    def at(x):
        return surrogate.value(x[None])[0], surrogate.gradient(x[None])[0]

    def over(part):
        low, high, planes = part
        within = None if planes is None else Slabs(slabs.directions, *planes)
        return run(at, (Interval(low, high),), {}, AffineMethod(_SYMBOLS, within))

    planes = None if slabs is None else (slabs.lower, slabs.upper)
    return jax.lax.map(over, (lower, upper, planes), batch_size=_AT_ONCE)


def _planes(
    surrogate: Surrogate, lower: np.ndarray, upper: np.ndarray, cuts: int
) -> tuple[np.ndarray, tuple[np.ndarray, ...], bool]:
    """Directions with the edges along each, and whether they are combinations of inputs.

    Of the two ways to cut, that is taken by which a part keeps the smaller range, by root mean square slopes.
    """
    half, d = 0.5 * upper - 0.5 * lower, len(lower)
    points = lower + (upper - lower) * np.random.default_rng(0).uniform(size=(256, d))
    slopes = np.asarray(surrogate.gradient(points)).reshape(-1, d) * half
    moment = slopes.T @ slopes / len(slopes)
    share, vectors = np.linalg.eigh(moment)
    number = min(_MOST_DIRECTIONS, d)
    directions, left = vectors[:, : -number - 1 : -1].T / half, 2 * np.sqrt(share[:-number].clip(0).sum())
    _, _, least, most = whole(lower, upper, directions)
    straight = _edges(lower, upper, 2 * np.sqrt(np.diag(moment)), cuts)
    slanted = _edges(least, most, np.sqrt(share[: -number - 1 : -1].clip(0)) * (most - least), cuts)
    # Planes of thin boxes far from 0 are lost in rounding.
    possible = 1 < d <= MOST_SQUARED - number and np.all(half > 1e-9 * np.abs(lower + half))
    if possible and slanted[1] + left < straight[1]:
        return directions, slanted[0], True
    return np.eye(d), straight[0], False


def _edges(lower: np.ndarray, upper: np.ndarray, ranges: np.ndarray, cuts: int) -> tuple[tuple[np.ndarray, ...], float]:
    """`2^cuts` parts, made by halving what has the widest range; and the sum of the ranges of one of them."""
    parts = np.ones(len(ranges), dtype=int)
    for _ in range(cuts):
        parts[np.argmax(ranges / parts)] *= 2
    return tuple(map(np.linspace, lower, upper, parts + 1)), float(np.sum(ranges / parts))


def _ends(found: Interval, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends, each a number of few digits beyond the end found."""
    empty, most = np.asarray(found.is_empty()).ravel(), np.finfo(np.float64).max
    lower, upper = (np.asarray(end).ravel() for end in (found.lower, found.upper))
    low = [most if nothing else _below(end) for end, nothing in zip(lower.tolist(), empty)]
    high = [-most if nothing else -_below(-end) for end, nothing in zip(upper.tolist(), empty)]
    return np.reshape(low, shape), np.reshape(high, shape)


def _below(number: float) -> float:
    """The largest number of `_DIGITS` digits that is not above `number`; as a float it may be one step lower.

    >>> _below(1.234561), _below(-1.234561), _below(0.0)
    (1.2345, -1.2346, 0.0)
    """
    if not np.isfinite(number):
        return number
    found = float(Decimal(number).normalize(Context(prec=_DIGITS, rounding=ROUND_FLOOR)))
    return found if found <= number else float(np.nextafter(found, -np.inf))
