"""Surrogates as an ECMAScript module without dependencies, for browsers and Node."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.files import write_result
from ...surrogate import ErrorBars, Surrogate
from ..box import exported_range
from ..formulas import formulas
from .layers import short_numbers, written_directions, written_layers
from .representable import expect_representable
from .text import assignments

_WORDS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negate": "-{0}",
    "absolute": "Math.abs({0})",
    "exp": "Math.exp({0})",
    "log": "Math.log({0})",
    "sigmoid": "sigmoid({0})",
    "tanh": "Math.tanh({0})",
    "sin": "Math.sin({0})",
    "cos": "Math.cos({0})",
    "maximum": "Math.max({0}, {1})",
    "minimum": "Math.min({0}, {1})",
    "where_positive": "({0} > 0 ? {1} : {2})",
}

_HEAD = """\
// A surrogate with {d} inputs and {k} outputs, written by sobolev-pruning {version}. Needs nothing else.
// Network {widths}, activation {activation}. A point is an array of {d} numbers:
// value(x), gradient(x), hessian(x), hvp(x, direction), inRange(x).
"""

_FUNCTION = """
// {activation} of every entry of z, in place, with its first two derivatives.
function {name}(z, slopes, bends) {{
  for (let i = 0; i < z.length; ++i) {{
    const x = z[i];
{formulas}
    z[i] = {results[0]};
    slopes[i] = {results[1]};
    bends[i] = {results[2]};
  }}
}}
"""

_NAMES = ("INPUTS", "OUTPUTS", "BOX", "value", "gradient", "hessian", "hvp", "inRange")


def save_javascript(
    surrogate: Surrogate | ErrorBars, path: str | Path, *, box: Sequence[ArrayOrList] | None = None
) -> None:
    """Writes `surrogate` to `path` as an ECMAScript module (ES2022) without dependencies, float64.

    For a point `x`, an array of d numbers, the module exports `value(x)`, a number or for several outputs an array
    `[k]`; `gradient(x)`, `[d]` or `[k][d]`; `hessian(x)`, `[d][d]` or `[k][d][d]`; `hvp(x, direction)`, the Hessian
    times a direction, shaped as the gradient; and `inRange(x)`: whether it lies in the training range `box`, lower and
    upper corner, by default the surrogate's own, null where neither is known. `INPUTS` and `OUTPUTS` hold the `name`
    and `unit` of each, `BOX` the range. Of `ErrorBars` there is also `standardErrors(x)`, with those of `value` and
    `gradient`. A point of another length throws a `RangeError`.

    Raises `InputError` for a box of another shape, numbers that overflow, and where `path` cannot be written.

    >>> import jax, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_javascript(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.mjs")
    ...     Path(f"{folder}/price.mjs").read_text().splitlines()[-1]
    'export { INPUTS, OUTPUTS, BOX, value, gradient, hessian, hvp, inRange };'
    """
    text, names = javascript(surrogate, box)
    write_result(path, f"{text}\nexport {{ {', '.join(names)} }};\n")


def javascript(
    surrogate: Surrogate | ErrorBars, box: Sequence[ArrayOrList] | None = None
) -> tuple[str, tuple[str, ...]]:
    """The module's text but for its exports, and the names to export; nothing in it ends a `<script>` that holds it."""
    errors = surrogate if isinstance(surrogate, ErrorBars) else None
    surrogate = surrogate if errors is None else errors.surrogate
    corners = exported_range(surrogate, box)
    layers = written_layers(surrogate)
    activations = {name: f"activation{number}" for number, name in enumerate(dict.fromkeys(layers.activations))}
    constants = {
        "INPUTS": [asdict(variable) for variable in surrogate.inputs],
        "OUTPUTS": [asdict(variable) for variable in surrogate.outputs],
        "BOX": corners,
        "X_SHIFT": np.asarray(surrogate.scaling.x_shift),
        "WEIGHTS": [weight for weight, _ in layers.layers],
        "BIASES": [bias for _, bias in layers.layers],
        "SKIP": layers.skip,
        "SKIP_LAYER": layers.skip_layer - 1,
        "SCALAR_OUTPUT": surrogate.scalar_output,
    }
    head = _HEAD.format(
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
    )
    declared = [f"const {name} = {_literal(name, content)};" for name, content in constants.items()]
    declared.append(f"const ACTIVATIONS = [{', '.join(activations[name] for name in layers.activations)}];")
    functions = [_function(name, activation) for activation, name in activations.items()]
    names, parts = _NAMES, [_beside("javascript.js")]
    if errors is not None:
        declared += [f"const {name} = {_literal(name, content)};" for name, content in _of_errors(errors).items()]
        names, parts = (*names, "standardErrors"), [*parts, _beside("javascript_errors.js")]
    return "\n".join([head, *declared, "", *parts, *functions]), names


def _of_errors(errors: ErrorBars) -> dict[str, list]:
    directions = [
        {
            "weights": [short_numbers(weight) for weight, _ in change.layers],
            "biases": [short_numbers(bias) for _, bias in change.layers],
            "skip": None if change.skip is None else short_numbers(change.skip),
        }
        for change in written_directions(errors)
    ]
    return {"DIRECTIONS": directions, "FACTORS": np.asarray(errors.factors)}


def _beside(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _literal(name: str, content) -> str:
    def listed(part):
        expect_representable(part, f"{name} of the module", np.float64)
        return part.tolist()

    # No text of a name ends a script, or a line: "<" and all that is not ASCII stand as \u....
    return json.dumps(content, default=listed).replace("<", "\\u003c")


def _function(name: str, activation: str) -> str:
    lines, results = assignments(formulas(activation), "x", _WORDS, repr)
    body = "\n".join(f"    const {term} = {formula};" for term, formula in lines)
    return _FUNCTION.format(name=name, activation=activation, formulas=body, results=results)
