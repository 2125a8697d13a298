"""A model stated by the drift and diffusion of a stochastic differential equation and a payoff of its path."""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .._foundation.variables import Variable
from .designs import Design
from .from_function import FunctionReference, from_function
from .inputs import InputsLike, inputs_from

SCHEMES = ("euler", "milstein", "sra1")
_LONG = 1000


def sde(
    drift: Callable,
    diffusion: Callable,
    payoff: Callable,
    *,
    initial: Callable,
    inputs: InputsLike,
    steps: int,
    noise_size: int | None = None,
    horizon: float | Callable = 1.0,
    dates: int = 1,
    method: Literal["euler", "milstein", "sra1"] = "euler",
    exact: Callable | None = None,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 65_536,
    outputs: str | Sequence[str | Variable] | None = None,
    kind: str = "stochastic differential equation",
) -> FunctionReference:
    """The `payoff` of the solution of `dY = drift(t, Y, x) dt + diffusion(t, Y, x) dW` (Ito), `Y(0) = initial(x)`.

    Stepped by the solvers of `diffrax` (`pip install sobolev-pruning[sde]`) in equal `steps` up to `horizon`, a
    number or a function of the inputs `x`.

    - `drift` gives `(n,)`. `diffusion` gives `(n,)`, one independent noise per component, or, with `noise_size` m, a
      matrix `(n, m)`; correlated noise is the matrix times a Cholesky factor.
    - `payoff(path, x)`: `path` `(dates, n)`, the solution at equal dates up to the horizon; gives `()` or `(k,)`.
    - `outputs`: their names, as `from_function` takes them.
    - `method`: "euler" (Euler-Maruyama: strong order 1/2, weak 1); "milstein" (strong 1; for one noise per component,
      each diffusion depending on its own component alone); "sra1" (strong 3/2; additive noise, that is a diffusion
      that does not depend on Y).

    From 1,000 steps on, only every so many steps are kept in memory, and the others computed again on the way back.

    >>> model = sde(
    ...     lambda t, y, x: -x[0] * y,
    ...     lambda t, y, x: jnp.ones(1) * x[1],
    ...     lambda path, x: path[-1, 0] ** 2,
    ...     initial=lambda x: jnp.ones(1),
    ...     inputs={"pull": (0.5, 1.0), "volatility": (0.1, 0.3)},
    ...     steps=10,
    ... )
    >>> model.sample(jax.random.key(0), 5).dydx.shape
    (5, 2)
    """
    try:
        import diffrax
        import lineax
    except ImportError:
        raise InputError("Stochastic differential equations need diffrax; install sobolev-pruning[sde].") from None
    if method not in SCHEMES:
        raise InputError(f"method is {method!r}; choose one of {', '.join(SCHEMES)}.")
    if dates < 1 or steps < dates or steps % dates:
        raise InputError(f"sde was asked for steps={steps}, dates={dates}; give a whole number of steps per date.")
    inputs = inputs_from(inputs)
    middle = jnp.asarray(0.5 * (inputs.box[0] + inputs.box[1]))
    state = jax.eval_shape(initial, middle)
    if len(state.shape) != 1:
        raise InputError(
            f"initial gives shape {state.shape}; it must give (n,), one number per component of the state."
        )
    n = state.shape[0]
    wanted = {"drift": (n,), "diffusion": (n,) if noise_size is None else (n, noise_size)}
    for name, function in (("drift", drift), ("diffusion", diffusion)):
        shape = jax.eval_shape(function, jnp.zeros(()), state, middle).shape
        if shape != wanted[name]:
            raise InputError(f"{name} gives shape {shape}; it must give {wanted[name]} (noise_size={noise_size}).")
    if method == "milstein" and noise_size is not None:
        raise InputError('method="milstein" needs one noise per component; leave noise_size out, or choose "euler".')
    solver = {"euler": diffrax.Euler, "milstein": diffrax.ItoMilstein, "sra1": diffrax.SRA1}[method]()
    as_operator = lineax.DiagonalLinearOperator if noise_size is None else lineax.MatrixLinearOperator
    path_type = _given_increments()

    blocks = _blocks(steps, dates) if steps >= _LONG else dates

    def simulate(x: Float[Array, "d"], z: Float[Array, "..."]) -> Float[Array, "..."]:
        end = jnp.asarray(horizon(x) if callable(horizon) else horizon, jnp.float64)
        dt = end / steps
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(drift),
            diffrax.ControlTerm(lambda t, y, args: as_operator(diffusion(t, y, args)), path_type(z, dt)),
        )

        # The loop is ours, as that of diffrax has no derivatives in forward mode, which Hessian-vector products need.
        def one_step(y, i):
            y, *_ = solver.step(terms, i * dt, (i + 1.0) * dt, y, x, None, made_jump=False)
            return y, None

        def one_block(y, numbers):
            y, _ = jax.lax.scan(one_step, y, numbers)
            return y, y

        numbers = jnp.arange(steps, dtype=jnp.float64).reshape(blocks, -1)
        one_block = jax.checkpoint(one_block) if steps >= _LONG else one_block
        _, path = jax.lax.scan(one_block, initial(x), numbers)
        return payoff(path[blocks // dates - 1 :: blocks // dates], x)

    m = n if noise_size is None else noise_size
    return from_function(
        simulate,
        inputs=inputs,
        noise=(2, steps, m) if method == "sra1" else (steps, m),
        exact=exact,
        antithetic=antithetic,
        design=design,
        paths=paths,
        outputs=outputs,
        kind=kind,
        fixed={"steps": steps, "dates": dates, "method": method},
    )


def _blocks(steps: int, dates: int) -> int:
    """The least number of equal blocks that end at every date and are no longer than there are blocks."""
    return next(blocks for blocks in range(dates, steps + 1, dates) if steps % blocks == 0 and blocks**2 >= steps)


def _given_increments():
    """A Brownian path made of given normal variables, one row per step, so that the noise is an argument like any
    other.

    A class inside a function, as its base is in the extra.
    """
    import diffrax

    class GivenIncrements(diffrax.AbstractBrownianPath):
        z: Float[Array, "..."]
        dt: Float[Array, ""]
        levy_area: type = diffrax.BrownianIncrement

        @property
        def t0(self):
            return 0.0

        @property
        def t1(self):
            return jnp.inf

        def evaluate(self, t0, t1=None, left=True, use_levy=False):
            step = jax.lax.stop_gradient(jnp.round(t0 / self.dt)).astype(jnp.int64)
            if self.z.ndim == 2:
                return self.z[step] * jnp.sqrt(self.dt)
            # The space-time area of a step is independent of its increment, with variance dt / 12.
            increment = self.z[0, step] * jnp.sqrt(self.dt)
            area = self.z[1, step] * jnp.sqrt(self.dt / 12.0)
            return diffrax.SpaceTimeLevyArea(dt=self.dt, W=increment, H=area)

    class GivenAreas(GivenIncrements):
        levy_area: type = diffrax.SpaceTimeLevyArea

    return lambda z, dt: (GivenIncrements if z.ndim == 2 else GivenAreas)(z, dt)
