"""Doubts about samples, found in the samples themselves: labels that contradict each other, noise, jumps, clumps.

Neighbouring samples tell. Between a point `a` and its neighbour `b`, `step = x_b - x_a`, right slopes `g` explain the
change of the values but for the third order in the step,

    y_b - y_a = sum_c p_c + rest,    p_c = (g_a + g_b)_c step_c / 2.

Every test is made in 16 groups of samples, and something is told only where all of them say the same: noise alone
makes them disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .._foundation.arrays import varies
from .._foundation.samples import Samples

GROUPS = 16
"""Of which all must agree: by chance they do in one of 65,536 cases."""

FEWEST_PER_GROUP = 4
"""Samples of a group for each input."""

MOST_SAMPLES = 4096
"""Of as many, at random, neighbours are looked at."""

MOST_SORTED = 32_768
"""Among as many, at random, gaps and replicates are looked for."""

MOST_INPUTS = 10
"""Beyond, no neighbour is near."""

_NEIGHBOURS = 6
_WRONG = 3.0
"""A factor between slopes and values that is told; less may be the curvature between neighbours."""


@dataclass(frozen=True)
class _Neighbours:
    """Every sample, its nearest neighbours from near to far, and the standardised inputs."""

    x: Float[np.ndarray, "n d"]
    scaled: Float[np.ndarray, "n d"]
    of: Int[np.ndarray, "n m"]
    group: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Doubts:
    """Sentences on samples: `warnings`, that something is likely wrong, and `noise`, that slopes are noisy.

    `wrong_slopes` says whether some warning is that slopes are not those of the values.
    """

    warnings: tuple[str, ...]
    noise: tuple[str, ...]
    wrong_slopes: bool = False


def doubts_about(samples: Samples, partials: Sequence[Sequence[str]] | None = None) -> Doubts:
    """Looks for slopes that the values contradict, for jumps, noise of the slopes, and samples in two clumps.

    `partials` names the derivatives, output by output, input by input; by default `dy/dx0` and so on, with the
    names of the samples. Nothing is said
    of samples that are few, or of more than 10 inputs: there no neighbour is near enough to tell.

    >>> x = np.random.default_rng(0).uniform(size=(200, 2))
    >>> doubts_about(Samples(x, x[:, 0] * x[:, 1], np.stack([-x[:, 1], x[:, 0]], axis=1))).warnings[0]
    'dy/dx0 has the wrong sign: between near samples the values change the other way; correct the column or leave it \
out.'
    """
    x = np.asarray(samples.x)
    n, d = x.shape
    if partials is None:
        partials = [[f"d{output.name}/d{given.name}" for given in samples.inputs] for output in samples.outputs]
    if not varies(x).all():
        return Doubts((), ())
    looked_at = np.random.default_rng(0).permutation(n)[:MOST_SORTED]
    found, noise = _clumps(x, x[looked_at], [given.name for given in samples.inputs]), []
    wrong_slopes = False
    # Samples of one input are its replicates, and no neighbours of it.
    _, first = np.unique(x[looked_at], axis=0, return_index=True)
    if samples.dydx is not None and d <= MOST_INPUTS and len(first) >= GROUPS * FEWEST_PER_GROUP * d:
        rows = looked_at[np.sort(first)][:MOST_SAMPLES]
        near = _neighbours_of(x[rows])
        y, dydx = np.asarray(samples.y).reshape(n, -1)[rows], np.asarray(samples.dydx).reshape(n, -1, d)[rows]
        for j, names in enumerate(partials):
            known = ~np.isnan(dydx[:, j]).any(axis=0)
            if not varies(y[:, j]) or not known.any():
                continue
            shares = _noise_shares(near, dydx[:, j])
            if known.all():  # else what the others add to the values is not known
                wrong = _contradictions(near, y[:, j], dydx[:, j], names)
                # Where slopes are noisy the values most often are, and a few large errors look like a jump.
                quiet = not (np.mean(shares, axis=0) > _NOISE).any()
                wrong = wrong or (_jump(near, y[:, j], dydx[:, j], names) if quiet else [])
                found += wrong
                wrong_slopes |= bool(wrong)
            noise += _noise(shares, dydx[:, j], known, names)
    return Doubts(tuple(found), tuple(noise), wrong_slopes)


def _neighbours_of(x: Float[np.ndarray, "n d"]) -> _Neighbours:
    from scipy.spatial import cKDTree

    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    # On a line few samples lie about a jump, so more neighbours are asked.
    _, of = cKDTree(scaled).query(scaled, k=_NEIGHBOURS * (2 if x.shape[1] == 1 else 1) + 1)
    return _Neighbours(x, scaled, of[:, 1:], np.arange(len(x)) % GROUPS)


def _contradictions(near: _Neighbours, y, slopes, names: Sequence[str]) -> list[str]:
    """Columns whose slopes the values contradict.

    In each group the factors `f_c` of `y_b - y_a = sum_c f_c p_c` are fitted with instruments `q_c = g_c step_c`, `g`
    the mean slope of other neighbours: noise of the slopes themselves would pull a plain fit towards 0.
    """
    # On a line the nearest ones are so near that the least noise of the values hides how they change.
    b, others = near.of[:, -1 if near.x.shape[1] == 1 else 0], near.of[:, 1:5]
    step = near.x[b] - near.x
    explained = 0.5 * (slopes + slopes[b]) * step
    instruments = slopes[others].mean(axis=1) * step
    used = np.flatnonzero((explained != 0).mean(axis=0) > 0.5)
    factors = np.full((GROUPS, len(names)), np.nan)
    for group in range(GROUPS):
        rows = near.group == group
        p, q = explained[rows][:, used], instruments[rows][:, used]
        # Columns of like size, and neighbours far apart count as near ones do.
        weight = 1.0 / np.maximum(np.linalg.norm(near.scaled[b][rows] - near.scaled[rows], axis=1), 1e-12)
        size = np.sqrt(np.mean((q * weight[:, None]) ** 2, axis=0))
        q = q * weight[:, None] ** 2 / np.where(size > 0, size, 1.0)
        try:
            factors[group, used] = np.linalg.solve(q.T @ p, q.T @ (y[b] - y)[rows])
        except np.linalg.LinAlgError:
            return []
    said = []
    for c in used:
        middle = float(np.median(factors[:, c]))
        if not ((factors[:, c] < 1.0 / _WRONG).all() or (factors[:, c] > _WRONG).all()):
            continue
        if middle < 0:
            size = f" times {abs(1.0 / middle):.2g}" if not 1 / _WRONG < -middle < _WRONG else ""
            said.append(f"{names[c]} has the wrong sign{size}: between near samples the values change the other way")
        else:
            said.append(f"{names[c]} is about {1.0 / middle:.3g} times what the values between near samples say")
    return [f"{text}; correct the column or leave it out." for text in said]


def _noise_shares(near: _Neighbours, slopes: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "groups d"]:
    """The variance of noise over that of the slopes, group by group: by how much slopes differ between neighbours
    however near they are.

    Half the mean square of differences, extrapolated along a line in the distance to distance 0, is the variance of
    the noise: curvature and kinks give nothing there.
    """
    ends = near.of[:, [0, -1]]
    distances = np.linalg.norm(near.scaled[ends] - near.scaled[:, None], axis=2)
    squares = 0.5 * (slopes[ends] - slopes[:, None]) ** 2
    shares = np.zeros((GROUPS, slopes.shape[1]))
    with np.errstate(invalid="ignore", divide="ignore"):
        for group in range(GROUPS):
            rows = near.group == group
            shares[group] = _at_distance_0(distances[rows], squares[rows]) / slopes.var(axis=0)
    return shares


def _at_distance_0(distances: Float[np.ndarray, "n 2"], squares: Float[np.ndarray, "n 2 c"]) -> Float[np.ndarray, "c"]:
    """The mean of `squares` at distance 0, along a line through those at the nearest and at the farthest neighbour."""
    (h, wide), (v, far) = distances.mean(axis=0), squares.mean(axis=0)
    return v - (far - v) * h / (wide - h)


def _noise(
    shares: Float[np.ndarray, "groups d"], slopes, known: Bool[np.ndarray, "d"], names: Sequence[str]
) -> list[str]:
    """What is told of slopes that every group finds noisy."""
    # A slope that is constant but for the errors of differences has no noise to speak of.
    changes = slopes.std(axis=0) > 1e-6 * np.abs(slopes).max(axis=0)
    noisy = [c for c in np.flatnonzero(known & changes) if (shares[:, c] > _NOISE).all()]
    if not noisy:
        return []
    worst = max(noisy, key=lambda c: np.median(shares[:, c]))
    more = f" (and {len(noisy) - 1} more columns likewise)" if len(noisy) > 1 else ""
    size = np.sqrt(np.median(shares[:, worst]))
    return [
        f"{names[worst]} has noise of about {size:.2g} of its spread, or changes faster than the samples show{more}; "
        "estimate it with label_noise for fit(noise=...), or train on values alone (order 0)."
    ]


_NOISE = 0.02
"""Part of the variance of slopes that is told to be noise."""


def _jump(near: _Neighbours, y, slopes, names: Sequence[str]) -> list[str]:
    """Values that change, between some neighbours, by far more than the slopes on both sides allow, and else do not.

    Of a kink, or a curve, the change lies between what the two slopes say. A sample at a jump has neighbours on its own
    side and others beyond, all of these off by much the same; one that is wrong, or noisy, is off from all, and those
    around it from it alone. Nothing is told of what the noise of the values may be: however near, they differ by it,
    while fewer and fewer neighbours lie across a jump. What curves too fast for the slopes is off by less between
    nearer samples.
    """
    step = near.x[near.of] - near.x[:, None, :]
    here, there = np.sum(slopes[:, None, :] * step, axis=2), np.sum(slopes[near.of] * step, axis=2)
    change = y[near.of] - y[:, None]
    rest = change - 0.5 * (here + there)
    beyond = np.maximum(np.minimum(here, there) - change, change - np.maximum(here, there))
    distance = np.linalg.norm(near.scaled[near.of] - near.scaled[:, None, :], axis=2)
    (noise,) = np.sqrt(_at_distance_0(distance[:, [0, -1]], 0.5 * rest[:, [0, -1], None] ** 2).clip(0.0))
    large = beyond > max(_JUMP * y.std(), 10.0 * np.median(np.abs(rest)), _CLEAR * noise)
    across = np.where(large, rest, np.nan)
    counts = large.sum(axis=1)
    some = (counts >= 2) & (counts <= large.shape[1] - 2)
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduce(across, axis=1), np.fmax.reduce(across, axis=1)
        alike = some & (np.sign(lowest) == np.sign(highest)) & (highest - lowest < 0.5 * np.abs(highest + lowest) / 2)
    alike &= _on_the_far_side(near, large)
    nearer = distance < np.median(distance[large]) if large.any() else large
    tops = [np.sort(beyond[large & part])[-_TOP:].mean() if (large & part).any() else 0.0 for part in (nearer, ~nearer)]
    n, d = near.x.shape
    # About a jump along a surface lie more samples than the few that have two wrong neighbours by chance.
    expected = max(3.0, _SURFACE * n ** (1.0 - 1.0 / d))
    if alike.sum() < expected or alike.mean() > 0.5 or tops[0] < 0.7 * tops[1]:
        return []
    output = names[0].split("/")[0].removeprefix("d")
    height = float(np.median(np.abs(rest[large])))
    return [
        f"{output} jumps by about {height:.2g} between near samples, which its slopes do not show; train on values "
        "alone (order 0), or smooth the jump."
    ]


def _on_the_far_side(near: _Neighbours, large: Bool[np.ndarray, "n m"]) -> Bool[np.ndarray, "n"]:
    """Whether the neighbours that are `large` lie beyond all others, seen from the middle of the others."""
    step = near.scaled[near.of] - near.scaled[:, None, :]
    counts = large.sum(axis=1)[:, None]
    middles = [np.sum(step * part[:, :, None], axis=1) for part in (large, ~large)]
    direction = middles[0] / np.maximum(counts, 1) - middles[1] / (large.shape[1] - counts + 1)
    along = np.einsum("nmd,nd->nm", step, direction)
    nearest = np.where(large, along, np.inf).min(axis=1)
    return nearest > np.maximum(np.where(large, -np.inf, along).max(axis=1), 0.0)


_TOP = 10
_SURFACE = 0.2

_JUMP = 0.05
"""Height of a jump that is told, as a part of the spread of the values."""

_CLEAR = 5.0
"""The same in standard deviations of the noise, which may be larger in parts of the box."""


def _clumps(x: Float[np.ndarray, "n d"], some: Float[np.ndarray, "m d"], names: Sequence[str]) -> list[str]:
    """Two parts of the samples with a gap between them as wide as both together, along some input."""
    ordered = np.sort(some, axis=0)
    gaps = np.diff(ordered, axis=0)
    for c in np.flatnonzero(gaps.max(axis=0) >= 0.5 * np.ptp(some, axis=0)):
        lower = x[:, c] < 0.5 * sum(ordered[int(np.argmax(gaps[:, c])) + step, c] for step in (0, 1))
        parts = x[lower, c], x[~lower, c]
        if min(map(len, parts)) < max(10, len(x) // 50) or any(len(np.unique(part)) < 10 for part in parts):
            continue
        return [
            f"The samples lie in two clumps, {len(parts[0])} with {names[c]} up to {parts[0].max():.4g} and "
            f"{len(parts[1])} from {parts[1].min():.4g} on: figures over all of them hide errors within each; judge "
            "and train each alone."
        ]
    return []
