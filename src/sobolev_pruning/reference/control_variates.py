"""Control variates: what a model knows to have mean 0 takes noise out of its labels."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable
from .model import AbstractReference
from .pathwise import value_and_jacobian
from .truth import Truth

PILOT_PATHS = 16_384


class ControlledReference(AbstractReference):
    """A reference made by `with_controls`: the same model, its labels less `coefficients` times its controls."""

    model: AbstractReference
    coefficients: Float[Array, "c k"]

    @property
    def n_inputs(self) -> int:
        """The number d of inputs."""
        return self.model.n_inputs

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

    def label(self, x: Float[Array, "d"], z: Any) -> Float[Array, "..."]:
        label = self.model.label(x, z)
        return label - (self.model.controls(x, z) @ self.coefficients).reshape(label.shape)

    def controls(self, x: Float[Array, "d"], z: Any) -> Float[Array, "0"]:
        return jnp.zeros(0)

    def noise(self, key: PRNGKey, n: int) -> Any:
        return self.model.noise(key, n)

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.model.training_inputs(key, n)

    def exposure_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.model.exposure_inputs(key, n)

    def inputs_and_noise(self, key: PRNGKey, n: int, replicate: int | Int[Array, ""] = 0) -> tuple[Points, Any]:
        return self.model.inputs_and_noise(key, n, replicate)

    def value(self, points: ArrayOrList) -> Values:
        return self.model.value(points)

    def gradient(self, points: ArrayOrList) -> Gradients:
        return self.model.gradient(points)

    def hessian(self, points: ArrayOrList) -> Hessians:
        return self.model.hessian(points)

    def truth(self, points: ArrayOrList, order: int = 2) -> Truth:
        return self.model.truth(points, order)


def with_controls(model: AbstractReference, key: PRNGKey, paths: int = PILOT_PATHS) -> ControlledReference:
    """`model` with labels `v(x, z) - sum_c beta_c control_c(x, z)`, whose mean is the same and whose noise is smaller.

    The coefficients `beta` are those of the least-squares regression of labels and their derivatives, each about its
    part that depends on x alone and over its spread, on the controls and theirs, from `paths` pilot paths of their own:
    independent of the samples drawn later, so that these stay unbiased. The part that depends on x alone is
    approximated by the label of an independent path at the same x, which changes the variance but not the minimiser.
    Derivatives of the new labels follow by differentiation, of any order. Glasserman 2003, section 4.1.

    Raises `InputError` for a model that comes without controls (`AbstractReference.controls`).

    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> controlled = with_controls(basket, jax.random.key(0), paths=1024)
    >>> controlled.sample(jax.random.key(1), 64).dydx.shape
    (64, 2)
    """
    require_float64("with_controls")
    if paths < 2:
        raise InputError(f"paths is {paths}; give at least 2, or there is nothing to regress on.")
    if not jax.eval_shape(model.controls, *_one_path(model)).shape[0]:
        raise InputError("This model comes without controls; sample it as it is, or give controls= to from_function.")
    return ControlledReference(model, _coefficients(model, key, paths))


def _one_path(model: AbstractReference):
    x = jnp.zeros(model.n_inputs)
    return x, jax.tree.map(lambda leaf: leaf[0], model.noise(jax.random.key(0), 1))


@eqx.filter_jit
def _coefficients(model: AbstractReference, key: PRNGKey, paths: int) -> Float[Array, "c k"]:
    input_key, noise_key = jax.random.split(key)
    x = model.training_inputs(input_key, paths)
    z, other = (model.noise(k, paths) for k in jax.random.split(noise_key))

    def on_path(function, x, noise):
        return value_and_jacobian(lambda point: function(point, noise).reshape(-1), x)

    def difference(function):
        """Values and derivatives on one path less those on another: what depends on x alone is gone."""
        return jax.vmap(
            lambda x, z, other: jax.tree.map(jnp.subtract, on_path(function, x, z), on_path(function, x, other))
        )(x, z, other)

    labels, slopes = difference(model.label)
    controls, control_slopes = difference(model.controls)
    control_rows = control_slopes.transpose(0, 2, 1).reshape(-1, controls.shape[1])

    def regress(label: Float[Array, "n"], slope: Float[Array, "n d"]) -> Float[Array, "c"]:
        # In units of their own noise, so that neither values nor derivatives rule the regression.
        value_size, slope_size = jnp.sqrt(jnp.sum(label**2)), jnp.sqrt(jnp.sum(slope**2))
        value_scale, slope_scale = (jnp.where(size > 0, 1.0 / size, 0.0) for size in (value_size, slope_size))
        matrix = jnp.concatenate([value_scale * controls, slope_scale * control_rows])
        return jnp.linalg.lstsq(matrix, jnp.concatenate([value_scale * label, slope_scale * slope.reshape(-1)]))[0]

    return jax.vmap(regress, in_axes=1, out_axes=1)(labels, slopes)
