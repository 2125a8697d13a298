"""What the training loop asks of an optimiser."""

import abc
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError
from ..surrogate import Dense, Surrogate
from .batches import Batch
from .losses import LossTerms, SobolevLoss

Layers = tuple[Dense, ...]


class AbstractOptimiser(eqx.Module):
    """Runs epochs: `init` makes a state, `epoch` improves layers by one pass over the data.

    Settings that are numbers are dynamic fields: a run with others is not compiled again. `needs_fixed_data` is true
    where one epoch builds on the losses of the one before.

    `mask` has the structure of the layers, with 1 where a parameter is trained and 0 where it stays as it is.
    """

    needs_fixed_data: ClassVar[bool] = False

    @abc.abstractmethod
    def steps_per_epoch(self, n: int) -> int:
        """Optimiser steps in one epoch over `n` samples."""

    @abc.abstractmethod
    def epochs(self, n: int) -> int:
        """How many epochs over `n` samples the settings ask for."""

    @abc.abstractmethod
    def init(self, layers: Layers, n: int) -> PyTree:
        """The state before the first epoch over `n` samples."""

    @abc.abstractmethod
    def epoch(
        self, surrogate: Surrogate, state: PyTree, loss: SobolevLoss, data: Batch, mask: Layers, key: PRNGKey
    ) -> tuple[Surrogate, PyTree, LossTerms]:
        """One epoch; also gives the loss terms met in each step, along a leading axis."""

    def objective(self, total: Float[Array, ""], layers: Layers, n: int) -> Float[Array, ""]:
        """What chooses among weights, given their held-out loss: the loss, times a prior where the optimiser has one;
        `n` is the number of samples it was trained on.
        """
        return total

    @abc.abstractmethod
    def advice(self) -> str:
        """What most likely made a run with these settings diverge, and what to change."""


def with_layers(surrogate: Surrogate, layers: Layers) -> Surrogate:
    """The same network with other weights of the same shapes."""
    return eqx.tree_at(lambda s: s.layers, surrogate, layers)


def expect_positive(**settings: int | float) -> None:
    """Raises `InputError` naming the first setting that is not a positive finite number."""
    for name, number in settings.items():
        if not 0 < number < float("inf"):
            raise InputError(f"{name} is {number}; it must be above 0.")
