"""How well one network imitates another over a box."""

import jax
import jax.numpy as jnp

from .._foundation.arrays import Points, PRNGKey
from .._foundation.direction import common_direction
from ..enclosure import Interval
from ..reference import Truth
from ..surrogate import Surrogate
from .evaluate import Evaluator, second_derivative_along

POINTS = 4096


def uniform_points(box: Interval, key: PRNGKey, n: int = POINTS) -> Points:
    """`n` points drawn uniformly in the box."""
    return jax.random.uniform(key, (n, box.lower.shape[0]), jnp.float64, box.lower[None], box.upper[None])


def evaluator_against(original: Surrogate, points: Points, name: str) -> Evaluator:
    """What takes for the truth what `original`, called `name`, says at `points`; gamma is that of a step of all
    inputs where they are of one kind, as several spots, and is left out where they are not.
    """
    direction = common_direction(original.inputs)
    hessian, gamma = original.hessian(points), None
    if direction is not None:
        direction = jnp.asarray(direction)
        gamma = second_derivative_along(hessian, direction)
    truth = Truth(original.value(points), original.gradient(points), gamma, hessian, name)
    return Evaluator(truth, points, direction, original.inputs, original.outputs)
