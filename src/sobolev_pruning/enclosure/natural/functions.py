"""The interval rules of functions beyond arithmetic and the elementary ones."""

from collections.abc import Callable

from jax.extend.core import Primitive
from jax.extend.core import primitives as p

from ..programs import extremes, shift_invariance
from ..scalar import further_functions, planar_functions
from . import selection, softmax

RULES: dict[Primitive, Callable] = {
    p.tan_p: further_functions.tan,
    p.asin_p: further_functions.asin,
    p.acos_p: further_functions.acos,
    p.asinh_p: further_functions.asinh,
    p.acosh_p: further_functions.acosh,
    p.atanh_p: further_functions.atanh,
    p.cbrt_p: further_functions.cbrt,
    p.exp2_p: further_functions.exp2,
    p.atan2_p: planar_functions.atan2,
    p.rem_p: planar_functions.remainder,
    p.argmax_p: selection.position_of_extreme(True),
    p.argmin_p: selection.position_of_extreme(False),
    p.top_k_p: selection.top_k,
    p.reduce_precision_p: selection.reduce_precision,
    p.reduce_window_max_p: selection.extreme_in_windows(p.reduce_window_max_p),
    p.reduce_window_min_p: selection.extreme_in_windows(p.reduce_window_min_p),
    p.reduce_window_sum_p: selection.sum_in_windows,
    p.scatter_max_p: selection.scatter_extreme(p.scatter_max_p),
    p.scatter_min_p: selection.scatter_extreme(p.scatter_min_p),
    p.cumlogsumexp_p: selection.cumulative_log_sum_exp,
    softmax.log_sum_exp_p: softmax.log_sum_exp,
    softmax.log_softmax_p: softmax.log_softmax,
    softmax.softmax_p: softmax.softmax,
    shift_invariance.some_number_p: shift_invariance.some_number,
    extremes.is_extreme_p: extremes.is_extreme,
}
"""By primitive: `rule(*operands, **params)`."""

ELEMENTWISE = frozenset(
    {
        *(p.tan_p, p.asin_p, p.acos_p, p.asinh_p, p.acosh_p, p.atanh_p, p.cbrt_p, p.exp2_p, p.atan2_p, p.rem_p),
        *(p.reduce_precision_p, shift_invariance.some_number_p),
    }
)
"""Those that act element by element."""
