from .critical_points import CRITICAL_POINTS as CRITICAL_POINTS
from .primitive import ACTIVATIONS as ACTIVATIONS
from .primitive import CONTINUOUS_DERIVATIVES as CONTINUOUS_DERIVATIVES
from .primitive import activate as activate
from .primitive import activation_p as activation_p
