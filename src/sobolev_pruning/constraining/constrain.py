"""`constrain`: training that ends with a network of which shape constraints are proved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._foundation.arrays import PRNGKey, generator_of
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..certificates import Certificate, Claim, Convex, Monotone, Within, certify, claim_text, read_claims
from ..certificates.claims import broadcast_bound
from ..certificates.preparation import check_claims
from ..scoring import BoxLike, as_box
from ..surrogate import Surrogate, matching_samples
from ..training import fit
from .penalty import Bounds, PenalisedLevenbergMarquardt, Penalty

MOST_PARAMETERS = 1000
"""Of a network that is constrained: its trainings solve for all of them at once."""

_POINTS, _HARD = 8192, 1024
"""Points over the box where constraints are watched, and others where a proof failed."""

_PENALISED = 1024
"""Points of each constraint that a training sees: those nearest to breaking it."""

_WEIGHT, _HEAVIER, _HEAVIEST = 10.0, 3.0, 1e4
"""Of a penalty at first, by how much more where a training has not halved what is broken, and at most."""

_LARGEST_MULTIPLIER = 1.0
"""In units of the quantity's size: what still breaks a constraint then does not fit the samples."""

_ITERATIONS = 12
_MARGIN, _LARGER = 1e-4, 2.0
"""Of a quantity's size, what it keeps from its bounds at points at first, and by how much more where a proof failed."""


@dataclass(frozen=True)
class Constrained:
    """A network, and what is proved of its constraints.

    `rounds` counts the trainings. Where `certificate.proved` is false, `reason` says in a sentence what is in the way,
    and the network is the last one.
    """

    surrogate: Surrogate
    certificate: Certificate
    rounds: int
    reason: str | None

    @property
    def proved(self) -> bool:
        """Whether every constraint is."""
        return self.certificate.proved


def constrain(
    surrogate: Surrogate,
    samples: Samples,
    claims: str | Sequence[Claim],
    *,
    box: BoxLike | None = None,
    order: int = 1,
    scaled: bool = False,
    key: PRNGKey,
    rounds: int = 40,
    pieces: int = 50_000,
) -> Constrained:
    """Trains `surrogate` on until `claims`, such as `"increasing; convex in spot; gradient <= 1"`, are proved of it.

    - `claims`: monotone, convex, bounds of value, slopes and second derivatives, as `certificates.read_claims` takes
      them or as it gives them; `box` is where they must hold, by default the training range.
    - `samples`, `order`, `scaled`: as for `fit`; `surrogate` is best trained on them before.
    - `rounds`: of training, at most; `pieces`: cells of a proof.

    In each round Levenberg-Marquardt minimises the loss and `10 mean_p max(0, e_p + margin + m_p)^2`, with `e_p` by how
    much point p breaks a constraint, in units of the quantity's size, and the multiplier `m_p` of the augmented
    Lagrangian (Rockafellar 1974), which becomes `max(0, e_p + margin + m_p)` afterwards. Once no point breaks any, the
    certificate is made; where it fails, points are added there, and the margin of what is undecided is doubled.
    Derivation: docs/derivations/constraints.md.

    What must not be negative takes a network with softplus at the outputs, `Surrogate.create(..., activation=["silu",
    "silu", "softplus"])`: it is positive by itself, and slopes fade with the value where the truth does.

    Raises `InputError` for claims of other kinds, above 1,000 parameters, and where claims do not fit the network.

    >>> import jax
    >>> x = np.linspace(-2.0, 2.0, 64)[:, None]
    >>> samples = Samples(x, np.logaddexp(0.0, 4.0 * x[:, 0]) / 4.0, 1.0 / (1.0 + np.exp(-4.0 * x)))
    >>> start = Surrogate.create([1, 4, 1], samples, key=jax.random.key(0))
    >>> found = constrain(start, samples, "increasing; convex; gradient <= 1", key=jax.random.key(1))
    >>> found.proved
    True
    """
    require_float64("constrain")
    samples = matching_samples(surrogate, samples)
    claims = read_claims(claims, surrogate) if isinstance(claims, str) else tuple(claims)
    check_claims(surrogate, claims, None, pieces)
    if rounds < 1:
        raise InputError(f"rounds is {rounds}; allow at least 1 training.")
    if box is None and surrogate.training_range is None:
        raise InputError("The network knows no training range; give the box where the claims must hold.")
    interval = as_box(surrogate.training_range if box is None else box, surrogate.widths[0])
    lower, upper = np.asarray(interval.lower), np.asarray(interval.upper)
    if surrogate.n_parameters > MOST_PARAMETERS:
        raise InputError(
            f"The network has {surrogate.n_parameters} parameters, and {MOST_PARAMETERS} at most are constrained; "
            "prune it."
        )
    pool = _Pool(lower, upper, generator_of(key))
    watched = [_Watched.of(claim, surrogate, pool) for claim in claims]
    network = surrogate
    for number in range(1, rounds + 1):
        optimiser = PenalisedLevenbergMarquardt(
            _ITERATIONS, penalties=tuple(each.penalty(network, pool) for each in watched), network=network
        )
        network = fit(network, samples, order, key=key, optimiser=optimiser, scaled=scaled, held_out=0).surrogate
        broken = [each.update(network, pool) for each in watched]
        if max(broken) > 0 and number < rounds:
            continue
        network = replace(network, training_range=surrogate.training_range)
        certificate = certify(network, (lower, upper), claims, pieces=pieces)
        if certificate.proved:
            return Constrained(network, certificate, number, None)
        for each, answer in zip(watched, certificate.answers):
            if answer.status == "refuted":
                pool.add(np.asarray(answer.point), 0.03 * (upper - lower), watched)
            elif answer.status == "undecided":
                ends = np.asarray(answer.where)
                pool.add(ends.mean(axis=0), np.ptp(ends, axis=0), watched)
            if answer.status != "proved":
                each.margin *= _LARGER
    return Constrained(network, certificate, rounds, _reason(certificate, surrogate, rounds))


def _reason(certificate: Certificate, surrogate: Surrogate, rounds: int) -> str:
    failed = [answer for answer in certificate.answers if answer.status != "proved"]
    refuted = [answer for answer in failed if answer.status == "refuted"]
    text = claim_text((refuted or failed)[0].claim, surrogate)
    if refuted:
        return (
            f"After {rounds} rounds {text!r} is still broken at {list(refuted[0].point)}: a network of this shape does "
            "not fit both the samples and the constraint; give it more nodes, more rounds, or a smaller box."
        )
    return (
        f"After {rounds} rounds {text!r} holds at all points tried, but is undecided; give more pieces, or a smaller "
        "network, whose enclosures are tighter."
    )


class _Pool:
    """Points of the box where constraints are watched: inside, on faces, in corners; and where a proof failed."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray, generator: np.random.Generator):
        self.lower, self.upper, self._generator, self._added = lower, upper, generator, 0
        d, half = len(lower), 0.5 * (upper - lower)
        # Drawn from boxes up to 2.5 times as wide and moved to the edge: half of all entries lie on faces.
        places = generator.uniform(-1.0, 1.0, (_POINTS + _HARD, d)) * np.linspace(1.0, 2.5, _POINTS + _HARD)[:, None]
        corners = np.array(list(product((-1.0, 1.0), repeat=d))) if d <= 8 else np.zeros((0, d))
        places[: len(corners)] = corners
        self.points = 0.5 * (lower + upper) + half * np.clip(places, -1.0, 1.0)

    def add(self, centre: np.ndarray, width: np.ndarray, watched: Sequence["_Watched"]) -> None:
        """A cloud of points around `centre`, in place of the oldest of those added."""
        cloud = centre + 0.5 * width * self._generator.standard_normal((64, len(centre)))
        cloud[0] = centre
        rows = _POINTS + (self._added + np.arange(len(cloud))) % _HARD
        self._added += len(cloud)
        self.points[rows] = np.clip(cloud, self.lower, self.upper)
        for each in watched:
            each.multipliers[:, rows] = 0.0


class _Watched:
    """One constraint with its multipliers at the points of the pool."""

    def __init__(self, bounds: Bounds, n: int):
        self.bounds, self.margin, self.weight, self._broken = bounds, _MARGIN, _WEIGHT, np.inf
        self.multipliers = np.zeros((2, n, len(bounds.lower)))

    @staticmethod
    def of(claim: Claim, network: Surrogate, pool: _Pool) -> "_Watched":
        of, directions, lower, upper = _bounds_of(claim, network, pool)
        bounds = Bounds(
            of=of,
            directions=None if directions is None else jnp.asarray(directions),
            spread=jnp.asarray(0.5 * (pool.upper - pool.lower)),
            lower=jnp.asarray(lower),
            upper=jnp.asarray(upper),
            scale=jnp.ones(len(lower)),
            relative=jnp.asarray(np.stack([lower == 0, upper == 0]) & (of != "value")),
        )
        size = np.sqrt(np.mean(np.square(_quantity(bounds, network, jnp.asarray(pool.points))), axis=0))
        size = np.where(size > 0, size, 1.0)
        return _Watched(eqx.tree_at(lambda b: b.scale, bounds, jnp.asarray(size)), len(pool.points))

    def penalty(self, network: Surrogate, pool: _Pool) -> Penalty:
        """Of the points nearest to breaking the constraint."""
        needed = (self._excess(network, pool) + self.multipliers).max(axis=(0, 2))
        rows = np.argsort(-needed)[:_PENALISED]
        return Penalty(
            self.bounds,
            jnp.asarray(pool.points[rows]),
            jnp.asarray(self.multipliers[:, rows]),
            jnp.asarray(self.margin),
            jnp.asarray(self.weight / len(pool.points)),
        )

    def update(self, network: Surrogate, pool: _Pool) -> float:
        """The multipliers after a training; gives by how much the constraint is broken at worst."""
        excess = self._excess(network, pool)
        self.multipliers = np.clip(excess + self.margin + self.multipliers, 0.0, _LARGEST_MULTIPLIER)
        broken = float(excess.max())
        if broken > max(0.5 * self._broken, 0.0) and self.weight < _HEAVIEST:
            self.weight *= _HEAVIER
            self.multipliers /= _HEAVIER
        self._broken = broken
        return broken

    def _excess(self, network: Surrogate, pool: _Pool) -> np.ndarray:
        return np.asarray(_excess(self.bounds, network, jnp.asarray(pool.points)))


@eqx.filter_jit
def _excess(bounds: Bounds, network: Surrogate, points):
    return bounds.excess(network, points)


@eqx.filter_jit
def _quantity(bounds: Bounds, network: Surrogate, points):
    return bounds.quantity(network, points)


def _bounds_of(claim: Claim, network: Surrogate, pool: _Pool):
    """What a claim bounds, along which directions, and the bounds of every entry."""
    k, d = network.widths[-1], network.widths[0]
    if isinstance(claim, Monotone):
        lower, upper = np.full((k, d), -np.inf), np.full((k, d), np.inf)
        if claim.increasing:
            lower[:, list(claim.inputs)] = -claim.margin
        else:
            upper[:, list(claim.inputs)] = claim.margin
        return "gradient", None, lower.ravel(), upper.ravel()
    if isinstance(claim, Convex):
        if claim.directions is None:
            smallest = claim.margin * np.min(0.25 * (pool.upper - pool.lower) ** 2)
            return "eigenvalue", None, np.full(k, -smallest), np.full(k, np.inf)
        entries = k * len(claim.directions)
        return "curvature", claim.directions, np.full(entries, -claim.margin), np.full(entries, np.inf)
    if isinstance(claim, Within):
        shape = {"value": (k,), "gradient": (k, d), "hessian": (k, d, d), "curvature": (k,)}[claim.of]
        ends = []
        for bound, free in ((claim.lower, -np.inf), (claim.upper, np.inf)):
            if claim.entry is None:
                ends.append(broadcast_bound(bound, shape, free).astype(float).ravel())
            else:
                ends.append(np.full(shape, free))
                ends[-1][claim.entry] = free if bound is None else bound
                ends[-1] = ends[-1].ravel()
        return claim.of, None if claim.direction is None else (claim.direction,), *ends
    raise InputError(
        f"{type(claim).__name__} is nothing to train for; claim increasing, decreasing, convex, or bounds "
        "of value, slopes or second derivatives."
    )
