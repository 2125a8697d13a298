from .box import Box as Box
from .box import as_box as as_box
from .record import Significance as Significance
from .significance import METHODS as METHODS
from .significance import significance as significance
from .taps import Tapped as Tapped
