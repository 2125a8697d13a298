"""What a network breaks of its constraints at points, as residuals beside those of the labels."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from ..activations import activate
from ..surrogate import Surrogate
from ..training import LevenbergMarquardt
from ..training.normal_equations import normal_equations
from ..training.optimiser import with_layers


class Bounds(eqx.Module):
    """`lower <= quantity <= upper` for the `c` entries of a quantity of the network; infinite where it is not bounded.

    `of` is value, gradient, hessian, curvature along each of the `directions`, or eigenvalue: the smallest one of the
    Hessian in units of `spread`, the half widths of the box. Entries, output by output, are measured in `scale`, their
    root mean square; on a side that is `relative`, lower or upper, where only the sign is asked for, over the slope of
    the outputs' activation besides: where this is flat, all derivatives are small, and their signs must hold all the
    same.
    """

    directions: Float[Array, "m d"] | None
    spread: Float[Array, "d"]
    lower: Float[Array, "c"]
    upper: Float[Array, "c"]
    scale: Float[Array, "c"]
    relative: Bool[Array, "2 c"]
    of: str = eqx.field(static=True)

    def quantity(self, network: Surrogate, points: Float[Array, "n d"]) -> Float[Array, "n c"]:
        """The entries at the points."""
        n = len(points)
        if self.of in ("value", "gradient"):
            return getattr(network, self.of)(points).reshape(n, -1)
        hessian = network.hessian(points).reshape(n, -1, points.shape[1], points.shape[1])
        if self.of == "curvature":
            return jnp.einsum("nkab,ma,mb->nkm", hessian, self.directions, self.directions).reshape(n, -1)
        if self.of == "eigenvalue":
            return jnp.linalg.eigvalsh(hessian * jnp.outer(self.spread, self.spread)[None, None])[..., 0]
        return hessian.reshape(n, -1)

    def excess(self, network: Surrogate, points: Float[Array, "n d"]) -> Float[Array, "2 n c"]:
        """By how much each entry lies below its lower and above its upper bound, in its unit; -inf where unbounded."""
        found = self.quantity(network, points)
        slope = _output_slope(network, points)
        slope = jnp.repeat(slope, found.shape[1] // slope.shape[1], axis=1)
        unit = self.scale[None, None] * jnp.where(self.relative[:, None], slope[None], 1.0)
        sides = jnp.stack([self.lower[None] - found, found - self.upper[None]]) / unit
        known = jnp.isfinite(jnp.stack([self.lower, self.upper]))[:, None, :]
        return jnp.where(known, sides, -jnp.inf)


def _output_slope(network: Surrogate, points: Float[Array, "n d"]) -> Float[Array, "n k"]:
    k, last = network.widths[-1], network.activations[-1]
    if last == "identity":
        return jnp.ones((len(points), k))
    scaling = replace(network.scaling, y_shift=jnp.zeros(k), y_scale=jnp.ones(k))
    before = replace(network, activations=(*network.activations[:-1], "identity"), scaling=scaling)
    # Where it is flat to the last digit, as relu's is, there is nothing to divide by.
    return jnp.maximum(activate(before.value(points).reshape(-1, k), last, 1), 1e-300)


class Penalty(eqx.Module):
    """`weight sum_p max(0, excess_p + margin + multiplier_p)^2` over points `(n, d)` of one constraint.

    `multipliers` `(2, n, c)` are those of the augmented Lagrangian, over the weight: see `constrain`.
    """

    bounds: Bounds
    points: Float[Array, "n d"]
    multipliers: Float[Array, "2 n c"]
    margin: Float[Array, ""]
    weight: Float[Array, ""]

    def residuals(self, network: Surrogate) -> Float[Array, "r"]:
        """Their squares sum to the penalty."""
        excess = self.bounds.excess(network, self.points)
        moved = jnp.where(jnp.isfinite(excess), excess, 0.0) + self.margin + self.multipliers
        return jnp.sqrt(self.weight) * jnp.where(jnp.isfinite(excess), jnp.maximum(moved, 0.0), 0.0).ravel()


class PenalisedLevenbergMarquardt(LevenbergMarquardt):
    """`LevenbergMarquardt` on the residuals of labels and of `penalties` together; `network` is the one it trains."""

    penalties: tuple[Penalty, ...] = ()
    network: Surrogate | None = None

    def equations(self, loss, surrogate, data):
        matrix, gradient, terms = normal_equations(loss, surrogate, data)
        parameters, unravel = ravel_pytree(surrogate.layers)

        def residuals(entries):
            return self._residuals(with_layers(surrogate, unravel(entries)))

        broken, slopes = residuals(parameters), jax.jacfwd(residuals)(parameters)
        return matrix + slopes.T @ slopes, gradient + slopes.T @ broken, terms

    def objective(self, total, layers, n):
        return super().objective(total, layers, n) + jnp.sum(self._residuals(with_layers(self.network, layers)) ** 2)

    def _residuals(self, network: Surrogate) -> Float[Array, "r"]:
        return jnp.concatenate([penalty.residuals(network) for penalty in self.penalties])
