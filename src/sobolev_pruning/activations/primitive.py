"""The activation functions as one JAX primitive that carries its derivative order.

`activation_p.bind(x, name=name, order=m)` is the m-th derivative of the activation `name`, elementwise. Its JVP is the
primitive itself, one order up, so every program derived from a network by `jax.grad`, `jax.jvp` or `jax.vjp` contains
`silu'` and `silu''` as single operations. Whoever interprets such a program (the enclosure room) can then bound each by
its exact one-dimensional range, instead of by a product of loose parts.

Orders 0 to 3 are written out below; higher ones come from differentiating order 3.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

_INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_GELU_TANH_SCALE = math.sqrt(2.0 / math.pi)
_GELU_TANH_CUBIC = 0.044715


def _silu(x, order):
    s = jax.nn.sigmoid(x)
    if order == 0:
        return x * s
    if order == 1:
        return s * (1 + x * (1 - s))
    if order == 2:
        return s * (1 - s) * (2 + x * (1 - 2 * s))
    return s * (1 - s) * (3 * (1 - 2 * s) + x * (1 - 6 * s * (1 - s)))


def _softplus(x, order):
    return jnp.logaddexp(x, 0.0) if order == 0 else _sigmoid(x, order - 1)


def _sigmoid(x, order):
    s = jax.nn.sigmoid(x)
    if order == 0:
        return s
    if order == 1:
        return s * (1 - s)
    if order == 2:
        return s * (1 - s) * (1 - 2 * s)
    return s * (1 - s) * (1 - 6 * s * (1 - s))


def _tanh(x, order):
    t = jnp.tanh(x)
    if order == 0:
        return t
    if order == 1:
        return 1 - t * t
    if order == 2:
        return -2 * t * (1 - t * t)
    return -2 * (1 - t * t) * (1 - 3 * t * t)


def _gelu(x, order):
    density = _INVERSE_SQRT_2PI * jnp.exp(-0.5 * x * x)
    if order == 0:
        return 0.5 * x * jax.lax.erfc(-x * math.sqrt(0.5))
    if order == 1:
        return 0.5 * jax.lax.erfc(-x * math.sqrt(0.5)) + x * density
    if order == 2:
        return density * (2 - x * x)
    return density * x * (x * x - 4)


def _gelu_tanh(x, order):
    # f = x g with g = (1 + tanh u)/2 = sigmoid(v), v = 2 c (x + a x^3), so the m-th derivative is m g^(m-1) + x g^(m).
    # 1 - s is taken as sigmoid(-v): in the tails it is multiplied by powers of v' and must not lose its digits.
    v = 2 * _GELU_TANH_SCALE * (x + _GELU_TANH_CUBIC * x**3)
    v1 = 2 * _GELU_TANH_SCALE * (1 + 3 * _GELU_TANH_CUBIC * x * x)
    v2 = 12 * _GELU_TANH_SCALE * _GELU_TANH_CUBIC * x
    v3 = 12 * _GELU_TANH_SCALE * _GELU_TANH_CUBIC
    s, complement = jax.nn.sigmoid(v), jax.nn.sigmoid(-v)
    s1 = s * complement
    s2 = s1 * (complement - s)
    s3 = s1 * (1 - 6 * s1)
    g = [s, s1 * v1, s2 * v1 * v1 + s1 * v2, s3 * v1**3 + 3 * s2 * v1 * v2 + s1 * v3]
    return x * g[0] if order == 0 else order * g[order - 1] + x * g[order]


def _elu(x, order):
    # The argument of the exponential is cut at 0 so that the branch not taken never overflows.
    negative = jnp.minimum(x, 0)
    if order == 0:
        return jnp.where(x > 0, x, jnp.expm1(negative))
    return jnp.where(x > 0, 1.0 if order == 1 else 0.0, jnp.exp(negative))


def _relu(x, order):
    if order == 0:
        return jnp.maximum(x, 0)
    return (x > 0).astype(x.dtype) if order == 1 else jnp.zeros_like(x)


_WRITTEN_ORDERS = 3
_FORMULAS: dict[str, Callable] = {
    "silu": _silu,
    "softplus": _softplus,
    "tanh": _tanh,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "elu": _elu,
    "relu": _relu,
    "sigmoid": _sigmoid,
}

ACTIVATIONS: tuple[str, ...] = tuple(_FORMULAS)

CONTINUOUS_DERIVATIVES: dict[str, float] = {name: math.inf for name in ACTIVATIONS} | {"relu": 0, "elu": 1}
"""How often each activation is continuously differentiable; beyond, derivatives jump at 0."""


def _evaluate(x, *, name, order):
    if order <= _WRITTEN_ORDERS:
        return _FORMULAS[name](x, order)
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

    `name` is one of `ACTIVATIONS`. gelu is the erf form `x Phi(x)`; gelu_tanh its tanh approximation; elu has alpha 1.
    At 0, relu' is 0, relu'' is 0, and elu'' is 1 (the limits from the left).

    >>> import jax.numpy as jnp
    >>> float(activate(jnp.asarray(0.0), "silu", order=1))
    0.5
    """
    return activation_p.bind(jnp.asarray(x), name=name, order=order)
