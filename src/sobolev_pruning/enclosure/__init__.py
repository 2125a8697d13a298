from .backward.optimised import enclose_layers as enclose_layers
from .enclose import enclose as enclose
from .interval import Interval as Interval
from .registry import EnclosureError as EnclosureError
from .registry import register_rule as register_rule
