"""Small, certified, differentiable surrogates of stochastic simulators: the public names, in pipeline order."""

from . import reference as reference
from ._foundation.errors import InputError as InputError
from ._foundation.samples import Samples as Samples
from .surrogate import Surrogate as Surrogate
from .surrogate import load as load
