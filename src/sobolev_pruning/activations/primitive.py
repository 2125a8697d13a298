"""The activation functions as one JAX primitive that carries its derivative order.

`activation_p.bind(x, name=name, order=m)` is the m-th derivative of the activation `name`, elementwise. Its JVP is the
primitive itself, one order up, so every program derived from a network by `jax.grad`, `jax.jvp` or `jax.vjp` contains
`silu'` and `silu''` as single operations. Whoever interprets such a program (the enclosure room) can then bound each by
its exact one-dimensional range, instead of by a product of loose parts. Activations that are a single function of JAX
stay that function.

Orders 0 to 4 are written out in the records; higher ones come from differentiating order 4.
"""

import functools

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from .functions import JAX
from .record import HIGHEST_ORDER
from .registry import activation


def _evaluate(x, *, name, order):
    if order <= HIGHEST_ORDER:
        return activation(name).derivative(x, order, JAX)
    lower = functools.partial(_evaluate, name=name, order=order - 1)
    return jax.jvp(lower, (x,), (jnp.ones_like(x),))[1]


activation_p = Primitive("activation")
activation_p.def_impl(jax.jit(_evaluate, static_argnames=("name", "order")))
activation_p.def_abstract_eval(lambda x, *, name, order: x)
mlir.register_lowering(activation_p, mlir.lower_fun(_evaluate, multiple_results=False))
batching.defvectorized(activation_p)
ad.defjvp(activation_p, lambda t, x, *, name, order: t * activation_p.bind(x, name=name, order=order + 1))


def activate(x: Float[Array, "..."], name: str, order: int = 0) -> Float[Array, "..."]:
    """The `order`-th derivative of the activation `name` at `x`, elementwise; shape and dtype of `x`.

    `name` is one of `ACTIVATIONS`, one of a family such as `leaky_relu(0.01)`, or of `register_activation`. gelu is the
    erf form `x Phi(x)`; gelu_tanh its tanh approximation; elu has alpha 1. At a breakpoint the limit from the left is
    taken: at 0, relu' is 0, relu'' is 0, and elu'' is 1.

    >>> import jax.numpy as jnp
    >>> float(activate(jnp.asarray(0.0), "silu", order=1))
    0.5
    """
    x = jnp.asarray(x)
    known = activation(name)
    if known.is_plain:
        return known.derivative(x, order, JAX)
    return activation_p.bind(x, name=known.name, order=order)
