"""The one kind of error that is the user's to mend."""


class InputError(ValueError):
    """What the user gave cannot be used; the message says what is wrong, where, and what to do, in one sentence.

    The command line prints the message and exits with status 2; it is never shown as a traceback there.
    """


class ContradictionFound(RuntimeError):
    """A proof of this package is contradicted by what it saw itself: a fault of ours, never the user's."""


class TrainingDiverged(InputError):
    """A loss became infinite or not a number; the message names the step and the likely cause."""
