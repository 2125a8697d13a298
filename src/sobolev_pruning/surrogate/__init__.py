from .files import load as load
from .files import save as save
from .network import Dense as Dense
from .network import Surrogate as Surrogate
from .network import numpy_layers as numpy_layers
from .network import zero_offsets as zero_offsets
from .scaling import Scaling as Scaling
