"""Containment checks: the values of programs in ball arithmetic lie in their enclosures.

One check is one number: an output of a program, or a node's value or adjoint, at one point of one box. Each function
here returns how many it made and which failed. What a ball does not know to 60 bits is not counted. Compilation is what
such a campaign costs, so one compiled program serves many boxes, and one exact value all methods and types that it is
exact for.
"""

import itertools
import math

import flint
import jax
import jax.numpy as jnp
import numpy as np
from oracle import (
    DERIVATIVES,
    DOMAINS,
    ELEMENTARY,
    EXPONENT,
    activation_derivatives,
    ball,
    endpoints,
    is_straight,
    known,
    members,
    network_boxes,
    outside,
)

from sobolev_pruning.activations import activate, activation
from sobolev_pruning.enclosure import Interval, enclose

PROGRAMS = {
    **{name: getattr(jax.lax, name) for name in ELEMENTARY if hasattr(jax.lax, name)},
    "reciprocal": lambda x: 1 / x,
    "cube": lambda x: x**3,
    "inverse_square": lambda x: x**-2,
    "power_1.7": lambda x: jnp.power(x, jnp.asarray(EXPONENT, x.dtype)),
}
# Operation, the same in balls, and its two partial derivatives in balls.
BINARY = {
    "add": (jnp.add, lambda x, y: (x + y, flint.arb(1), flint.arb(1))),
    "subtract": (jnp.subtract, lambda x, y: (x - y, flint.arb(1), flint.arb(-1))),
    "multiply": (jnp.multiply, lambda x, y: (x * y, y, x)),
    "divide": (jnp.divide, lambda x, y: (x / y, 1 / y, -x / (y * y))),
    "maximum": (jnp.maximum, lambda x, y: (x.max(y), flint.arb(int(x > y)), flint.arb(int(y > x)))),
    "minimum": (jnp.minimum, lambda x, y: (x.min(y), flint.arb(int(x < y)), flint.arb(int(y < x)))),
    "power": (jnp.power, lambda x, y: (x**y, y * x ** (y - 1), x**y * x.log())),
    "atan2": (jax.lax.atan2, lambda x, y: (flint.arb.atan2(x, y), y / (x * x + y * y), -x / (x * x + y * y))),
    "remainder": (jax.lax.rem, lambda x, y: _remainder(x, y)),
}


def _remainder(x, y):
    """Exactly, because the C library's is; where the quotient jumps its derivative is none."""
    value = ball(math.fmod(float(x), float(y)))
    return value, flint.arb(1), None if value == 0 else -((x - value) / y + flint.arb(0.5)).floor()


class Record:
    """The checks made and those that failed."""

    def __init__(self):
        self.made, self.failed = 0, []

    def check(self, label, bounds: Interval, values, points) -> None:
        """One check per value that is known: `bounds`, `values` and `points` are of one length."""
        ends = np.ravel(bounds.lower).tolist(), np.ravel(bounds.upper).tolist()
        for low, high, value, point in zip(*ends, values, points):
            if value is None or not known(value):
                continue
            self.made += 1
            if outside(low, high, value):
                self.failed.append((label, point, low, high, str(value)))


def _compiled(program, method):
    """Elementwise programs over arrays of boxes: affine forms of single elements stay small."""
    return jax.jit(enclose(program) if method == "interval" else jax.vmap(enclose(program, method)))


def _boxes(lower, upper) -> Interval:
    return Interval(jnp.asarray(lower), jnp.asarray(upper))


def elementary(names, methods, dtype, boxes: int, points: int, seed: int = 0, adjoint: bool = True) -> Record:
    """Functions of one variable and their adjoints, all in one program."""
    record, domains = Record(), {name: DOMAINS.get(name, (-np.inf, np.inf)) for name in names}
    ends, where = {}, {}
    for k, name in enumerate(names):
        generator = np.random.default_rng([seed, k, len(name)])
        ends[name] = endpoints(generator, boxes, dtype, domains[name])
        where[name] = members(generator, *ends[name], points)

    def program(xs):
        results = {}
        for name, x in xs.items():
            value, pull = jax.vjp(PROGRAMS[name], x)
            results[name] = (value, *pull(jnp.ones_like(value))) if adjoint else (value,)
        return results

    bounds = [_compiled(program, method)({name: _boxes(*pair) for name, pair in ends.items()}) for method in methods]
    for name in names:
        low, high = domains[name]
        for row in where[name]:
            inside = [low < x < high and (abs(x) < 1e9 or name not in _EXPONENTIAL) for x in row]
            truth = [[], []]
            for x, usable in zip(row.tolist(), inside):
                exact = ball(x)
                # The slope of the modulus at 0 is a set, and so is what is infinite there.
                pole = x == 0 and name in ("reciprocal", "inverse_square", "abs", "cbrt")
                truth[0].append(ELEMENTARY[name](exact) if usable and (name == "abs" or not pole) else None)
                truth[1].append(DERIVATIVES[name](exact) if usable and not pole else None)
            for method, result in zip(methods, bounds):
                for order, bound in enumerate(result[name]):
                    record.check((name, order, method, np.dtype(dtype).name), bound, truth[order], row)
    return record


# At huge arguments they have more digits than memory; the ends of the range are checked nearer by.
_EXPONENTIAL = ("exp", "exp2", "expm1", "sinh", "cosh", "erfc", "logistic", "tanh", "erf")


def binary(names, methods, dtype, boxes: int, points: int, seed: int = 0, adjoint: bool = True) -> Record:
    """Operations on two boxes, and on a box and a point, with both adjoints."""
    record, generator = Record(), np.random.default_rng([seed, 1])
    first, second = {}, {}
    for name in names:
        first[name] = endpoints(generator, boxes, dtype, (0.0, 1e30) if name == "power" else (-np.inf, np.inf))
        second[name] = endpoints(generator, boxes, dtype, (-300.0, 300.0) if name == "power" else (-np.inf, np.inf))
    fixed = {name: np.where(np.isfinite(low), low, 1).astype(dtype) for name, (low, _) in second.items()}

    def program(operands):
        results = {}
        for name, (x, y) in operands.items():
            value, pull = jax.vjp(BINARY[name][0], x, y)
            results[name] = (value, *pull(jnp.ones_like(value))) if adjoint else (value,)
        return results

    for kind in ("boxes", "a point"):
        operands = {
            name: (_boxes(*first[name]), _boxes(*second[name]) if kind == "boxes" else jnp.asarray(fixed[name]))
            for name in names
        }
        bounds = [_compiled(program, method)(operands) for method in methods]
        for name in names:
            xs = members(generator, *first[name], points)
            ys = members(generator, *second[name], points)[::-1]
            for x, y in zip(xs, ys if kind == "boxes" else itertools.repeat(fixed[name])):
                exact = [_binary_truth(name, a, b) for a, b in zip(x.tolist(), y.tolist())]
                for method, result in zip(methods, bounds):
                    for part, bound in enumerate(result[name]):
                        label = (name, kind, part, method, np.dtype(dtype).name)
                        record.check(label, bound, [e[part] for e in exact], list(zip(x, y)))
    return record


def _binary_truth(name, x, y):
    undefined = name in ("divide", "remainder", "atan2") and y == 0
    if undefined or (name == "power" and (x <= 0 or abs(y * np.log(x)) > 1e5)):
        return None, None, None
    value, by_first, by_second = BINARY[name][1](ball(x), ball(y))
    if name in ("maximum", "minimum") and x == y:
        by_first = by_second = None  # a set
    return value, by_first, by_second


def activations(names, methods, dtype, boxes: int, points: int, seed: int = 0, highest: int = 4) -> Record:
    """The activations and their derivatives to order `highest`, all in one program."""
    record, generator = Record(), np.random.default_rng([seed, 2])
    lower, upper = endpoints(generator, boxes, dtype)
    where = members(generator, lower, upper, points)
    keys = list(itertools.product(names, range(highest + 1)))
    touches = (lower <= 0) & (upper >= 0) | (np.minimum(np.abs(lower), np.abs(upper)) < np.finfo(dtype).tiny)
    for place in {point.place for name in names for point in activation(name).breakpoints}:
        touches |= (lower <= np.nextafter(dtype(place), np.inf)) & (upper >= np.nextafter(dtype(place), -np.inf))
    away = np.flatnonzero(~touches)

    def program(x, apart):
        # Where a derivative has no set at 0, only boxes apart from it are asked for.
        return {
            (name, order): activate(apart if order > activation(name).smoothness + 1 else x, name, order)
            for name, order in keys
        }

    bounds = [
        _compiled(program, method)(_boxes(lower, upper), _boxes(*(np.resize(x[away], boxes) for x in (lower, upper))))
        for method in methods
    ]
    for row in where:
        for name in names:
            exact = [_activation_truth(name, x, highest) for x in row.tolist()]
            for order in range(highest + 1):
                apart = order > activation(name).smoothness + 1
                index = np.resize(away, boxes) if apart else np.arange(boxes)
                for method, result in zip(methods, bounds):
                    label = (name, order, method, np.dtype(dtype).name)
                    record.check(label, result[name, order], [exact[i][order] for i in index], row[index])
    return record


def _activation_truth(name, x, highest):
    # Beyond, the series would need too many digits.
    far = {"gelu_tanh": 30, "gelu": 60}.get(name, 900)
    if abs(x) > far and not is_straight(name):
        return [None] * (highest + 1)
    return activation_derivatives(name, ball(x), highest)


NETWORKS = (("silu", "softplus", "tanh"), ("gelu", "gelu_tanh", "elu"), ("relu", "sigmoid", "silu"))


def networks(names, methods, dtype, boxes: int, points: int, draws: int = 1, seed: int = 0, width: int = 8) -> Record:
    """All node values and all adjoints of random networks; in balls the reverse mode is written by hand."""
    record, generator = Record(), np.random.default_rng([seed, 3])
    sizes = (4, *[width] * len(names), 1)

    def nodes(parameters, x):
        def forward(taps):
            h, held = x, []
            for (w, b), name, tap in zip(parameters, names, taps):
                h = activate(w @ h + b, name) + tap
                held.append(h)
            w, b = parameters[-1]
            return (w @ h + b)[0], held

        taps = [jnp.zeros(o, x.dtype) for o in sizes[1:-1]]
        _, pull, held = jax.vjp(forward, taps, has_aux=True)
        return held, pull(jnp.ones((), x.dtype))[0]

    programs = {m: jax.jit(jax.vmap(enclose(nodes, m), in_axes=(None, 0))) for m in methods if m != "split"}
    split = enclose(nodes, "split", pieces=8)
    for _ in range(draws):
        weights = [generator.normal(0, i**-0.5, (o, i)).astype(dtype) for i, o in itertools.pairwise(sizes)]
        biases = [generator.normal(0, 0.5, o).astype(dtype) for o in sizes[1:]]
        parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(weights, biases)]
        lower, upper = network_boxes(generator, boxes, sizes[0], dtype)
        bounds = {}
        for method, program in programs.items():
            bounds[method] = _stacked(program(parameters, _boxes(lower, upper)))
        bounded = np.flatnonzero(np.all(np.isfinite(lower) & np.isfinite(upper), axis=1))
        if "split" in methods:
            pieces = [_stacked(split(parameters, _boxes(lower[i], upper[i])), one=True) for i in bounded]
            bounds["split"] = jax.tree.map(lambda *rows: np.stack(rows), *pieces)
        exact = [([[ball(v) for v in row] for row in w], [ball(v) for v in b]) for w, b in zip(weights, biases)]
        inner = np.clip(lower, -6, 6), np.clip(upper, -6, 6)
        for i in range(boxes):
            rows = {m: i for m in programs} | ({"split": int(np.searchsorted(bounded, i))} if i in bounded else {})
            for x in members(generator, inner[0][i], inner[1][i], points):
                truth = _values_and_adjoints(exact, names, [ball(v) for v in x])
                for method, row in rows.items():
                    if method in bounds:
                        label = ("network", seed, method, names, np.dtype(dtype).name)
                        record.check(label, bounds[method][row], truth, itertools.repeat(x.tolist()))
    return record


def _stacked(results, one: bool = False) -> Interval:
    """Values and adjoints of all nodes side by side: shape (boxes, numbers), or (numbers,) of one box."""
    held, adjoints = results
    return Interval.unchecked(
        *(np.concatenate([np.asarray(getattr(b, side)) for b in [*held, *adjoints]], axis=0 if one else 1)
          for side in ("lower", "upper"))
    )  # fmt: skip


def _values_and_adjoints(exact, names, x) -> list:
    values, slopes = [], []
    h = x
    for (w, b), name in zip(exact, names):
        both = [activation_derivatives(name, sum((a * v for a, v in zip(row, h)), c), 1) for row, c in zip(w, b)]
        h = [value for value, _ in both]
        slopes.append([slope for _, slope in both])
        values.append(h)
    adjoint = exact[-1][0][0]
    adjoints = [adjoint]
    for (w, _), slope in zip(exact[-2:0:-1], slopes[:0:-1]):
        scaled = [a * s for a, s in zip(adjoint, slope)]
        adjoint = [sum((row[i] * s for row, s in zip(w, scaled)), flint.arb(0)) for i in range(len(w[0]))]
        adjoints.insert(0, adjoint)
    return list(itertools.chain(*values, *adjoints))


_STEPS = {
    "add": (lambda x, y: x + y, lambda x, y: x + y),
    "multiply": (lambda x, y: x * y, lambda x, y: x * y),
    "subtract": (lambda x, y: x - y, lambda x, y: x - y),
    "sin": (lambda x, y: jnp.sin(x), lambda x, y: x.sin()),
    "tanh": (lambda x, y: jnp.tanh(x), lambda x, y: 1 - 2 / ((2 * x).exp() + 1)),
    "exp of bounded": (lambda x, y: jnp.exp(jnp.sin(x)), lambda x, y: x.sin().exp()),
    "root": (lambda x, y: jnp.sqrt(x * x + 1), lambda x, y: (x * x + 1).sqrt()),
    "logarithm": (lambda x, y: jnp.log(2 + jnp.cos(y)), lambda x, y: (2 + y.cos()).log()),
    "divide": (lambda x, y: x / (1 + y * y), lambda x, y: x / (1 + y * y)),
    "atan": (lambda x, y: jnp.arctan(x - y), lambda x, y: (x - y).atan()),
    "power": (lambda x, y: (x + y) ** 3, lambda x, y: (x + y) * (x + y) * (x + y)),
    "erf": (lambda x, y: jax.lax.erf(y), lambda x, y: y.erf()),
    "halve": (lambda x, y: 0.5 * x, lambda x, y: x / 2),
}


def expressions(methods, dtype, boxes: int, points: int, seed: int = 0, inputs: int = 3, length: int = 7) -> Record:
    """Value and gradient of a random straight-line program; the reference gradient is forward mode in ball series."""
    record, generator = Record(), np.random.default_rng([seed, 4])
    names = list(_STEPS)
    steps = []
    for k in range(length):
        pair = generator.integers(0, inputs + k, 2)
        steps.append((names[generator.integers(len(names))], int(pair[0]), int(pair[1])))

    def run(operations, start):
        values = list(start)
        for name, a, b in steps:
            values.append(_STEPS[name][operations](values[a], values[b]))
        return values[-1] + values[-2] * values[-3]

    def program(x):
        value, gradient = jax.value_and_grad(lambda x: run(0, [x[i] for i in range(inputs)]))(x)
        return jnp.concatenate([value[None], gradient])

    lower, upper = network_boxes(generator, boxes, inputs, dtype)
    bounds = {m: jax.jit(jax.vmap(enclose(program, m)))(_boxes(lower, upper)) for m in methods if m != "split"}
    split = enclose(program, "split", pieces=8)
    for i in range(boxes):
        if "split" in methods and np.all(np.isfinite(lower[i]) & np.isfinite(upper[i])):
            bounds["split"] = {i: split(_boxes(lower[i], upper[i]))}
        for x in members(generator, np.clip(lower[i], -6, 6), np.clip(upper[i], -6, 6), points):
            series = [
                run(1, [flint.arb_series([ball(v), int(k == j)], 2) for j, v in enumerate(x)]) for k in range(inputs)
            ]
            truth = [series[0][0], *[s[1] for s in series]]
            for method, bound in bounds.items():
                if method != "split" or i in bound:
                    label = ("expression", seed, method, steps, np.dtype(dtype).name)
                    record.check(label, bound[i], truth, itertools.repeat(x.tolist()))
    return record
