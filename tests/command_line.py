"""Calling the command line in this process."""

import sys
from typing import NamedTuple

import pytest

from sobolev_pruning import cli
from sobolev_pruning._foundation import progress


class Answer(NamedTuple):
    """Exit status, and what was printed to standard output and standard error."""

    status: int
    printed: str
    errors: str


def call(capsys, *arguments: object) -> Answer:
    """What the command `sobolev-pruning ARGUMENTS` answers, on a wide terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sobolev-pruning", *map(str, arguments)])
        patch.setenv("COLUMNS", "300")
        patch.setattr(progress, "_SECONDS_BETWEEN_LINES", 3600.0)  # a busy machine is no part of an answer
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    return Answer(int(ended.value.code or 0), captured.out, captured.err)
