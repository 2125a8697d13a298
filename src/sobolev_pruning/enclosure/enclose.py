"""The transformation `enclose`: from a function of points to the same function of boxes."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from . import decorations
from .affine.rules import AffineMethod
from .decorations import UNPROVED, Flags
from .interpreter import Valued, evaluate
from .interval import OPERATIONS, Interval, as_interval, is_interval
from .natural.rules import IntervalMethod
from .programs.program import written_out
from .registry import line_of_error
from .scalar import arithmetic
from .scalar.rounding import margins_tested, widen_subnormal
from .split import Splitter

METHODS = ("interval", "affine", "split")


def enclose(
    fn: Callable, method: str = "interval", *, pieces: int = 512, over: str = "affine", symbols: int = 8192
) -> Callable:
    """A function that encloses the range of `fn` over boxes, over the reals, rounding included.

    `enclose(fn)(*args)` takes the arguments of `fn`, any pytrees. Leaves that are an `Interval` are boxes; arrays are
    points, exact as they stand; anything else is passed on as it is. The result has the pytree of `fn`'s result, with
    an `Interval` for every floating array: it contains `fn(x)` for every x in the box. Points must be numbers: NaN
    among them makes results undefined, which is seen outside of `jit` alone.

    The program of `fn` is interpreted, so derivatives are enclosed as any other program:
    `enclose(jax.grad(fn))(box)` encloses the gradient. `jit`, `vmap` (over leaves of the box: many boxes at once) and
    all of `jax.grad`, `vjp`, `jvp`, `hessian` inside `fn` work. Functions are taken over the part of the box where they
    are defined, so the square root of `[-2, -1]` is empty. The decoration of each result says whether the program is
    defined, continuous and smooth over the whole box, and whether the enclosure is guaranteed (`Interval`); what
    exactly is promised: `docs/how-to-choose-an-enclosure.md`.

    **Arguments**: `fn`; `method`: `"interval"` takes every operation by its own range, the natural interval extension;
    `"affine"` carries first-order correlations between all values of the program as noise symbols, at most `symbols` of
    them per value; `"split"` cuts the box into at most `pieces` pieces where it pays, applies the method `over` to each
    and returns the union (this one chooses by values, so it cannot itself be under `jit` or `vmap`). How to choose:
    `docs/how-to-choose-an-enclosure.md`.

    **Raises** `InputError` for an operation without a rule (see `register_rule`), an index or a loop count that depends
    on the box, a Python `if` on an enclosed number, complex numbers, and a second derivative of this package's own relu
    over a box with its kink. JAX's second derivative of `max(x, 0)` is 0 there; its decoration says that it jumps.

    >>> import jax, jax.numpy as jnp
    >>> from sobolev_pruning.enclosure import Interval, enclose
    >>> box = Interval(jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]))
    >>> gradient = enclose(jax.grad(lambda x: jnp.sum(x**2)))(box)
    >>> bool(gradient.contains(jnp.array([1.0, 4.0])).all())
    True
    """
    if method not in METHODS:
        raise InputError(f'enclose: method "{method}" is unknown; take one of {", ".join(METHODS)}.')
    if method == "split":
        if over not in ("interval", "affine"):
            raise InputError(f'enclose: over="{over}" cannot be split; take "interval" or "affine".')
        if pieces < 1:
            raise InputError(f"enclose: pieces={pieces} leaves no piece; give at least 1.")

        def over_piece(args, kwargs, slabs):
            return run(fn, args, kwargs, AffineMethod(symbols, slabs) if over == "affine" else IntervalMethod())

        split = Splitter(over_piece, _traced(fn), pieces, over_slabs=over == "affine")
        return functools.wraps(fn)(lambda *args, **kwargs: split(*args, **kwargs))

    @functools.wraps(fn)
    def enclosed(*args, **kwargs):
        return run(fn, args, kwargs, AffineMethod(symbols) if method == "affine" else IntervalMethod())

    return enclosed


def run(fn: Callable, args: tuple, kwargs: dict, method):
    """The result of `fn` in the arithmetic of `method`, intervals in place of its floating arrays."""
    closed, leaves, structure = trace(fn, args, kwargs)
    program, entering = written_out(closed), _of_operands(closed, leaves)
    operands = [Valued(x) for x in method.enter([_enter(leaf) for leaf in leaves])]
    results = evaluate(program, operands, method, only_ranges=True)
    found = [as_result(method.interval_of(x.value), decorations.joined(x.flags, entering)) for x in results]
    return jax.tree.unflatten(structure, found)


def trace(fn: Callable, args: tuple, kwargs: dict):
    """The program of `fn` for these arguments, the operands it takes, and the structure of its result."""
    leaves, structure = jax.tree.flatten((args, kwargs), is_leaf=is_interval)
    dynamic = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Interval | jax.Array | np.ndarray | np.generic)]
    if not any(isinstance(leaves[i], Interval) for i in dynamic):
        raise InputError("enclose: no argument is an Interval; give at least one box, as Interval(lower, upper).")

    def flat(*values):
        filled = list(leaves)
        for i, value in zip(dynamic, values):
            filled[i] = value
        inner_args, inner_kwargs = jax.tree.unflatten(structure, filled)
        return _traced(fn)(*inner_args, **inner_kwargs)

    avals = [jax.ShapeDtypeStruct(jnp.shape(_ends(leaves[i])), jnp.result_type(_ends(leaves[i]))) for i in dynamic]
    closed, shape = jax.make_jaxpr(flat, return_shape=True)(*avals)
    return closed, [leaves[i] for i in dynamic], jax.tree.structure(shape)


def _traced(fn: Callable) -> Callable:
    """`fn`, with a sentence for what cannot be done with a number that is not known."""

    @functools.wraps(fn)
    def readable(*args, **kwargs):
        try:
            return fn(*args, **kwargs)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            raise InputError(
                f"enclose: {line_of_error(error)} asks for the value of a number that is enclosed, as `if`, `float` "
                "and functions of NumPy do; write jnp.where or jax.lax.cond, and jax.numpy for numpy."
            ) from None

    return readable


def _of_operands(closed, leaves) -> Flags:
    """What the operands of a program and the machine that computes say of every result."""
    found = [_of_operand(leaf) for leaf in leaves]
    dtypes = {v.aval.dtype for equation in closed.eqns for v in equation.outvars if hasattr(v.aval, "dtype")}
    dtypes = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    if not all(margins_tested(leaf.lower, dtypes) for leaf in leaves if isinstance(leaf, Interval)):
        found.append(UNPROVED)
    return decorations.joined(*found)


def _of_operand(leaf) -> Flags:
    if isinstance(leaf, Interval):
        if leaf.decoration is None:
            return UNPROVED
        if isinstance(leaf.decoration, np.ndarray) and not leaf.decoration.any():
            return 0
        return decorations.anywhere(jnp.asarray(leaf.decoration))
    return decorations.anywhere(decorations.of_point(leaf))


def _ends(leaf):
    return leaf.lower if isinstance(leaf, Interval) else leaf


def _enter(leaf):
    """Denormal endpoints are moved outward, wherever the interval was made."""
    if not isinstance(leaf, Interval):
        return jnp.asarray(leaf)
    lower, upper = jnp.asarray(leaf.lower), jnp.asarray(leaf.upper)
    return Interval.unchecked(*widen_subnormal(lower, upper))


def as_result(value, flags: Flags):
    """Floating results are intervals, also where they do not depend on the box; others stay what they are."""
    if not isinstance(value, Interval) and not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        return jnp.asarray(value)
    value = as_interval(value)
    return Interval.unchecked(value.lower, value.upper, decorations.full(flags, value.shape))


OPERATIONS |= {
    "add": arithmetic.add,
    "subtract": arithmetic.subtract,
    "multiply": arithmetic.multiply,
    "divide": arithmetic.divide,
    "absolute": arithmetic.absolute,
    "integer_power": arithmetic.integer_power,
    "convert": arithmetic.convert,
    "matmul": enclose(jnp.matmul),
}
