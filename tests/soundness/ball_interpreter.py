"""A JAX program (jaxpr) evaluated in ball arithmetic (Arb, 300 bits) at many points at once.

The semantics are those of the enclosures: the program as JAX evaluates it, in real arithmetic. A comparison, a floor or
a branch is decided exactly where balls decide it. Each number of a result is

* a ball (`flint.arb`), or a Python `int` or `bool` for integer and boolean programs (integers wrap around);
* `NAN` where the program leaves the domain of an operation, as JAX's NaN: comparisons with it are false;
* `POLE` at the points where JAX gives an infinity (1/0, log 0): not a real, and `isfinite` of it is false;
* `UNKNOWN` where balls do not decide, or where JAX leaves open what happens.

Arrays are NumPy arrays of such objects with one more axis, the last: the points. It has length 1 where nothing depends
on the point.
"""

import functools
import itertools
import operator

import flint
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from oracle import activation_derivatives, is_straight

from sobolev_pruning.activations import activation

BITS = 300
MOST_TURNS = 2000


class _Special:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


NAN, POLE, UNKNOWN = _Special("NAN"), _Special("POLE"), _Special("UNKNOWN")
_HALF = flint.arb(1) / 2


def evaluate(closed: ClosedJaxpr, arguments, decisions: list | None = None) -> list[np.ndarray]:
    """The results of a program, arrays of shape `(*shape, points)`; `arguments` are such arrays.

    `decisions` receives, per decision that the program takes (a comparison, a sign, a floor), an array of what each
    point chose: where it changes, the program has a breakpoint.
    """
    with flint.ctx.workprec(BITS):
        return _Run(decisions).program(closed.jaxpr, closed.consts, list(arguments))


def number(x) -> flint.arb:
    """A floating number, exactly."""
    return flint.arb(float(x))


def _combined(values):
    """What an operation on these operands gives if one of them is no number."""
    return UNKNOWN if any(v is UNKNOWN or v is POLE for v in values) else NAN


def _is_special(value) -> bool:
    return type(value) is _Special


def _lifted(function):
    """`function` of numbers as a NumPy function of arrays; what is no number is passed on."""

    def lifted(*values):
        for v in values:
            if type(v) is _Special:
                return _combined(values)
        result = function(*values)
        if type(result) is flint.arb and result.is_nan():
            return UNKNOWN
        return result

    return lifted


def _array_function(function, arity: int):
    return np.frompyfunc(function, arity, 1)


def _certain(condition: bool, opposite: bool):
    return True if condition else False if opposite else UNKNOWN


# One object is one number, also where its ball is wide.
def _less(a, b):
    return a is not b and _certain(bool(a < b), bool(a >= b))


def _less_or_equal(a, b):
    return a is b or _certain(bool(a <= b), bool(a > b))


def _equal(a, b):
    return a is b or _certain(bool(a == b), bool(a != b))


def _compared(function, with_nan: bool):
    """A comparison: NaN is not equal to, less than or greater than anything."""

    def compared(a, b):
        if _is_special(a) or _is_special(b):
            return UNKNOWN if _combined((a, b)) is UNKNOWN else with_nan
        return function(a, b)

    return compared


def _not(value):
    return value if _is_special(value) else not value


def _guarded(function, inside, at_edge=None):
    """`function` where `inside(x)` is certain, `at_edge` where x is on the edge of the domain, NaN outside it."""

    def guarded(x):
        where = inside(x)
        if where is UNKNOWN:
            return UNKNOWN
        if where == "edge":
            return at_edge
        return function(x) if where else NAN

    return guarded


def _above(limit, edge_inside=False):
    def inside(x):
        if x > limit:
            return True
        if x == limit:
            return True if edge_inside else "edge"
        return False if x < limit else UNKNOWN

    return inside


def _between(closed):
    def inside(x):
        size = abs(x)
        if size < 1:
            return True
        if size == 1:
            return True if closed else "edge"
        return False if size > 1 else UNKNOWN

    return inside


def _sign(x):
    return flint.arb(1) if x > 0 else flint.arb(-1) if x < 0 else flint.arb(0) if x == 0 else UNKNOWN


def _exactly(value):
    return value if value.is_exact() else UNKNOWN


def _floor(x):
    return _exactly(x.floor())


def _trunc(x):
    return _exactly(x.floor()) if x >= 0 else _exactly(x.ceil()) if x <= 0 else flint.arb(0) if abs(x) < 1 else UNKNOWN


def _round(x, to_even: bool):
    lower = (x - _HALF).ceil() if not to_even else (x + _HALF).floor()
    rest = x - x.floor()
    if x.is_exact() and rest == _HALF:
        down = x.floor()
        if to_even:
            return down if (down / 2).is_integer() else down + 1
        return down + 1 if x > 0 else down
    return _exactly((x + _HALF).floor()) if lower.is_exact() else UNKNOWN


def _remainder(x, y):
    if y == 0:
        return NAN
    if not y != 0:
        return UNKNOWN
    quotient = _trunc(x / y)
    return quotient if _is_special(quotient) else x - quotient * y


def _divide(x, y):
    if y == 0:
        return NAN if x == 0 else POLE if x != 0 else UNKNOWN
    return x / y if y != 0 else UNKNOWN


def _power(x, y):
    if isinstance(y, int):
        y = flint.arb(y)
    if y == 0:
        return flint.arb(1)
    if x > 0:
        return (y * x.log()).exp() if not (y.is_integer() and abs(y) < 4096) else x ** int(float(y.mid()))
    if x == 0:
        return flint.arb(0) if y > 0 else POLE if y < 0 else UNKNOWN
    if x < 0:
        if y.is_integer():
            if abs(y) < 4096:
                return x ** int(float(y.mid()))
            even = (y / 2).is_integer()
            size = (y * (-x).log()).exp()
            return size if even else -size
        return NAN if y.is_exact() else UNKNOWN
    if y.is_integer() and y > 0 and y < 4096:
        return x ** int(float(y.mid()))
    return UNKNOWN


def _integer_power(x, exponent):
    if exponent < 0:
        return _divide(flint.arb(1), x**-exponent)
    return x**exponent


def _atan2(y, x):
    if y == 0 and x == 0:
        return flint.arb(0)
    if x > 0 or y > 0 or y < 0:
        return flint.arb.atan2(y, x)
    return UNKNOWN  # the sign of a zero decides


def _cube_root(x):
    if x == 0:
        return flint.arb(0)
    return x.root(3) if x > 0 else -(-x).root(3) if x < 0 else UNKNOWN


def _maximum(a, b):
    # The same object where it is known which: derivatives of a maximum ask what it is equal to.
    return a if a >= b else b if a < b else a.max(b)


def _minimum(a, b):
    return a if a <= b else b if a > b else a.min(b)


def _clamped(low, x, high):
    return _minimum(_maximum(x, low), high)


def _logistic(x):
    return 1 / (1 + (-x).exp())


def _tanh(x):
    return x.tanh()


def _activation(x, name, order):
    if any(not (x > point.place or x < point.place or x == point.place) for point in activation(name).breakpoints):
        return UNKNOWN
    if name == "tanh" and order == 0:
        return x.tanh()
    if abs(x) > {"gelu_tanh": 30, "gelu": 60}.get(name, 900) and not is_straight(name):
        return UNKNOWN  # the series would need too many digits
    return activation_derivatives(name, x, order)[order]


_ZERO_IS_INSIDE = _above(0, edge_inside=True)
_UNARY = {
    "neg": lambda x: -x,
    "abs": abs,
    "square": lambda x: x * x,
    "sign": _sign,
    "floor": _floor,
    "ceil": lambda x: _exactly(x.ceil()),
    "exp": lambda x: x.exp(),
    "exp2": lambda x: (x * flint.arb.const_log2()).exp(),
    "expm1": lambda x: x.expm1(),
    "log": _guarded(lambda x: x.log(), _above(0), POLE),
    "log1p": _guarded(lambda x: x.log1p(), _above(-1), POLE),
    "sqrt": _guarded(lambda x: x.sqrt(), _ZERO_IS_INSIDE),
    "rsqrt": _guarded(lambda x: x.rsqrt(), _above(0), POLE),
    "cbrt": _cube_root,
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tan": lambda x: x.tan(),
    "asin": _guarded(lambda x: x.asin(), _between(True)),
    "acos": _guarded(lambda x: x.acos(), _between(True)),
    "atan": lambda x: x.atan(),
    "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "tanh": _tanh,
    "asinh": lambda x: x.asinh(),
    "acosh": _guarded(lambda x: x.acosh(), _above(1, edge_inside=True)),
    "atanh": _guarded(lambda x: x.atanh(), _between(False), POLE),
    "logistic": _logistic,
    "erf": lambda x: x.erf(),
    "erfc": lambda x: x.erfc(),
    "erf_inv": _guarded(lambda x: x.erfinv(), _between(False), POLE),
    "lgamma": _guarded(lambda x: x.lgamma(), _above(0), POLE),
}
_BINARY = {
    "add": operator.add,
    "add_any": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "max": _maximum,
    "min": _minimum,
    "atan2": _atan2,
}
_COMPARISONS = {
    "lt": _compared(_less, False),
    "le": _compared(_less_or_equal, False),
    "gt": _compared(lambda a, b: _less(b, a), False),
    "ge": _compared(lambda a, b: _less_or_equal(b, a), False),
    "eq": _compared(_equal, False),
    "ne": _compared(lambda a, b: _not(_equal(a, b)), True),
}
_NESTED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
}
_IDENTITIES = ("copy", "copy_p", "stop_gradient", "device_put", "optimization_barrier", "reduce_precision", "name")
_BY_INDEX = ("gather", "dynamic_slice", "rev", "pad", "slice", "split", "dynamic_update_slice", "tile", "squeeze")


class Unsupported(Exception):
    """The oracle has no rule for an operation."""


def _kind(dtype) -> str:
    return {"f": "float", "b": "bool"}.get(np.dtype(dtype).kind, "int")


def constant(value) -> np.ndarray:
    """An array of numbers as an array of the oracle, shape `(*shape, 1)`."""
    value = np.asarray(value)
    kind = _kind(value.dtype)
    one = {"float": _from_float, "int": int, "bool": bool}[kind]
    result = np.empty((*value.shape, 1), object)
    result.reshape(-1)[:] = [one(v) for v in value.ravel().tolist()]
    return result


def _from_float(value: float):
    return NAN if value != value else flint.arb(value)


def _wrapped(value, dtype):
    """What an integer becomes in a type of fewer bits."""
    if _is_special(value):
        return value
    info = np.iinfo(dtype)
    return (value - info.min) % (1 << info.bits) + info.min


class _Run:
    def __init__(self, decisions):
        self.decisions = decisions

    def program(self, jaxpr, consts, arguments) -> list[np.ndarray]:
        environment = dict(zip(jaxpr.constvars, map(constant, consts))) | dict(zip(jaxpr.invars, arguments))

        def read(variable):
            if isinstance(variable, Literal):
                return constant(np.asarray(variable.val, variable.aval.dtype))
            return environment[variable]

        for equation in jaxpr.eqns:
            results = self.equation(equation, [read(v) for v in equation.invars])
            environment.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _nested(self, body, arguments):
        if isinstance(body, ClosedJaxpr):
            return self.program(body.jaxpr, body.consts, arguments)
        return self.program(body, (), arguments)

    def _decided(self, array):
        if self.decisions is not None:
            self.decisions.append(array.reshape(-1, array.shape[-1]))

    def equation(self, equation, operands) -> list[np.ndarray]:
        name, params = equation.primitive.name, equation.params
        if name in _NESTED:
            return self._nested(params[_NESTED[name]], operands)
        if name in ("cond", "while", "scan"):
            return getattr(self, f"_{name}")(params, operands)
        out = equation.outvars[0].aval
        if name in _IDENTITIES:
            return operands
        if name in _BY_INDEX and all(_kind(v.aval.dtype) == _kind(out.dtype) for v in equation.invars[:1]):
            return _moved(equation, operands)
        return [self._one(name, params, operands, equation, out)]

    def _one(self, name, params, operands, equation, out) -> np.ndarray:
        first, kind = operands[0] if operands else None, _kind(out.dtype)
        dtype = equation.invars[0].aval.dtype if equation.invars else None
        if name in _COMPARISONS:
            result = _array_function(_COMPARISONS[name], 2)(*operands)
            self._decided(result)
            return result
        if name == "select_n":
            return _array_function(_selected, len(operands))(*operands)
        if name in ("and", "or", "xor", "not"):
            return _bitwise(name, operands, kind, out.dtype)
        if name == "is_finite":
            return _array_function(lambda x: x if x is UNKNOWN else not _is_special(x) and x.is_finite(), 1)(first)
        if name == "convert_element_type":
            return self._converted(first, _kind(dtype), out.dtype)
        if name == "activation":
            if params["name"] in ("relu", "elu"):
                self._decided(_array_function(_lifted(_sign), 1)(first))
            return _array_function(_lifted(lambda x: _activation(x, params["name"], params["order"])), 1)(first)
        if kind == "int" or (kind == "bool" and name not in ("broadcast_in_dim", "reshape", "transpose")):
            integers = self._integers(name, params, operands, out)
            if integers is not None:
                return integers
        if name in _UNARY:
            if name in ("abs", "sign"):
                self._decided(_array_function(_lifted(_sign), 1)(first))
            result = _array_function(_lifted(_UNARY[name]), 1)(first)
            if name in ("floor", "ceil"):
                self._decided(result)
            return result
        if name in _BINARY:
            if name in ("max", "min"):
                self._decided(_array_function(_COMPARISONS["lt"], 2)(*operands))
            return _array_function(_lifted(_BINARY[name]), 2)(*operands)
        if name == "div":
            return _array_function(_lifted(_divide), 2)(*operands)
        if name == "pow":
            self._decided(_array_function(_lifted(_sign), 1)(first))
            return _array_function(_lifted_power, 2)(*operands)
        if name == "integer_pow":
            return _array_function(_lifted(lambda x: _integer_power(x, params["y"])), 1)(first)
        if name == "rem":
            result = _array_function(_lifted(_remainder), 2)(*operands)
            if self.decisions is not None:
                self._decided(_array_function(_lifted(lambda x, y: _trunc(x / y)), 2)(*operands))
            return result
        if name == "round":
            to_even = int(params["rounding_method"]) == 1
            result = _array_function(_lifted(lambda x: _round(x, to_even)), 1)(first)
            self._decided(result)
            return result
        if name == "clamp":
            for end in (operands[0], operands[2]):
                self._decided(_array_function(_COMPARISONS["lt"], 2)(operands[1], end))
            return _array_function(_lifted(_clamped), 3)(*operands)
        return self._arrays(name, params, operands, equation, out)

    def _converted(self, x, old, dtype):
        new = _kind(dtype)
        if old == "float" and new == "int":
            info = np.iinfo(dtype)

            def convert(v):
                if _is_special(v):
                    return UNKNOWN
                whole = _trunc(v)
                if _is_special(whole) or not (whole >= info.min and whole <= info.max):
                    return UNKNOWN
                return int(str(whole.unique_fmpz()))

            result = _array_function(convert, 1)(x)
            self._decided(result)
            return result
        if new == "bool":
            compared = _COMPARISONS["ne"]
            zero = flint.arb(0) if old == "float" else 0
            result = x if old == "bool" else _array_function(lambda v: compared(v, zero), 1)(x)
            self._decided(result)
            return result
        if new == "float":
            return x if old == "float" else _array_function(_lifted(lambda v: flint.arb(int(v))), 1)(x)
        return _array_function(lambda v: v if _is_special(v) else _wrapped(int(v), dtype), 1)(x)

    def _integers(self, name, params, operands, out):
        """Arithmetic of whole numbers, with wrap-around; None for operations that only move them."""
        whole = {
            "add": operator.add,
            "sub": operator.sub,
            "mul": operator.mul,
            "max": max,
            "min": min,
            "neg": operator.neg,
            "abs": abs,
            "sign": lambda x: (x > 0) - (x < 0),
            "div": _whole_quotient,
            "rem": lambda x, y: UNKNOWN if y == 0 else x - y * _whole_quotient(x, y),
            "clamp": lambda low, x, high: min(max(x, low), high),
            "shift_left": lambda x, y: x << y if 0 <= y < 64 else UNKNOWN,
            "shift_right_arithmetic": lambda x, y: x >> y if 0 <= y < 64 else UNKNOWN,
            "pow": lambda x, y: x**y if y >= 0 else UNKNOWN,
            "integer_pow": None,
            "square": lambda x: x * x,
        }
        if name == "integer_pow":
            function, arity = (lambda x: x ** params["y"] if params["y"] >= 0 else UNKNOWN), 1
        elif name in whole:
            function, arity = whole[name], len(operands)
        else:
            return None
        result = _array_function(_lifted(function), arity)(*operands)
        return _array_function(lambda v: _wrapped(v, out.dtype), 1)(result)

    def _arrays(self, name, params, operands, equation, out) -> np.ndarray:
        first = operands[0] if operands else None
        points = first.shape[-1] if operands else 1
        if name == "reshape":
            return first.reshape(*params["new_sizes"], points)
        if name == "expand_dims":
            return first.reshape(*out.shape, points)
        if name == "broadcast_in_dim":
            shape, axes = params["shape"], params["broadcast_dimensions"]
            place = [1] * len(shape)
            for axis, size in zip(axes, first.shape[:-1]):
                place[axis] = size
            return np.broadcast_to(first.reshape(*place, points), (*shape, points))
        if name == "transpose":
            return np.transpose(first, (*params["permutation"], first.ndim - 1))
        if name == "concatenate":
            return np.concatenate(_aligned(operands), axis=params["dimension"])
        if name == "stack":
            return np.stack(_aligned(operands), axis=params["axis"])
        if name in ("empty", "empty2"):
            return constant(np.zeros(out.shape, out.dtype))
        if name == "iota":
            ramp = jax.lax.broadcasted_iota(params["dtype"], params["shape"], params["dimension"])
            return constant(np.asarray(ramp))
        if name in _FOLDS:
            return self._folded(name, params, first, out)
        if name in _RUNNING:
            return self._running(name, params, first, out)
        if name in ("argmax", "argmin"):
            return _arg_extreme(first, params["axes"][0], name)
        if name == "sort" and len(operands) == 1:
            return _sorted(first, params["dimension"])
        if name == "dot_general":
            return _dot(operands, params["dimension_numbers"][0], params["dimension_numbers"][1])
        raise Unsupported(name)

    def _fold(self, name, kind, dtype, a, b):
        operation = _FOLDS.get(name) or _RUNNING[name]
        if operation in ("max", "min"):
            if kind == "float":
                self._decided(_array_function(_COMPARISONS["lt"], 2)(a, b))
            return _array_function(_lifted(_maximum if operation == "max" else _minimum), 2)(a, b)
        if operation in ("and", "or"):
            return _bitwise(operation, [a, b], kind, dtype)
        if operation == "logaddexp":
            return _array_function(_lifted(lambda x, y: (x.exp() + y.exp()).log()), 2)(a, b)
        result = _array_function(_lifted(operator.add if operation == "add" else operator.mul), 2)(a, b)
        return result if kind == "float" else _array_function(lambda v: _wrapped(v, dtype), 1)(result)

    def _folded(self, name, params, first, out):
        kind, dtype = _kind(out.dtype), out.dtype
        for axis in sorted(params["axes"], reverse=True):
            rows = [np.take(first, i, axis) for i in range(first.shape[axis])]
            if rows:
                first = functools.reduce(lambda a, b: self._fold(name, kind, dtype, a, b), rows)
            else:
                neutral = {"reduce_sum": 0, "reduce_prod": 1, "reduce_and": True, "reduce_or": False}[name]
                one = flint.arb(neutral) if kind == "float" else neutral
                first = np.full(tuple(np.delete(first.shape, axis)), one, object)
        return first

    def _running(self, name, params, first, out):
        axis, count = params["axis"], first.shape[params["axis"]]
        order = range(count - 1, -1, -1) if params["reverse"] else range(count)
        rows, held = [None] * count, None
        for i in order:
            row = np.take(first, i, axis)
            held = row if held is None else self._fold(name, _kind(out.dtype), out.dtype, held, row)
            rows[i] = held
        return np.stack(rows, axis)

    def _cond(self, params, operands):
        index, operands, branches = operands[0], operands[1:], params["branches"]
        self._decided(index)
        return _by_point(
            index,
            operands,
            lambda which, held: self._nested(branches[min(max(int(which), 0), len(branches) - 1)], held),
            [v.aval.shape for v in branches[0].jaxpr.outvars],
        )

    def _while(self, params, operands):
        n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
        tests, inner, carries = operands[:n_cond], operands[n_cond : n_cond + n_body], operands[n_cond + n_body :]
        for _ in range(MOST_TURNS):
            goes_on = self._nested(params["cond_jaxpr"], [*tests, *carries])[0]
            if not any(v is True or v is UNKNOWN for v in goes_on.ravel()):
                return carries
            carries = _by_point(
                goes_on,
                [*inner, *carries],
                lambda which, held: self._nested(params["body_jaxpr"], held) if which else held[n_body:],
                [c.shape[:-1] for c in carries],
            )
            if any(v is UNKNOWN for v in goes_on.ravel()):
                break
        return [np.full(c.shape, UNKNOWN, object) for c in carries]

    def _scan(self, params, operands):
        n_consts, n_carry, length = params["num_consts"], params["num_carry"], params["length"]
        consts, carries = operands[:n_consts], operands[n_consts : n_consts + n_carry]
        rows = [None] * length
        for turn in range(length - 1, -1, -1) if params["reverse"] else range(length):
            out = self._nested(params["jaxpr"], [*consts, *carries, *[x[turn] for x in operands[n_consts + n_carry :]]])
            carries, rows[turn] = out[:n_carry], out[n_carry:]
        return [*carries, *[np.stack(_aligned(column)) for column in zip(*rows)]]


_FOLDS = {
    "reduce_sum": "add",
    "reduce_prod": "mul",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_and": "and",
    "reduce_or": "or",
}
_RUNNING = {"cumsum": "add", "cumprod": "mul", "cummax": "max", "cummin": "min", "cumlogsumexp": "logaddexp"}


def _whole_quotient(x, y):
    """Towards 0, as machines divide."""
    if y == 0:
        return UNKNOWN
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


def _lifted_power(x, y):
    if _is_special(x) or _is_special(y):
        return UNKNOWN  # 1 to the power NaN is 1, and NaN to the power 0
    result = _power(x, y)
    return UNKNOWN if type(result) is flint.arb and result.is_nan() else result


def _selected(which, *cases):
    if which is UNKNOWN:
        return cases[0] if all(c is cases[0] for c in cases) else UNKNOWN
    return cases[int(which)]


def _bitwise(name, operands, kind, dtype):
    if name == "not":
        return _array_function(lambda x: x if _is_special(x) else (not x) if kind == "bool" else ~x, 1)(operands[0])
    plain = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}[name]

    def combined(a, b):
        if kind == "bool" and name != "xor":
            absorbing = name == "or"
            if a is absorbing or b is absorbing:
                return absorbing
        if _is_special(a) or _is_special(b):
            return UNKNOWN
        return plain(a, b)

    return _array_function(combined, 2)(*operands)


def _aligned(arrays):
    """All with as many points."""
    points = max(a.shape[-1] for a in arrays)
    return [np.broadcast_to(a, (*a.shape[:-1], points)) for a in arrays]


def _by_point(which, operands, branch, shapes):
    """Results of `branch(choice, operands)` for every choice that a point takes, put together again."""
    points = max([which.shape[-1], *(x.shape[-1] for x in operands)])
    which = np.broadcast_to(which, (points,))
    operands = [np.broadcast_to(x, (*x.shape[:-1], points)) for x in operands]
    results = [np.full((*shape, points), UNKNOWN, object) for shape in shapes]
    for choice in {v for v in which if v is not UNKNOWN and not _is_special(v)}:
        mine = np.array([v is not UNKNOWN and not _is_special(v) and v == choice for v in which])
        for result, found in zip(results, branch(choice, [x[..., mine] for x in operands])):
            result[..., mine] = found
    return results


_INDICES: dict = {}


def _moved(equation, operands) -> list[np.ndarray]:
    """An operation that only moves numbers, found by moving their indices; other operands must be the same everywhere.

    Indices that depend on the point make the result unknown there, unless they agree.
    """
    name, params = equation.primitive.name, equation.params
    values = {"pad": (0, 1), "dynamic_update_slice": (0, 1)}.get(name, (0,))
    points = max(x.shape[-1] for x in operands)
    others = [x for i, x in enumerate(operands) if i not in values]
    if any(x.shape[-1] > 1 for x in others):
        groups: dict = {}
        for k in range(points):
            key = tuple(v for x in others for v in x[..., k % x.shape[-1]].ravel())
            groups.setdefault(key, []).append(k)
        results = None
        for key, columns in groups.items():
            held = [
                x[..., columns] if x.shape[-1] > 1 and i in values else x[..., columns[:1]] if x.shape[-1] > 1 else x
                for i, x in enumerate(operands)
            ]
            shapes = [v.aval.shape for v in equation.outvars]
            if any(_is_special(v) for v in key):
                found = [np.full((*shape, len(columns)), UNKNOWN, object) for shape in shapes]
            else:
                found = _moved(equation, held)
            if results is None:
                results = [np.full((*shape, points), UNKNOWN, object) for shape in shapes]
            for result, part in zip(results, found):
                result[..., columns] = part
        return results
    start, indices, pool = 0, [], []
    for i, (x, v) in enumerate(zip(operands, equation.invars)):
        if i in values:
            size = int(np.prod(x.shape[:-1]))
            indices.append(np.arange(start, start + size, dtype=np.int32).reshape(x.shape[:-1]))
            pool.append(np.broadcast_to(x, (*x.shape[:-1], points)).reshape(size, points))
            start += size
        else:
            indices.append(np.asarray([int(n) for n in x.ravel()], v.aval.dtype).reshape(x.shape[:-1]))
    if name == "gather":
        params = params | {"fill_value": -1}
    key = (name, str(params), tuple(a.tobytes() + str(a.shape).encode() for a in indices))
    if key not in _INDICES:
        found = equation.primitive.bind(*map(jax.numpy.asarray, indices), **params)
        _INDICES[key] = [np.asarray(f) for f in (found if equation.primitive.multiple_results else [found])]
    pool = np.concatenate([*pool, np.full((1, points), NAN, object)])
    return [pool[index] for index in _INDICES[key]]


def _arg_extreme(x, axis, name):
    columns = np.moveaxis(x, axis, 0)
    less = _COMPARISONS["lt"]

    def first_extreme(*values):
        if any(_is_special(v) for v in values):
            return UNKNOWN
        best = 0
        for i in range(1, len(values)):
            better = less(values[best], values[i]) if name == "argmax" else less(values[i], values[best])
            if better is UNKNOWN:
                return UNKNOWN
            best = i if better else best
        return best

    return _array_function(first_extreme, len(columns))(*columns)


def _sorted(x, axis):
    """By minima and maxima, which balls need not decide: an odd-even transposition network."""
    rows = list(np.moveaxis(x, axis, 0))
    low, high = (_array_function(_lifted(f), 2) for f in (_minimum, _maximum))
    for turn in range(len(rows)):
        for i in range(turn % 2, len(rows) - 1, 2):
            rows[i], rows[i + 1] = low(rows[i], rows[i + 1]), high(rows[i], rows[i + 1])
    if any(_is_special(v) for v in x.ravel()):  # NaN goes last
        bad = np.array([any(_is_special(v) for v in x[..., k].ravel()) for k in range(x.shape[-1])])
        rows = [np.where(bad, UNKNOWN, row) for row in rows]
    return np.stack(rows, axis)


def _dot(operands, contracting, batch):
    sides = []
    for x, contracted, batched in zip(operands, contracting, batch):
        free = [i for i in range(x.ndim - 1) if i not in contracted and i not in batched]
        sides.append((np.transpose(x, (*batched, *free, *contracted, x.ndim - 1)), len(batched), len(free)))
    (left, b, m), (right, _, n) = sides
    shape = (*left.shape[:b], *left.shape[b : b + m], *right.shape[b : b + n])
    left = left.reshape(*left.shape[: b + m], *(1,) * n, -1, left.shape[-1])
    right = right.reshape(*right.shape[:b], *(1,) * m, *right.shape[b : b + n], -1, right.shape[-1])
    products = _array_function(_lifted(operator.mul), 2)(left, right)
    add = _array_function(_lifted(operator.add), 2)
    terms = [products[..., i, :] for i in range(products.shape[-2])]
    if not terms:
        return np.full((*shape, 1), flint.arb(0), object)
    return functools.reduce(add, terms)


def signature(decisions: list) -> np.ndarray | None:
    """What each point decided, one row per point, or None where the program decides nothing."""
    if not decisions:
        return None
    rows = list(itertools.chain.from_iterable(_aligned(decisions)))
    points = max(len(row) for row in rows)
    return np.array([[str(v) for v in np.broadcast_to(row, (points,))] for row in rows]).T
