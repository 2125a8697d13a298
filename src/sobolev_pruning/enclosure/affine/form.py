"""The affine form: a value as a polynomial of the box's own symbols, an affine function of noise, and an error.

A form stands for an array of reals

    x = center + sum_i l_i eps_i + sum_ij q_ij Q_ij(eps) + sum_k noise[k] nu_k + error eta,

with all symbols in [-1, 1]. The `eps_i` are the coordinates of the box; `Q_ij = eps_i eps_j`, but
`Q_ii = 2 eps_i^2 - 1` lies in [-1, 1] like the rest. The `nu_k` are shared by all forms of a computation, which is how
correlations survive, and `eta` is each element's own. Every form also carries `range`, an interval the value lies in,
from interval arithmetic in parallel. Linear operations are exact up to rounding, whatever the symbols mean; the others
know squares of the `eps_i` and add what is left to `error` (see `docs/derivations/affine-forms.md`).

Noise symbols come in blocks, one per promoted array; `blocks` lists the blocks of a form, in the order of its noise,
so that forms with different blocks can be aligned when the program is traced.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..interval import Interval
from ..natural.contraction import midpoint_radius
from ..scalar.fusion import computed_once
from ..scalar.rounding import roundoff, summation, tiny, up


class Block(NamedTuple):
    """`size` noise symbols that were made together; later blocks have larger numbers."""

    number: int
    size: int


@jax.tree_util.register_pytree_node_class
class AffineForm:
    """`center` (shape), `polynomial` (rows, *shape), `noise` (symbols, *shape), `error` (shape) and `range`.

    The first `linear` rows of `polynomial` hold the l_i; where there are more, `linear**2` rows follow with the q_ij,
    symmetric in i and j. A form that does not depend on the box has no rows and `linear` 0. `blocks` names the noise.
    `significant` is False where `error` holds nothing but rounding errors. What is not finite in a form says nothing:
    then `range` alone holds. `tight` is the same form with its range as narrow as it gets, once that was asked for;
    linear operations leave it open, because their results often meet no operation that looks at ranges.
    """

    __slots__ = ("blocks", "center", "error", "linear", "noise", "polynomial", "range", "significant", "tight")

    def __init__(self, center, polynomial, noise, error, range, blocks, significant, linear):
        self.center, self.polynomial, self.noise = center, polynomial, noise
        self.error, self.range = error, range
        self.blocks, self.significant, self.linear = tuple(blocks), significant, linear
        self.tight: AffineForm | None = None

    def tree_flatten(self):
        children = (self.center, self.polynomial, self.noise, self.error, self.range)
        return children, (self.blocks, self.significant, self.linear)

    @classmethod
    def tree_unflatten(cls, static, children):
        return cls(*children, *static)

    @property
    def shape(self):
        return self.range.shape

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def dtype(self):
        return self.range.dtype

    @property
    def size(self):
        return int(np.prod(self.shape))

    @property
    def symbols(self) -> int:
        return self.polynomial.shape[0] + self.noise.shape[0]

    @property
    def is_quadratic(self) -> bool:
        return self.polynomial.shape[0] > self.linear

    def __getitem__(self, index):
        rows = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
        return self.with_parts(
            self.center[index], self.polynomial[rows], self.noise[rows], self.error[index], self.range[index]
        )

    def with_parts(self, center, polynomial, noise, error, range) -> "AffineForm":
        """Other arrays for the same symbols."""
        return AffineForm(center, polynomial, noise, error, range, self.blocks, self.significant, self.linear)

    def mapped(self, function) -> "AffineForm":
        """A function that moves elements, applied to every part."""
        return self.with_parts(
            function(self.center),
            over_rows(function, self.polynomial),
            over_rows(function, self.noise),
            function(self.error),
            jax.tree.map(function, self.range),
        )

    def linear_part(self) -> Array:
        return self.polynomial[: self.linear]

    def deviation(self) -> Array:
        """An upper bound of the sum of the moduli of all coefficients."""
        return deviation(self.polynomial) + deviation(self.noise)

    def rest(self) -> Array:
        """An upper bound of what the value is off `center` and its linear part."""
        total = deviation(self.polynomial[self.linear :]) + deviation(self.noise) + self.error
        return total * (1 + 4 * roundoff(self.dtype))

    def radius(self) -> Array:
        """An upper bound of the distance of the value from `center`."""
        return up(self.deviation() + self.error)


def over_rows(function, rows: Array) -> Array:
    """`function` of each row."""
    if rows.shape[0]:
        return jax.vmap(function)(rows)
    shape = jax.eval_shape(function, jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype)).shape
    return jnp.zeros((0, *shape), rows.dtype)


def deviation(rows: Array) -> Array:
    count = rows.shape[0]
    if count == 0:
        return jnp.zeros(rows.shape[1:], rows.dtype)
    total = jnp.sum(jnp.abs(rows), axis=0)
    return total * (1 + 2 * summation(count, rows.dtype)) + count * tiny(rows.dtype)


def rounded_error(form_center, form_deviation, operations: int, symbols: int, dtype) -> Array:
    """A bound on the rounding errors of a center and its coefficients that took so many operations each."""
    units = (operations + 1) * roundoff(dtype)
    return units * (jnp.abs(form_center) + form_deviation) + (operations + 1) * (symbols + 2) * tiny(dtype)


def tight(form: AffineForm) -> AffineForm:
    """Declares the range of `form` to be as narrow as it gets."""
    form.tight = form
    return form


def narrowed(form: AffineForm) -> AffineForm:
    """The form with the intersection of its own range and the one it has, from interval arithmetic."""
    u = roundoff(form.dtype)
    spread = deviation(form.noise) + form.error
    lower, upper = (
        form.center + sign * ((reach + spread + jnp.abs(form.center) * (2 * u)) * (1 + 8 * u) + tiny(form.dtype))
        for sign, reach in zip((-1, 1), _reach_of_polynomial(form.polynomial, form.linear))
    )
    known = (upper - lower) < jnp.inf
    own = Interval.unchecked(jnp.where(known, lower, -jnp.inf), jnp.where(known, upper, jnp.inf))
    return tight(form.with_parts(form.center, form.polynomial, form.noise, form.error, own.intersection(form.range)))


def _reach_of_polynomial(polynomial: Array, linear: int) -> tuple[Array, Array]:
    """How far the polynomial reaches below and above 0, `l_i eps_i + q_ii (2 eps_i^2 - 1)` taken exactly."""
    if polynomial.shape[0] == linear:
        return (deviation(polynomial),) * 2
    slope = jnp.abs(polynomial[:linear])
    bend = polynomial[linear :: linear + 1]
    size = jnp.abs(bend)
    mixed = 1 - np.eye(linear).reshape(-1, *(1,) * (polynomial.ndim - 1))
    rest = jnp.sum(jnp.abs(polynomial[linear:]) * mixed.astype(polynomial.dtype), axis=0)
    far = slope + size
    # On the side it bends away from, the parabola ends at its vertex, or at 1 where that lies outside.
    near = jnp.where(slope < 4 * size, size + slope * (slope / jnp.where(size > 0, 8 * size, 1.0)), slope - size)
    below = jnp.sum(jnp.where(bend > 0, near, far), axis=0) + rest
    above = jnp.sum(jnp.where(bend > 0, far, near), axis=0) + rest
    count = polynomial.shape[0]
    margin = (jnp.sum(far, axis=0) + rest) * (4 * summation(count + 4, polynomial.dtype))
    margin = margin + 4 * count * tiny(polynomial.dtype)
    return below + margin, above + margin


def lift(value: Interval) -> AffineForm:
    """An interval as a form without symbols: it is correlated with nothing."""
    middle, radius = midpoint_radius(value)
    return tight(AffineForm(middle, no_rows(value), no_rows(value), radius, value, (), True, 0))


def no_rows(like) -> Array:
    return jnp.zeros((0, *like.shape), like.dtype)


def promote(form: AffineForm, number: int) -> AffineForm:
    """Turns the error of each element into a noise symbol, so that operations from here on see it as one."""
    new, error = promotable(form)
    diagonal = jnp.reshape(jnp.diag(jnp.ravel(new)), (form.size, *form.shape))
    noise = jnp.concatenate([form.noise, diagonal])
    blocks = (*form.blocks, Block(number, form.size))
    return AffineForm(form.center, form.polynomial, noise, error, form.range, blocks, False, form.linear)


def promotable(form: AffineForm) -> tuple[Array, Array]:
    """What of the error becomes noise, and what stays: that which is not finite."""
    finite = jnp.isfinite(form.error)
    return computed_once(jnp.where(finite, form.error, 0.0)), jnp.where(finite, 0.0, form.error)


def condensed(form: AffineForm, keep: int) -> AffineForm:
    """The form with at most `keep` noise symbols: whole blocks go into the error, the oldest first."""
    lost = 0
    blocks = list(form.blocks)
    while blocks and sum(block.size for block in blocks) > keep:
        lost += blocks.pop(0).size
    if not lost:
        return form
    error = up(form.error + deviation(form.noise[:lost]))
    return AffineForm(form.center, form.polynomial, form.noise[lost:], error, form.range, blocks, True, form.linear)


def polynomials(a: AffineForm, b: AffineForm) -> tuple[Array, Array, int]:
    """The polynomial rows of both, zeros where a form has none, with how many of them are linear."""
    if a.linear == b.linear:
        return a.polynomial, b.polynomial, a.linear
    rows = max(a.polynomial.shape[0], b.polynomial.shape[0])
    of_a, of_b = (x.polynomial if x.linear else jnp.zeros((rows, *x.shape), x.dtype) for x in (a, b))
    return of_a, of_b, max(a.linear, b.linear)


def aligned(forms: list[AffineForm]) -> tuple[list[Array], tuple[Block, ...]]:
    """The noise of the forms over the union of their symbols, with that union."""
    union = tuple(sorted(set().union(*[form.blocks for form in forms])))
    return [_spread(form, union) for form in forms], union


def _spread(form: AffineForm, union: tuple[Block, ...]) -> Array:
    if form.blocks == union:
        return form.noise
    starts, start = {}, 0
    for block in form.blocks:
        starts[block] = start
        start += block.size
    parts, run = [], None
    for block in union:
        known = block in starts
        if known and run is not None and run[0] and run[2] == starts[block]:
            run[2] += block.size  # adjacent in the form as well: one slice
        elif not known and run is not None and not run[0]:
            run[1] += block.size
        else:
            run = [True, starts[block], starts[block] + block.size] if known else [False, block.size]
            parts.append(run)
    pieces = [
        form.noise[part[1] : part[2]] if part[0] else jnp.zeros((part[1], *form.shape), form.dtype) for part in parts
    ]
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
