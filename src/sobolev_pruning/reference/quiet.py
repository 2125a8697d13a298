"""Quiet labels: one direction of the noise is integrated, so that labels have less noise and no kinks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, Int

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values, as_points
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable
from .designs import joint_points, unit_points
from .inputs import Box, Gaussian
from .model import AbstractReference
from .pathwise import hessian_vector_products, value_and_jacobian
from .piecewise import piecewise_mean
from .switches import switches
from .truth import Truth, gamma_step

POINTS = 32
"""Points along the direction where its pieces are not known."""


class QuietReference(AbstractReference):
    """A reference whose labels are means over one direction of the noise of `model`; made by `quiet`.

    With the noise `z = A (t, w)` of a path, `A` orthogonal, `t` standard normal and `w` the rest,

        label(x, w) = E_t[v(x, A (t, w))].

    `rotation` is `A`, `(m, m)`. `most` is how often the simulation may switch along its first column; where it is None,
    switches are not known and the mean is taken over 32 points, randomly shifted, at equal distances
    in probability. Inputs and the rest of the noise are Sobol points where the law of the inputs allows it. Derivatives
    of labels are valid up to `order`; `record` the `PreIntegration` that tells how all this was chosen.
    """

    model: Any
    rotation: Float[Array, "m m"]
    most: int | None = eqx.field(static=True)
    order: int = eqx.field(static=True)
    record: Any = None

    @property
    def n_inputs(self) -> int:
        """The number d of inputs."""
        return self.model.n_inputs

    @property
    def label_order(self) -> int:
        """The highest order of derivatives of labels that may be asked for."""
        return self.order

    @property
    def inputs(self) -> tuple[Variable, ...]:
        return self.model.inputs

    @property
    def outputs(self) -> tuple[Variable, ...]:
        return self.model.outputs

    @property
    def gamma_direction(self) -> Float[Array, "d"] | None:
        """The direction of gamma, `(d,)`, where there is one."""
        return self.model.gamma_direction

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        return self.model.box

    def label(self, x: Float[Array, "d"], z: Float[Array, "m"]) -> Float[Array, "..."]:
        """`E_t[v(x, A (t, z[1:]))]`; where the mean is one over points, `z[0]` says how they are shifted."""
        rest = self.rotation[:, 1:] @ z[1:]

        def along(x, t):
            return self.model.simulate(x, self.model.noise_law.from_normal(rest + t * self.rotation[:, 0]))

        if self.most is not None:
            return piecewise_mean(along, lambda x, t: switches(lambda t: along(x, t), t), x, self.most)
        places = ndtri((jnp.arange(float(POINTS)) + ndtr(z[0])) / POINTS)
        return jnp.mean(jax.vmap(along, (None, 0))(x, places), axis=0)

    def controls(self, x: Float[Array, "d"], z: Any) -> Float[Array, "0"]:
        return jnp.zeros(0)

    def noise(self, key: PRNGKey, n: int) -> Float[Array, "n m"]:
        return jax.random.normal(key, (n, len(self.rotation)), jnp.float64)

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.model.training_inputs(key, n)

    def exposure_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.model.exposure_inputs(key, n)

    def inputs_and_noise(self, key: PRNGKey, n: int, replicate: int | Int[Array, ""] = 0) -> tuple[Points, Any]:
        law, m = self.model.input_law, len(self.rotation)
        if isinstance(law, Box | Gaussian):
            inputs, noise = joint_points("sobol", key, n, self.n_inputs, m, replicate)
            return law.from_uniform(inputs), ndtri(noise)
        _, noise = joint_points("sobol", key, n, 1, m, replicate)
        return law.sample(key, n), ndtri(noise)

    def value(self, points: ArrayOrList) -> Values:
        return self.truth(points, order=0).value

    def gradient(self, points: ArrayOrList) -> Gradients:
        return self.truth(points, order=1).gradient

    def hessian(self, points: ArrayOrList) -> Hessians:
        return self.model.hessian(points)

    def truth(self, points: ArrayOrList, order: int = 2) -> Truth:
        """That of the model where it is known in closed form; else by quiet labels, `estimate`."""
        if self.model.exact is not None:
            return self.model.truth(points, order)
        # As many calls of the simulation as the model's own estimate would take, within a factor.
        return self.estimate(points, jax.random.key(_TRUTH_SEED), max(256, self.model.paths // POINTS), order)

    def estimate(self, points: ArrayOrList, key: PRNGKey, paths: int = 4096, order: int = 2) -> Truth:
        """The truth at `points` by means over `paths` quiet labels each, on 16 independently scrambled Sobol sequences,
        whose spread gives the standard errors.

        Gamma is the second derivative of the labels where that is valid, else the central difference of their
        gradients.
        """
        require_float64("estimate")
        if paths < 2 * _SEQUENCES:
            raise InputError(f"paths is {paths}; give at least {2 * _SEQUENCES}, or there is no standard error.")
        points = as_points(points, self.n_inputs)
        mean, stderr = _means(self, points, key, -(-paths // _SEQUENCES), order)
        return Truth(
            value=mean["value"],
            gradient=mean.get("gradient"),
            gamma=mean.get("gamma"),
            hessian=None,
            source=f"quasi-Monte Carlo, {paths} quiet labels",
            value_stderr=stderr["value"],
            gradient_stderr=stderr.get("gradient"),
            gamma_stderr=stderr.get("gamma"),
        )


_TRUTH_SEED = 20_24
_SEQUENCES = 16
_AT_ONCE = 1024


@eqx.filter_jit
def _means(reference: QuietReference, points: Points, key: PRNGKey, n: int, order: int):
    m = len(reference.rotation)

    def one_point(numbered):
        number, x = numbered
        keys = jax.random.split(jax.random.fold_in(key, number), _SEQUENCES)
        z = jax.vmap(lambda key: ndtri(unit_points("sobol", key, n, m)))(keys).reshape(-1, m)
        found = jax.lax.map(lambda z: label_and_derivatives(reference, x, z, order), z, batch_size=_AT_ONCE)
        means = jax.tree.map(lambda a: jnp.mean(a.reshape(_SEQUENCES, n, *a.shape[1:]), axis=1), found)
        return jax.tree.map(lambda a: (jnp.mean(a, axis=0), jnp.std(a, axis=0, ddof=1) / np.sqrt(_SEQUENCES)), means)

    found = jax.lax.map(one_point, (jnp.arange(len(points)), points))
    return tuple({name: each[i] for name, each in found.items()} for i in (0, 1))


def label_and_derivatives(reference: AbstractReference, x: Float[Array, "d"], z: Any, order: int) -> dict[str, Array]:
    """Label, gradient and gamma of one path, up to `order`; gamma by differences of gradients where labels of the path
    have no second derivative."""

    def label(point):
        return reference.label(point, z)

    if order == 0:
        return {"value": label(x)}
    value, gradient = value_and_jacobian(label, x)
    found = {"value": value, "gradient": gradient}
    direction = reference.gamma_direction
    if order == 2 and direction is not None:
        if reference.label_order == 2:
            found["gamma"] = hessian_vector_products(label, x, direction[None])[0] @ direction
        else:
            step = gamma_step(reference)
            slope = lambda point: value_and_jacobian(label, point)[1] @ direction  # noqa: E731
            found["gamma"] = (slope(x + step * direction) - slope(x - step * direction)) / (2.0 * step)
    return found
