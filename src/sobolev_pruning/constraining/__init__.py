from .constrain import Constrained as Constrained
from .constrain import constrain as constrain
