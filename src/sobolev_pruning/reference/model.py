"""What every reference model offers: a simulator with its noise apart, the law of its inputs, the truth where known."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values
from .._foundation.precision import require_float64
from .._foundation.samples import Samples

TEST_POINTS = 4096


class AbstractReference(eqx.Module):
    """A stochastic model `v(x, z)` of inputs `x`, `(d,)`, and noise `z`, `(m,)`, whose mean over `z` is to be imitated.

    A model gives `label`, its inputs' laws and its box; this class turns them into samples with pathwise derivatives.
    Models with a closed form also give `value`, `gradient` and `hessian`.
    """

    n_inputs: eqx.AbstractVar[int]
    n_noise: eqx.AbstractVar[int]
    gamma_direction: eqx.AbstractVar[Float[Array, "d"]]

    @abc.abstractmethod
    def label(self, x: Float[Array, "d"], z: Float[Array, "m"]) -> Float[Array, ""]:
        """One unbiased label at `x` with standard normal noise `z`, differentiable in `x`."""

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
    def value(self, points: ArrayOrList) -> Values:
        """The expected value at each point."""

    @abc.abstractmethod
    def gradient(self, points: ArrayOrList) -> Gradients:
        """First derivatives of the expected value at each point."""

    @abc.abstractmethod
    def hessian(self, points: ArrayOrList) -> Hessians:
        """Second derivatives of the expected value at each point."""

    def test_points(self, key: PRNGKey, n: int = TEST_POINTS) -> Points:
        """Points `(n, d)`, uniform in the box."""
        lower, upper = self.box
        return jax.random.uniform(key, (n, self.n_inputs), jnp.float64, lower, upper)

    def draw(self, key: PRNGKey, n: int) -> tuple[Points, Values, Gradients]:
        """The arrays `x`, `y`, `dydx` of `n` samples; usable inside compiled code."""
        input_key, noise_key = jax.random.split(key)
        x = self.training_inputs(input_key, n)
        z = jax.random.normal(noise_key, (n, self.n_noise), jnp.float64)
        y, dydx = jax.vmap(jax.value_and_grad(self.label))(x, z)
        return x, y, dydx

    def sample(self, key: PRNGKey, n: int) -> Samples:
        """`n` samples with pathwise derivatives `d v(x, z)/dx` at fixed `z`: the simulation itself, differentiated."""
        require_float64("Sampling")
        return Samples(*_draw(self, key, n))


@eqx.filter_jit
def _draw(reference: AbstractReference, key: PRNGKey, n: int):
    return reference.draw(key, n)
