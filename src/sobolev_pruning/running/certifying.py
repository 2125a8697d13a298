"""What is proved of the final network over its box."""

from ..certificates import Certificate, Distance, Range, certify
from ..surrogate import Surrogate
from .sources import AbstractSource

MOST_PARAMETERS = 400
"""Of a network that is certified on the way: a larger one takes minutes, and `certify` does it when asked."""

_PIECES = 2000


def certificate_of(network: Surrogate, source: AbstractSource) -> Certificate | None:
    """The ranges of value and slopes, and, of a network as source, how far both are from its own at most; None for a
    network that takes long.
    """
    if network.n_parameters > MOST_PARAMETERS:
        return None
    claims, other = [Range("value"), Range("gradient")], None
    if source.is_network and source.teacher.n_parameters <= MOST_PARAMETERS:
        claims += [Distance("value"), Distance("gradient")]
        other = source.teacher
    return certify(network, source.box, claims, other, pieces=_PIECES)
