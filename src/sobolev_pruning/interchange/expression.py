"""Elementwise formulas as data, so that one text of a formula serves every way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, eq=False)
class Term:
    """One operation on other terms: a node of an expression graph, compared by identity.

    `operation` is one of `OPERATIONS`. The variable is `Term("variable")`; numbers stand among the `arguments` as
    floats. A term used twice is computed once by every writer.

    >>> x = Term("variable")
    >>> (1.0 - x * x).operation
    'subtract'
    """

    operation: str
    arguments: "tuple[TermOrNumber, ...]" = ()

    def __add__(self, other: "TermOrNumber") -> "Term":
        return Term("add", (self, other))

    def __radd__(self, other: float) -> "Term":
        return Term("add", (other, self))

    def __sub__(self, other: "TermOrNumber") -> "Term":
        return Term("subtract", (self, other))

    def __rsub__(self, other: float) -> "Term":
        return Term("subtract", (other, self))

    def __mul__(self, other: "TermOrNumber") -> "Term":
        return Term("multiply", (self, other))

    def __rmul__(self, other: float) -> "Term":
        return Term("multiply", (other, self))

    def __truediv__(self, other: "TermOrNumber") -> "Term":
        return Term("divide", (self, other))

    def __neg__(self) -> "Term":
        return Term("negate", (self,))


TermOrNumber: TypeAlias = Term | float

OPERATIONS = {
    "variable": 0,
    "add": 2,
    "subtract": 2,
    "multiply": 2,
    "divide": 2,
    "negate": 1,
    "absolute": 1,
    "exp": 1,
    "log": 1,
    "sigmoid": 1,
    "sin": 1,
    "cos": 1,
    "tanh": 1,
    "maximum": 2,
    "minimum": 2,
    "where_positive": 3,
}
"""Every operation with its number of arguments; each writer has a word for each. `where_positive(x, a, b)` is `a` where
`x > 0` and `b` elsewhere."""


def exp(x: Term) -> Term:
    """`e^x`."""
    return Term("exp", (x,))


def log(x: Term) -> Term:
    """The natural logarithm."""
    return Term("log", (x,))


def absolute(x: Term) -> Term:
    """`|x|`."""
    return Term("absolute", (x,))


def sigmoid(x: Term) -> Term:
    """`1 / (1 + e^-x)`."""
    return Term("sigmoid", (x,))


def tanh(x: Term) -> Term:
    """The hyperbolic tangent."""
    return Term("tanh", (x,))


def sin(x: Term) -> Term:
    """The sine."""
    return Term("sin", (x,))


def cos(x: Term) -> Term:
    """The cosine."""
    return Term("cos", (x,))


def maximum(x: Term, bound: float) -> Term:
    """The larger of `x` and `bound`."""
    return Term("maximum", (x, bound))


def minimum(x: Term, bound: float) -> Term:
    """The smaller of `x` and `bound`."""
    return Term("minimum", (x, bound))


def where_positive(x: Term, then: TermOrNumber, otherwise: TermOrNumber) -> Term:
    """`then` where `x > 0`, `otherwise` elsewhere."""
    return Term("where_positive", (x, then, otherwise))


def in_order(results: Sequence[Term]) -> list[Term]:
    """All terms that `results` need, each once, after its arguments."""
    ordered: dict[int, Term] = {}

    def visit(term: Term):
        if id(term) not in ordered:
            for argument in term.arguments:
                if isinstance(argument, Term):
                    visit(argument)
            ordered[id(term)] = term

    for result in results:
        visit(result)
    return list(ordered.values())


def shared(results: Sequence[Term]) -> list[Term]:
    """The same terms, of which two that are written alike are one; a product with 1 is its other factor.

    >>> x = Term("variable")
    >>> one, two = shared([x * x, x * x])
    >>> one is two
    True
    """
    by_form: dict[tuple, Term] = {}
    of: dict[int, TermOrNumber] = {}
    for term in in_order(results):
        arguments = tuple(of[id(a)] if isinstance(a, Term) else float(a) for a in term.arguments)
        if term.operation == "multiply" and 1.0 in arguments[:1]:
            of[id(term)] = arguments[1]
            continue
        form = (term.operation, *(("term", id(a)) if isinstance(a, Term) else a for a in arguments))
        of[id(term)] = by_form.setdefault(form, Term(term.operation, arguments))
    return [of[id(result)] for result in results]
