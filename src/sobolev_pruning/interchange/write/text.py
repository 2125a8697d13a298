"""Elementwise terms as lines of a programming language."""

from collections.abc import Callable, Mapping, Sequence

from ..expression import Term, TermOrNumber, in_order


def assignments(
    results: Sequence[Term], variable: str, words: Mapping[str, str], number: Callable[[float], str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """What to assign to which name, in order, and the names of the `results`.

    `words` holds for every operation a format of its arguments, as "{0} + {1}"; `number` writes a constant.

    >>> x = Term("variable")
    >>> assignments([x * x + 1.0], "x", {"multiply": "{0} * {1}", "add": "{0} + {1}"}, str)
    ([('t0', 'x * x'), ('t1', 't0 + 1.0')], ['t1'])
    """
    names: dict[int, str] = {}
    lines: list[tuple[str, str]] = []

    def name_of(operand: TermOrNumber) -> str:
        return names[id(operand)] if isinstance(operand, Term) else number(operand)

    for term in in_order(results):
        if term.operation == "variable":
            names[id(term)] = variable
        else:
            names[id(term)] = f"t{len(lines)}"
            lines.append((names[id(term)], words[term.operation].format(*map(name_of, term.arguments))))
    return lines, [names[id(result)] for result in results]
