"""The inverse of making a network small: shapes that several networks share, so that one program trains them all."""

from collections.abc import Sequence

import numpy as np

from .._foundation.errors import InputError
from ..surrogate import Surrogate, numpy_layers
from .plan import Plan
from .prune import Masked
from .surgery import parameter_mask, rebuilt


def pad(surrogate: Surrogate, hidden: Sequence[int]) -> tuple[Masked, Plan]:
    """`surrogate` with hidden layers widened to `hidden` by nodes that are zero and stay so, and the plan that
    `compact` takes them out again by.

    The padded network is the same function, also after training with its mask. Raises `InputError` where `hidden` is
    narrower than the network, or of another depth.

    >>> import jax
    >>> from sobolev_pruning._foundation.samples import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> net = Surrogate.create([1, 3, 1], samples, key=jax.random.key(0))
    >>> pad(net, [8])[0].surrogate.widths
    (1, 8, 1)
    """
    widths = (surrogate.widths[0], *hidden, surrogate.widths[-1])
    if len(widths) != len(surrogate.widths) or any(new < old for new, old in zip(widths, surrogate.widths)):
        raise InputError(f"hidden is {tuple(hidden)}; it must be as wide as {surrogate.widths[1:-1]} in every layer.")
    kept = tuple(tuple(range(width)) for width in surrogate.widths[1:-1])
    plan = Plan(widths, kept, "none", 0, None, tuple(np.zeros(width) for width in hidden), "padding")
    layers = [
        (
            np.pad(weight, ((0, n_out - weight.shape[0]), (0, n_in - weight.shape[1]))),
            np.pad(bias, (0, n_out - len(bias))),
        )
        for (weight, bias), n_in, n_out in zip(numpy_layers(surrogate), widths, widths[1:])
    ]
    return Masked(rebuilt(surrogate, layers), parameter_mask(plan, surrogate)), plan
