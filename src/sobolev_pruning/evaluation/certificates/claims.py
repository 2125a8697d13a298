"""What can be claimed about a surrogate over a box, and the claims that a priced basket must satisfy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

import jax.numpy as jnp
import numpy as np

from ..._foundation.arrays import ArrayOrList, float64_array
from ..._foundation.errors import InputError
from ...enclosure import Interval, enclose
from ...reference import GaussianBasket

Quantity: TypeAlias = Literal["value", "gradient", "hessian", "curvature"]
"""`curvature` is the second derivative `v' H v` along a given direction v."""

ORDER: dict[str, int] = {"value": 0, "gradient": 1, "hessian": 2, "curvature": 2}


@dataclass(frozen=True)
class Range:
    """The range of every entry of a quantity: proved once its enclosure is known to be at most `tolerance` too wide.

    The bounds hold in any case; `tolerance` is relative to the part of the range that was reached by points.
    """

    of: Quantity
    direction: tuple[float, ...] | None = None
    tolerance: float = 0.05

    def __post_init__(self):
        _check_quantity(self, self.of, self.direction)
        _check_number(self, "tolerance", self.tolerance, positive=True)


@dataclass(frozen=True)
class Within:
    """`lower <= quantity <= upper`, each bound a number for all entries or nested tuples that broadcast to them."""

    of: Quantity
    lower: float | tuple | None = None
    upper: float | tuple | None = None
    direction: tuple[float, ...] | None = None

    def __post_init__(self):
        _check_quantity(self, self.of, self.direction)
        if self.lower is None and self.upper is None:
            raise InputError("Within claims nothing: give lower, upper or both.")
        for name in ("lower", "upper"):
            if getattr(self, name) is not None and np.isnan(float64_array(getattr(self, name), name)).any():
                raise InputError(f"Within: {name} holds NaN; give numbers.")


@dataclass(frozen=True)
class Monotone:
    """Not decreasing (or not increasing) in each of `inputs`, counted from 0: no slope beyond `margin` the wrong way.

    Slopes that are exactly 0 somewhere, as those of relu, need a small margin: rounding leaves their sign open.
    """

    inputs: tuple[int, ...]
    increasing: bool = True
    margin: float = 0.0

    def __post_init__(self):
        _check_number(self, "margin", self.margin)
        if not self.inputs:
            raise InputError("Monotone names no inputs; give at least one, counted from 0.")


@dataclass(frozen=True)
class Convex:
    """No second derivative below `-margin`: along each of `directions` (not normalised), or along all unit vectors."""

    directions: tuple[tuple[float, ...], ...] | None = None
    margin: float = 0.0

    def __post_init__(self):
        _check_number(self, "margin", self.margin)


@dataclass(frozen=True)
class Distance:
    """The largest Euclidean norm (over all entries) of `quantity(f) - quantity(g)`, `g` what the claim is made against.

    With `bound` the claim is that the distance stays at or below it; without, it is found to within the factor `1 +
    tolerance` of a distance that a point reaches.
    """

    of: Quantity
    bound: float | None = None
    tolerance: float = 0.5

    def __post_init__(self):
        _check_quantity(self, self.of, None)
        if self.bound is not None:
            _check_number(self, "bound", self.bound)
        _check_number(self, "tolerance", self.tolerance, positive=True)


Claim: TypeAlias = Range | Within | Monotone | Convex | Distance
_KINDS = {kind.__name__.lower(): kind for kind in get_args(Claim)}


def order_of(claim: Claim) -> int:
    """The highest derivative that a claim speaks about."""
    if isinstance(claim, Monotone):
        return 1
    return 2 if isinstance(claim, Convex) else ORDER[claim.of]


def claim_to_json(claim: Claim) -> dict:
    return {"claim": type(claim).__name__.lower()} | asdict(claim)


def claim_from_json(record: dict) -> Claim:
    """The claim that `claim_to_json` wrote; raises `InputError` where it is none."""
    try:
        fields = dict(record)
        kind = _KINDS[fields.pop("claim")]
        return kind(**{name: _tuples(value) for name, value in fields.items()})
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{record!r} is no claim of this version; certify again.") from None


def basket_claims(basket: GaussianBasket, *, delta_margin: float = 0.0, gamma_margin: float = 0.0) -> tuple[Claim, ...]:
    """What no-arbitrage asks of a surrogate of `basket`.

    Every delta lies between 0 and `e^{(mu - r) tau} w_i` (for the put, between that with a minus sign and 0), up to
    `delta_margin` times its size; gamma, along `basket.gamma_direction`, is not below `-gamma_margin`. The bounds are
    rounded inward, so what is proved holds for the exact exponential.

    >>> basket = GaussianBasket.random(n_assets=2, seed=0, drift=0.02)
    >>> [type(claim).__name__ for claim in basket_claims(basket, gamma_margin=0.01)]
    ['Within', 'Convex']
    """
    sign = 1.0 if basket.kind == "call" else -1.0

    def full_delta(weights):
        tau = basket.maturity - basket.exposure_time
        return sign * jnp.exp((basket.drift - basket.rate) * tau) * weights

    limit = enclose(full_delta)(Interval.point(basket.weights))
    margin = delta_margin * abs(limit)
    positive = np.asarray(limit.mid()) >= 0
    low, high = np.asarray((limit - margin).upper), np.asarray((limit + margin).lower)
    slack = np.asarray(margin.lower)
    lower, upper = np.where(positive, -slack, low), np.where(positive, high, slack)
    direction = tuple(np.asarray(basket.gamma_direction).tolist())
    return (
        Within("gradient", lower=tuple(lower.tolist()), upper=tuple(upper.tolist())),
        Convex(directions=(direction,), margin=float(gamma_margin)),
    )


def directions_of(claim: Claim) -> Sequence[tuple[float, ...]]:
    if isinstance(claim, Convex):
        return claim.directions or ()
    direction = getattr(claim, "direction", None)
    return () if direction is None else (direction,)


def broadcast_bound(bound: ArrayOrList | None, shape: tuple[int, ...], default: float) -> np.ndarray:
    """A bound as one number per entry; raises `InputError` where it does not fit."""
    array = np.asarray(default) if bound is None else float64_array(bound, "the bound")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise InputError(
            f"A bound of shape {array.shape} does not fit entries of shape {shape}; give one number, or one per entry."
        ) from None


def _check_quantity(claim, of, direction) -> None:
    if of not in ORDER:
        raise InputError(f"{type(claim).__name__}: of is {of!r}; choose one of {', '.join(ORDER)}.")
    if isinstance(claim, Distance) and of == "curvature":
        raise InputError("Distance: of curvature is not defined without a direction; take value, gradient or hessian.")
    if not isinstance(claim, Distance) and (direction is None) == (of == "curvature"):
        raise InputError(f"{type(claim).__name__}: give a direction with curvature, and with nothing else.")


def _check_number(claim, name: str, value: float, positive: bool = False) -> None:
    if not np.isfinite(value) or value < 0 or (positive and value == 0):
        needed = "above 0" if positive else "of 0 or more"
        raise InputError(f"{type(claim).__name__}: {name} is {value}; give a finite number {needed}.")


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
