"""Splitting a box where it pays, and the union of what a method says of the pieces.

The worst pieces are halved until the budget is spent. Cuts go along inputs and, over affine forms, along the directions
in which the outputs change most, whatever they are: pieces are then cut off by parallel planes (`affine_slabs`). Which
cut is best is tried out on the worst piece of every generation, and all of that generation follow it. How bad a piece
is, is judged against values at sample points; that decides only where to split: the union is rigorous in any case.
"""

import heapq
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.compilation import quick_compilation
from .._foundation.errors import InputError
from .affine.rules import MOST_SQUARED
from .affine.slabs import Slabs
from .interval import Interval, is_interval
from .pieces import Piece, halved, whole
from .scalar.rounding import down, up

BATCH = 8
"""Pieces evaluated at once: a fixed number, so that one compilation serves every call."""

_SAMPLES = 1024
_GRADIENT_SAMPLES = 32
_MOST_DIRECTIONS = 2
_SHARE = 0.1
"""Of all squared change of the outputs, what a direction must hold to be cut along."""
_MOST_TRIED = 8
"""Inputs that are tried for a cut: those of most influence."""


class Splitter:
    """Calls `fn(args, kwargs, slabs)`, an enclosing function, on pieces of a box, and `point`, which it encloses.

    `over_slabs` says whether `fn` makes use of slabs.
    """

    def __init__(self, fn: Callable, point: Callable, pieces: int, over_slabs: bool):
        self._fn, self._point, self._pieces, self._over_slabs = fn, point, pieces, over_slabs
        self._compiled: dict = {}

    def __call__(self, *args, **kwargs):
        leaves, structure = jax.tree.flatten((args, kwargs), is_leaf=is_interval)
        boxes = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Interval)]
        if not boxes:
            raise InputError("enclose: no argument is an Interval; give at least one box, as Interval(lower, upper).")
        if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(leaves)):
            raise InputError('enclose: method="split" chooses pieces by their values; call it outside jit and vmap.')
        lower = np.concatenate([np.ravel(leaves[i].lower) for i in boxes]).astype(np.float64)
        upper = np.concatenate([np.ravel(leaves[i].upper) for i in boxes]).astype(np.float64)
        if not np.all(np.isfinite(lower) & np.isfinite(upper)):
            raise InputError('enclose: method="split" needs a bounded box; cut it, or take method="interval".')
        program = self._program(leaves, structure, boxes)
        double = all(leaves[i].dtype == np.float64 for i in boxes)
        most = max(0, min(_MOST_DIRECTIONS, MOST_SQUARED - lower.size)) if self._over_slabs and double else 0
        return program.restore(*_refine(program, lower, upper, self._pieces, most))

    def _program(self, leaves, structure, boxes) -> "_Program":
        static = tuple((i, id(x)) for i, x in enumerate(leaves) if not _is_array(x))
        shapes = tuple((i, leaves[i].shape) for i in boxes)
        key = (structure, static, shapes)
        if key not in self._compiled:
            self._compiled[key] = _Program(self._fn, self._point, leaves, structure, boxes)
        program = self._compiled[key]
        program.points = [x for i, x in enumerate(leaves) if i not in boxes and _is_array(x)]
        return program


def _is_array(leaf) -> bool:
    return isinstance(leaf, Interval | jax.Array | np.ndarray | np.generic)


class _Program:
    """The two functions on flat pieces: (n, elements) endpoints in, (n, outputs) endpoints out."""

    def __init__(self, fn, point, leaves, structure, boxes):
        self._structure_out, self._like, self._dtypes = None, None, [leaves[i].dtype for i in boxes]
        self.decorations = [leaves[i].decoration for i in boxes]
        shapes = [leaves[i].shape for i in boxes]
        sizes = [int(np.prod(shape)) for shape in shapes]
        places = [i for i, x in enumerate(leaves) if i not in boxes and _is_array(x)]
        kept = [None if _is_array(x) else x for x in leaves]

        def parts(flat):
            cuts = np.cumsum(sizes)[:-1]
            pieces = zip(jnp.split(flat, cuts), shapes, self._dtypes)
            return [part.reshape(shape).astype(dtype) for part, shape, dtype in pieces]

        def filled(values, points):
            full = list(kept)
            for i, value in [*zip(boxes, values), *zip(places, points)]:
                full[i] = value
            return jax.tree.unflatten(structure, full)

        def bounds(piece, directions, points):
            ends = [
                Interval.unchecked(low, high, decoration)
                for low, high, decoration in zip(parts(piece.lower), parts(piece.upper), self.decorations, strict=True)
            ]
            args, kwargs = filled(ends, points)
            slabs = Slabs(directions, piece.below, piece.above) if directions.shape[0] else None
            result = fn(args, kwargs, slabs)
            intervals, self._structure_out = jax.tree.flatten(result, is_leaf=is_interval)
            self._like = [(x.shape, x.dtype, isinstance(x, Interval)) for x in intervals]
            intervals = [x if isinstance(x, Interval) else Interval(x, x) for x in intervals]
            ends = [
                jnp.concatenate([jnp.ravel(_as_float(getattr(x, side), rounded)) for x in intervals])
                for side, rounded in (("lower", down), ("upper", up))
            ]
            return *ends, jnp.concatenate([jnp.ravel(x.decoration) for x in intervals])

        def values(flat, points):
            args, kwargs = filled(parts(flat), points)
            return jnp.concatenate([jnp.ravel(x).astype(float) for x in jax.tree.leaves(point(*args, **kwargs))])

        # Traced for one piece first: batching every operation while it is traced takes twice as long.
        over_pieces = jax.vmap(jax.jit(bounds, inline=True), in_axes=(0, None, None))
        self._bounds = jax.jit(over_pieces, compiler_options=quick_compilation())
        self._values = jax.jit(lambda x, points: jax.lax.map(lambda y: values(y, points), x, batch_size=256))
        self.points: list = []

    def bounds(self, pieces: list[Piece], directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds and decorations over any number of pieces, in batches; the last is filled up with copies."""
        results = []
        for start in range(0, len(pieces), BATCH):
            chosen = [pieces[min(i, len(pieces) - 1)] for i in range(start, start + BATCH)]
            found = self._bounds(Piece(*map(np.stack, zip(*chosen))), directions, self.points)
            count = min(BATCH, len(pieces) - start)
            results.append([np.asarray(part)[:count] for part in found])
        return tuple(np.concatenate(side) for side in zip(*results))

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._values(x, self.points))

    def restore(self, lower: np.ndarray, upper: np.ndarray, decoration: np.ndarray):
        """Flat bounds in the pytree of the result."""
        outputs, start = [], 0
        for shape, dtype, is_box in self._like:
            size = int(np.prod(shape))
            low, high = (_from_float(x[start : start + size].reshape(shape), dtype) for x in (lower, upper))
            flags = decoration[start : start + size].reshape(shape)
            outputs.append(Interval.unchecked(low, high, flags) if is_box else low)
            start += size
        return jax.tree.unflatten(self._structure_out, outputs)


def _as_float(ends, rounded: Callable):
    """Endpoints as floats; whole numbers too large for that are rounded outward."""
    value = ends.astype(float)
    if not jnp.issubdtype(ends.dtype, jnp.integer):
        return value
    return jnp.where(jnp.abs(value) < 0.5 / jnp.finfo(float).eps, value, rounded(value))


def _from_float(ends: np.ndarray, dtype):
    """The inverse, for whole numbers as far as their type reaches."""
    if not np.issubdtype(dtype, np.integer):
        return jnp.asarray(ends, dtype)
    info = np.iinfo(dtype)
    inside = (ends > float(info.min)) & (ends < float(info.max))
    whole = np.where(inside, ends, 0.0).astype(dtype)
    return jnp.asarray(np.where(inside, whole, np.where(ends < 0, info.min, info.max).astype(dtype)))


class _Priorities:
    """How bad bounds are, and what is worth cutting along, from values at sample points of the box."""

    def __init__(self, program: _Program, lower: np.ndarray, upper: np.ndarray, most: int):
        generator = np.random.default_rng(0)
        n, half = lower.size, 0.5 * upper - 0.5 * lower
        samples = program.values(lower + (upper - lower) * generator.random((_SAMPLES, n)))
        self._lowest, self._highest = np.fmin.reduce(samples, axis=0), np.fmax.reduce(samples, axis=0)
        self._spread = self._highest - self._lowest + 1e-6 * np.abs(samples).max(axis=0) + 1e-300
        change = self._change(program, lower + half, half, generator)
        self.influence = np.sqrt(np.diag(change))
        share, vectors = np.linalg.eigh(change)
        chosen = [k for k in reversed(range(n)) if share[k] > _SHARE * max(share.sum(), 1e-300)]
        # Planes of thin boxes far from 0, and of boxes of extreme size, are lost in rounding.
        wide = (half > 1e-9 * np.abs(lower + half)) & (half > 1e-100) & (half < 1e100)
        chosen = chosen[: most if n > 1 and np.all(wide | (half == 0)) else 0]
        self.directions = np.divide(vectors[:, chosen].T, half, out=np.zeros((len(chosen), n)), where=half > 0)
        tried = [int(i) for i in np.argsort(-self.influence, kind="stable")[:_MOST_TRIED] if half[i] > 0]
        self.axes = [*tried, *range(n, n + len(chosen))]

    def _change(self, program, middle, half, generator) -> np.ndarray:
        """Mean over outputs of the products of their slopes, inputs in half widths, outputs in spreads: `(n, n)`."""
        n, step = half.size, 1e-3
        base = 2 * generator.random((_GRADIENT_SAMPLES, 1, n)) - 1
        ends = [middle + half * (base * (1 - step) + sign * step * np.eye(n)) for sign in (1, -1)]
        moved = [program.values(points.reshape(-1, n)) for points in ends]
        slopes = (moved[0] - moved[1]).reshape(_GRADIENT_SAMPLES, n, -1) / (2 * step * self._spread)
        slopes = np.clip(np.nan_to_num(slopes), -1e6, 1e6)
        return np.einsum("sio,sjo->ij", slopes, slopes) / (slopes.shape[0] * slopes.shape[2])

    def badness(self, low, high) -> np.ndarray:
        """By how much, on average over outputs, the bounds of a piece exceed the values seen anywhere."""
        excess = np.maximum(high - self._highest, 0) + np.maximum(self._lowest - low, 0)
        return np.mean(np.log1p(np.nan_to_num(excess / self._spread, nan=1e300, posinf=1e300)), axis=1)


@np.errstate(over="ignore", invalid="ignore")  # bounds may be of any size: what is bad is only compared
def _refine(program: _Program, lower: np.ndarray, upper: np.ndarray, budget: int, most: int):
    priorities = _Priorities(program, lower, upper, most)
    directions = priorities.directions
    first = whole(lower, upper, directions)
    (low,), (high,), (decoration,) = program.bounds([first], directions)
    queue = [(-priorities.badness(low[None], high[None])[0], 0, 0, first, low, high, decoration)]
    cuts: list[int] = []
    made = 1
    while queue[0][0] < 0 and len(queue) < budget and priorities.axes:
        known = []
        if queue[0][2] == len(cuts):
            axis, *known = _best_cut(program, priorities, queue[0])
            cuts.append(axis)
        worst = [heapq.heappop(queue)]
        # A piece is replaced by two, so the pieces there are stay within the budget.
        while queue and queue[0][0] < 0 and len(worst) < min(BATCH // 2, budget - len(queue) - len(worst)):
            if queue[0][2] == len(cuts):
                break
            worst.append(heapq.heappop(queue))
        parents, parts = zip(*[(old, part) for old in worst for part in halved(old[3], cuts[old[2]], directions)])
        # The parts of the first were evaluated when the cut was chosen.
        done = len(known[0]) if known else 0
        if done < len(parts):
            fresh = program.bounds(list(parts[done:]), directions)
            known = [np.concatenate(both) for both in zip(known, fresh)] if known else fresh
        lows, highs, flags = known
        # A part lies inside its parent, so the parent's bounds hold for it, too.
        lows = np.maximum(lows, np.stack([old[4] for old in parents]))
        highs = np.minimum(highs, np.stack([old[5] for old in parents]))
        for score, old, *made_of in zip(
            priorities.badness(lows, highs), parents, parts, lows, highs, flags, strict=True
        ):
            heapq.heappush(queue, (-score, made, old[2] + 1, *made_of))
            made += 1
    lows, highs, flags = ([entry[i] for entry in queue] for i in (4, 5, 6))
    return np.min(lows, axis=0), np.max(highs, axis=0), np.bitwise_or.reduce(flags, axis=0)


def _best_cut(program, priorities, entry) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """The cut whose parts are least bad, tried out on a piece, with bounds and decorations of its parts."""
    parts = [halved(entry[3], axis, priorities.directions) for axis in priorities.axes]
    lows, highs, flags = program.bounds([part for pair in parts for part in pair], priorities.directions)
    scores = priorities.badness(np.maximum(lows, entry[4]), np.minimum(highs, entry[5]))
    ends = np.cumsum([0, *map(len, parts)])
    best = int(np.argmin([scores[first:last].sum() for first, last in itertools.pairwise(ends)]))
    of_best = slice(ends[best], ends[best + 1])
    return priorities.axes[best], lows[of_best], highs[of_best], flags[of_best]
