"""The interval: a pair of arrays, lower and upper, with the set operations and numbers of IEEE 1788."""

from collections.abc import Sequence

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp
from jaxtyping import ArrayLike

from .._foundation.errors import InputError
from .rounding import down, margins_tested, tiny, up, widen_subnormal


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

    `Interval(lower, upper)` is the checked constructor: concrete endpoints that are NaN or in the wrong order raise
    `InputError` (values traced by `jit` cannot be checked). `Interval.unchecked(lower, upper)` checks and changes
    nothing. An interval is a pytree of two leaves, so `jit`, `vmap` and `tree_map` work on it.

    **Arguments**: `lower`, `upper`: arrays that broadcast against each other; integers become the default float.

    Names follow IEEE 1788-2015: `inf`, `sup`, `mid`, `rad`, `wid`, `mag`, `mig`, `intersection`, `hull`, `subset`,
    `interior`, `disjoint`, `is_empty`, `is_entire`, `is_singleton`, ... `+ - * / **` and `abs` are rounded outward.

    >>> box = Interval([0.0, -1.0], [1.0, 2.0])
    >>> box.mid().tolist(), box.mag().tolist(), (box * 2.0).contains(3.9).tolist()
    ([0.5, 0.5], [1.0, 2.0], [False, True])
    """

    __slots__ = ("lower", "upper")
    __array_priority__ = 100  # so that `array * interval` asks the interval

    lower: Array
    upper: Array

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

    @classmethod
    def unchecked(cls, lower, upper) -> "Interval":
        """The interval with exactly these endpoints, which the caller vouches for."""
        interval = object.__new__(cls)
        interval.lower, interval.upper = lower, upper
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
        return cls.unchecked(jnp.full(shape, jnp.inf, dtype), jnp.full(shape, -jnp.inf, dtype))

    @classmethod
    def entire(cls, shape=(), dtype=float) -> "Interval":
        """All reals."""
        return cls.unchecked(jnp.full(shape, -jnp.inf, dtype), jnp.full(shape, jnp.inf, dtype))

    def tree_flatten_with_keys(self):
        """The two endpoint arrays with their names, for JAX."""
        key = jax.tree_util.GetAttrKey
        return ((key("lower"), self.lower), (key("upper"), self.upper)), None

    @classmethod
    def tree_unflatten(cls, _, children):
        """An interval from its endpoint arrays, unchecked, for JAX."""
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
        """Whether rounding margins have been tested on the device that holds it, in its type: on CPU, and in float64 on
        the GPUs of `rounding.TESTED_GPUS`.
        """
        return margins_tested(self.lower)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        return Interval.unchecked(self.lower[index], self.upper[index])

    def reshape(self, *shape):
        """The same intervals in another shape."""
        return Interval.unchecked(self.lower.reshape(*shape), self.upper.reshape(*shape))

    def astype(self, dtype):
        """The smallest interval of the given float type that contains this one."""
        from .arithmetic import convert

        return convert(self, dtype)

    def __repr__(self):
        return f"Interval(lower={self.lower}, upper={self.upper})"

    # Numbers.

    def inf(self) -> Array:
        """Lower endpoints."""
        return self.lower

    def sup(self) -> Array:
        """Upper endpoints."""
        return self.upper

    def mid(self) -> Array:
        """A finite number inside, near the middle: 0 for all reals, NaN for the empty set."""
        bound = float(jnp.finfo(self.dtype).max)
        middle = 0.5 * jnp.maximum(self.lower, -bound) + 0.5 * jnp.minimum(self.upper, bound)
        middle = jnp.clip(middle, self.lower, self.upper)
        return jnp.where(self.is_empty(), jnp.nan, middle)

    def rad(self) -> Array:
        """The smallest radius about `mid()`, rounded up; NaN for the empty set."""
        middle = self.mid()
        return _or_zero(jnp.maximum(up(middle - self.lower), up(self.upper - middle)), self.is_singleton())

    def wid(self) -> Array:
        """Upper minus lower endpoint, rounded up; NaN for the empty set."""
        width = _or_zero(up(self.upper - self.lower), self.is_singleton())
        return jnp.where(self.is_empty(), jnp.nan, width)

    def mag(self) -> Array:
        """The largest modulus; NaN for the empty set."""
        largest = jnp.maximum(jnp.abs(self.lower), jnp.abs(self.upper))
        return jnp.where(self.is_empty(), jnp.nan, largest)

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
        return Interval.unchecked(jnp.where(none, jnp.inf, lower), jnp.where(none, -jnp.inf, upper))

    def hull(self, other: "Interval") -> "Interval":
        """The smallest interval that contains both (`convexHull` of the standard)."""
        return Interval.unchecked(jnp.minimum(self.lower, other.lower), jnp.maximum(self.upper, other.upper))

    # Arithmetic, rounded outward.

    def __neg__(self):
        return Interval.unchecked(-self.upper, -self.lower)

    def __pos__(self):
        return self

    def __abs__(self):
        return _arithmetic().absolute(self)

    def __add__(self, other):
        return _arithmetic().add(*_pair(self, other))

    def __radd__(self, other):
        return _arithmetic().add(*_pair(other, self))

    def __sub__(self, other):
        return _arithmetic().subtract(*_pair(self, other))

    def __rsub__(self, other):
        return _arithmetic().subtract(*_pair(other, self))

    def __mul__(self, other):
        return _arithmetic().multiply(*_pair(self, other))

    def __rmul__(self, other):
        return _arithmetic().multiply(*_pair(other, self))

    def __truediv__(self, other):
        return _arithmetic().divide(*_pair(self, other))

    def __rtruediv__(self, other):
        return _arithmetic().divide(*_pair(other, self))

    def __pow__(self, exponent: int):
        if not isinstance(exponent, int):
            raise InputError("interval ** exponent takes an integer; for others use enclose(jnp.power)(a, b).")
        return _arithmetic().integer_power(self, exponent)

    def __matmul__(self, other):
        from .enclose import enclose

        return enclose(jnp.matmul)(self, other)

    def __rmatmul__(self, other):
        from .enclose import enclose

        return enclose(jnp.matmul)(other, self)


def _arithmetic():
    # The rules are written on intervals, so they can only be looked up once this module is complete.
    from . import arithmetic

    return arithmetic


def _pair(a, b):
    dtype = a.dtype if isinstance(a, Interval) else b.dtype
    a = a if isinstance(a, Interval) else jnp.asarray(a, dtype)
    b = b if isinstance(b, Interval) else jnp.asarray(b, dtype)
    shape = jnp.broadcast_shapes(a.shape, b.shape)
    return broadcast(a, shape), broadcast(b, shape)


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
    """`value`, an array or an interval, broadcast to `shape`."""
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
