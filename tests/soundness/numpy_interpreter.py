"""A JAX program run by NumPy, operation by operation: compiling one takes seconds, and a campaign has hundreds.

What is tested so is the logic of the enclosures; their rounding margins, which are those of compiled programs, have
campaigns of their own. Operations that NumPy has no equal of are left to JAX.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal
from scipy import special

_NESTED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


def run(function, *arguments):
    """`function(*arguments)`: traced by JAX, run by NumPy."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    leaves = [np.asarray(x) for x in jax.tree.leaves(arguments)]
    with np.errstate(all="ignore"):
        results = _program(closed.jaxpr, closed.consts, leaves)
    return jax.tree.unflatten(jax.tree.structure(shape), results)


def _program(jaxpr, consts, arguments) -> list:
    environment = dict(zip(jaxpr.constvars, map(np.asarray, consts))) | dict(zip(jaxpr.invars, arguments))

    def read(variable):
        if isinstance(variable, Literal):
            return np.asarray(variable.val, variable.aval.dtype)
        return environment[variable]

    for equation in jaxpr.eqns:
        operands = [read(v) for v in equation.invars]
        results = _equation(equation, operands)
        environment.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _nested(body, arguments) -> list:
    if isinstance(body, ClosedJaxpr):
        return _program(body.jaxpr, body.consts, arguments)
    return _program(body, (), arguments)


def _equation(equation, operands) -> list:
    name, params = equation.primitive.name, equation.params
    if name in _NESTED:
        return _nested(params[_NESTED[name]], operands)
    if name in _CONTROL:
        return _CONTROL[name](params, operands)
    if name in _PLAIN:
        result = _PLAIN[name](*operands)
    elif name in _WITH_PARAMETERS:
        result = _WITH_PARAMETERS[name](*operands, **params)
    else:
        found = equation.primitive.bind(*map(jnp.asarray, operands), **params)
        return [np.asarray(x) for x in (found if equation.primitive.multiple_results else [found])]
    if equation.primitive.multiple_results:
        return result
    aval = equation.outvars[0].aval
    result = np.asarray(result, aval.dtype)
    assert result.shape == aval.shape, (equation, result.shape)
    return [result]


def _cond(params, operands):
    branches = params["branches"]
    return _nested(branches[min(max(int(operands[0]), 0), len(branches) - 1)], operands[1:])


def _while(params, operands):
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    tests, inner, carries = operands[:n_cond], operands[n_cond : n_cond + n_body], operands[n_cond + n_body :]
    while bool(_nested(params["cond_jaxpr"], [*tests, *carries])[0]):
        carries = _nested(params["body_jaxpr"], [*inner, *carries])
    return carries


def _scan(params, operands):
    n_consts, n_carry, length = params["num_consts"], params["num_carry"], params["length"]
    carries, rows = operands[n_consts : n_consts + n_carry], [None] * length
    for turn in range(length - 1, -1, -1) if params["reverse"] else range(length):
        slices = [x[turn] for x in operands[n_consts + n_carry :]]
        out = _nested(params["jaxpr"], [*operands[:n_consts], *carries, *slices])
        carries, rows[turn] = out[:n_carry], out[n_carry:]
    return [*carries, *[np.stack(column) for column in zip(*rows)]]


_CONTROL = {"cond": _cond, "while": _while, "scan": _scan}


def _select(which, *cases):
    return np.choose(which.astype(int), np.broadcast_arrays(*cases)) if which.ndim else cases[int(which)]


def _divide(a, b):
    if np.issubdtype(a.dtype, np.integer):
        return np.where(b == 0, -1, np.trunc(a / np.where(b == 0, 1, b)))
    return a / b


def _convert(x, *, new_dtype, **_):
    return x != 0 if np.dtype(new_dtype).kind == "b" else x.astype(new_dtype)


def _broadcast(x, *, shape, broadcast_dimensions, **_):
    place = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, x.shape):
        place[axis] = size
    return np.broadcast_to(x.reshape(place), shape)


def _slice(x, *, start_indices, limit_indices, strides):
    strides = strides or (1,) * x.ndim
    return x[tuple(slice(*ends) for ends in zip(start_indices, limit_indices, strides))]


def _dot(a, b, *, dimension_numbers, **_):
    (left, right), (left_batch, right_batch) = dimension_numbers
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in a.shape]
    second = [next(letters) for _ in b.shape]
    for i, j in (*zip(left, right), *zip(left_batch, right_batch)):
        second[j] = first[i]
    batch = [first[i] for i in left_batch]
    out = batch + [c for i, c in enumerate(first) if i not in left and i not in left_batch]
    out += [c for i, c in enumerate(second) if i not in right and i not in right_batch]
    return np.einsum(f"{''.join(first)},{''.join(second)}->{''.join(out)}", a, b)


def _round(x, *, rounding_method):
    return np.rint(x) if int(rounding_method) == 1 else np.trunc(x + np.copysign(0.5, x))


def _reduced(function):
    return lambda x, *, axes, **_: function.reduce(x, axis=tuple(axes)) if axes else x


def _running(function):
    def rule(x, *, axis, reverse):
        turned = np.flip(x, axis) if reverse else x
        result = function.accumulate(turned, axis=axis, dtype=x.dtype)
        return np.flip(result, axis) if reverse else result

    return rule


def _pad(x, value, *, padding_config):
    if any(low < 0 or high < 0 or inner for low, high, inner in padding_config):
        return lax.pad(jnp.asarray(x), jnp.asarray(value), padding_config)
    return np.pad(x, [(low, high) for low, high, _ in padding_config], constant_values=value)


def _split(x, *, sizes, axis):
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def _bits(x, *, new_dtype):
    return np.ascontiguousarray(x).view(new_dtype).reshape(x.shape)


def _logical(boolean, integer):
    return lambda *xs: boolean(*xs) if xs[0].dtype == bool else integer(*xs)


_PLAIN = {
    "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply, "div": _divide, "neg": np.negative,
    "max": np.maximum, "min": np.minimum, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "square": np.square, "pow": np.power, "rem": np.fmod, "atan2": np.arctan2, "nextafter": np.nextafter,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "and": _logical(np.logical_and, np.bitwise_and), "or": _logical(np.logical_or, np.bitwise_or),
    "xor": _logical(np.logical_xor, np.bitwise_xor), "not": _logical(np.logical_not, np.invert),
    "select_n": _select, "is_finite": np.isfinite, "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "shift_left": np.left_shift, "shift_right_arithmetic": np.right_shift, "copy": np.asarray, "copy_p": np.asarray,
    "stop_gradient": np.asarray,
}  # fmt: skip
_FUNCTIONS = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "cbrt": np.cbrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "erf": special.erf, "erfc": special.erfc, "erf_inv": special.erfinv,
    "logistic": special.expit, "rsqrt": lambda x: 1 / np.sqrt(x), "lgamma": special.gammaln,
}  # fmt: skip
_WITH_PARAMETERS = {
    **{name: functools.partial(lambda f, x, **_: f(x), f) for name, f in _FUNCTIONS.items()},
    "convert_element_type": _convert,
    "reduce_precision": lambda x, **_: x,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, *, dimensions: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "slice": _slice,
    "rev": lambda x, *, dimensions: np.flip(x, tuple(dimensions)),
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "iota": lambda *, dtype, shape, dimension, **_: _broadcast(
        np.arange(shape[dimension]), shape=shape, broadcast_dimensions=(dimension,)
    ),
    "dot_general": _dot,
    "integer_pow": lambda x, *, y: x**y if y >= 0 else 1 / x**-y,
    "round": _round,
    "pad": _pad,
    "split": _split,
    "bitcast_convert_type": _bits,
    "reduce_sum": _reduced(np.add),
    "reduce_prod": _reduced(np.multiply),
    "reduce_max": _reduced(np.maximum),
    "reduce_min": _reduced(np.minimum),
    "reduce_and": _reduced(np.bitwise_and),
    "reduce_or": _reduced(np.bitwise_or),
    "cumsum": _running(np.add),
    "cumprod": _running(np.multiply),
    "cummax": _running(np.maximum),
    "cummin": _running(np.minimum),
    "argmax": lambda x, *, axes, index_dtype: np.argmax(x, axes[0]),
    "argmin": lambda x, *, axes, index_dtype: np.argmin(x, axes[0]),
    "optimization_barrier": lambda *xs: list(xs),
    "device_put": lambda *xs, **_: list(xs),
}
