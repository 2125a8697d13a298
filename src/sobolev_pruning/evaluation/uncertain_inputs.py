"""Which inputs of a surrogate are uncertain, by what law, and where the others are held."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._foundation.arrays import float64_array
from .._foundation.errors import InputError
from .._foundation.variables import Variable, are_named, position_of
from ..reference import AbstractInputs
from ..reference.inputs import InputsLike, inputs_from


class UncertainInputs(NamedTuple):
    """The law of the inputs that are uncertain, their places among all, and the numbers at which the others stay."""

    law: AbstractInputs
    places: tuple[int, ...]
    fixed: Float[np.ndarray, "d"]

    def all_inputs(self, drawn: Float[np.ndarray, "... u"]) -> Float[np.ndarray, "... d"]:
        """What the law gave in its own order, among the inputs that stay fixed, in the order of the surrogate."""
        filled = np.broadcast_to(self.fixed, (*drawn.shape[:-1], len(self.fixed))).copy()
        filled[..., self.places] = drawn
        return filled

    def spread(self, covariance: Float[np.ndarray, "u u"]) -> Float[np.ndarray, "d d"]:
        """The covariance of all inputs, 0 for those that stay fixed."""
        filled = np.zeros((len(self.fixed),) * 2)
        filled[np.ix_(self.places, self.places)] = covariance
        return filled

    @staticmethod
    def matched(inputs: InputsLike, own: Sequence[Variable]) -> "UncertainInputs":
        """The inputs in the order of the surrogate, whose inputs are its `own`; raises `InputError` for others."""
        d = len(own)
        fixed = np.zeros(d)
        numbers = {}
        if isinstance(inputs, Mapping):
            numbers = {name: given for name, given in inputs.items() if np.ndim(given) == 0}
            ranges = {name: given for name, given in inputs.items() if name not in numbers}
            if not ranges:
                raise InputError("Every input is held fixed, so nothing is uncertain; give at least one a range.")
            law = inputs_from(ranges)
        else:
            law = inputs_from(inputs)
        # A law without names of its own is in the order of the surrogate.
        if not isinstance(inputs, Mapping) and not are_named(law.variables):
            if len(law.variables) != d:
                raise InputError(
                    f"The inputs are {len(law.variables)} and the surrogate has {d}; give a law of all its inputs."
                )
            return UncertainInputs(law, tuple(range(d)), fixed)
        held = {Variable.of(name).name: number for name, number in numbers.items()}
        places = {name: position_of(name, own, "inputs") for name in (*(v.name for v in law.variables), *held)}
        for c, variable in enumerate(own):
            if c not in places.values():
                raise InputError(
                    f"Nothing is said of the input {variable.name!r}; give it a range, or a number to hold it fixed at."
                )
        for name, number in held.items():
            if not np.isfinite(float64_array(number, f"inputs[{name!r}]")):
                raise InputError(f"inputs[{name!r}] is {number}; give a finite number, or a range.")
            fixed[places[name]] = number
        return UncertainInputs(law, tuple(places[variable.name] for variable in law.variables), fixed)
