from .checks import check_for_training as check_for_training
from .data_file import DataFile as DataFile
from .data_file import read_samples as read_samples
from .derivatives import DerivativeCheck as DerivativeCheck
from .derivatives import check_derivatives as check_derivatives
from .derivatives import smoothing_bias as smoothing_bias
from .split import quantile_box as quantile_box
from .split import split as split
