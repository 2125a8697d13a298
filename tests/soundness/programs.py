"""The campaign of random programs: values and gradients in ball arithmetic lie in their enclosures, or are refused.

Demands on an enclosure over a box, at every point of the box:

* the value of the program, where it is a number, lies in the enclosure;
* so does that of the program that `jax.grad` makes of it, at and beside kinks, where it has one-sided slopes;
* without the flag UNDEFINED the value is a number; a point where it is none (NaN, infinite) demands nothing else;
* without JUMPS it is the same at two points of the box that are 2^-100 apart, up to what a root may change;
* without KINKED and JUMPS the quotients of differences to either side agree.

Points are exact reals, not only floating numbers: beside special points stand their neighbours at a distance of 2^-100.
Their kinds, and those of the boxes, are in `boxes_of` and `points_of`.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import ball_interpreter
import flint
import jax
import jax.numpy as jnp
import numpy as np
import numpy_interpreter
from ball_interpreter import BITS, Unsupported
from random_programs import Program, random_program

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.enclosure import Interval, enclose
from sobolev_pruning.enclosure.interval import JUMPS, KINKED, UNDEFINED

BOXES = 20


@dataclass
class Tally:
    """What a campaign did. `failed` and `crashed` hold texts that can be pasted."""

    programs: int = 0
    made: int = 0
    skipped: int = 0
    undefined: int = 0
    refused: Counter = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    unsupported: Counter = field(default_factory=Counter)

    def table(self) -> str:
        lines = [
            f"{self.programs:,} programs, {self.made:,} checks, {len(self.failed)} violations, "
            f"{len(self.crashed)} crashes; {self.skipped:,} not decided by balls, {self.undefined:,} not defined"
        ]
        lines += [f"{count:8,} refused: {reason}" for reason, count in self.refused.most_common()]
        lines += [f"{count:8,} without an oracle: {name}" for name, count in self.unsupported.most_common()]
        return "\n".join(lines)


def specials_of(program: Program, generator) -> np.ndarray:
    """Coordinates where something may happen: constants of the program, and 0, 1 and the like."""
    found = {0.0, 1.0, -1.0, 0.5, 2.0, *program.constants()}
    found |= {-c for c in program.constants()}
    return np.array(sorted(found))


def boxes_of(generator: np.random.Generator, inputs: int, specials: np.ndarray, count: int = BOXES):
    """Corners of boxes: each side is wide, narrow, thin, one-sided at a special point, a point, huge or tiny."""
    shape = (count, inputs)
    kind = generator.integers(0, 11, shape)
    kind[0], kind[1] = 0, 8  # one wide box, and one point
    special = specials[generator.integers(0, len(specials), shape)]
    center = np.where(generator.random(shape) < 0.5, special, np.round(generator.normal(0, 1.2, shape), 3))
    width = generator.choice([1e-9, 1e-3, 0.1, 0.5, 1.0, 2.0], shape)
    low = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3, kind == 4, kind == 5, kind == 6, kind == 7, kind == 8, kind == 9],
        [
            np.full(shape, -2.0), center - width, special, special - width, special - 1e-9, np.nextafter(special, 9.0),
            special - width, np.full(shape, -1.0), center, np.full(shape, -1e3),
        ],
        center * 1e-8,
    )  # fmt: skip
    high = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3, kind == 4, kind == 5, kind == 6, kind == 7, kind == 8, kind == 9],
        [
            np.full(shape, 3.0), center + width, special + width, special, special + 1e-9, special + width,
            np.nextafter(special, -9.0), np.full(shape, 1.0), center, np.full(shape, 1e3),
        ],
        center * 1e-8 + width * 1e-8,
    )  # fmt: skip
    return np.minimum(low, high), np.maximum(low, high)


def points_of(generator: np.random.Generator, lower: np.ndarray, upper: np.ndarray, specials, each: int):
    """Points of the boxes, `(points, inputs)`, and shifts of them in units of 2^-100, of the same shape.

    Corners, edges, the interior, special points that are inside, and what lies next to all these. The second and the
    last third are the first, moved along one input, up and down.
    """
    count, inputs = lower.shape
    weight = generator.random((each, count, inputs))
    corner = generator.random((each, count, 1)) < 0.4
    edge = corner | (generator.random(weight.shape) < 0.2)
    points = np.clip(lower + np.where(edge, np.round(weight), weight) * (upper - lower), lower, upper)
    special = specials[generator.integers(0, len(specials), points.shape)]
    use = (generator.random(points.shape) < 0.4) & (lower <= special) & (special <= upper)
    points = np.where(use, special, points)
    next_to = np.clip(np.nextafter(points, generator.choice([-9.0, 9.0], points.shape)), lower, upper)
    points = np.where(generator.random(points.shape) < 0.1, next_to, points).reshape(-1, inputs)
    along = np.eye(inputs, dtype=int)[generator.integers(0, inputs, len(points))]
    return np.tile(points, (3, 1)), np.concatenate([0 * along, along, -along])


def _balls(points: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Exact reals as an array of the oracle, `(inputs, points)`."""
    with flint.ctx.workprec(BITS):
        result = np.empty(points.T.shape, object)
        for i, (row, moved) in enumerate(zip(points.T, shifts.T)):
            for k, (x, s) in enumerate(zip(row.tolist(), moved.tolist())):
                result[i, k] = flint.arb(x) + s * flint.arb(float(_step(x)))
        return result


@dataclass
class Truth:
    """Values `(points,)` and gradients `(inputs, points)` at exact points; `steps` as in `compare`."""

    points: np.ndarray
    shifts: np.ndarray
    values: np.ndarray
    gradients: np.ndarray | None
    steps: list


def truth_of(function, points, shifts) -> Truth:
    inputs = points.shape[1]
    balls, zero = _balls(points, shifts), jnp.zeros(inputs)

    def rows(of):
        (result,) = ball_interpreter.evaluate(jax.make_jaxpr(of)(zero), [balls])
        return np.broadcast_to(result, (*result.shape[:-1], len(points)))

    third = len(points) // 3
    with flint.ctx.workprec(BITS):
        steps = [sum(balls[:, third + k] - balls[:, k], flint.arb(0)) for k in range(third)]
    gradients = rows(jax.grad(function)) if _has_gradient(function, zero) else None
    return Truth(points, shifts, rows(function), gradients, steps)


def _has_gradient(function, x) -> bool:
    """JAX differentiates no loop whose number of turns is found while it runs."""
    try:
        jax.eval_shape(jax.grad(function), x)
    except ValueError:
        return False
    return True


def _step(x):
    """How far a point is moved from x."""
    return 2.0**-100 * np.maximum(np.abs(x), 2.0**-40)


def _inside(lower, upper, points, shifts) -> np.ndarray:
    """Which of the exact points lie in which box, `(boxes, points)`; a moved point has to have room."""
    low, high, x, room = lower[:, None], upper[:, None], points[None], 2 * _step(points)[None]
    inside = (low <= x) & (x <= high)
    inside &= (shifts >= 0)[None] | (x - low >= room)
    inside &= (shifts <= 0)[None] | (high - x >= room)
    return inside.all(axis=2)


def compare(bounds: Interval, values: np.ndarray, inside: np.ndarray, step: list, tally: Tally):
    """Checks `values` `(points,)` of balls against `bounds` `(boxes,)`; yields (box, point, what is wrong).

    `step` holds by how much the points of the second third are moved from those of the first.
    """
    lower, upper, flags = (np.asarray(x) for x in (bounds.lower, bounds.upper, bounds.decoration))
    known = np.array([type(v) is flint.arb and bool(v.rad() < 1e-30 * (1 + abs(v.mid()))) for v in values])
    nothing = np.array([v is ball_interpreter.NAN or v is ball_interpreter.POLE for v in values])
    tally.undefined += int(inside[:, nothing].sum())
    tally.skipped += int(inside[:, ~known & ~nothing].sum())
    # A float that is near to the ball and safely inside needs no ball.
    middle = np.array([float(v.mid()) if k else np.nan for k, v in zip(known, values)])
    jumps, kinks = _breaks(values, known, step)
    third = len(values) // 3
    for box in range(len(lower)):
        tally.made += int((inside[box] & known).sum())
        safe = (lower[box] < middle) & (middle < upper[box])
        low, high = flint.arb(float(lower[box])), flint.arb(float(upper[box]))
        for row in np.flatnonzero(inside[box] & known & ~safe):
            if low.is_nan() or high.is_nan() or values[row] < low or values[row] > high:
                yield box, row, f"misses {values[row].str(20)}"
        if not flags[box] & UNDEFINED:
            tally.made += int((inside[box] & nothing).sum())
            for row in np.flatnonzero(inside[box] & nothing):
                yield box, row, f"is called defined, but is {values[row]}"
        first, up, down = inside[box][:third], inside[box][third : 2 * third], inside[box][2 * third :]
        if not flags[box] & (JUMPS | UNDEFINED):
            tally.made += int((first & up).sum() + (first & down).sum())
            for row in np.flatnonzero(first & (up & jumps[0] | down & jumps[1])):
                yield box, row, "is called continuous, but jumps"
            if not flags[box] & KINKED:
                tally.made += int((first & up & down).sum())
                for row in np.flatnonzero(first & up & down & kinks & ~jumps[0] & ~jumps[1]):
                    yield box, row, "is called differentiable, but has a kink"


MOST_STEEP = 1e9
"""Values among which a step of 2^-100 tells a jump from a steep slope: 2^(x^2) x rises by any number at x = 0."""


def _breaks(values, known, step):
    """Where the first third jumps to the second, where to the last, and where the slopes to both differ."""
    third = len(values) // 3
    jumps, kinks = np.zeros((2, third), bool), np.zeros(third, bool)
    with flint.ctx.workprec(BITS):
        for k in range(third):
            a, b, c = (values[k + i * third] for i in range(3))
            rows = [known[k + i * third] for i in range(3)]
            if not rows[0]:
                continue
            for side, moved in ((0, b), (1, c)):
                # Roots of up to the tenth degree change by 0.001; what grows beyond is as steep as it likes.
                if rows[1 + side] and bool(abs(a) < MOST_STEEP) and bool(abs(moved) < MOST_STEEP):
                    jumps[side, k] = bool(abs(moved - a) > 0.005 * (1 + abs(a)))
            if rows[1] and rows[2]:
                right, left = (b - a) / step[k], (a - c) / step[k]
                size = 1 + abs(right) + abs(left)
                kinks[k] = bool(size < 1e8) and bool(abs(right - left) > 0.001 * size)
    return jumps, kinks


def enclosures(function, method: str, way: str, lower, upper) -> Interval:
    """Enclosures over all boxes; `way`: "numpy" runs the program by NumPy, "jit" compiled, "eager" box by box."""
    boxes = Interval(jnp.asarray(lower), jnp.asarray(upper))
    if method == "split":
        whole = enclose(function, "split", pieces=4)
        return _stacked([whole(boxes[i]) for i in range(len(lower))])
    if way == "eager":
        return _stacked([enclose(function, method)(boxes[i]) for i in range(len(lower))])
    batched = jax.vmap(enclose(function, method))
    return jax.jit(batched)(boxes) if way == "jit" else numpy_interpreter.run(batched, boxes)


def _stacked(results) -> Interval:
    return jax.tree.map(lambda *rows: np.stack([np.asarray(row) for row in rows]), *results)


def check(program: Program, seed: int, runs, tally: Tally, boxes: int = BOXES, each: int = 8) -> None:
    """All demands on one program; `runs` are pairs of a method and a way of running it."""
    generator = np.random.default_rng([seed, 21])
    function = program.compiled()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        specials = specials_of(program, generator)
        lower, upper = boxes_of(generator, program.inputs, specials, boxes)
        points, shifts = points_of(generator, lower, upper, specials, each)
        tally.programs += 1
        try:
            truth = truth_of(function, points, shifts)
        except Unsupported as missing:
            tally.unsupported[str(missing)] += 1
            return
        for method, way in runs:
            rows = slice(0, boxes if method != "split" and way != "eager" else 3)
            _check_one(program, function, method, way, lower[rows], upper[rows], truth, tally)


def _check_one(program, function, method, way, lower, upper, truth: Truth, tally: Tally) -> None:
    inside = _inside(lower, upper, truth.points, truth.shifts)
    for of, what in ((function, "value"), (jax.grad(function), "gradient")):
        if what == "gradient" and truth.gradients is None:
            continue
        label = f"{what}, {method}, {way}"
        try:
            bounds = enclosures(of, method, way, lower, upper)
        except InputError as refusal:
            tally.refused[reason_of(str(refusal))] += 1
            continue
        except Exception as error:
            text = f"{type(error).__name__}: {str(error)[:300]}"
            tally.crashed.append(f"# {label}: {text}\n{program.source}\n# lower {lower[0].tolist()}")
            continue
        entries = range(program.inputs)
        parts = [(bounds, truth.values)] if what == "value" else [(bounds[:, i], truth.gradients[i]) for i in entries]
        for entry, (bound, values) in enumerate(parts):
            for box, row, wrong in compare(bound, values, inside, truth.steps, tally):
                tally.failed.append(
                    f"# {label}, entry {entry}: [{np.asarray(bound.lower)[box]}, {np.asarray(bound.upper)[box]}] "
                    f"({int(np.asarray(bound.decoration)[box])}) {wrong}\n{program.source}\n"
                    f"box = Interval(np.array({lower[box].tolist()}), np.array({upper[box].tolist()}))\n"
                    f"# at {truth.points[row].tolist()}, moved by {truth.shifts[row].tolist()} of 2^-100"
                )


def reason_of(refusal: str) -> str:
    """A refusal without what differs from program to program: the operation and the first words of the sentence."""
    text = re.sub(r", produced at [^,;]*|at [^ ]*\.py:\d+|at <[^ ]*|an unknown line", "", refusal)
    return re.sub(r"[-+]?\d+\.?\d*(e[-+]?\d+)?", "#", text)[:110]


def campaign(seeds, runs_of, **sizes) -> Tally:
    """Programs of all `seeds`; `runs_of(seed)` says by which methods and ways."""
    tally = Tally()
    for seed in seeds:
        check(random_program(seed), seed, runs_of(seed), tally, **sizes)
    return tally
