from .checks import check_for_training as check_for_training
from .split import quantile_box as quantile_box
from .split import split as split
