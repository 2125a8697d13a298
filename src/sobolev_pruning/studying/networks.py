"""How the network of a cell is made: pruned, trained from random weights, grown from small, or trained sparsely."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from .._foundation.samples import Samples
from ..pruning import compact, pad, widen
from ..running import RunConfig
from ..running.builders import key_for
from ..running.config import PruningConfig, TrainingConfig
from ..running.pruning_stages import plan_after, prune_round, targets
from ..running.stages import trained
from ..scoring import BoxLike
from ..surrogate import Surrogate, parameter_count
from ..training import Adam, fit_sparse
from .cells import Cell
from .config import StudyConfig, dense_widths


@dataclass(frozen=True)
class CellContext:
    """What the cells of one seed share: the run of the method that they are part of, its samples, and the network that
    pruning starts from.
    """

    study: StudyConfig
    run: RunConfig
    box: BoxLike
    samples: Samples
    oversized: Surrogate


def network_of(cell: Cell, context: CellContext, labels: Samples | None) -> Surrogate:
    """The network of `cell`, trained on `labels`; None where it is not fine-tuned."""
    return _MAKERS[cell.approach](cell, context, labels)


def _pruned(cell: Cell, context: CellContext, labels: Samples | None) -> Surrogate:
    """In rounds, the training of the cell itself takes the place of that after the last round."""
    rounds = context.study.rounds.number if cell.schedule == "rounds" else 1
    settings = PruningConfig(significance=cell.criterion, fold=cell.fold, keep=cell.size, rounds=rounds)
    current, plan = context.oversized, None
    for number, counts in enumerate(targets(settings, current.widths[1:-1]), start=1):
        last = number == rounds
        stage, mask = prune_round(current, plan, settings, counts, context.box, context.samples, last)
        plan = plan_after(stage, current)
        current = stage.surrogate
        if not last:
            key = key_for(context.run, f"round {number}")
            retraining = context.study.rounds.retraining
            current = trained(current, context.samples, retraining, key, "", None, False, mask).surrogate
    return current if labels is None else _trained(current, cell, context, labels)[0]


def _from_scratch(cell: Cell, context: CellContext, labels: Samples) -> Surrogate:
    return _trained(_random_network(cell, context, labels, 0), cell, context, labels)[0]


def _best_of_starts(cell: Cell, context: CellContext, labels: Samples) -> Surrogate:
    starts = [_random_network(cell, context, labels, start) for start in range(context.study.scratch.starts)]
    return min((_trained(start, cell, context, labels) for start in starts), key=lambda found: found[1])[0]


def _grown(cell: Cell, context: CellContext, labels: Samples) -> Surrogate:
    """Trained in the shape it ends with, its unborn nodes masked, so that all sizes share one compiled program."""
    final = dense_widths(context.samples, cell.size)[1:-1]
    key = key_for(context.run, "growing")
    network = None
    for doublings_left in reversed(range(context.study.growing.doublings + 1)):
        hidden = [-(-width // 2**doublings_left) for width in final]
        if network is None:
            widths = (labels.n_inputs, *hidden, labels.n_outputs)
            network = Surrogate.create(widths, labels, context.run.oversized.activation, key=key)
        else:
            network = widen(network, hidden, jax.random.fold_in(key, doublings_left))
        padded, plan = pad(network, final)
        network = compact(_trained(padded.surrogate, cell, context, labels, padded.parameters)[0], plan)
    return network


def _sparse(regrowth: str) -> Callable[[Cell, CellContext, Samples], Surrogate]:
    def train(cell: Cell, context: CellContext, labels: Samples) -> Surrogate:
        settings, adam = context.study.sparse, context.study.sparse.optimiser
        start = Surrogate.create(
            context.oversized.widths,
            labels,
            context.run.oversized.activation,
            key=key_for(context.run, "sparse weights"),
        )
        return fit_sparse(
            start,
            labels,
            cell.order,
            n_nonzero=parameter_count(dense_widths(context.samples, cell.size)),
            key=key_for(context.run, "sparse"),
            regrowth=regrowth,
            updates=settings.updates,
            fraction=settings.fraction,
            optimiser=Adam(adam.steps, adam.batch_size, adam.learning_rate),
            scaled=context.study.finetuning.scaled,
            held_out=context.study.finetuning.held_out,
        ).surrogate

    return train


_MAKERS: dict[str, Callable] = {
    "pruning": _pruned,
    "scratch": _from_scratch,
    "scratch-restarts": _best_of_starts,
    "growing": _grown,
    "set": _sparse("random"),
    "rigl": _sparse("gradient"),
}


def _random_network(cell: Cell, context: CellContext, labels: Samples, start: int) -> Surrogate:
    widths = dense_widths(context.samples, cell.size)
    key = jax.random.fold_in(key_for(context.run, "scratch weights"), start)
    return Surrogate.create(widths, labels, context.run.oversized.activation, key=key)


def _trained(start: Surrogate, cell: Cell, context: CellContext, labels: Samples, mask=None) -> tuple[Surrogate, float]:
    """The network with the best held-out loss, and this loss; all cells of a seed hold the same samples out."""
    settings = context.study.finetuning
    training = TrainingConfig(
        order=cell.order, optimiser=settings.optimiser, scaled=settings.scaled, held_out=settings.held_out
    )
    stage = trained(start, labels, training, key_for(context.run, "fine-tuning"), "", None, False, mask)
    return stage.surrogate, float(np.min(stage.arrays["history.held_out_total"]))
