from .evaluate import Evaluation as Evaluation
from .evaluate import Judge as Judge
from .evaluate import along as along
from .evaluate import evaluate as evaluate
from .oracle import fit_oracle as fit_oracle
from .scores import Scores as Scores
from .scores import score as score
