"""A surrogate as the writers of programs see it: affine layers with an activation between any two."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ...surrogate import ErrorBars, Surrogate, numpy_layers, numpy_skip


@dataclass(frozen=True)
class WrittenLayers:
    """The network `A_m(act(... act(A_1(x - x_shift))))`, all scales in its weights, linear at the end.

    An activation of the outputs becomes that of a hidden layer of their number, behind which `A_m` holds the scales.
    What goes from the inputs past the hidden layers, `skip`, is added to what layer `skip_layer` (from 1) gives before
    its activation.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    activations: tuple[str, ...]
    skip: np.ndarray | None
    skip_layer: int

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.layers[0][0].shape[1], *(len(bias) for _, bias in self.layers))


def written_layers(surrogate: Surrogate) -> WrittenLayers:
    """The scales go into the first and the last layer. The shift of the inputs stays: its product with the weights may
    be far larger than what is left of it."""
    layers, skip, scaling = numpy_layers(surrogate), numpy_skip(surrogate), surrogate.scaling
    x_scale, y_shift, y_scale = (np.asarray(part) for part in (scaling.x_scale, scaling.y_shift, scaling.y_scale))
    skip_layer = len(layers)
    with np.errstate(over="ignore", divide="ignore"):  # what overflows is refused where it is written
        layers[0] = (layers[0][0] / x_scale, layers[0][1])
        skip = None if skip is None else skip / x_scale
        *activations, last = surrogate.activations
        if last == "identity":
            weight, bias = layers[-1]
            layers[-1] = (y_scale[:, None] * weight, y_shift + y_scale * bias)
            skip = None if skip is None else y_scale[:, None] * skip
        else:
            layers.append((np.diag(y_scale), y_shift))
            activations.append(last)
    return WrittenLayers(tuple(layers), tuple(activations), skip, skip_layer)


def written_directions(errors: ErrorBars) -> tuple[WrittenLayers, ...]:
    """The directions in which the parameters are uncertain, as changes of the `written_layers` of the surrogate."""
    surrogate = errors.surrogate
    _, unravel = ravel_pytree(surrogate.layers)
    no_shift = replace(surrogate.scaling, y_shift=jnp.zeros_like(surrogate.scaling.y_shift))
    changes = [
        written_layers(replace(surrogate, layers=unravel(direction), scaling=no_shift))
        for direction in errors.directions
    ]
    if surrogate.activations[-1] == "identity":
        return tuple(changes)
    # The scales behind an activation of the outputs are no parameters.
    still = [tuple(map(np.zeros_like, change.layers[-1])) for change in changes]
    return tuple(replace(change, layers=(*change.layers[:-1], last)) for change, last in zip(changes, still))


def short_numbers(array: np.ndarray) -> np.ndarray:
    """The numbers with six digits: error bars are not known better, and take less place."""
    return np.array([float(f"{number:.6g}") for number in array.ravel()]).reshape(array.shape)
