"""Surrogates as one Python file that needs NumPy alone."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.files import write_result
from ..._foundation.variables import Variable
from ...surrogate import ErrorBars, Surrogate
from ..box import exported_range
from ..formulas import formulas
from .layers import short_numbers, written_directions, written_layers
from .text import assignments

_WORDS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negate": "-{0}",
    "absolute": "np.abs({0})",
    "exp": "np.exp({0})",
    "log": "np.log({0})",
    "sigmoid": "_sigmoid({0})",
    "tanh": "np.tanh({0})",
    "sin": "np.sin({0})",
    "cos": "np.cos({0})",
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "where_positive": "np.where({0} > 0, {1}, {2})",
}

_TEMPLATE = '''\
"""A surrogate with {d} inputs and {k} outputs, written by sobolev-pruning {version}. Needs NumPy alone.

Network {widths}, activation {activation}. Points are the rows of an array of shape (n, {d}):
value(points), gradient(points), hessian(points), hvp(points, directions), in_range(points){with_errors}.
"""

import numpy as np

INPUTS = {inputs}
OUTPUTS = {outputs}

BOX = {box}
"""Lower and upper corner of the inputs it was trained for, where they are known."""

X_SHIFT = np.array({x_shift})
WEIGHTS = [
{weights}
]
BIASES = [
{biases}
]
SKIP = {skip}
"""What goes from the inputs past the hidden layers, to layer SKIP_LAYER (from 0) before its activation."""
SKIP_LAYER = {skip_layer}
SCALAR_OUTPUT = {scalar}


def value(points):
    """The value at each point, (n,) or (n, k)."""
    return _squeezed(_forward(_checked(points))[0])


def gradient(points):
    """First derivatives at each point, (n, d) or (n, k, d)."""
    _, slopes, bends = _forward(_checked(points))
    return _squeezed(_adjoints(slopes)[0] + np.zeros((len(points), 1, 1)))


def hessian(points):
    """Second derivatives at each point, (n, d, d) or (n, k, d, d)."""
    _, slopes, bends = _forward(_checked(points))
    adjoints = _adjoints(slopes)
    d = len(X_SHIFT)
    total = np.zeros((len(points), len(BIASES[-1]), d, d))
    tangents = np.eye(d)[None]
    for number, (slope, bend, adjoint) in enumerate(zip(slopes, bends, adjoints[1:])):
        tangents = WEIGHTS[number] @ tangents
        if SKIP is not None and number == SKIP_LAYER:
            tangents = tangents + SKIP
        curved = (adjoint * bend[:, None, :])[..., None] * tangents[:, None]
        total += np.swapaxes(tangents, 1, 2)[:, None] @ curved
        tangents = slope[:, :, None] * tangents
    return _squeezed(total)


def hvp(points, directions):
    """The Hessian times a direction at each point, (n, d) or (n, k, d)."""
    _, slopes, bends = _forward(_checked(points))
    adjoints = _adjoints(slopes)
    tangent = directions = _checked(directions)
    bent = []
    for number, (slope, bend) in enumerate(zip(slopes, bends)):
        tangent = tangent @ WEIGHTS[number].T
        if SKIP is not None and number == SKIP_LAYER:
            tangent = tangent + directions @ SKIP.T
        bent.append(bend * tangent)
        tangent = slope * tangent
    change, beside = np.zeros((len(points), len(BIASES[-1]), WEIGHTS[-1].shape[1])), 0.0
    for number in range(len(slopes) - 1, -1, -1):
        change = change * slopes[number][:, None, :] + adjoints[number + 1] * bent[number][:, None, :]
        if SKIP is not None and number == SKIP_LAYER:
            beside = change @ SKIP
        change = change @ WEIGHTS[number]
    return _squeezed(change + beside)


def in_range(points):
    """Whether each point lies in the box the surrogate was trained for, (n,); None where that is not known."""
    if BOX is None:
        return None
    points = _checked(points)
    return np.all((points >= np.array(BOX[0])) & (points <= np.array(BOX[1])), axis=1)


def _checked(points):
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(X_SHIFT):
        raise ValueError(f"The points have shape {{points.shape}}; give (n, {{len(X_SHIFT)}}), one row per point.")
    return points


def _squeezed(array):
    return array[:, 0] if SCALAR_OUTPUT else array


def _forward(points):
    nodes = inputs = points - X_SHIFT
    slopes, bends = [], []
    for number, (weight, bias) in enumerate(zip(WEIGHTS, BIASES)):
        nodes = nodes @ weight.T + bias
        if SKIP is not None and number == SKIP_LAYER:
            nodes = nodes + inputs @ SKIP.T
        if number < len(ACTIVATIONS):
            nodes, slope, bend = ACTIVATIONS[number](nodes)
            slopes.append(slope)
            bends.append(bend)
    return nodes, slopes, bends


def _adjoints(slopes):
    """Derivatives of the outputs by the inputs and by every hidden layer, (n, k, width)."""
    adjoints, beside = [WEIGHTS[-1][None]], 0.0
    if SKIP is not None and SKIP_LAYER == len(slopes):
        beside = SKIP[None]
    for number in range(len(slopes) - 1, -1, -1):
        before = adjoints[0] * slopes[number][:, None, :]
        if SKIP is not None and number == SKIP_LAYER:
            beside = before @ SKIP
        adjoints.insert(0, before @ WEIGHTS[number])
    adjoints[0] = adjoints[0] + beside
    return adjoints


def _sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x > 0, 1.0, small) / (1.0 + small)


{functions}

ACTIVATIONS = [{names}]
"""Of every layer but the last, each with its first two derivatives."""
{errors}'''

_ERRORS = '''
DIRECTIONS = [
{directions}
]
"""Changes of all weights, biases and SKIP, along which they are uncertain by one standard error."""

FACTORS = np.array({factors})
"""Of the standard errors of the value and of the gradient, for each output."""


def value_stderr(points):
    """The standard error of the value at each point, (n,) or (n, k)."""
    return _squeezed(FACTORS[0] * np.sqrt(sum(value**2 for value, _ in _changes(_checked(points)))))


def gradient_stderr(points):
    """Those of the first derivatives at each point, (n, d) or (n, k, d)."""
    return _squeezed(FACTORS[1][:, None] * np.sqrt(sum(slopes**2 for _, slopes in _changes(_checked(points)))))


def _changes(points):
    """How value, (n, k), and first derivatives, (n, k, d), change along each of the DIRECTIONS."""
    inputs, d = points - X_SHIFT, len(X_SHIFT)
    for weights, biases, skip in DIRECTIONS:
        nodes, tangents = inputs, np.broadcast_to(np.eye(d), (len(points), d, d))
        moved, bent = np.zeros_like(nodes), np.zeros_like(tangents)
        for number, (weight, bias) in enumerate(zip(WEIGHTS, BIASES)):
            moved = nodes @ weights[number].T + biases[number] + moved @ weight.T
            bent = weights[number] @ tangents + weight @ bent
            nodes, tangents = nodes @ weight.T + bias, weight @ tangents
            if SKIP is not None and number == SKIP_LAYER:
                moved, bent = moved + inputs @ skip.T, bent + skip
                nodes, tangents = nodes + inputs @ SKIP.T, tangents + SKIP
            if number < len(ACTIVATIONS):
                nodes, slope, bend = ACTIVATIONS[number](nodes)
                bent = slope[:, :, None] * bent + (bend * moved)[:, :, None] * tangents
                moved, tangents = slope * moved, slope[:, :, None] * tangents
        yield moved, bent
'''

_FUNCTION = '''
def {name}(x):
    """{activation} with its first two derivatives."""
{formulas}
    return {results}
'''


def names_with_units(variables: Sequence[Variable]) -> str:
    """A tuple of names, with the unit of each in a comment."""
    lines = [f"    {v.name!r}," + ("" if v.unit is None else f"  # [{v.unit}]") for v in variables]
    return "\n".join(["(", *lines, ")"])


def save_numpy(surrogate: Surrogate | ErrorBars, path: str | Path, *, box: Sequence[ArrayOrList] | None = None) -> None:
    """Writes `surrogate` to `path` as a Python module that needs NumPy alone, float64.

    The module offers `value(points)`, `gradient(points)`, `hessian(points)` and `hvp(points, directions)` for points
    `(n, d)`, shaped as `Surrogate.value` and so on, and `in_range(points)`: whether each lies in the training range
    `box`, lower and upper corner, by default the surrogate's own where it is known. `INPUTS` and `OUTPUTS` are their
    names, with the units in comments. Of `ErrorBars` there are also `value_stderr(points)` and
    `gradient_stderr(points)`.

    Raises `InputError` for a box of another shape, and where `path` cannot be written.

    >>> import jax, runpy, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_numpy(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.py")
    ...     price = runpy.run_path(f"{folder}/price.py")
    >>> price["hessian"]([[0.5], [1.0]]).shape
    (2, 1, 1)
    """
    errors = surrogate if isinstance(surrogate, ErrorBars) else None
    surrogate = surrogate if errors is None else errors.surrogate
    corners = exported_range(surrogate, box)
    layers = written_layers(surrogate)
    names = {activation: f"_activation_{number}" for number, activation in enumerate(dict.fromkeys(layers.activations))}
    text = _TEMPLATE.format(
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
        inputs=names_with_units(surrogate.inputs),
        outputs=names_with_units(surrogate.outputs),
        box=corners,
        x_shift=np.asarray(surrogate.scaling.x_shift).tolist(),
        weights="\n".join(f"    np.array({weight.tolist()})," for weight, _ in layers.layers),
        biases="\n".join(f"    np.array({bias.tolist()})," for _, bias in layers.layers),
        skip=None if layers.skip is None else f"np.array({layers.skip.tolist()})",
        skip_layer=layers.skip_layer - 1,
        scalar=surrogate.scalar_output,
        functions="\n".join(_function(name, activation) for activation, name in names.items()),
        names=", ".join(names[activation] for activation in layers.activations),
        with_errors="" if errors is None else ",\nvalue_stderr(points), gradient_stderr(points)",
        errors="" if errors is None else _errors(errors),
    )
    write_result(path, text)


def _function(name: str, activation: str) -> str:
    lines, results = assignments(formulas(activation), "x", _WORDS, repr)
    body = "\n".join(f"    {name} = {formula}" for name, formula in lines)
    return _FUNCTION.format(name=name, activation=activation, formulas=body, results=", ".join(results))


def _errors(errors: ErrorBars) -> str:
    lines = []
    for change in written_directions(errors):
        weights, biases = (", ".join(map(_array, part)) for part in zip(*change.layers))
        lines.append(f"    ([{weights}], [{biases}], {None if change.skip is None else _array(change.skip)}),")
    return _ERRORS.format(directions="\n".join(lines), factors=np.asarray(errors.factors).tolist())


def _array(numbers: np.ndarray) -> str:
    return f"np.array({short_numbers(numbers).tolist()})"
