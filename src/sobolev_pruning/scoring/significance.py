"""How much every hidden node matters: the public verb over all criteria."""

import jax.numpy as jnp
import numpy as np

from .._foundation.arrays import ArrayOrList, as_points
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.samples import Samples
from ..enclosure import Interval
from ..sampling import quantile_box
from ..surrogate import Surrogate
from .baselines import BASELINES, WITHOUT_SAMPLES, expect_labels, random_scores
from .bounds import enclosed_bounds, missing_derivative, scores
from .box import BoxLike, as_box
from .program import Network, output_scale
from .record import Significance
from .sampled import sampled_bounds

ENCLOSURES = ("interval", "affine", "split")
_KINK_POINTS = 1024
METHODS: tuple[str, ...] = (*ENCLOSURES, "sampled", *BASELINES, "random")


def significance(
    network: Network,
    box: BoxLike | None = None,
    method: str = "interval",
    order: int = 0,
    samples: Samples | ArrayOrList | None = None,
    *,
    pieces: int = 512,
    seed: int = 0,
) -> Significance:
    """The significance of every hidden node of `network`; larger is more significant.

    Over a box, with `[n]` the values a node takes after its activation and `[n*]` those of its adjoint `dy/dn`:

        S = width([n]) * max |[n*]|

    the interval adjoint significance of Kichler, Afghan and Naumann (arXiv 2312.03510). With several outputs each
    adjoint is divided by the spread of its output and the largest S counts. `order` 1 and 2 score the first and second
    input derivatives of the outputs by the product rule, inputs measured in half widths of the box
    (`docs/derivations/significance.md`).

    - `network`: a `Surrogate`, or a `FunctionWithNodes` function of the user's.
    - `box`: `Interval` or `(lower, upper)`; left out, the 1% to 99% quantile box of `samples`.
    - `method`: "interval" (natural interval extension: fastest, and the paper's, but its bounds explode with depth),
      "affine" (affine forms), "split" (affine forms over at most `pieces` pieces of the box: tightest); these three are
      guaranteed. "sampled" (extremes found at points, so a lower bound of the truth). Or a criterion that looks at
      samples instead of a box, for surrogates: "node-magnitude", "weight-magnitude", "weight-saliency", "taylor",
      "optimal-brain-damage", "optimal-brain-surgeon", "random".
    - `order`: 0, 1 or 2 over a box. For "weight-saliency" and "taylor", 1 takes the order-1 Sobolev loss; the other
      criteria know order 0 only.
    - `samples`: `Samples` for the criteria that need labels; inputs `(n, d)` are enough for "node-magnitude" and
      "optimal-brain-surgeon".
    - `pieces`: of "split"; `seed`: of "random".

    Compiled once per shape of the network: new weights and new boxes need no compilation.

    Raises `InputError` for an unknown method or order, a missing or wrong box, missing samples, and for a derivative
    that does not exist on the box (relu at order 1).

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> basket = GaussianBasket.random(n_assets=2, seed=0)
    >>> net = Surrogate.create([2, 4, 1], basket.sample(jax.random.key(0), 64), key=jax.random.key(1))
    >>> significance(net, basket.box).scores[0].shape
    (4,)
    """
    require_float64("significance")
    if method not in METHODS:
        raise InputError(f"method is {method!r}; choose one of {', '.join(METHODS)}.")
    if order not in (0, 1, 2):
        raise InputError(f"order is {order}; choose 0, 1 or 2.")
    if method == "random" or method in BASELINES:
        return _baseline(network, method, order, samples, seed)
    if box is None:
        if not isinstance(samples, Samples):
            raise InputError(
                f"method {method!r} scores over a box; give box=(lower, upper), or samples to take it from."
            )
        box = quantile_box(samples)
    box = as_box(box, _n_inputs(network, box))
    enclosed = method != "sampled"
    if enclosed:
        _refuse_kinks(network, box, order)
    bounds = enclosed_bounds(network, box, order, method, pieces) if enclosed else sampled_bounds(network, box, order)
    scale = output_scale(network, bounds[0].adjoints[0].shape[0])
    ranges, adjoints = (tuple(layers) for layers in bounds[0])
    guaranteed = enclosed and all(x.guaranteed for found in bounds for layers in found for x in layers)
    return Significance(scores(bounds, box, scale), ranges, adjoints, method, order, guaranteed, box)


def _refuse_kinks(network: Network, box: Interval, order: int) -> None:
    """Raises `InputError` where points of the box lie on both sides of a kink that derivatives of `order` do not bear.

    The enclosure would find that out too, after long computing.
    """
    if not isinstance(network, Surrogate) or order <= network.smoothness:
        return
    unit = np.random.default_rng(0).random((_KINK_POINTS, network.widths[0]))
    lower, upper = np.asarray(box.lower), np.asarray(box.upper)
    for number, nodes in enumerate(network.nodes(lower + unit * (upper - lower)), start=1):
        lowest, highest = np.asarray(nodes).min(axis=0), np.asarray(nodes).max(axis=0)
        if np.any((lowest <= 0.0) & (highest > 0.0)):
            raise missing_derivative(number, order)


def _n_inputs(network: Network, box: BoxLike) -> int:
    if isinstance(network, Surrogate):
        return network.widths[0]
    ends = (box.lower, box.upper) if hasattr(box, "lower") else box
    return max(np.size(end) for end in ends)


def _baseline(network: Network, method: str, order: int, samples, seed: int) -> Significance:
    if not isinstance(network, Surrogate):
        raise InputError(
            f"method {method!r} reads the weights of a Surrogate; for a tapped function take a method over a box."
        )
    orders = (0, 1) if method in ("weight-saliency", "taylor") else (0,)
    if order not in orders:
        raise InputError(f"order is {order}, but method {method!r} knows {' and '.join(map(str, orders))} only.")
    if method == "random":
        found = random_scores(network, None, order, seed)
    else:
        found = BASELINES[method](network, _samples_for(network, method, order, samples), order)
    return Significance(tuple(np.asarray(layer) for layer in found), None, None, method, order, False, None)


def _samples_for(surrogate: Surrogate, method: str, order: int, samples) -> Samples | None:
    if method in WITHOUT_SAMPLES:
        return None
    if samples is None:
        raise InputError(f"method {method!r} looks at samples; give samples=.")
    if isinstance(samples, Samples):
        if (samples.n_inputs, samples.n_outputs) != (surrogate.widths[0], surrogate.widths[-1]):
            raise InputError(
                f"samples has {samples.n_inputs} inputs and {samples.n_outputs} outputs, the surrogate "
                f"{surrogate.widths[0]} and {surrogate.widths[-1]}; give samples of its model."
            )
        expect_labels(samples, order)
        return samples
    if method not in ("node-magnitude", "optimal-brain-surgeon"):
        raise InputError(f"method {method!r} needs labels; give Samples(x, y), not points alone.")
    x = as_points(samples, surrogate.widths[0])
    return Samples(x, jnp.zeros(x.shape[0]))
