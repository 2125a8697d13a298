"""Inputs and outputs by name and unit: what tables, files, claims and errors call them."""

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError

_LONGEST = 200


@dataclass(frozen=True)
class Variable:
    """An input or an output: its name, and its unit where it is known.

    Both are one line of text without blanks around it, of at most 200 characters; else `InputError` is raised.

    >>> str(Variable("volatility", "1/sqrt(year)")), str(Variable("x0"))
    ('volatility [1/sqrt(year)]', 'x0')
    """

    name: str
    unit: str | None = None

    def __post_init__(self):
        for what, text in (("name", self.name), *([] if self.unit is None else [("unit", self.unit)])):
            if not isinstance(text, str) or not 0 < len(text) <= _LONGEST or text != text.strip():
                raise InputError(f"A variable has the {what} {text!r:.60}; give a text of 1 to {_LONGEST} characters.")
            if not text.isprintable():
                raise InputError(f"A variable has the {what} {text!r}; give a text of one line that can be shown.")

    def __str__(self) -> str:
        return self.name if self.unit is None else f"{self.name} [{self.unit}]"

    @staticmethod
    def of(text: "str | Variable") -> "Variable":
        """The variable that `text` writes as `str` does: a unit stands in square brackets behind a name.

        Brackets around a number belong to the name.

        >>> Variable.of("spot [USD]"), Variable.of("spot[0]")
        (Variable(name='spot', unit='USD'), Variable(name='spot[0]', unit=None))
        """
        if isinstance(text, Variable):
            return text
        if not isinstance(text, str):
            raise InputError(f"A variable is {text!r:.300}; give its name as text, such as 'spot [USD]'.")
        return Variable(*name_and_unit(text))


def name_and_unit(text: str) -> tuple[str, str | None]:
    """The parts of `text` that `Variable.of` makes a variable of, whatever they hold."""
    text = text.strip()
    start = text.find("[", text.rfind("]", 0, -1) + 1) if text.endswith("]") else -1
    unit = text[start + 1 : -1].strip()
    if start <= 0 or all(letter.isdecimal() or letter.isspace() or letter == "," for letter in unit):
        return text, None
    return text[:start].strip(), unit


def as_variables(
    given: "Sequence[str | Variable] | None", numbered: Sequence[Variable], what: str
) -> tuple[Variable, ...]:
    """The variables `given`, or, where none are, the `numbered` ones; `what` they are starts the sentence of an error.

    Raises `InputError` where they are not as many as the numbered ones, or where two have one name.
    """
    if given is None:
        return tuple(numbered)
    if isinstance(given, str):
        raise InputError(f"{what} is the text {given!r:.300}; give a sequence with a name for each.")
    variables = tuple(Variable.of(each) for each in given)
    names = [variable.name for variable in variables]
    if len(names) != len(numbered):
        some = f"{len(names)} name{'s' * (len(names) != 1)}" + (f" ({in_short(names)})" if names else "")
        raise InputError(f"{what} has {some}; give {len(numbered)}, one for each.")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"{what} has the name {twice!r} twice; give each a name of its own.")
    return variables


def variables_from_json(entries: object) -> list[Variable]:
    """The variables that a file holds as a list of `{"name", "unit"}`; raises `InputError` where it does not."""
    try:
        return [Variable(entry["name"], entry["unit"]) for entry in entries]
    except (KeyError, TypeError, IndexError):
        raise InputError("There is no list of names with units; save the surrogate again.") from None


def numbered_inputs(n: int) -> tuple[Variable, ...]:
    """`x0`, `x1`, ...: inputs that nobody named."""
    return tuple(Variable(f"x{i}") for i in range(n))


def numbered_outputs(n: int) -> tuple[Variable, ...]:
    """`y` of a single output, `y0`, `y1`, ... of several that nobody named.

    >>> [variable.name for variable in numbered_outputs(1)]
    ['y']
    """
    return (Variable("y"),) if n == 1 else tuple(Variable(f"y{j}") for j in range(n))


def derivative_unit(of: Variable, by: Sequence[Variable]) -> str | None:
    """The unit of the derivative of `of` by each of `by`, one after the other; None where one is not known.

    >>> derivative_unit(Variable("price", "USD"), [Variable("volatility", "1/sqrt(year)")])
    'USD/(1/sqrt(year))'
    >>> derivative_unit(Variable("price", "USD"), [Variable("spot", "USD")] * 2)
    'USD/USD^2'
    """
    units = [variable.unit for variable in (of, *by)]
    if None in units:
        return None
    top, *below = [unit if unit.isalnum() else f"({unit})" for unit in units]
    if not below:
        return units[0]
    if len(set(below)) < len(below):
        return f"{top}/{below[0]}^{len(below)}"
    return f"{top}/{below[0]}" if len(below) == 1 else f"{top}/({' '.join(below)})"


def are_named(variables: Sequence[Variable]) -> bool:
    """Whether somebody named them: they are not the numbered ones, nor some of these in their order.

    >>> are_named((Variable("x1"), Variable("x2"))), are_named((Variable("x2"), Variable("x1")))
    (False, True)
    """
    letters = {variable.name[0] for variable in variables}
    numbers = [variable.name[1:] for variable in variables]
    if len(letters) != 1 or not letters <= {"x", "y"} or any(variable.unit is not None for variable in variables):
        return True
    if numbers == [""]:
        return False
    plain = all(number.isdecimal() and number.isascii() for number in numbers)
    return not plain or any(int(a) >= int(b) for a, b in itertools.pairwise(numbers))


def named_first(*choices: Sequence[Variable]) -> tuple[Variable, ...]:
    """The first of the choices that somebody named, else the first.

    >>> [variable.name for variable in named_first(numbered_inputs(1), (Variable("spot"),))]
    ['spot']
    """
    return tuple(next((variables for variables in choices if are_named(variables)), choices[0]))


def expect_same(own: Sequence[Variable], given: Sequence[Variable], whose: str, what: str) -> None:
    """Raises `InputError` where the variables `given` are others than `own`, or in another order.

    Those that nobody named agree with any, and so does a unit that is not known. `whose` says what holds the given
    ones, `what` which variables they are, as in "samples" and "inputs".
    """
    names, others = [variable.name for variable in own], [variable.name for variable in given]
    known = are_named(own) and are_named(given)
    if names != others and (known or sorted(names) == sorted(others)):
        advice = "give them in one order" if sorted(names) == sorted(others) else "give those of its own model"
        raise InputError(
            f"The {what} of the surrogate are {in_short(names)}, those of {whose} {in_short(others)}; {advice}."
        )
    for mine, other in zip(own, given):
        if None not in (mine.unit, other.unit) and mine.unit != other.unit:
            raise InputError(
                f"The surrogate has {mine} where {whose} has {other}; convert one of them, as a name has one unit."
            )


def position_of(name: str, variables: Sequence[Variable], where: str) -> int:
    """The place of the variable called `name`; raises `InputError`, naming the nearest one, where there is none.

    `where` is what holds the name, as it starts the sentence.

    >>> position_of("vol", [Variable("spot"), Variable("vol")], "--box")
    1
    """
    names = [variable.name for variable in variables]
    if name in names:
        return names.index(name)
    lower = {known.lower(): known for known in reversed(names)}
    begins = [known for known in lower if name and known.startswith(name.lower())]
    near = begins[-1:] or difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    advice = f"did you mean {lower[near[0]]!r}?" if near else f"there are {in_short(names)}."
    raise InputError(f"{where} names {name!r}, which is none of the {len(names)}; {advice}")


def in_short(names: Sequence[str], most: int = 8) -> str:
    """Names with commas between; beyond `most` of them their number.

    >>> in_short(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
