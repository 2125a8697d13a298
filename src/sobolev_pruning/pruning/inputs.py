"""Removing inputs that do not matter: the network still takes the full vector, or the reduced one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.samples import Samples
from ..scoring import BoxLike, as_box
from ..surrogate import Dense, Surrogate, numpy_skip
from .jets import fold_points


@dataclass(frozen=True)
class InputRemoval:
    """A network that no longer looks at some of its inputs.

    `surrogate` takes the full vector still; `removed` are the inputs, counted from 0, that it is constant in.
    `worst_error`, `(k,)`, is the largest change of each output over the points that were looked at.
    """

    surrogate: Surrogate
    removed: tuple[int, ...]
    worst_error: np.ndarray


def input_effects(
    surrogate: Surrogate, box: BoxLike | None = None, samples: Samples | ArrayOrList | None = None
) -> Float[np.ndarray, "d"]:
    """How much each input matters: `max_j E[(d_c f_j)^2] spread_c^2 / var(f_j)` over points of the box or `samples`.

    The derivative-based measure of Sobol and Kucherenko 2009, which bounds the share of the variance that depends on
    input c up to a constant, for all outputs. 0 for an input that nothing depends on.
    """
    points = fold_points(surrogate, box, samples)
    gradient = np.asarray(surrogate.gradient(points)).reshape(len(points), -1, points.shape[1])
    variance = np.asarray(surrogate.value(points)).reshape(len(points), -1).var(axis=0)
    slopes = np.square(gradient * points.std(axis=0)).mean(axis=0)
    return (slopes / np.where(variance > 0, variance, 1.0)[:, None]).max(axis=0)


def remove_inputs(
    surrogate: Surrogate,
    removed: Sequence[int],
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
) -> InputRemoval:
    """`surrogate` made constant in the inputs `removed`, what they contributed folded into the first layer.

    In a box inputs are independent: each removed one becomes the middle of its range. Over `samples` it becomes its
    least-squares fit by the inputs that stay and a constant, so that of two inputs that move together one can go.

    Raises `InputError` where an input does not exist, or none would stay.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=3, seed=0)
    >>> net = Surrogate.create([3, 4, 1], basket.sample(jax.random.key(0), 64), key=jax.random.key(1))
    >>> used_inputs(remove_inputs(net, [1], box=basket.box).surrogate)
    (0, 2)
    """
    d = surrogate.widths[0]
    gone = sorted(set(removed))
    if gone and not 0 <= gone[0] <= gone[-1] < d:
        raise InputError(f"removed is {list(removed)}; the surrogate has inputs 0 to {d - 1}.")
    if len(gone) == d:
        raise InputError("All inputs would be removed; keep at least one.")
    stay = [c for c in range(d) if c not in gone]
    points = fold_points(surrogate, box, samples)
    middle = points.mean(axis=0) if samples is not None else np.asarray(as_box(box, d).mid())
    shift, scale = (np.asarray(part) for part in (surrogate.scaling.x_shift, surrogate.scaling.x_scale))
    combination = np.zeros((len(stay), len(gone)))
    if samples is not None:
        centred = (points - middle) / scale
        combination = np.linalg.lstsq(centred[:, stay], centred[:, gone], rcond=1e-10)[0]
    middle = (middle - shift) / scale
    constant = middle[gone] - middle[stay] @ combination

    def folded(weight, bias):
        without = np.zeros_like(weight)
        without[:, stay] = weight[:, stay] + weight[:, gone] @ combination.T
        return jnp.asarray(without), jnp.asarray(bias + weight[:, gone] @ constant)

    first, *others = surrogate.layers
    layers = [Dense(*folded(np.asarray(first.weight), first.bias)), *others]
    if numpy_skip(surrogate) is not None:
        skip, bias = folded(numpy_skip(surrogate), layers[-1].bias)
        layers[-1] = Dense(layers[-1].weight, bias, skip)
    smaller = replace(surrogate, layers=layers)
    change = np.asarray(smaller.value(points)) - np.asarray(surrogate.value(points))
    return InputRemoval(smaller, tuple(gone), np.abs(change.reshape(len(points), -1)).max(axis=0))


def used_inputs(surrogate: Surrogate) -> tuple[int, ...]:
    """The inputs, counted from 0, that some weight of the first layer, or of a skip, is not 0 for."""
    weights = [np.asarray(surrogate.layers[0].weight)]
    if numpy_skip(surrogate) is not None:
        weights.append(numpy_skip(surrogate))
    return tuple(int(c) for c in np.flatnonzero(np.any(np.concatenate(weights) != 0, axis=0)))


def reduced(surrogate: Surrogate) -> Surrogate:
    """The same function of the used inputs alone: `reduced(net)(x[list(used_inputs(net))]) == net(x)`.

    Raises `InputError` where no input is used.
    """
    stay = list(used_inputs(surrogate))
    if not stay:
        raise InputError("The surrogate uses none of its inputs, so it is a constant; there is nothing to reduce.")
    scaling = surrogate.scaling

    def of_those(array):
        return jnp.asarray(np.asarray(array)[..., stay])

    (first, *others), ends = surrogate.layers, surrogate.training_range
    layers = [Dense(of_those(first.weight), first.bias), *others]
    if layers[-1].skip is not None:
        layers[-1] = replace(layers[-1], skip=of_those(layers[-1].skip))
    return replace(
        surrogate,
        layers=layers,
        scaling=replace(scaling, x_shift=of_those(scaling.x_shift), x_scale=of_those(scaling.x_scale)),
        training_range=None if ends is None else (of_those(ends[0]), of_those(ends[1])),
        inputs=tuple(surrogate.inputs[c] for c in stay),
    )
