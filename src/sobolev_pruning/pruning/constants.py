"""Folding into a constant: what a removed node is taken to be is added to the next layer's bias."""

from .plan import Plan
from .surgery import NumpyLayers, silenced


def fold_constants(layers: NumpyLayers, plan: Plan) -> NumpyLayers:
    """`layers` with removed nodes silenced and `b_next += W_next[:, removed] c[removed]`, `c` the plan's constants.

    The paper takes the midpoints of the nodes' ranges (arXiv 2312.03510). No constants fold nothing.
    """
    folded = silenced(layers, plan)
    if plan.constants is None:
        return folded
    for number, (constants, mask) in enumerate(zip(plan.constants, plan.kept_masks)):
        weight = layers[number + 1][0]
        following, bias = folded[number + 1]
        # A removed node of the next layer needs no bias any more: its own constant stands for all of it.
        alive = plan.kept_masks[number + 1] if number + 1 < len(plan.kept) else slice(None)
        bias = bias.copy()
        bias[alive] += weight[alive][:, ~mask] @ constants[~mask]
        folded[number + 1] = following, bias
    return folded
