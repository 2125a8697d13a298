"""The normal equations of the stacked Sobolev residuals, from one pass over a batch.

Needed for every sample are the derivatives, in all parameters, of the value `f` and of the first derivatives
`df/dx_c`. For the weight from node j to node i of the next layer these are, with the node's value `h_j`, the adjoint
`a_i = df/dz_i` of the sum `z_i` that enters node i, and a dot for the derivative along input c,

    df/dW_ij = a_i h_j,        d(df/dx_c)/dW_ij = a_i' h_j + a_i h_j'      (' = d/dx_c),

so a forward and a backward pass, both with their d tangents, give them all: reverse mode through the gradient, sample
by sample, is two to three times slower. Node, direction and output run down the leading axes and samples along the
last, for fast products.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.activations import activate
from ..surrogate import Surrogate
from .batches import Batch
from .full_batch import mean_over_chunks
from .losses import LossTerms, SobolevLoss


def normal_equations(
    loss: SobolevLoss, surrogate: Surrogate, data: Batch
) -> tuple[Float[Array, "p p"], Float[Array, "p"], LossTerms]:
    """Means over the samples of `J'J` and `J'r`, and the loss terms.

    `r` are the weighted residuals of one sample, whose squares sum to its share of the loss, and `J` their
    derivatives in the parameters, in the order of `jax.flatten_util.ravel_pytree(surrogate.layers)`.
    """
    residuals = data.y.shape[1] * (1 + data.x.shape[1])
    # A megabyte of derivatives at a time, so that they stay in the cache until they are multiplied.
    chunk = min(4096, max(128, 2**17 // (surrogate.n_parameters * residuals)))

    def products(batch: Batch):
        f, gradient, value_rows, gradient_rows = _predictions_and_jacobian(surrogate, batch.x, loss.order > 0)
        value_scale, gradient_scale = loss.residual_scales(batch.x.shape[1])
        value_rows = value_scale[None, :, None] * value_rows
        r = value_scale[:, None] * (f - batch.y).T
        matrix, vector = _products(value_rows, r)
        if loss.order > 0:
            gradient_rows = gradient_scale[None, None, :, None] * gradient_rows
            r = gradient_scale[None, :, None] * (gradient - batch.dydx).transpose(2, 1, 0)
            more = _products(gradient_rows, r)
            matrix, vector = matrix + more[0], vector + more[1]
        return matrix / len(batch), vector / len(batch), loss.terms(f, gradient, batch)

    return mean_over_chunks(products, data, chunk)


def _products(jacobian: Float[Array, "p ..."], r: Float[Array, "..."]):
    jacobian = jacobian.reshape(jacobian.shape[0], r.size)
    return jacobian @ jacobian.T, jacobian @ r.ravel()


def _predictions_and_jacobian(surrogate: Surrogate, x: Float[Array, "n d"], with_gradient: bool):
    """`f` `(n, k)` and `df/dx` `(n, k, d)`, and their derivatives in the parameters, `(p, k, n)` and `(p, d, k, n)`.

    Without gradient those of `df/dx` are empty, as if there were no input to derive along.
    """
    layers, scaling, activation = surrogate.layers, surrogate.scaling, surrogate.activation
    n, d = x.shape
    k = scaling.y_scale.shape[0]
    directions = jnp.diag(1.0 / scaling.x_scale) if with_gradient else jnp.zeros((d, 0))
    h = ((x - scaling.x_shift[None, :]) / scaling.x_scale[None, :]).T
    h_tangent = jnp.broadcast_to(directions[:, :, None], (*directions.shape, n))
    inputs, sums, sum_tangents = [], [], []
    for number, layer in enumerate(layers):
        inputs.append((h, h_tangent))
        z, z_tangent = layer.weight @ h + layer.bias[:, None], _times(layer.weight, h_tangent)
        sums.append(z)
        sum_tangents.append(z_tangent)
        if number < len(layers) - 1:
            h, h_tangent = activate(z, activation), activate(z, activation, 1)[:, None, :] * z_tangent
    f = scaling.y_shift[:, None] + scaling.y_scale[:, None] * z
    gradient = scaling.y_scale[:, None, None] * z_tangent

    # One adjoint per output: (node, k, n), and its tangents (node, direction, k, n).
    a = jnp.broadcast_to(jnp.diag(scaling.y_scale)[:, :, None], (k, k, n))
    a_tangent = jnp.zeros((k, directions.shape[1], k, n))
    value_rows, gradient_rows = [], []
    for number in reversed(range(len(layers))):
        h, h_tangent = inputs[number]
        value_rows = [a[:, None] * h[None, :, None], a, *value_rows]
        weight_rows = a_tangent[:, None] * h[None, :, None, None] + a[:, None, None] * h_tangent[None, :, :, None]
        gradient_rows = [weight_rows, a_tangent, *gradient_rows]
        if number > 0:
            z, z_tangent = sums[number - 1], sum_tangents[number - 1]
            slope, curvature = activate(z, activation, 1)[:, None], activate(z, activation, 2)[:, None]
            b, b_tangent = _times(layers[number].weight.T, a), _times(layers[number].weight.T, a_tangent)
            a = slope * b
            a_tangent = slope[:, None] * b_tangent + (curvature * b)[:, None] * z_tangent[:, :, None]
    return f.T, gradient.transpose(2, 0, 1), _stacked(value_rows, 2), _stacked(gradient_rows, 3)


def _times(weight: Float[Array, "out in"], nodes: Float[Array, "in ..."]) -> Float[Array, "out ..."]:
    return jnp.tensordot(weight, nodes, 1)


def _stacked(rows: list[Array], trailing: int) -> Array:
    """Blocks `(..., *trailing)` as one array `(p, *trailing)`."""
    flat = [row.reshape(math.prod(row.shape[:-trailing]), *row.shape[-trailing:]) for row in rows]
    # Without the barriers the compiler computes the blocks inside the concatenation, element by element.
    return jax.lax.optimization_barrier(jnp.concatenate(jax.lax.optimization_barrier(flat)))
