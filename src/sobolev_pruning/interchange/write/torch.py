"""Surrogates as one Python file that needs PyTorch alone: a module to call, to differentiate and to train on."""

import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.files import write_result
from ...activations import activation
from ...surrogate import Surrogate, numpy_layers, numpy_skip
from ..box import exported_range
from ..expression import Term, exp, shared
from ..formulas import AbstractTermFunctions
from .numpy import names_with_units
from .representable import expect_representable
from .text import assignments

_WORDS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negate": "-{0}",
    "absolute": "torch.where({0} > 0, {0}, -{0})",
    "exp": "torch.exp({0})",
    "expm1": "torch.expm1({0})",
    "sigmoid": "torch.sigmoid({0})",
    "softplus": "torch.nn.functional.softplus({0}, threshold=40.0)",
    "normal": "0.5 * torch.erfc(-0.7071067811865476 * {0})",
    "tanh": "torch.tanh({0})",
    "sin": "torch.sin({0})",
    "cos": "torch.cos({0})",
    "maximum": "torch.where({0} > {1}, {0}, {1})",
    "minimum": "torch.where({0} > {1}, {1}, {0})",
    "where_positive": "torch.where({0} > 0, {1}, {2})",
}
"""What PyTorch differentiates to the limit from the left at breakpoints, as JAX does here: its own maximum, minimum and
abs take the middle of both. Beyond 40 softplus is x to the last digit; by default it is so beyond 20, 2e-9 beside."""

_TEMPLATE = '''\
"""A surrogate with {d} inputs and {k} outputs, written by sobolev-pruning {version}. Needs PyTorch alone.

Network {widths}, activation {activation}.
`Surrogate()` is a `torch.nn.Module` in float64 for a point ({d},) or points (n, {d}); PyTorch differentiates it, as
often as one likes, and trains it on.
"""

import torch

INPUTS = {inputs}
OUTPUTS = {outputs}

BOX = {box}
"""Lower and upper corner of the inputs it was trained for, where they are known."""

X_SHIFT, X_SCALE = {x_shift}, {x_scale}
Y_SHIFT, Y_SCALE = {y_shift}, {y_scale}
WEIGHTS = [
{weights}
]
BIASES = [
{biases}
]
SKIP = {skip}
"""What goes from the scaled inputs past the hidden layers to the outputs, before their activation."""
SCALAR_OUTPUT = {scalar}


class Surrogate(torch.nn.Module):
    """Weights and biases are parameters; the shifts and scales of inputs and outputs are buffers, which stay."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(_linear(weight, bias) for weight, bias in zip(WEIGHTS, BIASES))
        self.skip = None if SKIP is None else _linear(SKIP, None)
        for name, numbers in (("x_shift", X_SHIFT), ("x_scale", X_SCALE), ("y_shift", Y_SHIFT), ("y_scale", Y_SCALE)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float64))

    def forward(self, x):
        """The value at a point or at points, () or (n,){several}."""
        nodes = inputs = (self._checked(x) - self.x_shift) / self.x_scale
        for number, (layer, activation) in enumerate(zip(self.layers, ACTIVATIONS)):
            nodes = layer(nodes)
            if self.skip is not None and number == len(self.layers) - 1:
                nodes = nodes + self.skip(inputs)
            nodes = activation(nodes)
        y = self.y_shift + self.y_scale * nodes
        return y[..., 0] if SCALAR_OUTPUT else y

    def in_range(self, x):
        """Whether each point lies in the box it was trained for, () or (n,); None where that is not known."""
        if BOX is None:
            return None
        x = self._checked(x)
        lower, upper = (torch.tensor(corner, dtype=x.dtype, device=x.device) for corner in BOX)
        return ((x >= lower) & (x <= upper)).all(dim=-1)

    def _checked(self, x):
        x = torch.as_tensor(x, dtype=self.x_shift.dtype, device=self.x_shift.device)
        if x.ndim == 0 or x.shape[-1] != len(X_SHIFT):
            raise ValueError(f"x has the shape {{tuple(x.shape)}}; give ({{len(X_SHIFT)}},) or (n, {{len(X_SHIFT)}}).")
        return x


def _linear(weight, bias):
    # Made without numbers of its own, so that no generator moves.
    layer = torch.nn.Linear(len(weight[0]), len(weight), bias=bias is not None, device="meta")
    layer.weight = torch.nn.Parameter(torch.tensor(weight, dtype=torch.float64))
    if bias is not None:
        layer.bias = torch.nn.Parameter(torch.tensor(bias, dtype=torch.float64))
    return layer

{functions}

ACTIVATIONS = [{names}]
"""Of every layer."""
'''

_FUNCTION = '''
def {name}(x):
    """{activation}."""
{body}
'''


class _TorchFunctions(AbstractTermFunctions):
    """Of terms, with PyTorch's own functions where it has them: it differentiates these without loss."""

    def softplus(self, x):
        return Term("softplus", (x,))

    def expm1(self, x):
        return Term("expm1", (x,))

    def normal(self, x):
        return Term("normal", (x,)), (1.0 / math.sqrt(2.0 * math.pi)) * exp(-0.5 * x * x)


def save_torch(surrogate: Surrogate, path: str | Path, *, box: Sequence[ArrayOrList] | None = None) -> None:
    """Writes `surrogate` to `path` as a Python module that needs PyTorch alone, 1.13 or newer, float64.

    The module offers `Surrogate()`, a `torch.nn.Module`: called with a point `(d,)` or points `(n, d)` it gives the
    value, `()` or `(n,)`, with several outputs `(k,)` or `(n, k)`. Weights and biases are its parameters, shifts and
    scales of inputs and outputs its buffers. Derivatives are PyTorch's own, by `torch.autograd` or `torch.func`; at the
    breakpoint of an activation they are limits from the left, as in JAX. `in_range(x)` is whether each point lies in
    the training range `box`, lower and upper corner, by default the surrogate's own where it is known. `INPUTS` and
    `OUTPUTS` are the names, with the units in comments.

    Raises `InputError` for a box of another shape, numbers that are not finite, and where `path` cannot be written.

    >>> import jax, tempfile
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_torch(Surrogate.create([1, 4, 1], samples, key=jax.random.key(0)), f"{folder}/price.py")
    ...     print("class Surrogate(torch.nn.Module):" in Path(f"{folder}/price.py").read_text())
    True
    """
    corners = exported_range(surrogate, box)
    layers, skip, scaling = numpy_layers(surrogate), numpy_skip(surrogate), surrogate.scaling
    names = {name: f"_activation_{number}" for number, name in enumerate(dict.fromkeys(surrogate.activations))}
    text = _TEMPLATE.format(
        d=surrogate.widths[0],
        k=surrogate.widths[-1],
        version=version("sobolev-pruning"),
        widths="-".join(map(str, surrogate.widths)),
        activation=surrogate.activation,
        several="" if surrogate.scalar_output else "; here (k,) or (n, k), one for each of the OUTPUTS",
        inputs=names_with_units(surrogate.inputs),
        outputs=names_with_units(surrogate.outputs),
        box=corners,
        **{part: _literal(getattr(scaling, part)) for part in ("x_shift", "x_scale", "y_shift", "y_scale")},
        weights="\n".join(f"    {_literal(weight)}," for weight, _ in layers),
        biases="\n".join(f"    {_literal(bias)}," for _, bias in layers),
        skip=None if skip is None else _literal(skip),
        scalar=surrogate.scalar_output,
        functions="\n".join(_function(name, activation) for activation, name in names.items()),
        names=", ".join(names[name] for name in surrogate.activations),
    )
    write_result(path, text)


def _literal(numbers: ArrayOrList) -> str:
    expect_representable(np.asarray(numbers), "of the network", np.float64)
    return str(np.asarray(numbers).tolist())


def _function(name: str, of: str) -> str:
    (formula,) = shared([activation(of).derivative(Term("variable"), 0, _TorchFunctions())])
    lines, (result,) = assignments([formula], "x", _WORDS, repr)
    # The last line is what the function gives.
    lines = [f"{term} = {text}" for term, text in lines[:-1]] + [f"return {lines[-1][1] if lines else result}"]
    return _FUNCTION.format(name=name, activation=of, body="\n".join(f"    {line}" for line in lines))
