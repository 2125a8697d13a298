"""Hidden nodes of any function: the user taps them, and they can be scored like those of a surrogate."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError


class FunctionWithNodes(eqx.Module):
    """A function `fn(x, tap)` of one point `x`, `(d,)`, that sends every array of hidden nodes through `tap`.

    `tap(h)` records the nodes `h`, of any shape, and gives them back for the function to go on with. Each call is one
    hidden layer, in the order of the calls. `fn` may be an Equinox module, whose arrays are then traced, so that new
    weights need no new compilation. The result is a number, or `(k,)` for k outputs.

    >>> import jax.numpy as jnp
    >>> weight = jnp.asarray([[1.0, -1.0], [2.0, 0.5], [0.0, 3.0]])
    >>> def network(x, tap):
    ...     h = tap(jnp.tanh(weight @ x))
    ...     return jnp.sum(h)
    >>> y, nodes = FunctionWithNodes(network).with_node_offsets(jnp.ones(2), None)
    >>> [h.shape for h in nodes]
    [(3,)]
    """

    fn: Callable

    def __call__(self, x: Float[Array, "d"]) -> Float[Array, "..."]:
        return self.with_node_offsets(x, None)[0]

    def with_node_offsets(
        self, x: Float[Array, "d"], offsets: Sequence[Float[Array, "..."]] | None
    ) -> tuple[Float[Array, "..."], list[Float[Array, "..."]]]:
        """The output, and the tapped nodes flattened, when `offsets[l]` is added to the nodes of the l-th tap."""
        nodes = []

        def tap(h: Float[Array, "..."]) -> Float[Array, "..."]:
            h = jnp.asarray(h)
            if offsets is not None:
                h = h + offsets[len(nodes)].reshape(h.shape)
            nodes.append(h.reshape(-1))
            return h

        y = self.fn(x, tap)
        if not nodes:
            raise InputError("The function never called tap, so it has no nodes to score; send its hidden nodes there.")
        return y, nodes
