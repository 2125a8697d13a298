"""The interval: a pair of arrays, lower and upper, with the set operations and numbers of IEEE 1788."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp
from jaxtyping import ArrayLike

from .._foundation.errors import InputError
from .scalar.rounding import down, margins_tested, tiny, up, widen_subnormal

BENT, KINKED, JUMPS, UNDEFINED, CUSTOM, UNPROVED = (1 << i for i in range(6))
"""The flags of a decoration; `decorations` says what each means."""

_one_program = partial(jax.jit, inline=True)
"""Of a method whose operations, one by one, are as many programs to compile; inside another program it is none."""


@jax.tree_util.register_pytree_with_keys_class
class Interval:
    """An array of closed intervals `[lower, upper]` of reals, one per element.

    Invariants, elementwise:

    * `lower <= upper`, with `lower < +inf` and `upper > -inf`: the nonempty interval of all reals between them
      (an infinite endpoint says that the set is unbounded; infinity itself is never a member); or
    * `lower = +inf, upper = -inf`: the empty set; or
    * both NaN: not an interval. No set is claimed, no comparison with it holds, and every result it enters is NaN.

    Endpoints are never denormal: XLA flushes denormals to 0, so the constructor moves such endpoints outward, to 0 or
    to the smallest normal number.

    `decoration` says how an interval was made, elementwise: a `uint8` of flags, 0 where it is a box or the range of a
    smooth function that is defined everywhere (the module `decorations` lists the flags; IEEE 1788 calls them by this
    name). `guaranteed`, `is_defined`, `is_continuous` and `is_differentiable` read it.

    `Interval(lower, upper)` is the checked constructor: concrete endpoints that are NaN or in the wrong order raise
    `InputError` (values traced by `jit` cannot be checked). `Interval.unchecked(lower, upper)` checks and changes
    nothing, has no decoration, and nothing that is made of it is guaranteed. An interval is a pytree of three leaves of
    one shape, so `jit`, `vmap` and `tree_map` work on it.

    **Arguments**: `lower`, `upper`: arrays that broadcast against each other; integers become the default float.

    Names follow IEEE 1788-2015: `inf`, `sup`, `mid`, `rad`, `wid`, `mag`, `mig`, `intersection`, `hull`, `subset`,
    `interior`, `disjoint`, `is_empty`, `is_entire`, `is_singleton`, ... `+ - * / **` and `abs` are rounded outward.

    >>> box = Interval([0.0, -1.0], [1.0, 2.0])
    >>> box.mid().tolist(), box.mag().tolist(), (box * 2.0).contains(3.9).tolist()
    ([0.5, 0.5], [1.0, 2.0], [False, True])
    """

    __slots__ = ("decoration", "lower", "upper")
    __array_priority__ = 100  # so that `array * interval` asks the interval

    lower: Array
    upper: Array
    decoration: Array | np.ndarray | None

    def __init__(self, lower: ArrayLike | Sequence, upper: ArrayLike | Sequence):
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        dtype = jnp.result_type(lower, upper)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise InputError("Interval(lower, upper) is for real numbers; bound real and imaginary parts apart.")
        if not jnp.issubdtype(dtype, jnp.floating):
            dtype = jnp.result_type(float)
        try:
            shape = jnp.broadcast_shapes(lower.shape, upper.shape)
        except ValueError:
            raise InputError(
                f"Interval(lower, upper): the shapes {lower.shape} and {upper.shape} do not fit together; "
                "give one lower and one upper endpoint per element."
            ) from None
        lower = jnp.broadcast_to(lower, shape).astype(dtype)
        upper = jnp.broadcast_to(upper, shape).astype(dtype)
        _check_endpoints(lower, upper)
        self.lower, self.upper = widen_subnormal(lower, upper)
        self.decoration = np.zeros(shape, np.uint8)

    @classmethod
    def unchecked(cls, lower, upper, decoration=None) -> "Interval":
        """The interval with exactly these endpoints; without a decoration nothing is known of it."""
        interval = object.__new__(cls)
        interval.lower, interval.upper, interval.decoration = lower, upper, decoration
        return interval

    @classmethod
    def point(cls, value: ArrayLike) -> "Interval":
        """`[value, value]`."""
        return cls(value, value)

    @classmethod
    def around(cls, middle: ArrayLike, radius: ArrayLike) -> "Interval":
        """An interval that contains `[middle - radius, middle + radius]`."""
        middle = jnp.asarray(middle, jnp.result_type(float, middle))
        flushed = jnp.asarray(2 * tiny(middle.dtype), middle.dtype)  # both may be denormal
        return cls(down(middle - radius, absolute=flushed), up(middle + radius, absolute=flushed))

    @classmethod
    def empty(cls, shape=(), dtype=float) -> "Interval":
        """Intervals of the given shape that hold no number: `[+inf, -inf]`."""
        return cls.unchecked(*(jnp.full(shape, end, dtype) for end in (jnp.inf, -jnp.inf)), np.zeros(shape, np.uint8))

    @classmethod
    def entire(cls, shape=(), dtype=float) -> "Interval":
        """All reals."""
        return cls.unchecked(*(jnp.full(shape, end, dtype) for end in (-jnp.inf, jnp.inf)), np.zeros(shape, np.uint8))

    def tree_flatten_with_keys(self):
        """The endpoint arrays and the decoration with their names, for JAX."""
        return tuple((jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in _LEAVES), None

    @classmethod
    def tree_unflatten(cls, _, children):
        """An interval from its leaves, unchecked, for JAX."""
        return cls.unchecked(*children)

    # What an array has.

    @property
    def shape(self):
        """Shape of the endpoint arrays."""
        return jnp.shape(self.lower)

    @property
    def dtype(self):
        """Type of the endpoints."""
        return jnp.result_type(self.lower)

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self):
        """Number of intervals."""
        return int(np.prod(self.shape))

    @property
    def guaranteed(self) -> bool:
        """Whether all elements are proved to hold what they enclose, rounding included: made by the checked constructor
        or by rules that are guaranteed, on a machine whose rounding margins have been tested (`rounding.tested_on`).

        Not known under `jit` and `vmap`: ask the result.
        """
        if isinstance(self.decoration, jax.core.Tracer):
            raise InputError("Interval.guaranteed is not known under jit, vmap or grad; ask the result, outside of it.")
        return self.decoration is not None and not (np.asarray(self.decoration) & np.uint8(UNPROVED)).any()

    def is_defined(self) -> Array:
        """Where the enclosed function is a number everywhere in the box; False where that is not known."""
        return self._lacks(UNDEFINED)

    def is_continuous(self) -> Array:
        """Where the enclosed function is defined and continuous everywhere in the box."""
        return self._lacks(UNDEFINED | JUMPS)

    def is_differentiable(self) -> Array:
        """Where the enclosed function is continuously differentiable everywhere in the box."""
        return self._lacks(UNDEFINED | JUMPS | KINKED)

    def _lacks(self, flags: int) -> Array:
        if self.decoration is None:
            return jnp.zeros(self.shape, bool)
        return ((jnp.asarray(self.decoration) & np.uint8(flags)) == 0) & ~self.is_nai()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        return self._moved(lambda x: x[index])

    def reshape(self, *shape):
        """The same intervals in another shape."""
        return self._moved(lambda x: x.reshape(*shape))

    def _moved(self, move) -> "Interval":
        return jax.tree.map(move, self)

    def astype(self, dtype):
        """The smallest interval of the given float type that contains this one."""
        found = OPERATIONS["convert"](Interval.unchecked(self.lower, self.upper), dtype)
        return Interval.unchecked(found.lower, found.upper, self.decoration)

    def __repr__(self):
        return f"Interval(lower={self.lower}, upper={self.upper})"

    # Numbers.

    def inf(self) -> Array:
        """Lower endpoints."""
        return self.lower

    def sup(self) -> Array:
        """Upper endpoints."""
        return self.upper

    @_one_program
    def mid(self) -> Array:
        """A finite number inside, near the middle: 0 for all reals, NaN for the empty set."""
        bound = float(jnp.finfo(self.dtype).max)
        low, high = jnp.maximum(self.lower, -bound), jnp.minimum(self.upper, bound)
        # Neither can overflow; of two halves compilers make one half of a sum, which does.
        middle = jnp.where((low < 0) & (high > 0), 0.5 * (low + high), low + 0.5 * (high - low))
        middle = jnp.clip(middle, self.lower, self.upper)
        return jnp.where(self.is_empty(), jnp.nan, middle)

    @_one_program
    def rad(self) -> Array:
        """The smallest radius about `mid()`, rounded up; NaN for the empty set."""
        middle = self.mid()
        return _or_zero(jnp.maximum(up(middle - self.lower), up(self.upper - middle)), self.is_singleton())

    @_one_program
    def wid(self) -> Array:
        """Upper minus lower endpoint, rounded up; NaN for the empty set."""
        width = _or_zero(up(self.upper - self.lower), self.is_singleton())
        return jnp.where(self.is_empty(), jnp.nan, width)

    @_one_program
    def mag(self) -> Array:
        """The largest modulus; NaN for the empty set."""
        largest = jnp.maximum(jnp.abs(self.lower), jnp.abs(self.upper))
        return jnp.where(self.is_empty(), jnp.nan, largest)

    @_one_program
    def mig(self) -> Array:
        """The smallest modulus; NaN for the empty set."""
        smallest = jnp.maximum(jnp.maximum(self.lower, -self.upper), jnp.zeros_like(self.lower))
        return jnp.where(self.is_empty(), jnp.nan, smallest)

    # Questions, answered elementwise.

    def is_empty(self) -> Array:
        """True where no number lies inside."""
        return self.lower > self.upper

    def is_entire(self) -> Array:
        """True where every real number lies inside."""
        return (self.lower == -jnp.inf) & (self.upper == jnp.inf)

    def is_nai(self) -> Array:
        """Not an interval: an endpoint is NaN."""
        return jnp.isnan(self.lower) | jnp.isnan(self.upper)

    def is_singleton(self) -> Array:
        """True where exactly one number lies inside."""
        return self.lower == self.upper

    def is_bounded(self) -> Array:
        """True for finite endpoints and for the empty set."""
        return (jnp.isfinite(self.lower) & jnp.isfinite(self.upper)) | self.is_empty()

    def contains(self, value: ArrayLike) -> Array:
        """Whether the real number `value` is a member (`isMember` of the standard)."""
        value = jnp.asarray(value, self.dtype)
        shape = jnp.broadcast_shapes(self.shape, value.shape)
        lower, upper, value = (jnp.broadcast_to(x, shape) for x in (self.lower, self.upper, value))
        return (lower <= value) & (value <= upper) & jnp.isfinite(value)

    def equal(self, other: "Interval") -> Array:
        """True where both hold the same numbers."""
        return (self.lower == other.lower) & (self.upper == other.upper)

    def subset(self, other: "Interval") -> Array:
        """Whether every member is a member of `other`."""
        inside = (other.lower <= self.lower) & (self.upper <= other.upper)
        return (self.is_empty() & ~other.is_nai()) | inside

    def interior(self, other: "Interval") -> Array:
        """Whether this interval lies in the interior of `other`."""
        above = (other.lower < self.lower) | (other.lower == -jnp.inf)
        below = (self.upper < other.upper) | (other.upper == jnp.inf)
        return (self.is_empty() & ~other.is_nai()) | (above & below & ~self.is_nai() & ~other.is_empty())

    def disjoint(self, other: "Interval") -> Array:
        """True where no number lies in both."""
        apart = (self.upper < other.lower) | (other.upper < self.lower)
        return apart | (self.is_empty() & ~other.is_nai()) | (other.is_empty() & ~self.is_nai())

    def less(self, other: "Interval") -> Array:
        """Whether `lower <= other.lower` and `upper <= other.upper` (weakly less)."""
        return (self.lower <= other.lower) & (self.upper <= other.upper)

    def precedes(self, other: "Interval") -> Array:
        """Whether no member is greater than any member of `other`."""
        return (self.upper <= other.lower) | self.is_empty() | other.is_empty()

    # Sets.

    def intersection(self, other: "Interval") -> "Interval":
        """The members of both; empty where there are none."""
        lower, upper = jnp.maximum(self.lower, other.lower), jnp.minimum(self.upper, other.upper)
        none = lower > upper
        lower, upper = jnp.where(none, jnp.inf, lower), jnp.where(none, -jnp.inf, upper)
        return Interval.unchecked(lower, upper, _united(lower.shape, self, other))

    def hull(self, other: "Interval") -> "Interval":
        """The smallest interval that contains both (`convexHull` of the standard)."""
        lower, upper = jnp.minimum(self.lower, other.lower), jnp.maximum(self.upper, other.upper)
        return Interval.unchecked(lower, upper, _united(lower.shape, self, other))

    # Arithmetic, rounded outward.

    def __neg__(self):
        return Interval.unchecked(-self.upper, -self.lower, self.decoration)

    def __pos__(self):
        return self

    def __abs__(self):
        found = OPERATIONS["absolute"](self)
        return Interval.unchecked(found.lower, found.upper, _united(self.shape, self))

    def __add__(self, other):
        return _operation("add", self, other)

    def __radd__(self, other):
        return _operation("add", other, self)

    def __sub__(self, other):
        return _operation("subtract", self, other)

    def __rsub__(self, other):
        return _operation("subtract", other, self)

    def __mul__(self, other):
        return _operation("multiply", self, other)

    def __rmul__(self, other):
        return _operation("multiply", other, self)

    def __truediv__(self, other):
        return _operation("divide", self, other)

    def __rtruediv__(self, other):
        return _operation("divide", other, self)

    def __pow__(self, exponent: int):
        if not isinstance(exponent, int):
            raise InputError("interval ** exponent takes an integer; for others use enclose(jnp.power)(a, b).")
        found = OPERATIONS["integer_power"](self, exponent)
        undefined = self.contains(0.0) if exponent < 0 else np.False_
        return Interval.unchecked(
            found.lower, found.upper, _united(self.shape, self, undefined=undefined, made=found.lower)
        )

    def __matmul__(self, other):
        return OPERATIONS["matmul"](self, other)

    def __rmatmul__(self, other):
        return OPERATIONS["matmul"](other, self)


_LEAVES = ("lower", "upper", "decoration")


OPERATIONS: dict[str, Callable] = {}
"""What the operators call, by name: rules that are written on intervals, so `enclose` puts them here."""


def _operation(name: str, a, b) -> Interval:
    """The rule of that name by element, with the decorations of both operands."""
    dtype = a.dtype if isinstance(a, Interval) else b.dtype
    a = a if isinstance(a, Interval) else jnp.asarray(a, dtype)
    b = b if isinstance(b, Interval) else jnp.asarray(b, dtype)
    shape = jnp.broadcast_shapes(a.shape, b.shape)
    found = OPERATIONS[name](broadcast(a, shape), broadcast(b, shape))
    undefined = np.False_
    if name == "divide":
        undefined = (b.lower <= 0) & (b.upper >= 0) if isinstance(b, Interval) else b == 0
    return Interval.unchecked(found.lower, found.upper, _united(shape, a, b, undefined=undefined, made=found.lower))


def _united(shape, *operands, undefined=np.False_, made=None):
    """The decoration of what is made of these operands, where points have none; None where an interval has none.

    `made` are endpoints that were rounded.
    """
    intervals = [x for x in operands if isinstance(x, Interval)]
    if any(x.decoration is None for x in intervals):
        return None
    concrete = not any(isinstance(x, jax.core.Tracer) for x in (undefined, *(i.decoration for i in intervals)))
    library = np if concrete else jnp
    result = library.where(library.broadcast_to(library.asarray(undefined), shape), np.uint8(UNDEFINED), np.uint8(0))
    for x in intervals:
        result = result | library.broadcast_to(library.asarray(x.decoration), shape)
    return result if made is None or margins_tested(made) else result | np.uint8(UNPROVED)


def _or_zero(value, condition):
    return jnp.where(condition, jnp.zeros_like(value), value)


def _check_endpoints(lower, upper) -> None:
    if isinstance(lower, jax.core.Tracer) or isinstance(upper, jax.core.Tracer):
        return
    lower, upper = np.asarray(lower), np.asarray(upper)
    if (np.isnan(lower) | np.isnan(upper)).any():
        raise InputError("Interval(lower, upper): an endpoint is NaN; remove NaN from the data the box is made of.")
    empty = (lower == np.inf) & (upper == -np.inf)
    wrong = ((lower > upper) | (lower == np.inf) | (upper == -np.inf)) & ~empty
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"Interval(lower, upper): the lower endpoint {float(lower[place])} is not below the upper endpoint "
            f"{float(upper[place])} at index {place}; swap them, or use Interval.empty for the empty set."
        )


def is_interval(value) -> bool:
    return isinstance(value, Interval)


def broadcast(value, shape):
    """`value`, an array or the endpoints of an interval, broadcast to `shape`."""
    if isinstance(value, Interval):
        return Interval.unchecked(jnp.broadcast_to(value.lower, shape), jnp.broadcast_to(value.upper, shape))
    return jnp.broadcast_to(value, shape)


def as_interval(value) -> Interval:
    """An array as an interval of points, its denormals widened; an interval as it is."""
    if isinstance(value, Interval):
        return value
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return Interval.unchecked(value, value)
    return Interval.unchecked(*widen_subnormal(value, value))
