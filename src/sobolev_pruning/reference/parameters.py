"""Which of a model's parameters are inputs of the surrogate; the others are fixed, and recorded."""

from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import float64_array
from .._foundation.errors import InputError
from .._foundation.variables import Variable
from .inputs import Box

Parameters = dict[str, Float[Array, "..."]]
"""Every parameter of a model by name, inputs and fixed ones alike."""


def choose_inputs(
    model: str,
    values: Mapping[str, object],
    inputs: Mapping[str, Sequence],
    positive: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
) -> tuple[Box, Callable[[Float[Array, "d"]], Parameters], dict[str, object]]:
    """The box of the inputs, the function from an input vector to all parameters, and the fixed parameters.

    `values` has every parameter, `inputs` the range `(lower, upper)` of those that vary, numbers or arrays of the
    parameter's shape; a parameter that is an array gives one input per entry, `spot[0]`, `spot[1]`, ... Parameters
    named in `positive` must be above 0 wherever they may be; `units` has the units that are known. Raises `InputError`
    naming the parameter.
    """
    defaults = {name: float64_array(value, name) for name, value in values.items()}
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputError(f"inputs of {model} is {inputs!r}; give ranges by name, as in {{'spot': (80, 120)}}.")
    lower, upper, variables, slices = [], [], [], {}
    for name, ends in inputs.items():
        if name not in defaults:
            raise InputError(f"{model} has no parameter {name!r} to be an input; it has {', '.join(defaults)}.")
        if not isinstance(ends, Sequence | np.ndarray) or len(ends) != 2:
            raise InputError(f"inputs[{name!r}] is {ends!r}; give its range as (lower, upper).")
        shape = defaults[name].shape
        corners = []
        for end in ends:
            corner = float64_array(end, f"inputs[{name!r}]")
            if corner.shape not in ((), shape):
                raise InputError(f"inputs[{name!r}] has shape {corner.shape}; give numbers or arrays of shape {shape}.")
            corners.append(np.broadcast_to(corner, shape).ravel())
        if not (corners[0] < corners[1]).all():
            raise InputError(f"inputs[{name!r}] is an empty range, {ends}; give lower below upper.")
        slices[name] = slice(len(variables), len(variables) + corners[0].size)
        names = [name] if shape == () else [f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(shape)]
        variables += [Variable(entry, (units or {}).get(name)) for entry in names]
        lower.append(corners[0])
        upper.append(corners[1])
    fixed = {name: value for name, value in defaults.items() if name not in inputs}
    for name in positive:
        smallest = fixed[name] if name in fixed else lower[list(inputs).index(name)]
        if not (np.min(smallest) > 0):
            raise InputError(f"{name} of {model} goes down to {np.min(smallest):g}; it must be above 0.")
    for name, value in fixed.items():
        if not np.isfinite(value).all():
            raise InputError(f"{name} of {model} is not finite; correct it.")
    shapes = {name: defaults[name].shape for name in inputs}

    def parameters(x: Float[Array, "d"]) -> Parameters:
        varying = {name: x[slices[name]].reshape(shapes[name]) for name in inputs}
        return {**{name: jnp.asarray(value) for name, value in fixed.items()}, **varying}

    box = Box(np.concatenate(lower), np.concatenate(upper), variables)
    return box, parameters, {name: value.tolist() for name, value in fixed.items()}


def spot_direction(inputs: Sequence[Variable]) -> Float[np.ndarray, "d"] | None:
    """1 for every spot and 0 elsewhere, so that gamma is what a shift of all spots sees; None without a spot."""
    spots = np.array([variable.name.split("[")[0] == "spot" for variable in inputs], np.float64)
    return spots if spots.any() else None
