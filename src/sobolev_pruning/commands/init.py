"""A script to start from, for a user's own simulator."""

import itertools
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from string import Template

import jax
import jax.numpy as jnp

from .._foundation.errors import InputError
from .._foundation.files import write_atomically
from ..reference import from_function
from ..sampling.user_function import user_function

MOST_INPUTS, MOST_NOISE = 32, 16
"""How far the numbers of inputs and of noise variables are looked for."""


def write_function_script(target: str, path: Path | None = None) -> Path:
    """Writes a commented script that makes a surrogate of the JAX function `target`, `module:function`.

    The module is looked for as Python does, in the current folder first. The script is `path`, by default
    `FUNCTION_surrogate.py`, which must not exist yet; its inputs are as many as the function takes at least, and their
    ranges are for the user to put in. Raises `InputError` for what cannot be found, called or written.
    """
    module, _, name = target.partition(":")
    with user_function(target, "--from-function") as function:
        n_inputs, n_noise = _sizes(function, target)
    path = Path(f"{name}_surrogate.py") if path is None else path
    if path.exists():
        raise InputError(f"{path} exists already; give another name.")
    template = Template(resources.files(__package__).joinpath("function_script.txt").read_text(encoding="utf-8"))
    inputs = "\n".join(f'    "x{number}": (0.5, 1.5),' for number in range(n_inputs))
    write_atomically(path, template.substitute(module=module, function=name, inputs=inputs, noise=n_noise))
    return path


def _sizes(function: Callable, target: str) -> tuple[int, int]:
    """The fewest inputs with the fewest noise variables with which the function can be called."""

    def reference(n_inputs: int, n_noise: int):
        return from_function(function, inputs=([0.5] * n_inputs, [1.5] * n_inputs), noise=n_noise)

    for n_noise, n_inputs in itertools.product(range(1, MOST_NOISE + 1), range(1, MOST_INPUTS + 1)):
        shapes = (jax.ShapeDtypeStruct((size,), jnp.float64) for size in (n_inputs, n_noise))
        try:
            jax.eval_shape(function, *shapes)
        except Exception:  # whatever the user's function raises
            continue
        reference(n_inputs, n_noise)
        return n_inputs, n_noise
    try:
        reference(1, 1)
    except InputError as fault:
        raise InputError(
            f"{target} cannot be called as simulate(x, z) with up to {MOST_INPUTS} numbers x and {MOST_NOISE} z: "
            f"{fault}"
        ) from None
    raise AssertionError("what could not be traced cannot be a reference")
