"""Claims as people write them."""

import re
from collections.abc import Sequence

from .._foundation.entry_names import RESERVED, read_entry
from .._foundation.errors import InputError
from .._foundation.spelling import NAME, unquoted
from .._foundation.variables import Variable, position_of
from ..reference import AbstractReference, GaussianBasket
from ..surrogate import Surrogate
from .claims import Claim, Convex, Distance, Monotone, Range, Within, basket_claims

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_MARGIN = rf"(?:\s*~\s*(?P<margin>{_NUMBER}))?"
_NAMES = rf"(?P<names>(?:[\s,]+{NAME})*)"


def _pattern(text: str) -> re.Pattern:
    return re.compile(text, re.IGNORECASE)


_BOUNDS = _pattern(
    rf'(?:(?P<above>{_NUMBER})\s*<=\s*)?(?P<of>(?:[^<>="]|"[^"]*")+?)(?:\s*(?P<sign><=|>=)\s*(?P<end>{_NUMBER}))?'
)
_DISTANCE = _pattern(rf"distance\s+(?P<of>value|gradient|hessian)(?:\s*<=\s*(?P<bound>{_NUMBER}))?")
_MONOTONE = _pattern(rf"(?P<way>increasing|decreasing)(?:\s+in(?=\s))?{_NAMES}{_MARGIN}")
_CONVEX = _pattern(rf"convex(?:\s+in(?=\s){_NAMES})?{_MARGIN}")
_BASKET = _pattern(rf"basket{_MARGIN}")


def read_claims(
    text: str, surrogate: Surrogate, against: Surrogate | AbstractReference | None = None
) -> tuple[Claim, ...]:
    """The claims in `text`, separated by semicolons, about `surrogate`, whose inputs and outputs have names.

    - `value`, `gradient`, `hessian`, `gamma`: the range of every entry; gamma is the second derivative along all ones;
    - `price`, `dprice/dspot`, `d2price/dspot2`, `d2price/dspotdvol`: the range of one entry, by the names of an output
      and of inputs;
    - `value >= 0`, `0 <= gradient <= 1`, `-1 <= dprice/dspot <= 0`: all entries, or that one, within these bounds;
    - `increasing`, `decreasing in spot, vol`, `increasing 0 2`: monotone in all inputs, or in those named or numbered
      (from 0);
    - `convex`, `convex in spot`: no negative second derivative in any direction, or along these inputs one by one;
    - `distance value`, `distance gradient <= 0.01`: how far at most from the model `against`;
    - `basket`: what no-arbitrage asks of an option on the basket `against`, see `basket_claims`.

    `~ MARGIN` behind `increasing`, `decreasing`, `convex` and `basket` allows for a slope, a curvature, or for the
    basket parts of a delta and a gamma, so far on the wrong side. Names keep their case; those that hold blanks or
    signs stand in double quotes.

    >>> import jax
    >>> from sobolev_pruning import Samples
    >>> samples = Samples([[90.0, 0.2], [110.0, 0.3]], [9.0, 1.0], inputs=["spot", "vol"], outputs=["price"])
    >>> put = Surrogate.create([2, 2, 1], samples, key=jax.random.key(0))
    >>> read_claims("-1 <= dprice/dspot <= 0; increasing in vol ~ 1e-9", put)  # doctest: +ELLIPSIS
    (Within(of='gradient', lower=-1.0, upper=0.0, ..., entry=(0, 0)), Monotone(inputs=(1,), ..., margin=1e-09))
    """
    if text.count('"') % 2:
        raise InputError(f"The claims {text!r} have a double quote that is not closed; close it behind the name.")
    claims: list[Claim] = []
    for phrase in (part.strip() for part in re.findall(r'(?:[^;"]|"[^"]*")+', text)):
        if phrase:
            claims += _read(phrase, surrogate, against)
    return tuple(dict.fromkeys(claims))


def _read(phrase: str, surrogate: Surrogate, against) -> list[Claim]:
    where = f"The claim {phrase!r}"
    inputs = surrogate.inputs
    if found := _DISTANCE.fullmatch(phrase):
        return [Distance(found["of"].lower(), bound=_number(found["bound"], None))]
    if found := _MONOTONE.fullmatch(phrase):
        places = _places(found["names"], inputs, where) or tuple(range(len(inputs)))
        return [Monotone(places, found["way"].lower() == "increasing", _number(found["margin"], 0.0))]
    if found := _CONVEX.fullmatch(phrase):
        places = _places(found["names"] or "", inputs, where)
        directions = tuple(tuple(float(i == place) for i in range(len(inputs))) for place in places) or None
        return [Convex(directions, margin=_number(found["margin"], 0.0))]
    if found := _BASKET.fullmatch(phrase):
        if not isinstance(against, GaussianBasket):
            raise InputError("The claim 'basket' is about a basket option; name the configuration with its market.")
        margin = _number(found["margin"], 0.0)
        return list(basket_claims(against, delta_margin=margin, gamma_margin=margin))
    if (found := _BOUNDS.fullmatch(phrase)) and (claim := _bounds(found, surrogate, where)):
        return [claim]
    raise InputError(
        f"{phrase!r} is no claim; write such as 'gradient', 'value >= 0', '-1 <= dprice/dspot <= 0', 'gamma >= -1e-3', "
        "'increasing in spot', 'convex ~ 1e-6', 'distance value <= 0.01' or 'basket', with ; between them."
    )


def _places(names: str, inputs: Sequence[Variable], where: str) -> tuple[int, ...]:
    """The inputs named, or numbered from 0."""
    found = re.findall(NAME, names)
    return tuple(int(name) if name.isdecimal() else position_of(unquoted(name), inputs, where) for name in found)


def _bounds(found: re.Match, surrogate: Surrogate, where: str) -> Claim | None:
    of, bounded = found["of"], found["above"] is not None or found["end"] is not None
    where_in = {}
    if of.lower() in RESERVED:
        of = of.lower()
        if of == "gamma":
            of, where_in = "curvature", {"direction": (1.0,) * len(surrogate.inputs)}
    else:
        # A word alone may be anything; it is an output only where there is one of that name.
        known = bounded or "/" in of or unquoted(of) in [variable.name for variable in surrogate.outputs]
        named = read_entry(of, surrogate.inputs, surrogate.outputs, where) if known else None
        if named is None:
            return None
        of, where_in = named[0], {"entry": named[1]}
    if not bounded:
        return Range(of, **where_in)
    if found["above"] is not None and found["sign"] == ">=":
        raise InputError(f"{where} has two lower bounds; write LOWER <= QUANTITY <= UPPER.")
    end = _number(found["end"], None)
    lower = end if found["sign"] == ">=" else _number(found["above"], None)
    return Within(of, lower, end if found["sign"] == "<=" else None, **where_in)


def _number(text: str | None, default: float | None) -> float | None:
    return default if text is None else float(text)
