"""What comes before a proof: whether the claims fit the models, which are decided together, and by what quantities."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from .._foundation.variables import expect_same
from ..reference import AbstractReference
from ..surrogate import Surrogate
from .claims import Claim, Distance, directions_of, order_of
from .column_bounds import ColumnBounds, parts_of, target_of
from .coordinates import coordinates_for
from .maps import mapped
from .quantities import Quantities

Model = Surrogate | AbstractReference


def check_claims(surrogate: Surrogate, claims: Sequence[Claim], against: Model | None, pieces: int) -> None:
    """Raises `InputError` for claims that do not fit the models."""
    if not claims:
        raise InputError('certify was given no claims; give at least one, as `claims=[Range("value")]`.')
    if pieces < 1:
        raise InputError(f"pieces is {pieces}; allow at least 1 cell.")
    models = {"surrogate": surrogate}
    if any(isinstance(claim, Distance) for claim in claims):
        if against is None:
            raise InputError("Distance needs a second model: give `against`, a surrogate or a closed form.")
        models["model it is against"] = against
    sizes = [_sizes(model) for model in models.values()]
    if len(set(sizes)) > 1:
        raise InputError(
            f"The surrogate has {_counted(*sizes[0])}, the model it is against {_counted(*sizes[1])}; "
            "a Distance is that of two models of the same function."
        )
    for model in list(models.values())[1:]:
        expect_same(surrogate.inputs, model.inputs, "the model it is against", "inputs")
        expect_same(surrogate.outputs, model.outputs, "the model it is against", "outputs")
    for claim in claims:
        for name, model in models.items():
            concerned = model is surrogate or isinstance(claim, Distance)
            if concerned and order_of(claim) > mapped(model).smoothness + 1:
                raise InputError(
                    f"{type(claim).__name__} speaks of second derivatives, which the {name} does not have where its "
                    "activation has its kink; claim value or gradient, or choose a smooth activation."
                )
        for direction in directions_of(claim):
            if len(direction) != sizes[0][0] or not np.isfinite(direction).all():
                raise InputError(
                    f"{type(claim).__name__} has the direction {direction}; give {sizes[0][0]} finite numbers."
                )


def _sizes(model: Model) -> tuple[int, int]:
    """Inputs and outputs; a scalar output is one."""
    if isinstance(model, Surrogate):
        return model.widths[0], model.widths[-1]
    value = jax.eval_shape(lambda x: jnp.ravel(model.value(x)), jnp.zeros((1, model.n_inputs)))
    return model.n_inputs, value.size


def _counted(inputs: int, outputs: int) -> str:
    return f"{inputs} input{'s' * (inputs > 1)} and {outputs} output{'s' * (outputs > 1)}"


class Group(NamedTuple):
    """Claims that are decided together, with their `numbers` among all, and the models that they are about."""

    numbers: tuple[int, ...]
    claims: tuple[Claim, ...]
    models: tuple[Model, ...]


def grouped(surrogate: Surrogate, claims: Sequence[Claim], against: Model | None) -> list[Group]:
    """Claims about the surrogate alone first: they are cheaper to prove without the other model."""
    groups = []
    for compared, models in ((False, (surrogate,)), (True, (surrogate, against))):
        found = [(i, claim) for i, claim in enumerate(claims) if isinstance(claim, Distance) == compared]
        if found:
            groups.append(Group(*map(tuple, zip(*found)), models))
    return groups


def prepared(group: Group, lower: np.ndarray, upper: np.ndarray) -> tuple[Quantities, list[ColumnBounds]]:
    """The quantities that decide the claims over the box, and the claims as bounds on them."""
    maps = [mapped(model) for model in group.models]
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            coordinates = coordinates_for(maps, lower, upper)
        known = all(np.isfinite(array).all() for array in (*coordinates[2:5], *coordinates.along, *coordinates.across))
    except np.linalg.LinAlgError:
        known = False
    if not known:
        raise InputError("Over so large a box floats overflow, so nothing can be proved; give a smaller one.")
    parts = list(dict.fromkeys(part for claim in group.claims for part in parts_of(claim)))
    quantities = Quantities(maps, coordinates, parts, max(map(order_of, group.claims)))
    return quantities, [target_of(claim, quantities) for claim in group.claims]
