"""The affine scaling between a model's units and the network's."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import varies
from .._foundation.errors import InputError
from .._foundation.samples import Samples


class Scaling(eqx.Module):
    """Shifts and scales of inputs, `(d,)`, and outputs, `(k,)`: the network sees `(x - x_shift) / x_scale`."""

    x_shift: Float[Array, "d"]
    x_scale: Float[Array, "d"]
    y_shift: Float[Array, "k"]
    y_scale: Float[Array, "k"]

    @staticmethod
    def of(samples: Samples) -> "Scaling":
        """Mean and standard deviation of every input and output over `samples`.

        Raises `InputError` for an input that never changes by more than rounding; such an output keeps the scale 1.
        """
        x, y = np.asarray(samples.x), np.asarray(samples.y).reshape(len(samples), -1)
        with np.errstate(over="ignore"):
            x_scale, y_scale = x.std(axis=0), y.std(axis=0)
        if not (np.isfinite(x_scale).all() and np.isfinite(y_scale).all()):
            raise InputError("The samples spread over more than float64 can square; give them in larger units.")
        constant = np.flatnonzero(~varies(x))
        if constant.size:
            c = int(constant[0])
            raise InputError(
                f"Input {samples.inputs[c]} is {x[0, c]:g} in every sample, so nothing can be learnt about it; "
                "vary it or leave it out."
            )
        return Scaling(
            x_shift=jnp.asarray(x.mean(axis=0)),
            x_scale=jnp.asarray(x_scale),
            y_shift=jnp.asarray(y.mean(axis=0)),
            y_scale=jnp.asarray(np.where(varies(y), y_scale, 1.0)),
        )
