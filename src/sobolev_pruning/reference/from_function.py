"""A user's simulator, a JAX function `simulate(x, z) -> y`, as a reference model."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values, as_points, float64_array
from .._foundation.direction import common_direction
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable, as_variables, numbered_outputs
from .designs import Design, check_design, joint_points, replicate_key
from .inputs import AbstractInputs, Box, Gaussian, InputsLike, inputs_from
from .model import AbstractReference
from .noise import AbstractNoise, NoiseLike, noise_from
from .programs import is_smoothed
from .truth import Truth, exact_truth, monte_carlo_truth

_TRUTH_SEED = 20_24


class FunctionReference(AbstractReference):
    """A reference made by `from_function` or by one of the models; what its arguments mean is told there."""

    simulate: Callable
    input_law: AbstractInputs
    exposure_law: AbstractInputs
    noise_law: AbstractNoise
    exact: Callable | None
    control_variates: Callable | None
    gamma_direction: Float[Array, "d"] | None
    design: Design = eqx.field(static=True)
    antithetic: bool = eqx.field(static=True)
    paths: int = eqx.field(static=True)
    kind: str = eqx.field(static=True)
    exact_source: str = eqx.field(static=True)
    fixed: tuple[tuple[str, Any], ...] = eqx.field(static=True)
    output_variables: tuple[Variable, ...] = eqx.field(static=True)

    @property
    def n_inputs(self) -> int:
        """The number d of inputs."""
        return len(self.input_law.variables)

    @property
    def inputs(self) -> tuple[Variable, ...]:
        return self.input_law.variables

    @property
    def outputs(self) -> tuple[Variable, ...]:
        return self.output_variables

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        return self.exposure_law.box

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.input_law.sample(key, n)

    def exposure_inputs(self, key: PRNGKey, n: int) -> Points:
        return self.exposure_law.sample(key, n)

    def noise(self, key: PRNGKey, n: int) -> Any:
        return self.noise_law.sample(key, n)

    def inputs_and_noise(self, key: PRNGKey, n: int, replicate: int | Int[Array, ""] = 0) -> tuple[Points, Any]:
        if self.design == "random":
            input_key, noise_key = jax.random.split(key)
            return self.input_law.sample(input_key, n), self.noise_law.sample(replicate_key(noise_key, replicate), n)
        # One design for both, as two Sobol sequences side by side would move in step.
        inputs, noise = joint_points(self.design, key, n, self.n_inputs, self.noise_law.size, replicate)
        return self.input_law.from_uniform(inputs), self.noise_law.from_uniform(noise)

    def label(self, x: Float[Array, "d"], z: Any) -> Float[Array, "..."]:
        label = self.simulate(x, z)
        return 0.5 * (label + self.simulate(x, self.noise_law.mirror(z))) if self.antithetic else label

    def controls(self, x: Float[Array, "d"], z: Any) -> Float[Array, "c"]:
        if self.control_variates is None:
            return jnp.zeros(0)
        controls = self.control_variates(x, z)
        return 0.5 * (controls + self.control_variates(x, self.noise_law.mirror(z))) if self.antithetic else controls

    def value(self, points: ArrayOrList) -> Values:
        if self.exact is None:
            return self.truth(points, order=0).value
        return _compiled(self.exact, as_points(points, self.n_inputs), 0)

    def gradient(self, points: ArrayOrList) -> Gradients:
        if self.exact is None:
            return self.truth(points, order=1).gradient
        return _compiled(self.exact, as_points(points, self.n_inputs), 1)

    def hessian(self, points: ArrayOrList) -> Hessians:
        if self.exact is None:
            raise InputError(
                "This reference has no closed form, and all second derivatives by Monte Carlo would be mostly noise; "
                "use truth(points).gamma, which has a standard error, or give from_function an exact=."
            )
        return _compiled(self.exact, as_points(points, self.n_inputs), 2)

    def truth(self, points: ArrayOrList, order: int = 2) -> Truth:
        require_float64("truth")
        points = as_points(points, self.n_inputs)
        if self.exact is None:
            return monte_carlo_truth(self, points, jax.random.key(_TRUTH_SEED), self.paths, order)
        smoothed = is_smoothed(self.exact, jax.ShapeDtypeStruct((self.n_inputs,), jnp.float64))
        return exact_truth(self, points, order, self.exact_source + " of the smoothed model" * smoothed)


def from_function(
    simulate: Callable,
    *,
    inputs: InputsLike,
    noise: NoiseLike,
    exposure: InputsLike | None = None,
    exact: Callable | None = None,
    exact_source: str = "closed form",
    controls: Callable | None = None,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 65_536,
    outputs: str | Sequence[str | Variable] | None = None,
    gamma_direction: ArrayOrList | None = None,
    kind: str = "simulation",
    fixed: Mapping[str, Any] | None = None,
) -> FunctionReference:
    """A reference model of `v(x, z) = simulate(x, z)`: batched, compiled and with pathwise derivatives.

    - `simulate(x, z) -> y`: one path, written with `jax.numpy`; `x` `(d,)` float64, `y` `()` or, for k outputs, `(k,)`.
    - `inputs`: corners `(lower, upper)` of a box; ranges by name `{"spot [USD]": (50, 150), "rate": (0, 0.1)}`, with
      units in brackets or without; a law such as `Gaussian(mean, covariance)`; or a sampler `(key, n) -> (n, d)`.
      Training samples are drawn from it.
    - `noise`: the shape of standard normal noise; a law such as `Uniform((3, 2))`; or a sampler `key -> z` of one path.
    - `exposure`: the law met in use, where it differs from `inputs`; the default box is then its own. Samples from a
      wider law than that help at the edges, where a network is worst.
    - `exact(x) -> y`: the expected value where it is known; its derivatives are taken automatically. Without it the
      truth is estimated by `paths` paths per point, with standard errors.
    - `controls(x, z) -> (c,)`: control variates of the same path, of mean 0 for every `x`, such as a discounted asset
      price less today's; `with_controls` takes what they explain out of the labels.
    - `antithetic`: every label is the mean over `z` and its mirror image. `design`: "sobol" and "latin-hypercube"
      points of inputs and noise together fill their space more evenly than "random" ones.
    - `outputs`: their names and units, as in `["price [USD]", "payout"]`; one text for several is numbered, `price[0]`,
      `price[1]`, ...; by default `y`, or `y0`, `y1`, ...
    - `gamma_direction`: `(d,)`; by default all ones where all inputs are of one kind, as `spot[0]`, `spot[1]`, and
      none, which leaves gamma out, where they are not.
    - `kind`: what it is, for titles. `fixed`: constants to be recorded.

    Raises `InputError` where `simulate` is not a JAX function of these shapes, or does not give float64.

    >>> import jax.numpy as jnp
    >>> from sobolev_pruning.reference import from_function
    >>> walk = from_function(lambda x, z: jnp.exp(x[0] + x[1] * z[0]), inputs=([-1, 0.1], [1, 0.5]), noise=1)
    >>> samples = walk.sample(jax.random.key(0), 100, order=2)
    >>> samples.dydx.shape, samples.hvp.shape
    ((100, 2), (100, 1, 2))
    """
    require_float64("from_function")
    check_design(design)
    inputs, noise = inputs_from(inputs), noise_from(noise)
    exposure = inputs if exposure is None else inputs_from(exposure)
    d = len(inputs.variables)
    if len(exposure.variables) != d:
        raise InputError(
            f"exposure has {len(exposure.variables)} inputs and inputs has {d}; both are laws of the same inputs."
        )
    if design != "random" and (not isinstance(inputs, Box | Gaussian) or noise.size is None):
        raise InputError(f"design={design!r} needs Box or Gaussian inputs with Normal or Uniform noise; use random.")
    if antithetic and noise.size is None:
        raise InputError("antithetic=True needs Normal or Uniform noise; a user's sampler has no mirror image.")
    if paths < 2:
        raise InputError(f"paths is {paths}; give at least 2, or there is no standard error.")
    direction = common_direction(inputs.variables) if gamma_direction is None else gamma_direction
    if direction is not None:
        direction = jnp.asarray(float64_array(direction, "gamma_direction"))
        if direction.shape != (d,) or not bool(jnp.any(direction != 0)):
            raise InputError(f"gamma_direction has shape {direction.shape}; give ({d},), not all 0.")
    x = jax.ShapeDtypeStruct((d,), jnp.float64)
    z = jax.eval_shape(lambda key: jax.tree.map(lambda a: a[0], noise.sample(key, 1)), jax.random.key(0))
    output = _checked_output("simulate", simulate, x, z)
    if exact is not None and _checked_output("exact", exact, x).shape != output.shape:
        raise InputError(f"exact and simulate give different shapes; both must give {output.shape}.")
    return FunctionReference(
        simulate=simulate,
        input_law=inputs,
        exposure_law=exposure,
        noise_law=noise,
        exact=exact,
        control_variates=controls,
        gamma_direction=direction,
        design=design,
        antithetic=antithetic,
        paths=paths,
        kind=kind,
        exact_source=exact_source,
        fixed=tuple(sorted((fixed or {}).items())),
        output_variables=_outputs(outputs, math.prod(output.shape)),
    )


def _outputs(given: str | Sequence[str | Variable] | None, k: int) -> tuple[Variable, ...]:
    """The names of k outputs; one text for several is numbered."""
    if isinstance(given, str):
        variable = Variable.of(given)
        given = [variable] if k == 1 else [Variable(f"{variable.name}[{j}]", variable.unit) for j in range(k)]
    return as_variables(given, numbered_outputs(k), "outputs")


def _checked_output(name: str, function: Callable, *arguments) -> jax.ShapeDtypeStruct:
    shapes = ", ".join(str(getattr(argument, "shape", "a tree")) for argument in arguments)
    not_jax = (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError)
    try:
        output = jax.eval_shape(function, *arguments)
    except not_jax as error:
        raise InputError(
            f"{name} does what JAX cannot follow, such as a NumPy call or an if on a value; write it with jax.numpy "
            "and jax.lax, or use sampling.run_black_box for a simulator outside JAX."
        ) from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} failed on arguments of shape {shapes}: {type(error).__name__}: {error}.") from error
    if not isinstance(output, jax.ShapeDtypeStruct) or len(output.shape) > 1 or 0 in output.shape:
        given = getattr(output, "shape", type(output).__name__)
        raise InputError(f"{name} gives {given}; one path must give one number (), or k of them (k,).")
    if output.dtype != jnp.float64:
        raise InputError(f"{name} gives {output.dtype}; make it float64, as a cast inside loses the derivatives.")
    return output


@eqx.filter_jit
def _compiled(exact: Callable, points: Points, order: int):
    function = (exact, jax.jacrev(exact), jax.hessian(exact))[order]
    return jax.lax.map(function, points, batch_size=256)
