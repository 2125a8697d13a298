"""The normal equations of the stacked Sobolev residuals, from one pass over a batch.

Needed for every sample are the derivatives, in all parameters, of the value `f`, of the first derivatives `df/dx_c` and
of the Hessian-vector products `d_v df/dx_c`. For the weight from node j to node i of the next layer these are, with the
node's value `h_j`, the adjoint `a_i = df/dz_i` of the sum `z_i` that enters node i, and subscripts for the derivatives
along input c and direction v,

    df/dW_ij = a_i h_j,        d(df/dx_c)/dW_ij = a_ic h_j + a_i h_jc,
    d(d_v df/dx_c)/dW_ij = a_ivc h_j + a_iv h_jc + a_ic h_jv + a_i h_jvc,

so a forward and a backward pass, both with their tangents, give them all: reverse mode through the gradient, sample by
sample, is two to three times slower. Node, direction v, direction c and output run down the leading axes and samples
along the last, for fast products. Where a loss needs no derivatives their axes have length 0.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..activations import activate
from ..surrogate import Surrogate
from .batches import Batch
from .full_batch import mean_over_chunks
from .losses import LossTerms, SobolevLoss, labels_of, sample_last


def normal_equations(
    loss: SobolevLoss, surrogate: Surrogate, data: Batch
) -> tuple[Float[Array, "p p"], Float[Array, "p"], LossTerms]:
    """Means over the samples of `J'J` and `J'r`, and the loss terms.

    `r` are the weighted residuals of one sample, whose squares sum to its share of the loss, and `J` their
    derivatives in the parameters, in the order of `jax.flatten_util.ravel_pytree(surrogate.layers)`.
    """

    def products(batch: Batch):
        predictions, rows = _residuals_and_jacobians(loss, surrogate, batch)
        matrix, vector = 0.0, 0.0
        for residual, jacobian in rows:
            jacobian = jacobian.reshape(jacobian.shape[0], residual.size)
            matrix = matrix + jacobian @ jacobian.T
            vector = vector + jacobian @ residual.ravel()
        return matrix / len(batch), vector / len(batch), loss.terms(predictions, batch)

    return mean_over_chunks(products, data, _chunk_size(surrogate, data))


def score_moments(
    loss: SobolevLoss, surrogate: Surrogate, data: Batch
) -> tuple[Float[Array, "p p"], Float[Array, "p p"], Float[Array, ""]]:
    """Means over the samples of `J'J`, of `(J'r)(J'r)'`, and of `r'r`; see `normal_equations`."""

    def products(batch: Batch):
        n, (_, rows) = len(batch), _residuals_and_jacobians(loss, surrogate, batch)
        matrix, scores, total = 0.0, 0.0, 0.0
        for residual, jacobian in rows:
            flat = jacobian.reshape(jacobian.shape[0], residual.size)
            matrix = matrix + flat @ flat.T
            each = jacobian.reshape(jacobian.shape[0], -1, n) * residual.reshape(1, -1, n)
            scores, total = scores + each.sum(axis=1), total + jnp.sum(residual**2)
        return matrix / n, scores @ scores.T / n, total / n

    return mean_over_chunks(products, data, _chunk_size(surrogate, data))


def _chunk_size(surrogate: Surrogate, data: Batch) -> int:
    # A megabyte of derivatives at a time, so that they stay in the cache until they are multiplied.
    residuals = sum(label[0].size for label, _, _ in labels_of(data))
    return min(4096, max(128, 2**17 // (surrogate.n_parameters * residuals)))


def _residuals_and_jacobians(
    loss: SobolevLoss, surrogate: Surrogate, batch: Batch
) -> tuple[tuple[Array, ...], list[tuple[Array, Array]]]:
    """Predictions; and weighted residuals with their derivatives in the parameters, samples along the last axis."""
    predictions, jacobians = _predictions_and_jacobians(surrogate, batch, loss.order)
    errors = [
        sample_last(predicted - label, axis) for (label, _, axis), predicted in zip(labels_of(batch), predictions)
    ]
    return predictions, list(zip(loss.weighted(errors, batch), loss.weighted(jacobians, batch)))


def _predictions_and_jacobians(surrogate: Surrogate, batch: Batch, order: int) -> tuple[tuple, tuple]:
    """`f` `(n, k)`, `df/dx` `(n, k, d)`, the Hessian-vector products `(n, m, k, d)`, and their derivatives in the
    parameters, `(p, k, n)`, `(p, d, k, n)` and `(p, m, d, k, n)`: as many as the order says.
    """
    layers, scaling, activations = surrogate.layers, surrogate.scaling, surrogate.activations
    n, d = batch.x.shape
    k = scaling.y_scale.shape[0]
    inputs = jnp.diag(1.0 / scaling.x_scale) if order > 0 else jnp.zeros((d, 0))
    directions = batch.directions / scaling.x_scale[None, None, :] if order > 1 else jnp.zeros((n, 0, d))
    h = ((batch.x - scaling.x_shift[None, :]) / scaling.x_scale[None, :]).T
    h_c = jnp.broadcast_to(inputs[:, :, None], (*inputs.shape, n))
    h_v = directions.transpose(2, 1, 0)
    h_vc = jnp.zeros((d, h_v.shape[1], h_c.shape[1], n))
    nodes, sums = [], []
    for number, layer in enumerate(layers):
        nodes.append((h, h_c, h_v, h_vc))
        z, z_c, z_v, z_vc = (_times(layer.weight, each) for each in nodes[-1])
        z = z + layer.bias[:, None]
        if layer.skip is not None:
            beside = (_times(layer.skip, each) for each in nodes[0])
            z, z_c, z_v, z_vc = (each + more for each, more in zip((z, z_c, z_v, z_vc), beside))
        sums.append((z, z_c, z_v, z_vc))
        if activations[number] == "identity":
            h, h_c, h_v, h_vc = z, z_c, z_v, z_vc
            continue
        slope, curvature = (activate(z, activations[number], derivative)[:, None] for derivative in (1, 2))
        h, h_c, h_v = activate(z, activations[number]), slope * z_c, slope * z_v
        h_vc = slope[:, None] * z_vc + curvature[:, None] * z_v[:, :, None] * z_c[:, None]
    scale = scaling.y_scale
    f = scaling.y_shift[:, None] + scale[:, None] * h
    gradient, products = scale[:, None, None] * h_c, scale[:, None, None, None] * h_vc

    # One adjoint per output, (node, k, n), and its tangents (node, c, k, n), (node, v, k, n), (node, v, c, k, n).
    a = jnp.broadcast_to(jnp.diag(scale)[:, :, None], (k, k, n))
    a_c, a_v = jnp.zeros((k, h_c.shape[1], k, n)), jnp.zeros((k, h_v.shape[1], k, n))
    a_vc = jnp.zeros((k, h_v.shape[1], h_c.shape[1], k, n))
    rows: list[list[Array]] = [[], [], []]
    for number in reversed(range(len(layers))):
        if activations[number] != "identity":
            z, z_c, z_v, z_vc = (jnp.expand_dims(each, -2) for each in sums[number])
            slope, curvature, third = (activate(z, activations[number], derivative) for derivative in (1, 2, 3))
            b, b_c, b_v, b_vc = a, a_c, a_v, a_vc
            a = slope * b
            a_c = slope[:, None] * b_c + (curvature * b)[:, None] * z_c
            a_v = slope[:, None] * b_v + (curvature * b)[:, None] * z_v
            bend = z_v[:, :, None] * b_c[:, None] + z_c[:, None] * b_v[:, :, None] + z_vc * b[:, None, None]
            a_vc = (
                slope[:, None, None] * b_vc
                + curvature[:, None, None] * bend
                + (third * b)[:, None, None] * z_v[:, :, None] * z_c[:, None]
            )
        adjoints = (a, a_c, a_v, a_vc)
        blocks = list(zip(_weight_rows(adjoints, nodes[number]), (a, a_c, a_vc)))
        if layers[number].skip is not None:
            blocks = [(*block, rows_of) for block, rows_of in zip(blocks, _weight_rows(adjoints, nodes[0]))]
        rows = [[*block, *kind] for block, kind in zip(blocks, rows)]
        if number > 0:
            a, a_c, a_v, a_vc = (_times(layers[number].weight.T, each) for each in adjoints)
    predictions = f.T, gradient.transpose(2, 0, 1), products.transpose(3, 1, 0, 2)
    jacobians = tuple(_stacked(kind, trailing) for kind, trailing in zip(rows[: order + 1], (2, 3, 4)))
    return predictions[: order + 1], jacobians


def _weight_rows(adjoints: tuple[Array, ...], nodes: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """Derivatives of value, first derivatives and products in the weights from `nodes` to where the adjoints stand."""
    a, a_c, a_v, a_vc = adjoints
    h, h_c, h_v, h_vc = (jnp.expand_dims(each, -2)[None] for each in nodes)
    return (
        a[:, None] * h,
        a_c[:, None] * h[:, :, None] + a[:, None, None] * h_c,
        a_vc[:, None] * h[:, :, None, None]
        + a_v[:, None, :, None] * h_c[:, :, None]
        + a_c[:, None, None] * h_v[:, :, :, None]
        + a[:, None, None, None] * h_vc,
    )


def _times(weight: Float[Array, "out in"], nodes: Float[Array, "in ..."]) -> Float[Array, "out ..."]:
    return jnp.tensordot(weight, nodes, 1)


def _stacked(rows: list[Array], trailing: int) -> Array:
    """Blocks `(..., *trailing)` as one array `(p, *trailing)`."""
    flat = [row.reshape(math.prod(row.shape[:-trailing]), *row.shape[-trailing:]) for row in rows]
    # Without the barriers the compiler computes the blocks inside the concatenation, element by element.
    return jax.lax.optimization_barrier(jnp.concatenate(jax.lax.optimization_barrier(flat)))
