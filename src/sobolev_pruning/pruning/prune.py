"""Pruning in one call, and in its parts: decide, then apply to a network of unchanged or of smaller shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..scoring import BoxLike, Significance
from ..scoring import significance as score
from ..surrogate import Dense, Surrogate, numpy_layers
from .choose import Keep, choose, counts_per_layer, expect_keep
from .constants import fold_constants
from .jets import fold_points, input_jets
from .merging import merge_layer
from .plan import CONSTANT_FOLDS, FOLDS, Plan, fold_orders
from .surgery import compact, parameter_mask, rebuilt
from .survivors import choose_survivors, fold_onto_survivors, layer_gains

Criterion = Callable[[Surrogate, BoxLike | None, Samples | ArrayOrList | None], Sequence]
"""`criterion(surrogate, box, samples)` gives one array of scores per hidden layer."""


@dataclass(frozen=True)
class Masked:
    """A pruned network in its old shapes.

    - `surrogate`: removed rows and columns are zeroed.
    - `parameters`: what `fit(..., mask=)` takes to keep them so: 1 for parameters in use, 0 elsewhere, in the structure
      of `surrogate.layers`.
    """

    surrogate: Surrogate
    parameters: tuple[Dense, ...]


def prune(
    surrogate: Surrogate,
    keep: Keep | None = None,
    *,
    threshold: float | None = None,
    scope: str = "layer",
    significance: Significance | Criterion | None = None,
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
    fold: str = "midpoint",
    fold_order: int | None = None,
) -> Surrogate:
    """A smaller network: the least significant hidden nodes go, and what they contributed is folded into what stays.

    - `keep`: nodes per hidden layer (int), a fraction of them (float), or a list with one number per hidden layer, in
      which 0 replaces the layer by its affine fit. With `scope="network"` the number or fraction is of all hidden
      nodes, ranked together.
    - `threshold`: instead, nodes that score at least this stay. A layer never loses its best node, unless `keep` lists
      0 for it.
    - `significance`: a `Significance`, or a callable `criterion(surrogate, box, samples)` that gives one array of
      scores per hidden layer. Left out: for "least-squares" and "sobolev" the survivors are chosen for the fold,
      otherwise `sobolev_pruning.significance(surrogate, box)` decides.
    - `box`, `samples`: what the scores, ranges and folds refer to: `(lower, upper)` or `Interval`; `Samples` or inputs
      `(n, d)`.
    - `fold`: what becomes of a removed node. "none": nothing. "midpoint": its constant, the middle of its range, goes
      to the next bias (the paper's way). "mean": likewise, its mean over points. "least-squares": a combination of the
      surviving nodes and a constant, fitted over points. "sobolev": the same, fitted to values and first input
      derivatives; the best without retraining.
    - `fold_order`: 2 lets "sobolev" match second derivatives too, where they matter more than values and gradients.

    Points are those of `samples`, or else uniform in `box`. The same arguments give the same network, to the bit.
    `make_plan` and `apply_plan` do the same in two steps and keep the record; `mask` prunes without changing shapes.

    Raises `InputError` for what cannot be asked for.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> net = Surrogate.create([2, 16, 16, 1], basket.sample(jax.random.key(0), 64), key=jax.random.key(1))
    >>> prune(net, keep=[4, 3], box=basket.box, fold="sobolev").widths
    (2, 4, 3, 1)
    """
    plan = make_plan(
        surrogate,
        keep,
        threshold=threshold,
        scope=scope,
        significance=significance,
        box=box,
        samples=samples,
        fold=fold,
        fold_order=fold_order,
    )
    return apply_plan(surrogate, plan, box=box, samples=samples)


def make_plan(
    surrogate: Surrogate,
    keep: Keep | None = None,
    *,
    threshold: float | None = None,
    scope: str = "layer",
    significance: Significance | Criterion | None = None,
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
    fold: str = "midpoint",
    fold_order: int | None = None,
    after: Plan | None = None,
) -> Plan:
    """Decides which nodes stay, with the arguments of `prune`; `apply_plan` or `mask` does it.

    `after` is the plan of the round before, which `surrogate` was masked by: nodes that went then stay away, and
    numbers and fractions count the nodes left.
    """
    require_float64("Pruning")
    if fold not in FOLDS:
        raise InputError(f"fold is {fold!r}; choose one of {', '.join(FOLDS)}.")
    order = fold_orders(fold)[0] if fold_order is None else fold_order
    if order not in fold_orders(fold):
        allowed = " or ".join(map(str, fold_orders(fold)))
        raise InputError(f"fold_order is {fold_order}, but {fold!r} matches derivatives of order {allowed} only.")
    if len(surrogate.layers) == 1:
        raise InputError("The surrogate has no hidden layer, so there is nothing to prune.")
    if after is not None:
        after.expect(surrogate)
    alive = [np.ones(width, bool) for width in surrogate.widths[1:-1]] if after is None else list(after.kept_masks)
    expect_keep(keep, threshold, scope, [int(mask.sum()) for mask in alive])
    asked = f"keep={keep!r}" if threshold is None else f"threshold={threshold!r}"
    if significance is None and fold not in CONSTANT_FOLDS:
        kept, scores = _chosen_for_the_fold(surrogate, keep, threshold, scope, box, samples, order, alive)
        return Plan(surrogate.widths, kept, fold, order, None, scores, f"chosen for the fold, {asked}, scope={scope!r}")
    found = _scored(surrogate, significance, box, samples)
    kept = choose(found.scores, keep, threshold, scope, alive)
    constants = _constants(surrogate, found, box, samples, fold)
    return Plan(
        surrogate.widths, kept, fold, order, constants, found.scores, f"{found.method}, {asked}, scope={scope!r}"
    )


def apply_plan(
    surrogate: Surrogate,
    plan: Plan,
    *,
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
) -> Surrogate:
    """The network that `plan` makes of `surrogate`; `box` or `samples` as they were given to `make_plan`."""
    plan.expect(surrogate)
    surrogate, plan = _merged(surrogate, plan, box, samples)
    return compact(mask(surrogate, plan, box=box, samples=samples).surrogate, plan)


def mask(
    surrogate: Surrogate,
    plan: Plan,
    *,
    box: BoxLike | None = None,
    samples: Samples | ArrayOrList | None = None,
) -> Masked:
    """Prunes without changing a shape, so that nothing compiled before has to be compiled again.

    The result can be trained with `fit(masked.surrogate, ..., mask=masked.parameters)`, pruned further by
    `make_plan(..., after=plan)`, and made small in the end by `compact(surrogate, plan)`, which changes no value.

    Raises `InputError` where the plan merges a layer away, since that does change shapes.
    """
    plan.expect(surrogate)
    if plan.merged_layers:
        raise InputError(
            f"The plan merges hidden layer {plan.merged_layers[0] + 1} away, which no mask can do; use apply_plan, "
            "or keep a node of it until the last round."
        )
    if plan.fold in CONSTANT_FOLDS:
        layers = fold_constants(numpy_layers(surrogate), plan)
    else:
        layers = fold_onto_survivors(surrogate, plan, input_jets(surrogate, box, samples, plan.fold_order))
    return Masked(rebuilt(surrogate, layers), parameter_mask(plan, surrogate))


def _chosen_for_the_fold(surrogate, keep, threshold, scope, box, samples, order, alive):
    """Survivors and gains of every layer; layers to be merged away are merged first, as `apply_plan` does."""
    if threshold is None and scope == "layer":
        counts = counts_per_layer(keep, [int(mask.sum()) for mask in alive])
    else:
        gains = layer_gains(surrogate, input_jets(surrogate, box, samples, order))
        counts = [len(kept) for kept in choose(gains, keep, threshold, scope, alive)]
    widths = surrogate.widths[1:-1]
    for layer in reversed([number for number, count in enumerate(counts) if count == 0]):
        surrogate = merge_layer(surrogate, layer, box, samples).surrogate
    staying = [count for count in counts if count]
    chosen, gains = choose_survivors(surrogate, staying, input_jets(surrogate, box, samples, order))
    results = iter(zip(chosen, gains))
    per_layer = [next(results) if count else ((), np.zeros(width)) for count, width in zip(counts, widths)]
    kept, scores = zip(*per_layer)
    return kept, scores


def _scored(surrogate: Surrogate, significance: Significance | Criterion | None, box, samples) -> Significance:
    """The given significance, or that of the given criterion, with its scores checked."""
    if significance is None:
        found = score(surrogate, box, samples=samples)
    elif isinstance(significance, Significance):
        found = significance
    else:
        scores = tuple(np.asarray(layer, np.float64) for layer in significance(surrogate, box, samples))
        name = getattr(significance, "__name__", type(significance).__name__)
        found = Significance(scores, None, None, name, 0, False, None)
    shapes = [layer.shape for layer in found.scores]
    expected = [(width,) for width in surrogate.widths[1:-1]]
    if shapes != expected:
        raise InputError(f"The significance has scores of shapes {shapes}; the hidden layers need {expected}.")
    for number, layer in enumerate(found.scores, start=1):
        if np.isnan(layer).any():
            raise InputError(
                f"The score of node {int(np.isnan(layer).argmax())} of hidden layer {number} is not a number."
            )
    return found


def _constants(surrogate: Surrogate, found: Significance, box, samples, fold: str) -> tuple[np.ndarray, ...] | None:
    if fold == "mean":
        return tuple(np.asarray(nodes).mean(axis=0) for nodes in surrogate.nodes(fold_points(surrogate, box, samples)))
    if fold != "midpoint":
        return None
    ranges = found.ranges if found.ranges is not None else score(surrogate, box, samples=samples).ranges
    return tuple(np.asarray(nodes.mid()) for nodes in ranges)


def _merged(surrogate: Surrogate, plan: Plan, box, samples) -> tuple[Surrogate, Plan]:
    """Merges away the layers that the plan empties, and the plan for what is left."""
    for layer in reversed(plan.merged_layers):
        surrogate = merge_layer(surrogate, layer, box, samples).surrogate
    stays = [number for number, kept in enumerate(plan.kept) if kept]

    def of_those(entries):
        return None if entries is None else tuple(entries[number] for number in stays)

    return surrogate, replace(
        plan,
        widths=surrogate.widths,
        kept=of_those(plan.kept),
        constants=of_those(plan.constants),
        scores=of_those(plan.scores),
    )
