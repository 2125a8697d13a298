"""Splitting a box where it pays, and the union of what a method says of the pieces.

Enclosures by first-order methods are off by the square of the width of the box, so pieces pay twice. The box is first
cut into a grid of about half the budget, finer along inputs with more influence; then the worst pieces are bisected,
again along the most influential input, until the budget is spent. How bad a piece is, and what an input's influence is,
is judged against values at sample points; that decides only where to split: the union is rigorous in any case.
"""

import heapq
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from .interval import Interval, is_interval

BATCH = 16
"""Pieces evaluated at once: a fixed number, so that one compilation serves every call."""

_SAMPLES = 1024
_INFLUENCE_SAMPLES = 32
# The arithmetic runs as long vector loops in any case, and compiling them the other way takes twice as long.
_COMPILER = {"xla_cpu_use_fusion_emitters": False}


class Splitter:
    """Calls `fn`, an enclosing function, and `point`, the function it encloses, on pieces of a box."""

    def __init__(self, fn: Callable, point: Callable, pieces: int):
        self._fn, self._point, self._pieces = fn, point, pieces
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
        result = _refine(program, lower, upper, self._pieces)
        return program.restore(*result)

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

        def bounds(lower, upper, points):
            ends = [Interval.unchecked(*pair) for pair in zip(parts(lower), parts(upper))]
            args, kwargs = filled(ends, points)
            result = fn(*args, **kwargs)
            intervals, self._structure_out = jax.tree.flatten(result, is_leaf=is_interval)
            self._like = [(x.shape, x.dtype, isinstance(x, Interval)) for x in intervals]
            intervals = [x if isinstance(x, Interval) else Interval.unchecked(x, x) for x in intervals]
            return tuple(
                jnp.concatenate([jnp.ravel(getattr(x, side)).astype(float) for x in intervals])
                for side in ("lower", "upper")
            )

        def values(flat, points):
            args, kwargs = filled(parts(flat), points)
            return jnp.concatenate([jnp.ravel(x).astype(float) for x in jax.tree.leaves(point(*args, **kwargs))])

        on_cpu = jax.default_backend() == "cpu"
        over_pieces = jax.vmap(bounds, in_axes=(0, 0, None))
        self._bounds = jax.jit(over_pieces, compiler_options=_COMPILER if on_cpu else None)
        self._values = jax.jit(lambda x, points: jax.lax.map(lambda y: values(y, points), x, batch_size=256))
        self.points: list = []

    def bounds(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds over any number of pieces, in batches; the last is filled up with copies."""
        results = []
        for start in range(0, len(lower), BATCH):
            chosen = np.minimum(np.arange(start, start + BATCH), len(lower) - 1)
            low, high = self._bounds(lower[chosen], upper[chosen], self.points)
            count = min(BATCH, len(lower) - start)
            results.append((np.asarray(low)[:count], np.asarray(high)[:count]))
        return tuple(np.concatenate(side) for side in zip(*results))

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._values(x, self.points))

    def restore(self, lower: np.ndarray, upper: np.ndarray):
        """Flat bounds in the pytree of the result."""
        outputs, start = [], 0
        for shape, dtype, is_box in self._like:
            size = int(np.prod(shape))
            low, high = (jnp.asarray(x[start : start + size].reshape(shape), dtype) for x in (lower, upper))
            outputs.append(Interval.unchecked(low, high) if is_box else low)
            start += size
        return jax.tree.unflatten(self._structure_out, outputs)


@np.errstate(over="ignore", invalid="ignore")  # bounds may be of any size: what is bad is only compared
def _refine(program: _Program, lower: np.ndarray, upper: np.ndarray, budget: int):
    generator = np.random.default_rng(0)
    samples = program.values(lower + (upper - lower) * generator.random((_SAMPLES, lower.size)))
    truth = np.nanmin(samples, axis=0), np.nanmax(samples, axis=0)
    spread = truth[1] - truth[0] + 1e-6 * np.abs(truth).max(axis=0) + 1e-300
    influence = _influence(program, lower, upper, spread, generator)

    def badness(low, high):
        """By how much, on average over outputs, the bounds of a piece exceed the values seen anywhere."""
        excess = np.maximum(high - truth[1], 0) + np.maximum(truth[0] - low, 0)
        return np.mean(np.log1p(np.nan_to_num(excess / spread, nan=1e300, posinf=1e300)), axis=1)

    corners = _grid(lower, upper, influence, max(1, budget // 2))
    bounds = program.bounds(*corners)
    pieces = [piece for piece in zip(*corners, *bounds)]
    queue = [(-score, i) for i, score in enumerate(badness(*bounds))]
    heapq.heapify(queue)
    count = len(pieces)
    while count < budget and queue and queue[0][0] < 0 and influence.max() > 0:
        worst = [heapq.heappop(queue)[1] for _ in range(min(BATCH // 2, budget - count, len(queue)))]
        halves = [half for i in worst for half in _bisected(*pieces[i][:2], influence, upper - lower)]
        ends = tuple(np.stack(side) for side in zip(*halves))
        low, high = program.bounds(*ends)
        # A half lies inside its parent, so the parent's bounds hold for it, too.
        low = np.maximum(low, np.repeat([pieces[i][2] for i in worst], 2, axis=0))
        high = np.minimum(high, np.repeat([pieces[i][3] for i in worst], 2, axis=0))
        for k, score in enumerate(badness(low, high)):
            place = worst[k // 2] if k % 2 == 0 else len(pieces)
            piece = (ends[0][k], ends[1][k], low[k], high[k])
            if place == len(pieces):
                pieces.append(piece)
            else:
                pieces[place] = piece
            heapq.heappush(queue, (-score, place))
        count += len(worst)
    return np.min([p[2] for p in pieces], axis=0), np.max([p[3] for p in pieces], axis=0)


def _influence(program, lower, upper, spread, generator) -> np.ndarray:
    """How much the outputs move, relative to their spread, as one input crosses the box."""
    base = lower + (upper - lower) * generator.random((_INFLUENCE_SAMPLES, lower.size))
    influence = np.zeros(lower.size)
    for i in np.flatnonzero(upper > lower):
        ends = np.repeat(base[None], 2, axis=0)
        ends[0, :, i], ends[1, :, i] = lower[i], upper[i]
        moved = program.values(ends.reshape(-1, lower.size)).reshape(2, _INFLUENCE_SAMPLES, -1)
        # Where no output moves, an input may still widen bounds.
        influence[i] = np.nanmean(np.abs(moved[1] - moved[0]) / spread) + 1e-9
    return influence


def _grid(lower, upper, influence, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a grid of at most `budget` cells, with cells of about equal influence along every input."""
    cells = np.ones(lower.size, int)
    while influence.max() > 0:
        best = int(np.argmax(influence / cells))
        if np.prod(cells) // cells[best] * (cells[best] + 1) > budget:
            break
        cells[best] += 1
    edges = [_edges(*ends) for ends in zip(lower, upper, cells)]
    index = np.stack(np.meshgrid(*[np.arange(n) for n in cells], indexing="ij"), axis=-1).reshape(-1, lower.size)
    corner = [np.stack([edge[index[:, i] + k] for i, edge in enumerate(edges)], axis=1) for k in (0, 1)]
    return corner[0], corner[1]


def _edges(lower: float, upper: float, cells: int | np.integer) -> np.ndarray:
    edges = lower + (upper - lower) * (np.arange(cells + 1) / cells)
    # Neighbours share an edge to the last bit, so the cells leave no gap, and the outer edges are the box's.
    edges = np.clip(edges, lower, upper)
    edges[0], edges[-1] = lower, upper
    return edges


def _bisected(lower, upper, influence, width):
    relative = np.divide(upper - lower, width, out=np.zeros_like(lower), where=width > 0)
    axis = int(np.argmax(influence * relative))
    middle = 0.5 * lower[axis] + 0.5 * upper[axis]
    below, above = upper.copy(), lower.copy()
    below[axis] = above[axis] = middle
    return (lower, below), (above, upper)
