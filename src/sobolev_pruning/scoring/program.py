"""The program whose enclosure or sampling is a significance: the hidden nodes and their adjoints at one point."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..surrogate import Surrogate
from .function_nodes import FunctionWithNodes

Network: TypeAlias = Surrogate | FunctionWithNodes

OutputScale: TypeAlias = Float[Array, "k"]


class NodesAndAdjoints(NamedTuple):
    """Per hidden layer the `nodes` after activation, `(width,)`, and their `adjoints` `dy_j / dn_i`, `(k, width)`."""

    nodes: list
    adjoints: list


def nodes_and_adjoints(network: Network, x: Float[Array, "d"]) -> NodesAndAdjoints:
    """Hidden nodes and their adjoints at `x`: reverse mode with respect to offsets added to the nodes."""
    widths = node_counts(network, x.shape[0])
    zeros = [jnp.zeros(width, x.dtype) for width in widths]

    def outputs(offsets):
        y, nodes = network.with_node_offsets(x, offsets)
        return y.reshape(-1), nodes

    y, pull_back, nodes = jax.vjp(outputs, zeros, has_aux=True)
    (adjoints,) = jax.vmap(pull_back)(jnp.eye(y.shape[0], dtype=y.dtype))
    return NodesAndAdjoints(nodes, adjoints)


def with_input_derivatives(network: Network, x: Float[Array, "d"], order: int) -> tuple[NodesAndAdjoints, ...]:
    """`nodes_and_adjoints` and its input derivatives up to `order`; the m-th one has m more axes `d` at its end."""

    def program(x):
        return nodes_and_adjoints(network, x)

    derivatives = [program]
    for _ in range(order):
        derivatives.append(jax.jacfwd(derivatives[-1]))
    return tuple(derivative(x) for derivative in derivatives)


def node_counts(network: Network, n_inputs: int) -> tuple[int, ...]:
    """Nodes of each hidden layer."""
    if isinstance(network, Surrogate):
        return network.widths[1:-1]
    point = jax.ShapeDtypeStruct((n_inputs,), jnp.float64)
    return tuple(nodes.size for nodes in jax.eval_shape(lambda x: network.with_node_offsets(x, None)[1], point))


def output_scale(network: Network, n_outputs: int) -> OutputScale:
    """What each output's adjoints are divided by: its spread where there are several outputs to weigh against each
    other.

    A single output is left in its own unit, so that a score reads `width * max|adjoint|`; the outputs of a tapped
    function too, since nothing is known of their spread.
    """
    if isinstance(network, Surrogate) and n_outputs > 1:
        return network.scaling.y_scale
    return jnp.ones(n_outputs)
