"""Containment checks: the values of programs in ball arithmetic lie in their enclosures.

Each function makes a number of checks (one per point and output) and returns how many it made and which failed. The
tests run them small; `make test-soundness` runs them until 10^7 checks are made.
"""

import itertools

import flint
import jax
import jax.numpy as jnp
import numpy as np
from oracle import DOMAINS, ELEMENTARY, activation, ball, endpoints, members, outside

from sobolev_pruning._foundation.activations import ACTIVATIONS, CONTINUOUS_DERIVATIVES, activate
from sobolev_pruning.enclosure import Interval, enclose

PROGRAMS = {
    **{name: getattr(jax.lax, name) for name in ELEMENTARY if hasattr(jax.lax, name)},
    "reciprocal": lambda x: 1 / x,
    "cube": lambda x: x**3,
    "inverse_square": lambda x: x**-2,
    "power_1.7": lambda x: jnp.power(x, jnp.asarray(1.7, x.dtype)),
}
BINARY = {
    "add": (lambda x, y: x + y, lambda x, y: x + y),
    "subtract": (lambda x, y: x - y, lambda x, y: x - y),
    "multiply": (lambda x, y: x * y, lambda x, y: x * y),
    "divide": (lambda x, y: x / y, lambda x, y: x / y),
    "maximum": (jnp.maximum, lambda x, y: x.max(y)),
    "minimum": (jnp.minimum, lambda x, y: x.min(y)),
}


def _failures(name, lower, upper, points, values) -> tuple[int, list]:
    made, failed = 0, []
    for k, column in enumerate(points):
        for j, x in enumerate(column):
            value = values(x, k, j)
            if value is None or not value.is_finite():
                continue
            made += 1
            if outside(lower[j], upper[j], value):
                failed.append((name, x, float(lower[j]), float(upper[j]), str(value)))
    return made, failed


def _enclosed(fn, method, *boxes):
    """Both ends of the enclosure of an elementwise function; affine forms of single elements stay small."""
    if method == "interval":
        return jax.jit(enclose(fn))(*boxes)
    return jax.jit(jax.vmap(enclose(fn, method)))(*boxes)


def elementary(name: str, method: str, dtype, boxes: int, points: int, seed: int = 0):
    """One function of one variable."""
    generator = np.random.default_rng([seed, len(name), ord(name[0])])
    domain = DOMAINS.get(name, (-np.inf, np.inf))
    lower, upper = endpoints(generator, boxes, dtype, domain)
    result = _enclosed(PROGRAMS[name], method, Interval(jnp.asarray(lower), jnp.asarray(upper)))
    exponent = float(np.asarray(1.7, dtype))

    def value(x, k, j):
        inside = domain[0] < x < domain[1] or (name in ("sqrt", "power_1.7") and x == 0)
        if not inside or (name in ("reciprocal", "inverse_square") and x == 0):
            return None
        if name == "power_1.7":
            return ball(x) ** ball(exponent) if x > 0 else flint.arb(0)
        if abs(x) > 1e9 and name in ("exp", "expm1", "sinh", "cosh", "erfc", "logistic"):
            return None  # numbers with more digits than memory; the ends of the range are checked nearer by
        return ELEMENTARY[name](ball(x))

    return _failures(
        (name, method, np.dtype(dtype).name),
        np.asarray(result.lower), np.asarray(result.upper), members(generator, lower, upper, points), value,
    )  # fmt: skip


def binary(name: str, method: str, dtype, boxes: int, points: int, seed: int = 0):
    """One operation with two operands, both boxes; the last program has a point as its second."""
    generator = np.random.default_rng([seed, 1, ord(name[0]), ord(name[-1])])
    program, reference = BINARY[name]
    (low_x, high_x), (low_y, high_y) = endpoints(generator, boxes, dtype), endpoints(generator, boxes, dtype)
    box_x, box_y = (Interval(jnp.asarray(a), jnp.asarray(b)) for a, b in ((low_x, high_x), (low_y, high_y)))
    result = _enclosed(program, method, box_x, box_y)
    ys = members(generator, low_y, high_y, points)

    def value(x, k, j):
        y = ys[(k * 7 + 3) % points, j]
        return None if name == "divide" and y == 0 else reference(ball(x), ball(y))

    bounds = np.asarray(result.lower), np.asarray(result.upper)
    xs = members(generator, low_x, high_x, points)
    made, failed = _failures((name, method, np.dtype(dtype).name), *bounds, xs, value)

    fixed = np.where(np.isfinite(low_y), low_y, 1).astype(dtype)
    result = _enclosed(program, method, box_x, jnp.asarray(fixed))

    def value_at_point(x, k, j):
        return None if name == "divide" and fixed[j] == 0 else reference(ball(x), ball(fixed[j]))

    bounds = np.asarray(result.lower), np.asarray(result.upper)
    more, also = _failures((name + " a point", method, np.dtype(dtype).name), *bounds, xs, value_at_point)
    return made + more, failed + also


def activations(name: str, order: int, method: str, dtype, boxes: int, points: int, seed: int = 0):
    """A derivative of an activation."""
    generator = np.random.default_rng([seed, 2, order, ACTIVATIONS.index(name)])
    lower, upper = endpoints(generator, boxes, dtype)
    if order > CONTINUOUS_DERIVATIVES[name] + 1:  # no set exists at 0
        keep = ~((lower <= 0) & (upper >= 0)) & (np.minimum(np.abs(lower), np.abs(upper)) >= np.finfo(dtype).tiny)
        lower, upper = lower[keep], upper[keep]
    box = Interval(jnp.asarray(lower), jnp.asarray(upper))
    result = _enclosed(lambda x: activate(x, name, order), method, box)

    def value(x, k, j):
        if (name == "gelu_tanh" and abs(x) > 30) or (name == "gelu" and abs(x) > 60) or abs(x) > 900:
            return None if order or name != "relu" else ball(max(x, 0))
        return activation(name, ball(x), order)

    return _failures(
        (name, order, method, np.dtype(dtype).name),
        np.asarray(result.lower), np.asarray(result.upper), members(generator, lower, upper, points), value,
    )  # fmt: skip


def networks(method: str, dtype, width: float, points: int, seed: int = 0, sizes=(3, 5, 4, 1)):
    """All node values and all adjoints of a random network of mixed activations, reverse mode by hand in balls."""
    generator = np.random.default_rng([seed, 3])
    names = [ACTIVATIONS[i] for i in generator.integers(0, len(ACTIVATIONS), len(sizes) - 2)]
    weights = [generator.normal(0, 1, (o, i)).astype(dtype) for i, o in itertools.pairwise(sizes)]
    biases = [generator.normal(0, 1, o).astype(dtype) for o in sizes[1:]]

    def nodes(parameters, x):
        def forward(taps):
            h, held = x, []
            for (w, b), name, tap in zip(parameters, names, taps):
                h = activate(w @ h + b, name) + tap
                held.append(h)
            w, b = parameters[-1]
            return (w @ h + b)[0], held

        taps = [jnp.zeros(o, dtype) for o in sizes[1:-1]]
        _, pull, held = jax.vjp(forward, taps, has_aux=True)
        return held, pull(jnp.ones((), dtype))[0]

    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(weights, biases)]
    center = generator.normal(0, 1, sizes[0]).astype(dtype)
    lower, upper = (center - dtype(width)).astype(dtype), (center + dtype(width)).astype(dtype)
    options = {"pieces": 8} if method == "split" else {}
    program = enclose(nodes, method, **options)
    program = program if method == "split" else jax.jit(program)
    held, adjoints = program(parameters, Interval(jnp.asarray(lower), jnp.asarray(upper)))
    bounds = [(np.asarray(b.lower), np.asarray(b.upper)) for b in [*held, *adjoints]]
    exact = [([[ball(v) for v in row] for row in w], [ball(v) for v in b]) for w, b in zip(weights, biases)]

    made, failed = 0, []
    for x in members(generator, lower, upper, points):
        truth = _values_and_adjoints(exact, names, [ball(v) for v in x])
        for layer, (values, (low, high)) in enumerate(zip(truth, bounds)):
            for j, value in enumerate(values):
                made += 1
                if outside(low[j], high[j], value):
                    failed.append(("network", seed, method, names, layer, j, list(x), low[j], high[j], str(value)))
    return made, failed


def _values_and_adjoints(exact, names, x):
    values, slopes = [], []
    h = x
    for (w, b), name in zip(exact, names):
        z = [sum((a * v for a, v in zip(row, h)), c) for row, c in zip(w, b)]
        h = [activation(name, v, 0) for v in z]
        slopes.append([activation(name, v, 1) for v in z])
        values.append(h)
    adjoint = exact[-1][0][0]
    adjoints = [adjoint]
    for (w, _), slope in zip(exact[-2:0:-1], slopes[::-1]):
        scaled = [a * s for a, s in zip(adjoint, slope)]
        adjoint = [sum((row[i] * s for row, s in zip(w, scaled)), flint.arb(0)) for i in range(len(w[0]))]
        adjoints.insert(0, adjoint)
    return [*values, *adjoints]


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
    "halve": (lambda x, y: 0.5 * x, lambda x, y: x / 2),
}


def expressions(method: str, dtype, width: float, points: int, seed: int = 0, inputs: int = 3, length: int = 7):
    """Value and gradient of a random straight-line program; the reference gradient is forward mode in ball series."""
    generator = np.random.default_rng([seed, 4])
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
        return run(0, [x[i] for i in range(inputs)])

    center = generator.normal(0, 1, inputs).astype(dtype)
    lower, upper = (center - dtype(width)).astype(dtype), (center + dtype(width)).astype(dtype)
    options = {"pieces": 8} if method == "split" else {}
    enclosed = enclose(jax.value_and_grad(program), method, **options)
    enclosed = enclosed if method == "split" else jax.jit(enclosed)
    value, gradient = enclosed(Interval(jnp.asarray(lower), jnp.asarray(upper)))
    low = [float(value.lower), *np.asarray(gradient.lower)]
    high = [float(value.upper), *np.asarray(gradient.upper)]

    made, failed = 0, []
    for x in members(generator, lower, upper, points):
        series = [
            run(1, [flint.arb_series([ball(v), int(i == j)], 2) for j, v in enumerate(x)]) for i in range(inputs)
        ]
        for j, truth in enumerate([series[0][0], *[s[1] for s in series]]):
            made += 1
            if outside(low[j], high[j], truth):
                failed.append(("expression", seed, method, steps, j, list(x), low[j], high[j], str(truth)))
    return made, failed
