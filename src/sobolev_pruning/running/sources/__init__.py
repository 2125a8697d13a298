from .opening import Workers as Workers
from .opening import opened as opened
from .opening import reference_of as reference_of
from .source import AbstractSource as AbstractSource
from .source import Cost as Cost
from .source import Direction as Direction
