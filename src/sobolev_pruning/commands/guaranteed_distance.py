"""By how much two networks differ at most over a box, proved."""

from ..certificates import Distance, certify
from ..enclosure import Interval
from ..surrogate import Surrogate


def guaranteed_distance(
    first: Surrogate, second: Surrogate, box: Interval, of: str = "value", *, pieces: int, progress: bool = False
) -> tuple[float, float]:
    """What the distance of `first` and `second` nowhere exceeds, and what it reaches at some point.

    `of`: "value", "gradient" or "hessian"; the distance is that of `Distance`. `pieces`: the most cells of the box.
    """
    answer = certify(first, box, [Distance(of)], against=second, pieces=pieces, progress=progress).answers[0]
    return answer.upper[0], answer.reached_upper[0]
