"""Programs before they are enclosed: parts that depend on one value twice, put so that they do not."""

from .equations import producers_of, renamed
from .extremes import compared_directly
from .program import Program
from .shift_invariance import without_shifts

_REPORTS = ("debug_callback", "debug_print")


def rewritten(program: Program) -> Program:
    """A program that computes the same over the reals and is enclosed better; same inputs.

    Softmax and log-sum-exp, in values and derivatives, become operations of their own (`shift_invariance`), and so does
    the question which element of an array is the largest (`extremes`). What only tells the user something is left out.
    """
    told = [equation for equation in program.equations if equation.primitive.name not in _REPORTS]
    equations, names = without_shifts(told, program.outputs)
    equations = compared_directly(equations)
    if len(equations) == len(program.equations) and all(a is b for a, b in zip(equations, program.equations)):
        return program
    callers = {v: caller for e, caller in zip(program.equations, program.callers) for v in e.outvars}
    lines = {id(e.source_info): caller for e, caller in zip(program.equations, program.callers)}
    return program._replace(
        equations=equations,
        callers=[callers.get(next(iter(e.outvars), None), lines.get(id(e.source_info))) for e in equations],
        outputs=[renamed(v, names) for v in program.outputs],
        producers=producers_of(equations),
    )
