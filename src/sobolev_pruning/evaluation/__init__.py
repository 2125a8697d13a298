from .evaluate import Evaluation as Evaluation
from .evaluate import along as along
from .evaluate import evaluate as evaluate
from .scores import Scores as Scores
from .scores import score as score
