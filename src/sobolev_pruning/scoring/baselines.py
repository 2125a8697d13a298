"""Criteria of the pruning literature, on the interface of significance: what they see are samples, not a box.

`n` is a hidden node after activation, `L` the mean over samples of the squared error of the outputs over their variance
(order 1 adds the same for the first derivatives), and a node's own weights are those of its incoming row and its bias.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..activations import activate
from ..surrogate import Dense, Surrogate, zero_offsets
from .program import nodes_and_adjoints

LayerScores = list

_BATCH = 256
_DAMPING = 1e-6


def node_magnitude(surrogate: Surrogate, samples: Samples, order: int) -> LayerScores:
    """`mean |n|`."""
    return [jnp.abs(nodes).mean(axis=0) for nodes in surrogate.nodes(samples.x)]


def weight_magnitude(surrogate: Surrogate, samples: Samples | None, order: int) -> LayerScores:
    """`sum |w|` over the node's own weights."""
    return [_over_rows(layer, jnp.abs) for layer in surrogate.layers[:-1]]


def weight_saliency(surrogate: Surrogate, samples: Samples, order: int) -> LayerScores:
    """`sum |dL/dw w|` over the node's own weights (Mozer and Smolensky 1989 for single weights)."""
    gradients = _loss_gradient(surrogate, _labels(samples, order))
    products = jax.tree.map(lambda g, w: jnp.abs(g * w), gradients, surrogate.layers)
    return [_over_rows(layer, lambda w: w) for layer in products[:-1]]


def taylor(surrogate: Surrogate, samples: Samples, order: int) -> LayerScores:
    """`mean |dL_i/dn n|`, `L_i` the loss of sample i: the first-order change of the loss when the node becomes 0.

    Molchanov, Tyree, Karras, Aila and Kautz 2017, there averaged over the positions of a feature map.
    """
    return _taylor(surrogate, _labels(samples, order))


def optimal_brain_damage(surrogate: Surrogate, samples: Samples, order: int) -> LayerScores:
    """`1/2 sum h w^2` over the node's own weights, `h = 2 mean |df/dw|^2 / var(y)` the Gauss-Newton diagonal of the
    Hessian of L.

    LeCun, Denker and Solla 1990. Only the values enter: the derivative terms of the loss are not part of the criterion.
    """
    curvatures = _gauss_newton_diagonal(surrogate, _labels(samples, 0))
    products = jax.tree.map(lambda h, w: 0.5 * h * w**2, curvatures, list(surrogate.layers[:-1]))
    return [_over_rows(layer, lambda w: w) for layer in products]


def optimal_brain_surgeon(surrogate: Surrogate, samples: Samples, order: int) -> LayerScores:
    """`1/2 |w_out|^2 / (H^-1)_ii`: the rise of the next layer's squared error when the node goes and the others make up
    for it.

    `H = mean n n'` (nodes about their means, since the bias takes the constant) is the exact Hessian of that layer-wise
    error with respect to the outgoing weights `w_out`. Hassibi and Stork 1993, in the layer-wise form of Dong, Chen and
    Pan 2017.
    """
    found = []
    for nodes, following in zip(surrogate.nodes(samples.x), surrogate.layers[1:]):
        centred = nodes - nodes.mean(axis=0, keepdims=True)
        hessian = centred.T @ centred / len(samples)
        damping = _DAMPING * jnp.trace(hessian) / hessian.shape[0] + jnp.finfo(hessian.dtype).tiny
        inverse = jnp.linalg.inv(hessian + damping * jnp.eye(hessian.shape[0]))
        found.append(0.5 * (following.weight**2).sum(axis=0) / jnp.diagonal(inverse))
    return found


def random_scores(surrogate: Surrogate, samples: Samples | None, order: int, seed: int) -> LayerScores:
    """Uniform in [0, 1): the control that every criterion has to beat."""
    keys = jax.random.split(jax.random.key(seed), len(surrogate.layers))
    return [jax.random.uniform(key, (width,), jnp.float64) for key, width in zip(keys, surrogate.widths[1:-1])]


BASELINES: dict[str, Callable] = {
    "node-magnitude": node_magnitude,
    "weight-magnitude": weight_magnitude,
    "weight-saliency": weight_saliency,
    "taylor": taylor,
    "optimal-brain-damage": optimal_brain_damage,
    "optimal-brain-surgeon": optimal_brain_surgeon,
}

WITHOUT_SAMPLES = ("weight-magnitude", "random")


def expect_labels(samples: Samples, order: int) -> None:
    """Raises `InputError` where a loss of this order needs derivatives that the samples lack."""
    if order == 1 and samples.dydx is None:
        raise InputError("order is 1, but samples has no dydx; give derivatives with the samples, or take order=0.")
    if order == 1 and samples.n_unknown:
        raise InputError("order is 1, but samples has derivatives that are not known; leave them out, or take order=0.")


def _over_rows(layer: Dense, entry: Callable) -> Float[Array, "width"]:
    return entry(layer.weight).sum(axis=1) + entry(layer.bias)


def _labels(samples: Samples, order: int) -> tuple[Array, ...]:
    n = len(samples)
    y = samples.y.reshape(n, -1)
    labels = (samples.x, y, _spread(y))
    if order == 0:
        return labels
    dydx = samples.dydx.reshape(n, y.shape[1], -1)
    return *labels, dydx, _spread(dydx)


def _spread(labels: Array) -> Float[Array, "k"]:
    """Variance of each output's labels; 1 where they never change."""
    variance = jnp.var(labels, axis=(0, *range(2, labels.ndim)))
    return jnp.where(variance > 0, variance, 1.0)


def _sample_loss(surrogate, offsets, x, y, y_spread, dydx=None, dydx_spread=None):
    """The loss of one sample, with `offsets` added to the hidden nodes."""

    def outputs(x):
        return surrogate.with_node_offsets(x, offsets)[0].reshape(-1)

    loss = jnp.mean((outputs(x) - y) ** 2 / y_spread)
    if dydx is None:
        return loss
    return loss + jnp.mean(jnp.mean((jax.jacrev(outputs)(x) - dydx) ** 2, axis=1) / dydx_spread)


def _mapped(function: Callable, labels: tuple[Array, ...]):
    """`function` of each sample, a batch at a time, summed."""
    x, y, y_spread, *rest = labels
    per_sample = (x, y, *rest[:1])

    def one(sample):
        x, y, *dydx = sample
        return function(x, y, y_spread, *dydx, *rest[1:])

    n = x.shape[0]
    whole = n - n % _BATCH
    batches = jax.tree.map(lambda a: a[:whole].reshape(-1, _BATCH, *a.shape[1:]), per_sample)
    total = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, jax.tree.map(lambda a: a[0], per_sample)))

    def add(total, batch):
        return jax.tree.map(lambda t, v: t + v.sum(axis=0), total, jax.vmap(one)(batch)), None

    total, _ = jax.lax.scan(add, total, batches)
    if n == whole:
        return total
    return add(total, jax.tree.map(lambda a: a[whole:], per_sample))[0]


@eqx.filter_jit
def _loss_gradient(surrogate, labels):
    x, y, y_spread, *rest = labels
    per_sample = (x, y, *rest[:1])

    def loss(layers, batch):
        changed = eqx.tree_at(lambda s: s.layers, surrogate, layers)

        def one(x, y, *dydx):
            return _sample_loss(changed, None, x, y, y_spread, *dydx, *rest[1:])

        return jax.vmap(one)(*batch).sum()

    total = _summed(lambda batch: jax.grad(loss)(surrogate.layers, batch), per_sample)
    return jax.tree.map(lambda g: g / x.shape[0], total)


@eqx.filter_jit
def _taylor(surrogate, labels):
    x, y, y_spread, *rest = labels

    def one(x, y, *dydx):
        zeros = zero_offsets(surrogate)
        slopes = jax.grad(lambda o: _sample_loss(surrogate, o, x, y, y_spread, *dydx, *rest[1:]))(zeros)
        nodes = surrogate.with_node_offsets(x, None)[1]
        return [jnp.abs(slope * node) for slope, node in zip(slopes, nodes)]

    def batch_sum(batch):
        return [found.sum(axis=0) for found in jax.vmap(one)(*batch)]

    return [total / x.shape[0] for total in _summed(batch_sum, (x, y, *rest[:1]))]


@eqx.filter_jit
def _gauss_newton_diagonal(surrogate, labels):
    """`2 mean (df/dw)^2 / var(y)` of every hidden layer's weights, since `df/dW_ij = delta_i h_j` for one sample."""
    x, _, spread = labels

    def squares(x):
        nodes, adjoints = nodes_and_adjoints(surrogate, x)
        inputs = [(x - surrogate.scaling.x_shift) / surrogate.scaling.x_scale, *nodes]
        found = []
        for layer, name, h, adjoint in zip(surrogate.layers[:-1], surrogate.activations, inputs, adjoints):
            slope = activate(layer.weight @ h + layer.bias, name, order=1)
            delta = jnp.mean((adjoint * slope[None]) ** 2 / spread[:, None], axis=0)
            found.append((delta, h**2))
        return found

    def batch_sum(batch):
        return [Dense(deltas.T @ inputs, deltas.sum(axis=0)) for deltas, inputs in jax.vmap(squares)(*batch)]

    return jax.tree.map(lambda total: 2.0 * total / x.shape[0], _summed(batch_sum, (x,)))


def _summed(batch_sum: Callable, per_sample: tuple[Array, ...]):
    """`batch_sum(batch)` over all samples, a batch at a time, so that memory stays bounded."""
    n = per_sample[0].shape[0]
    whole = n - n % _BATCH
    rest = batch_sum(tuple(a[whole:] for a in per_sample)) if n > whole else None
    if whole == 0:
        return rest
    batches = tuple(a[:whole].reshape(-1, _BATCH, *a.shape[1:]) for a in per_sample)
    total = jax.tree.map(lambda sums: sums.sum(axis=0), jax.lax.map(batch_sum, batches))
    return total if rest is None else jax.tree.map(jnp.add, total, rest)
