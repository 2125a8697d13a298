"""The opposite of pruning: more nodes in a layer, and the same function."""

from collections.abc import Sequence

import numpy as np

from .._foundation.arrays import PRNGKey, generator_of
from .._foundation.errors import InputError
from ..surrogate import Surrogate, initial_spread, numpy_layers
from .surgery import rebuilt


def widen(surrogate: Surrogate, hidden: Sequence[int], key: PRNGKey) -> Surrogate:
    """`surrogate` with hidden layers widened to `hidden`: the same function, with new nodes ready to learn.

    A new node gets random weights into it, of the normal law that networks start from, and weights 0 towards all nodes
    that were there: it changes nothing, yet the loss has a slope in those weights. (Net2Net of Chen, Goodfellow and
    Shlens 2016 copies nodes instead, and has to add noise to tell the copies apart, after which the function is not the
    same any more.)

    Raises `InputError` where `hidden` is narrower than the network, or of another depth.

    >>> import jax
    >>> from sobolev_pruning._foundation.samples import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> net = Surrogate.create([1, 3, 1], samples, key=jax.random.key(0))
    >>> wider = widen(net, [5], jax.random.key(1))
    >>> wider.widths, bool((wider.value([[0.5]]) == net.value([[0.5]])).all())
    ((1, 5, 1), True)
    """
    widths = (surrogate.widths[0], *hidden, surrogate.widths[-1])
    if len(widths) != len(surrogate.widths) or any(new < old for new, old in zip(widths, surrogate.widths)):
        raise InputError(f"hidden is {tuple(hidden)}; it must be as wide as {surrogate.widths[1:-1]} in every layer.")
    generator = generator_of(key)
    layers = []
    for (weight, bias), n_in, n_out in zip(numpy_layers(surrogate), widths, widths[1:]):
        n_old, old_in = weight.shape
        rows = initial_spread(n_in, n_out) * generator.standard_normal((n_out - n_old, n_in))
        old_rows = np.pad(weight, ((0, 0), (0, n_in - old_in)))
        layers.append((np.concatenate([old_rows, rows]), np.pad(bias, (0, n_out - n_old))))
    return rebuilt(surrogate, layers)
