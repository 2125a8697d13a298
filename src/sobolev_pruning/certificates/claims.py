"""What can be claimed about a surrogate over a box, and the claims that a priced basket must satisfy.

A claim holds plain Python numbers in tuples, whatever arrays it was given: so claims compare, hash, and survive a file.
"""

import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeAlias, get_args

import jax.numpy as jnp
import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from ..enclosure import Interval, enclose
from ..reference import GaussianBasket

Quantity: TypeAlias = Literal["value", "gradient", "hessian", "curvature"]
"""`curvature` is the second derivative `v' H v` along a given direction v."""

ORDER: dict[str, int] = {"value": 0, "gradient": 1, "hessian": 2, "curvature": 2}


@dataclass(frozen=True)
class Range:
    """The range of every entry of a quantity: proved once its enclosure is known to be at most `tolerance` too wide.

    The bounds hold in any case; `tolerance` is relative to the part of the range that was reached by points. `entry` is
    the place of the one entry that is meant: `(output,)` of a value, `(output, input)` of a gradient, `(output, input,
    input)` of a Hessian.
    """

    of: Quantity
    direction: tuple[float, ...] | None = None
    tolerance: float = 0.05
    entry: tuple[int, ...] | None = None

    def __post_init__(self):
        _check_quantity(self)
        _check_entry(self)
        _check_number(self, "tolerance", positive=True)


@dataclass(frozen=True)
class Within:
    """`lower <= quantity <= upper`, each bound a number for all entries or nested tuples that broadcast to them.

    `entry`, as in `Range`, claims it of one entry alone.
    """

    of: Quantity
    lower: float | tuple | None = None
    upper: float | tuple | None = None
    direction: tuple[float, ...] | None = None
    entry: tuple[int, ...] | None = None

    def __post_init__(self):
        _check_quantity(self)
        _check_entry(self)
        if self.lower is None and self.upper is None:
            raise InputError("Within claims nothing: give lower, upper or both.")
        for name in ("lower", "upper"):
            if getattr(self, name) is not None:
                bound = _numbers(self, name)
                if np.isnan(bound).any():
                    raise InputError(f"Within: {name} holds NaN; give numbers.")
                _put(self, name, _tuples(bound.tolist()))


@dataclass(frozen=True)
class Monotone:
    """Not decreasing (or not increasing) in each of `inputs`, counted from 0: no slope beyond `margin` the wrong way.

    Slopes that are exactly 0 somewhere, as those of relu, need a small margin: rounding leaves their sign open.
    """

    inputs: tuple[int, ...]
    increasing: bool = True
    margin: float = 0.0

    def __post_init__(self):
        _check_number(self, "margin")
        try:
            _put(self, "inputs", tuple(operator.index(i) for i in self.inputs))
        except TypeError:
            raise InputError(f"Monotone: inputs is {self.inputs!r}; give whole numbers, counted from 0.") from None
        if not self.inputs:
            raise InputError("Monotone names no inputs; give at least one, counted from 0.")
        if not isinstance(self.increasing, bool):
            raise InputError(f"Monotone: increasing is {self.increasing!r}; give True or False.")


@dataclass(frozen=True)
class Convex:
    """No second derivative below `-margin`: along each of `directions` (not normalised), or along all unit vectors."""

    directions: tuple[tuple[float, ...], ...] | None = None
    margin: float = 0.0

    def __post_init__(self):
        _check_number(self, "margin")
        if self.directions is None:
            return
        directions = _numbers(self, "directions")
        if directions.ndim != 2 or directions.size == 0:
            raise InputError("Convex: directions must be one or more vectors, one number per input each.")
        _put(self, "directions", _tuples(directions.tolist()))


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
        _check_quantity(self)
        if self.bound is not None:
            _check_number(self, "bound")
        _check_number(self, "tolerance", positive=True)


Claim: TypeAlias = Range | Within | Monotone | Convex | Distance
_KINDS = {kind.__name__.lower(): kind for kind in get_args(Claim)}


def order_of(claim: Claim) -> int:
    """The highest derivative that a claim speaks about."""
    if isinstance(claim, Monotone):
        return 1
    return 2 if isinstance(claim, Convex) else ORDER[claim.of]


def claim_to_json(claim: Claim) -> dict:
    """The claim as files hold it: without `entry` where it speaks of all entries, as before there were single ones."""
    record = {"claim": type(claim).__name__.lower()} | asdict(claim)
    return {name: value for name, value in record.items() if name != "entry" or value is not None}


def claim_from_json(record: dict) -> Claim:
    """The claim that `claim_to_json` wrote; raises `InputError` where it is none."""
    try:
        values = dict(record)
        kind = _KINDS[values.pop("claim")]
        known = {field.name for field in fields(kind)}
        if not known - {"entry"} <= set(values) <= known:
            raise KeyError
        return kind(**{name: _tuples(value) for name, value in values.items()})
    except InputError:
        raise
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{_shortened(record)} is no claim of this version; certify again.") from None


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


def _check_quantity(claim) -> None:
    of, kind = claim.of, type(claim).__name__
    if not isinstance(of, str) or of not in ORDER:
        raise InputError(f"{kind}: of is {_shortened(of)}; choose one of {', '.join(ORDER)}.")
    if isinstance(claim, Distance):
        if of == "curvature":
            raise InputError("Distance: of curvature is not defined; take value, gradient or hessian.")
        return
    if (claim.direction is None) == (of == "curvature"):
        raise InputError(f"{kind}: give a direction with curvature, and with nothing else.")
    if claim.direction is not None:
        direction = _numbers(claim, "direction")
        if direction.ndim != 1:
            raise InputError(f"{kind}: direction must be one vector, one number per input.")
        _put(claim, "direction", tuple(direction.tolist()))


def _check_entry(claim) -> None:
    if claim.entry is None:
        return
    kind, of = type(claim).__name__, claim.of
    length = 1 + (0 if of == "curvature" else ORDER[of])
    try:
        entry = tuple(int(operator.index(i)) for i in claim.entry)
    except TypeError:
        entry = ()
    if len(entry) != length or min(entry) < 0:
        raise InputError(f"{kind}: entry is {_shortened(claim.entry)}; give {length} whole numbers, counted from 0.")
    _put(claim, "entry", entry)


def _check_number(claim, name: str, positive: bool = False) -> None:
    number = _numbers(claim, name)
    if number.ndim or not np.isfinite(number) or number < 0 or (positive and number == 0):
        needed = "above 0" if positive else "of 0 or more"
        found = _shortened(getattr(claim, name))
        raise InputError(f"{type(claim).__name__}: {name} is {found}; give a finite number {needed}.")
    _put(claim, name, float(number))


def _numbers(claim, name: str) -> np.ndarray:
    try:
        return float64_array(getattr(claim, name), f"{type(claim).__name__}: {name}")
    except OverflowError:
        raise InputError(f"{type(claim).__name__}: {name} is too large for a float; give smaller numbers.") from None


def _put(claim, name: str, value) -> None:
    object.__setattr__(claim, name, value)  # claims are frozen once they are made


def _shortened(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
