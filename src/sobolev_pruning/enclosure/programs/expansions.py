"""Primitives that are enclosed as programs of simpler ones: convolution and the solution of triangular systems.

A convolution is a product of matrices, once the parts of the image that each result sees lie side by side. So it takes
the rules of that product, for points and enclosures, in both methods.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import ClosedJaxpr
from jax.extend.core import primitives as p

from ..registry import EnclosureError, source_line, user_rule

LARGEST_TRIANGULAR = 64
"""Triangular systems of more unknowns are refused: substitution loses digits by the power of their number."""


def is_expanded(equation) -> bool:
    """Whether the equation stands for a program of simpler ones; not where a user has a rule for it."""
    return equation.primitive in _EXPANSIONS and user_rule(equation.primitive) is None


def expansion(equation, operands) -> ClosedJaxpr:
    """The program that an equation stands for."""
    program = functools.partial(_EXPANSIONS[equation.primitive], equation, operands)
    return jax.make_jaxpr(program)(*[jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars])


def _convolution(equation, _operands, image: Array, kernel: Array) -> Array:
    params = equation.params
    numbers = params["dimension_numbers"]
    image = jnp.transpose(image, numbers.lhs_spec)
    kernel = jnp.transpose(kernel, numbers.rhs_spec)
    groups, batches = params["feature_group_count"], params["batch_group_count"]
    if batches > 1:
        parts = zip(jnp.split(image, batches, axis=0), jnp.split(kernel, batches, axis=0))
    else:
        parts = zip(jnp.split(image, groups, axis=1), jnp.split(kernel, groups, axis=0))
    results = [_correlation(*part, params) for part in parts]
    result = results[0] if len(results) == 1 else jnp.concatenate(results, axis=1)
    back = [numbers.out_spec.index(i) for i in range(result.ndim)]
    result = jnp.transpose(result, back)
    return result.astype(equation.outvars[0].aval.dtype)


def _correlation(image: Array, kernel: Array, params) -> Array:
    """Of (batch, channels, *space) with (features, channels, *space): (batch, features, *space)."""
    zero = jnp.zeros((), image.dtype)
    dilated = [(low, high, dilation - 1) for (low, high), dilation in zip(params["padding"], params["lhs_dilation"])]
    image = lax.pad(image, zero, [(0, 0, 0), (0, 0, 0), *((int(a), int(b), int(c)) for a, b, c in dilated)])
    strides, spread = params["window_strides"], params["rhs_dilation"]
    reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape[2:], spread)]
    counts = [max(0, (size - r) // stride + 1) for size, r, stride in zip(image.shape[2:], reach, strides)]
    places = list(itertools.product(*map(range, kernel.shape[2:])))
    if not places or 0 in counts or 0 in image.shape[:2]:
        return jnp.zeros((image.shape[0], kernel.shape[0], *counts), image.dtype)
    seen = []
    for place in places:
        start = [i * step for i, step in zip(place, spread)]
        stop = [s + (n - 1) * stride + 1 for s, n, stride in zip(start, counts, strides)]
        part = lax.slice(image, (0, 0, *start), (*image.shape[:2], *stop), (1, 1, *strides))
        seen.append(lax.expand_dims(part, [2]))
    patches = lax.concatenate(seen, 2)  # (batch, channels, place, *space)
    weights = kernel.reshape(*kernel.shape[:2], len(places))
    result = lax.dot_general(patches, weights, (((1, 2), (1, 2)), ((), ())))
    return jnp.moveaxis(result, -1, 1)


def _triangular(equation, operands, matrix: Array, right: Array) -> Array:
    """By substitution, `(.., m, m)` and `(.., m, n)`; a matrix of points by its inverse, so that boxes enter once."""
    params = equation.params
    unknowns = matrix.shape[-1]
    if unknowns > LARGEST_TRIANGULAR:
        raise EnclosureError(
            f"enclose: the triangular system at {source_line(equation)} has {unknowns} unknowns, more than "
            f"{LARGEST_TRIANGULAR}; substitution over boxes loses too much there: solve it outside, by points."
        )
    lower = params["lower"]
    if not params["left_side"]:  # x a = b is a' x' = b'
        matrix, right, lower = jnp.swapaxes(matrix, -1, -2), jnp.swapaxes(right, -1, -2), not lower
    if params["transpose_a"]:
        matrix, lower = jnp.swapaxes(matrix, -1, -2), not lower
    if not lower:
        matrix, right = lax.rev(matrix, (matrix.ndim - 2, matrix.ndim - 1)), lax.rev(right, (right.ndim - 2,))
    batch = matrix.ndim - 2
    if isinstance(operands[0], jax.Array):
        unit = jnp.broadcast_to(jnp.eye(unknowns, dtype=matrix.dtype), matrix.shape)
        inverse = _substituted(matrix, unit, params["unit_diagonal"])
        axes = tuple(range(batch))
        result = lax.dot_general(inverse, right, (((batch + 1,), (batch,)), (axes, axes)))
    else:
        result = _substituted(matrix, right, params["unit_diagonal"])
    if not lower:
        result = lax.rev(result, (result.ndim - 2,))
    return result if params["left_side"] else jnp.swapaxes(result, -1, -2)


def _substituted(matrix: Array, right: Array, unit_diagonal: bool) -> Array:
    """The solution of a lower triangular system, row by row."""
    batch = matrix.ndim - 2
    axes = tuple(range(batch))
    rows: list[Array] = []
    for i in range(matrix.shape[-1]):
        row = right[..., i : i + 1, :]
        if rows:
            known = lax.concatenate(rows, batch)
            row = row - lax.dot_general(matrix[..., i : i + 1, :i], known, (((batch + 1,), (batch,)), (axes, axes)))
        rows.append(row if unit_diagonal else row / matrix[..., i : i + 1, i : i + 1])
    return lax.concatenate(rows, batch) if rows else right


_EXPANSIONS = {p.conv_general_dilated_p: _convolution, p.triangular_solve_p: _triangular}
