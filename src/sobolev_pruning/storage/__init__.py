from .checkpoints import Checkpoints as Checkpoints
