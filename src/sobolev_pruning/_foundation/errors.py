"""The errors and warnings that are the user's to mend."""


class InputError(ValueError):
    r"""What the user gave cannot be used; the message says what is wrong, where, and what to do, in one sentence.

    The command line prints the message and exits with status 2; it is never shown as a traceback there. Names and other
    text out of files may stand in it: what a terminal would obey instead of showing is written as `printable` does.

    >>> print(InputError("The tensor \x1b[31mred\x1b[0m is missing."))
    The tensor \x1b[31mred\x1b[0m is missing.
    """

    def __init__(self, message: str = ""):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """`text` with the escape of each character that is not shown: control characters, line ends, marks of direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


class ContradictionFound(RuntimeError):
    """A proof of this package is contradicted by what it saw itself: a fault of ours, never the user's."""


class TrainingDiverged(InputError):
    """A loss became infinite or not a number; the message names the step and the likely cause."""


class DoubtfulSamples(UserWarning):
    """Samples that training takes, but that look wrong in themselves."""
