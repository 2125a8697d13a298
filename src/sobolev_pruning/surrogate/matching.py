"""One rule for a single output: its axis may be there or not, and the network's own form decides."""

from dataclasses import replace

import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from .._foundation.variables import expect_same
from .network import Surrogate


def matching_samples(surrogate: Surrogate, samples: Samples, name: str = "samples") -> Samples:
    """`samples` in the form of `surrogate`: for one output `(n,)` where it is scalar, else `(n, 1)`.

    Raises `InputError` where they have other inputs or outputs, by number, or by name or unit where both are named.

    >>> import jax
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[[0.0], [1.0], [4.0]])
    >>> scalar = Surrogate.create([1, 2, 1], Samples(samples.x, samples.y[:, 0]), key=jax.random.key(0))
    >>> matching_samples(scalar, samples).y.shape
    (3,)
    """
    expected, given = (surrogate.widths[0], surrogate.widths[-1]), (samples.n_inputs, samples.n_outputs)
    if expected != given:
        raise InputError(
            f"The surrogate has {expected[0]} inputs and {expected[1]} outputs, {name} has {given[0]} and {given[1]}; "
            "give samples of its own model."
        )
    expect_same(surrogate.inputs, samples.inputs, name, "inputs")
    expect_same(surrogate.outputs, samples.outputs, name, "outputs")
    if samples.is_scalar == surrogate.scalar_output:
        return samples
    axes = {"y": 1, "dydx": 1, "hvp": 2, "y_stderr": 1, "dydx_stderr": 1}

    def reshaped(array: str, axis: int):
        given = getattr(samples, array)
        if given is None:
            return None
        return np.squeeze(given, axis) if surrogate.scalar_output else np.expand_dims(given, axis)

    arrays = {array: reshaped(array, axis) for array, axis in axes.items()}
    return replace(samples, **arrays)
