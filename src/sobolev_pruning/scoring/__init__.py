from .box import BoxLike as BoxLike
from .box import as_box as as_box
from .function_nodes import FunctionWithNodes as FunctionWithNodes
from .record import Significance as Significance
from .significance import METHODS as METHODS
from .significance import significance as significance
