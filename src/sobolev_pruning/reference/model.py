"""What every reference model offers: a simulator with its noise apart, the law of its inputs, the truth."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values, as_points
from .._foundation.direction import direction_name
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from .._foundation.variables import Variable, numbered_inputs, numbered_outputs
from .pathwise import hessian_vector_products, value_and_jacobian, value_and_jacobian_rows
from .programs import n_numbers
from .truth import Truth, monte_carlo_truth

TEST_POINTS = 4096

_BLOCK_NUMBERS = 2**24
"""How many numbers of noise one compiled call holds at once: larger samples are drawn in several calls."""


class AbstractReference(eqx.Module):
    """A stochastic model `v(x, z)` of inputs `x`, `(d,)`, and noise `z`, whose mean over `z` is to be imitated.

    A model gives `label`, the laws of its inputs and its noise, its box, and the truth, exact or estimated; this class
    turns them into samples with pathwise derivatives. `gamma_direction` is the direction that gamma is taken along,
    None where a step of several inputs at once means nothing.
    """

    n_inputs: eqx.AbstractVar[int]
    gamma_direction: eqx.AbstractVar[Float[Array, "d"] | None]

    @property
    def n_outputs(self) -> int:
        """The number k of outputs, 1 where the axis of outputs is dropped."""
        point = jax.ShapeDtypeStruct((self.n_inputs,), jnp.float64)
        noise = jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0], self.noise(jax.random.key(0), 1)))
        return math.prod(jax.eval_shape(self.label, point, noise).shape)

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """Names and units of the inputs; `x0`, `x1`, ... where a model has none."""
        return numbered_inputs(self.n_inputs)

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """Names and units of the outputs; `y`, or `y0`, `y1`, ... where a model has none."""
        return numbered_outputs(self.n_outputs)

    @property
    def label_order(self) -> int:
        """The highest order of derivatives of labels that may be asked for."""
        return 2

    @property
    def gamma_name(self) -> str | None:
        """What moves along `gamma_direction`, as "all spots"; None without a direction."""
        return direction_name(self.gamma_direction, self.inputs)

    @abc.abstractmethod
    def label(self, x: Float[Array, "d"], z: Any) -> Float[Array, "..."]:
        """One unbiased label at `x` with noise `z` of one path, `()` or `(k,)`, differentiable in `x`."""

    @abc.abstractmethod
    def controls(self, x: Float[Array, "d"], z: Any) -> Float[Array, "c"]:
        """Control variates of the same path: functions of mean 0 for every `x`, differentiable in `x`; `(0,)` if none.

        `with_controls` takes out of the labels what they explain.
        """

    @abc.abstractmethod
    def noise(self, key: PRNGKey, n: int) -> Any:
        """The noise of `n` paths: an array or a tree of arrays with a first axis of length `n`."""

    @property
    @abc.abstractmethod
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """Lower and upper corner of the default box."""

    @abc.abstractmethod
    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        """Inputs of the law that training samples are drawn from."""

    @abc.abstractmethod
    def exposure_inputs(self, key: PRNGKey, n: int) -> Points:
        """Inputs of the law that the surrogate will meet in use."""

    @abc.abstractmethod
    def inputs_and_noise(self, key: PRNGKey, n: int, replicate: int | Int[Array, ""] = 0) -> tuple[Points, Any]:
        """Training inputs with noise for each, drawn together where a design fills the space of both evenly.

        Every `replicate` of one key has the same inputs and other noise.
        """

    @abc.abstractmethod
    def value(self, points: ArrayOrList) -> Values:
        """The expected value at each point."""

    @abc.abstractmethod
    def gradient(self, points: ArrayOrList) -> Gradients:
        """First derivatives of the expected value at each point."""

    @abc.abstractmethod
    def hessian(self, points: ArrayOrList) -> Hessians:
        """Second derivatives of the expected value at each point."""

    @abc.abstractmethod
    def truth(self, points: ArrayOrList, order: int = 2) -> Truth:
        """Value and derivatives up to `order` at each point, with standard errors where they are estimates."""

    def estimate(self, points: ArrayOrList, key: PRNGKey, paths: int = 65_536, order: int = 2) -> Truth:
        """The truth at `points` by `paths` simulated paths each, with standard errors, whether or not it is known."""
        require_float64("estimate")
        return monte_carlo_truth(self, as_points(points, self.n_inputs), key, paths, order)

    def test_points(self, key: PRNGKey, n: int = TEST_POINTS) -> Points:
        """Points `(n, d)`, uniform in the box."""
        lower, upper = self.box
        return jax.random.uniform(key, (n, self.n_inputs), jnp.float64, lower, upper)

    def draw(
        self, key: PRNGKey, n: int, directions: Float[Array, "n m d"] | None = None
    ) -> tuple[Points, Values, Gradients, Float[Array, "..."] | None]:
        """The arrays `x`, `y`, `dydx` and, along given `directions`, `hvp` of `n` samples; usable in compiled code."""
        x, z = self.inputs_and_noise(key, n)
        return x, *_each_path(self, 1, x, z, directions)

    def sample(
        self,
        key: PRNGKey,
        n: int,
        *,
        order: int = 1,
        directions: int | ArrayOrList = 1,
        jacobian_rows: int | None = None,
        paths: int = 1,
    ) -> Samples:
        """`n` samples with pathwise derivatives `d v(x, z)/dx` at fixed `z`: the simulation itself, differentiated.

        - `order` 0: values alone; 1: with first derivatives; 2: also with Hessian-vector products along `directions`:
          so many random directions per sample, normal with `E[v v'] = 1`, or the same `(m, d)` for every sample, such
          as `sampling.principal_directions` or, for full Hessians, the unit vectors. A second derivative of a payoff
          with a kink misses mass: see `sampling.check_derivatives`.
        - `jacobian_rows`: for models of k outputs the derivatives of so many of them in every sample, drawn at random:
          as vector-Jacobian products with unit vectors they cost one pass in reverse each instead of k. The others are
          NaN, which training leaves out (`Samples.missing`); in the mean the loss is that of full Jacobians.
        - `paths`: every label is the mean over so many paths; from 2 on samples have standard errors.
        """
        require_float64("Sampling")
        m = directions if isinstance(directions, int) else len(directions)
        if n < 1 or paths < 1 or m < 1 or order not in (0, 1, 2):
            raise InputError(
                f"sample was asked for n={n}, order={order}, directions={m}, paths={paths}; give an order of 0, 1 or 2 "
                "and at least one of the others."
            )
        if jacobian_rows is not None and (order != 1 or jacobian_rows < 1):
            raise InputError(
                f"jacobian_rows is {jacobian_rows} with order={order}; give 1 or more, with order=1, whose Jacobian "
                "they sample."
            )
        if order > self.label_order:
            raise InputError(
                "order is 2, but second derivatives of these labels are not those of their mean, as a pilot says; take "
                "order=1."
            )
        if not isinstance(directions, int):
            directions = as_points(directions, self.n_inputs)
        settings = order, directions, jacobian_rows, paths
        if order == 1 and paths == 1 and jacobian_rows is None:
            blocks = self._blocks(key, n, lambda key, size: _draw(self, key, size))
        else:
            blocks = self._blocks(key, n, lambda key, size: _draw_general(self, key, size, *settings))
        return Samples(*blocks, missing=jacobian_rows is not None, inputs=self.inputs, outputs=self.outputs)

    def _blocks(self, key: PRNGKey, n: int, draw):
        shapes = jax.eval_shape(lambda: self.noise(key, 1))
        most = max(1, _BLOCK_NUMBERS // max(1, sum(leaf.size for leaf in jax.tree.leaves(shapes))))
        n_blocks = -(-n // most)
        if n_blocks == 1:
            return draw(key, n)
        size = -(-n // n_blocks)
        blocks = [draw(jax.random.fold_in(key, i), size) for i in range(n_blocks)]
        return [None if parts[0] is None else np.concatenate(parts)[:n] for parts in zip(*blocks)]


def _each_path(reference: AbstractReference, order: int, x: Points, z: Any, directions, rows=None):
    """`_one_path` for every row, so many at once as fit into memory with all that a path computes."""
    one_path = lambda row: _one_path(reference, order, *row)  # noqa: E731
    given = x, z, directions, rows
    program = jax.make_jaxpr(one_path)(jax.tree.map(lambda a: a[0], given)).jaxpr
    at_once = max(1, _BLOCK_NUMBERS // n_numbers(program))
    return jax.vmap(one_path)(given) if at_once >= len(x) else jax.lax.map(one_path, given, batch_size=at_once)


def _one_path(reference: AbstractReference, order: int, x: Float[Array, "d"], z: Any, directions, rows=None):
    """Label, its derivatives (None for order 0), and Hessian-vector products (None without directions)."""

    def label(point):
        return reference.label(point, z)

    if rows is not None:
        return *value_and_jacobian_rows(label, x, rows), None
    value, jacobian = value_and_jacobian(label, x) if order else (label(x), None)
    return value, jacobian, None if directions is None else hessian_vector_products(label, x, directions)


@eqx.filter_jit
def _draw(reference: AbstractReference, key: PRNGKey, n: int):
    return reference.draw(key, n)[:3]


@eqx.filter_jit
def _draw_general(
    reference: AbstractReference,
    key: PRNGKey,
    n: int,
    order: int,
    wanted: int | Array,
    jacobian_rows: int | None,
    paths: int,
):
    """The fields of `Samples` in their order, None where not asked for."""
    direction_key, draw_key, _ = jax.random.split(key, 3)
    x, first = reference.inputs_and_noise(draw_key, n)
    directions = None
    if order == 2:
        if isinstance(wanted, int):
            directions = jax.random.normal(direction_key, (n, wanted, reference.n_inputs), jnp.float64)
        else:
            directions = jnp.broadcast_to(wanted, (n, *wanted.shape))

    rows = None
    if jacobian_rows is not None:
        outputs = jax.eval_shape(lambda: reference.label(x[0], jax.tree.map(lambda a: a[0], first))).shape
        if outputs:  # a model of one output has one row, which is the gradient
            ranks = jax.random.uniform(direction_key, (n, *outputs), jnp.float64)
            rows = jnp.argsort(ranks, axis=1)[:, :jacobian_rows]
    found = _each_path(reference, order, x, first, directions, rows)
    y_stderr = dydx_stderr = None
    if paths > 1:
        # Sums about the first path: so their squares do not cancel what the size of the label would.
        def add(sums, replicate):
            _, z = reference.inputs_and_noise(draw_key, n, replicate)
            more = jax.tree.map(jnp.subtract, _each_path(reference, order, x, z, directions, rows), found)
            return jax.tree.map(jnp.add, sums, (more, jax.tree.map(jnp.square, more))), None

        none = jax.tree.map(jnp.zeros_like, found)
        (total, squares), _ = jax.lax.scan(add, (none, none), jnp.arange(1, paths))
        mean = jax.tree.map(lambda sum: sum / paths, total)
        stderr = jax.tree.map(
            lambda square, mean: jnp.sqrt(jnp.maximum(square / paths - mean**2, 0.0) / (paths - 1.0)), squares, mean
        )
        y_stderr, dydx_stderr = stderr[:2]
        found = jax.tree.map(jnp.add, found, mean)
    y, dydx, hvp = found
    return x, y, dydx, directions, hvp, y_stderr, dydx_stderr
