"""Small, certified, differentiable surrogates of stochastic simulators: the public names, in pipeline order."""
# ruff: noqa: I001 (the order is that of the pipeline)

from ._foundation.errors import InputError as InputError
from . import reference as reference
from ._foundation.samples import Samples as Samples
from .surrogate import Surrogate as Surrogate
from .surrogate import load as load
from .surrogate import guarded as guarded
from .training import Adam as Adam
from .training import LBFGS as LBFGS
from .training import LevenbergMarquardt as LevenbergMarquardt
from .training import Fit as Fit
from .training import fit as fit
from .training import label_noise as label_noise
from .enclosure import Interval as Interval
from .enclosure import EnclosureError as EnclosureError
from .enclosure import enclose as enclose
from .scoring import Significance as Significance
from .scoring import significance as significance
from .pruning import prune as prune
from .evaluation import Evaluation as Evaluation
from .evaluation import evaluate as evaluate
from .evaluation import propagate as propagate
from .evaluation import sensitivity as sensitivity
from . import certificates as certificates
from .certificates import Certificate as Certificate
from .certificates import certify as certify
from .interchange import load_onnx as load_onnx
from .interchange import from_equinox as from_equinox
from .interchange import from_torch_state as from_torch_state
from .interchange import from_keras_weights as from_keras_weights
from .interchange import save_c as save_c
from .interchange import save_numpy as save_numpy
from .interchange import save_onnx as save_onnx
from .searching import Shrink as Shrink
from .searching import Tolerance as Tolerance
from .searching import shrink as shrink
