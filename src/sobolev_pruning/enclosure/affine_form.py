"""The affine form: a value as an affine function of shared noise symbols, plus an error of its own.

A form stands for an array of reals

    x = center + sum_i coefficients[i] eps_i + error eta,    eps_i, eta in [-1, 1],

where the symbols `eps_i` are shared by all forms of a computation, which is how correlations survive, and `eta` is each
element's own. Every form also carries `range`, an interval the value lies in, from interval arithmetic in parallel.
Linear operations are exact up to rounding; the others add to `error` (see `docs/derivations/affine-forms.md`).

Symbols come in blocks, one per promoted array; `blocks` lists the blocks of a form, in the order of its coefficients,
so that forms with different blocks can be aligned when the program is traced.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .contraction import midpoint_radius
from .fusion import computed_once
from .interval import Interval
from .rounding import down, roundoff, summation, tiny, up


class Block(NamedTuple):
    """`size` noise symbols that were made together; later blocks have larger numbers."""

    number: int
    size: int


@jax.tree_util.register_pytree_node_class
class AffineForm:
    """`center` (shape), `coefficients` (symbols, *shape), `error` (shape) and `range` (an `Interval` of the shape).

    `blocks` names the symbols. `significant` is False where `error` holds nothing but rounding errors. What is not
    finite in a form says nothing: then `range` alone holds.
    """

    __slots__ = ("blocks", "center", "coefficients", "error", "range", "significant")

    def __init__(self, center, coefficients, error, range, blocks, significant):
        self.center, self.coefficients, self.error, self.range = center, coefficients, error, range
        self.blocks, self.significant = tuple(blocks), significant

    def tree_flatten(self):
        return (self.center, self.coefficients, self.error, self.range), (self.blocks, self.significant)

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

    def __getitem__(self, index):
        return AffineForm(
            self.center[index],
            self.coefficients[(slice(None), *index) if isinstance(index, tuple) else (slice(None), index)],
            self.error[index],
            self.range[index],
            self.blocks,
            self.significant,
        )

    def deviation(self) -> Array:
        """An upper bound of `sum_i |coefficients[i]|`."""
        return deviation(self.coefficients)

    def radius(self) -> Array:
        """An upper bound of the distance of the value from `center`."""
        return up(self.deviation() + self.error)


def deviation(coefficients: Array) -> Array:
    count = coefficients.shape[0]
    if count == 0:
        return jnp.zeros(coefficients.shape[1:], coefficients.dtype)
    total = jnp.sum(jnp.abs(coefficients), axis=0)
    return total * (1 + 2 * summation(count, coefficients.dtype)) + count * tiny(coefficients.dtype)


def rounded_error(form_center, form_deviation, operations: int, symbols: int, dtype) -> Array:
    """A bound on the rounding errors of a center and its coefficients that took so many operations each."""
    units = (operations + 1) * roundoff(dtype)
    return units * (jnp.abs(form_center) + form_deviation) + (operations + 1) * (symbols + 2) * tiny(dtype)


def narrowed(center, coefficients, error, natural: Interval, blocks, significant) -> AffineForm:
    """The form with the intersection of its own range and the `natural` one, from interval arithmetic."""
    reach = up(deviation(coefficients) + error)
    lower, upper = down(center - reach), up(center + reach)
    useless = ~jnp.isfinite(lower) | ~jnp.isfinite(upper)
    own = Interval.unchecked(jnp.where(useless, -jnp.inf, lower), jnp.where(useless, jnp.inf, upper))
    return AffineForm(center, coefficients, error, own.intersection(natural), blocks, significant)


def lift(value: Interval) -> AffineForm:
    """An interval as a form without symbols: it is correlated with nothing."""
    middle, radius = midpoint_radius(value)
    nothing = jnp.zeros((0, *value.shape), value.dtype)
    return AffineForm(middle, nothing, radius, value, (), True)


def promote(form: AffineForm, number: int) -> AffineForm:
    """Turns the error of each element into a noise symbol, so that operations from here on see it as one."""
    finite = jnp.isfinite(form.error)
    new = computed_once(jnp.where(finite, form.error, 0.0))
    diagonal = jnp.reshape(jnp.diag(jnp.ravel(new)), (form.size, *form.shape))
    coefficients = jnp.concatenate([form.coefficients, diagonal])
    error = jnp.where(finite, 0.0, form.error)
    return AffineForm(form.center, coefficients, error, form.range, (*form.blocks, Block(number, form.size)), False)


def condensed(form: AffineForm, keep: int) -> AffineForm:
    """The form with at most `keep` symbols: whole blocks go into the error, the oldest derived ones first.

    The inputs' own block is kept longest: correlation through it is what makes the form tight.
    """
    blocks = list(form.blocks)
    while sum(block.size for block in blocks) > keep and blocks:
        blocks.pop(1 if len(blocks) > 1 else 0)
    if len(blocks) == len(form.blocks):
        return form
    kept, lost, start = [], [], 0
    for block in form.blocks:
        part = form.coefficients[start : start + block.size]
        (kept if block in blocks else lost).append(part)
        start += block.size
    error = up(form.error + deviation(jnp.concatenate(lost)))
    none = jnp.zeros((0, *form.shape), form.dtype)
    return AffineForm(form.center, jnp.concatenate([none, *kept]), error, form.range, blocks, True)


def aligned(forms: list[AffineForm]) -> tuple[list[Array], tuple[Block, ...]]:
    """The coefficients of the forms over the union of their symbols, with that union."""
    union = tuple(sorted(set().union(*[form.blocks for form in forms])))
    return [_spread(form, union) for form in forms], union


def _spread(form: AffineForm, union: tuple[Block, ...]) -> Array:
    if form.blocks == union:
        return form.coefficients
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
        form.coefficients[part[1] : part[2]] if part[0] else jnp.zeros((part[1], *form.shape), form.dtype)
        for part in parts
    ]
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)

