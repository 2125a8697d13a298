"""Surrogates as one Python file that needs NumPy alone."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.files import write_result
from ..._foundation.variables import Variable
from ...surrogate import Surrogate, numpy_layers
from ..box import exported_range
from ..formulas import formulas
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
value(points), gradient(points), hessian(points), hvp(points, directions), in_range(points).
"""

import numpy as np

INPUTS = {inputs}
OUTPUTS = {outputs}

BOX = {box}
"""Lower and upper corner of the inputs it was trained for, where they are known."""

X_SHIFT = np.array({x_shift})
X_SCALE = np.array({x_scale})
Y_SHIFT = np.array({y_shift})
Y_SCALE = np.array({y_scale})
WEIGHTS = [
{weights}
]
BIASES = [
{biases}
]
SCALAR_OUTPUT = {scalar}


def value(points):
    """The value at each point, (n,) or (n, k)."""
    return _squeezed(_forward(_checked(points))[0])


def gradient(points):
    """First derivatives at each point, (n, d) or (n, k, d)."""
    _, slopes, bends = _forward(_checked(points))
    return _squeezed(_adjoints(slopes)[0] / X_SCALE + np.zeros((len(points), 1, 1)))


def hessian(points):
    """Second derivatives at each point, (n, d, d) or (n, k, d, d)."""
    _, slopes, bends = _forward(_checked(points))
    adjoints = _adjoints(slopes)
    d = len(X_SCALE)
    total = np.zeros((len(points), len(Y_SCALE), d, d))
    tangents = np.diag(1.0 / X_SCALE)[None]
    for weight, slope, bend, adjoint in zip(WEIGHTS, slopes, bends, adjoints[1:]):
        tangents = weight @ tangents
        curved = (adjoint * bend[:, None, :])[..., None] * tangents[:, None]
        total += np.swapaxes(tangents, 1, 2)[:, None] @ curved
        tangents = slope[:, :, None] * tangents
    return _squeezed(total)


def hvp(points, directions):
    """The Hessian times a direction at each point, (n, d) or (n, k, d)."""
    _, slopes, bends = _forward(_checked(points))
    adjoints = _adjoints(slopes)
    tangent = _checked(directions) / X_SCALE
    bent = []
    for weight, slope, bend in zip(WEIGHTS, slopes, bends):
        tangent = tangent @ weight.T
        bent.append(bend * tangent)
        tangent = slope * tangent
    change = np.zeros((len(points), len(Y_SCALE), WEIGHTS[-1].shape[1]))
    layers = zip(WEIGHTS[-2::-1], slopes[::-1], bent[::-1], adjoints[:0:-1])
    for weight, slope, bend, adjoint in layers:
        change = (change * slope[:, None, :] + adjoint * bend[:, None, :]) @ weight
    return _squeezed(change / X_SCALE)


def in_range(points):
    """Whether each point lies in the box the surrogate was trained for, (n,); None where that is not known."""
    if BOX is None:
        return None
    points = _checked(points)
    return np.all((points >= np.array(BOX[0])) & (points <= np.array(BOX[1])), axis=1)


def _checked(points):
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(X_SCALE):
        raise ValueError(f"The points have shape {{points.shape}}; give (n, {{len(X_SCALE)}}), one row per point.")
    return points


def _squeezed(array):
    return array[:, 0] if SCALAR_OUTPUT else array


def _forward(points):
    nodes = (points - X_SHIFT) / X_SCALE
    slopes, bends = [], []
    for weight, bias in zip(WEIGHTS[:-1], BIASES[:-1]):
        nodes, slope, bend = _activation(nodes @ weight.T + bias)
        slopes.append(slope)
        bends.append(bend)
    return Y_SHIFT + Y_SCALE * (nodes @ WEIGHTS[-1].T + BIASES[-1]), slopes, bends


def _adjoints(slopes):
    """Derivatives of the outputs by the scaled inputs and by every hidden layer, (n, k, width)."""
    adjoints = [(WEIGHTS[-1] * Y_SCALE[:, None])[None]]
    for weight, slope in zip(WEIGHTS[-2::-1], slopes[::-1]):
        adjoints.insert(0, (adjoints[0] * slope[:, None, :]) @ weight)
    return adjoints


def _sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x > 0, 1.0, small) / (1.0 + small)


def _activation(x):
    """{activation} with its first two derivatives."""
{formulas}
    return {results}
'''


def _names(variables: Sequence[Variable]) -> str:
    """A tuple of names, with the unit of each in a comment."""
    lines = [f"    {v.name!r}," + ("" if v.unit is None else f"  # [{v.unit}]") for v in variables]
    return "\n".join(["(", *lines, ")"])


def save_numpy(surrogate: Surrogate, path: str | Path, *, box: Sequence[ArrayOrList] | None = None) -> None:
    """Writes `surrogate` to `path` as a Python module that needs NumPy alone, float64.

    The module offers `value(points)`, `gradient(points)`, `hessian(points)` and `hvp(points, directions)` for points
    `(n, d)`, shaped as `Surrogate.value` and so on, and `in_range(points)`: whether each lies in the training range
    `box`, lower and upper corner, by default the surrogate's own where it is known. `INPUTS` and `OUTPUTS` are their
    names, with the units in comments.

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
    corners = exported_range(surrogate, box)
    lines, results = assignments(formulas(surrogate.activation), "x", _WORDS, repr)
    layers = numpy_layers(surrogate)
    scaling = {name: np.asarray(array).tolist() for name, array in vars(surrogate.scaling).items()}
    text = _TEMPLATE.format(
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
        inputs=_names(surrogate.inputs),
        outputs=_names(surrogate.outputs),
        box=corners,
        weights="\n".join(f"    np.array({weight.tolist()})," for weight, _ in layers),
        biases="\n".join(f"    np.array({bias.tolist()})," for _, bias in layers),
        scalar=surrogate.scalar_output,
        formulas="\n".join(f"    {name} = {formula}" for name, formula in lines),
        results=", ".join(results),
        **scaling,
    )
    write_result(path, text)
