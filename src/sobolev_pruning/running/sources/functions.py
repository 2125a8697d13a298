"""What a function of the user's own is: a reference, a simulator in JAX with its noise apart, or any Python."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..._foundation.errors import InputError
from ...reference import AbstractReference, Box, Uniform, from_function
from ...reference.noise import AbstractNoise, NoiseSampler, Normal

MOST_NOISE = 64
"""So many noise variables of a simulator are found by trying; more have to be told."""


@dataclass(frozen=True)
class Kind:
    """What was found: `reference` where the function is one, or returns one, or could be made one; else None and
    `takes_seed`, for any Python. `told` says in a sentence why.
    """

    reference: AbstractReference | None
    takes_seed: bool
    told: str


def kind_of(
    function: Callable | AbstractReference,
    target: str,
    box: Box | None,
    noise: int | tuple[int, ...] | None,
    law: Literal["normal", "uniform"],
    outputs: tuple[str, ...] | None = None,
) -> Kind:
    """Decides by the name of the second argument, `z`, `key` or `seed`; else by trying whether JAX can follow it.

    Raises `InputError` where nothing fits, or a box is missing or given in vain.
    """
    if isinstance(function, AbstractReference):
        return Kind(_without_box(function, target, box), False, "It is a reference.")
    names = _arguments_of(function)
    if names == []:
        return Kind(_without_box(_made(function, target), target, box), False, "It returns a reference.")
    if box is None:
        raise InputError(
            f"{target} is a simulator and needs a range for each input; give them by --box, as in "
            "--box spot=60:140,volatility=0.1:0.4."
        )
    second = names[1] if names is not None and len(names) > 1 else None
    if second == "z":
        found = _law(noise, law) or _noise_found(function, target, len(box.variables), law)
        return _in_jax(function, target, box, found, outputs)
    if second == "key":
        reference = from_function(function, inputs=box, noise=NoiseSampler(lambda key: key), outputs=outputs)
        return Kind(reference, False, "Its second argument is called key: it is a simulator in JAX.")
    if second == "seed":
        return Kind(None, True, "Its second argument is called seed: it is called in other processes.")
    if names is not None and len(names) == 1:
        if _output(function, len(box.variables)) is not None:
            reference = from_function(lambda x, z: function(x), inputs=box, noise=0, exact=function, outputs=outputs)
            return Kind(reference, False, "It has one argument and JAX can follow it: a function without noise.")
        return Kind(None, False, "It has one argument and is no JAX: it is called in other processes.")
    try:
        found = _law(noise, law) or _noise_found(function, target, len(box.variables), law)
        return _in_jax(function, target, box, found, outputs)
    except InputError:
        return Kind(None, True, "JAX cannot follow it as simulate(x, z): it is called as simulate(x, seed).")


def _in_jax(function: Callable, target: str, box: Box, law: AbstractNoise, outputs: tuple[str, ...] | None) -> Kind:
    reference = from_function(function, inputs=box, noise=law, outputs=outputs)
    what = "uniform" if isinstance(law, Uniform) else "standard normal"
    return Kind(reference, False, f"It is a simulator in JAX; its noise are {law.size} {what} variables.")


def _arguments_of(function: Callable) -> list[str] | None:
    """Names of the arguments that a call must give; None where nobody knows."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in positional and each.default is inspect.Parameter.empty]


def _without_box(reference: AbstractReference, target: str, box: Box | None) -> AbstractReference:
    if box is not None:
        raise InputError(f"{target} is a reference, which has a box of its own; leave the box out.")
    return reference


def _made(function: Callable, target: str) -> AbstractReference:
    try:
        reference = function()
    except InputError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise InputError(
            f"{target} raised {type(error).__name__} when called without arguments ({error}); let it return a "
            "reference, such as sp.reference.from_function(...)."
        ) from None
    if not isinstance(reference, AbstractReference):
        raise InputError(
            f"{target} gives a {type(reference).__name__}; let it return a reference, such as "
            "sp.reference.from_function(...), or take the inputs as its first argument."
        )
    return reference


def _law(noise: int | tuple[int, ...] | None, law: str) -> AbstractNoise | None:
    return None if noise is None else (Uniform if law == "uniform" else Normal)(noise)


def _output(function: Callable, d: int, *noise: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of what it gives for `d` inputs, with noise of a shape where one is given; None where it cannot."""
    try:
        arguments = (jax.ShapeDtypeStruct(shape, jnp.float64) for shape in ((d,), *noise))
        return jax.eval_shape(function, *arguments).shape
    except Exception:  # whatever the user's function raises
        return None


def _noise_found(function: Callable, target: str, d: int, law: str) -> AbstractNoise:
    """The one number of noise variables that the function can be called with, or the number of those that it uses.

    JAX reads beyond the end of an array without a word, so the fewest that a call accepts may be too few. Raises
    `InputError` where it takes any number and uses them all.
    """
    made = Uniform if law == "uniform" else Normal
    outputs = {n: _output(function, d, (n,)) for n in range(1, MOST_NOISE + 1)}
    fitting = [n for n, output in outputs.items() if output is not None]
    if len(fitting) == 1:
        return made(fitting[0])
    # One number, of which a vector makes a vector of results.
    if _output(function, d, ()) is not None and len({outputs[n] for n in fitting}) != 1:
        return made(())
    if not fitting:
        from_function(function, inputs=([0.0] * d, [1.0] * d), noise=made(1))  # says what is wrong
        raise InputError(f"{target} takes no vector of up to {MOST_NOISE} noise variables; say their shape as noise.")
    used = _last_used(function, d) if fitting[-1] == MOST_NOISE else None
    if used is None:
        raise InputError(
            f"{target} takes any number of noise variables; say how many it needs: --noise 12, or noise = 12 in the "
            "table [source]."
        )
    return made(used)


def _last_used(function: Callable, d: int) -> int | None:
    """How many of `MOST_NOISE` variables matter, the last one that does counted; None where all do."""
    generator = np.random.default_rng(0)
    x, z = generator.uniform(0.5, 1.5, (8, d)), generator.uniform(0.05, 0.95, (8, MOST_NOISE))
    other = generator.uniform(0.05, 0.95, (8, MOST_NOISE))
    call = jax.jit(jax.vmap(function))
    before = np.asarray(call(x, z)).reshape(8, -1)
    matters = [
        bool((np.asarray(call(x, np.where(np.arange(MOST_NOISE) == j, other, z))).reshape(8, -1) != before).any())
        for j in range(MOST_NOISE)
    ]
    last = max((j for j in range(MOST_NOISE) if matters[j]), default=0) + 1
    return None if last == MOST_NOISE else last
