"""Claims as people write them, and claims as people read them."""

import re

import numpy as np

from .._foundation.errors import InputError
from ..reference import AbstractReference, GaussianBasket
from ..surrogate import Surrogate
from .claims import Claim, Convex, Distance, Monotone, Range, Within, basket_claims

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_MARGIN = rf"(?:\s*~\s*(?P<margin>{_NUMBER}))?"

_BOUNDS = re.compile(
    rf"(?:(?P<above>{_NUMBER})\s*<=\s*)?(?P<of>value|gradient|hessian|gamma)(?:\s*(?P<sign><=|>=)\s*(?P<end>{_NUMBER}))?"
)
_DISTANCE = re.compile(rf"distance\s+(?P<of>value|gradient|hessian)(?:\s*<=\s*(?P<bound>{_NUMBER}))?")
_MONOTONE = re.compile(rf"(?P<way>increasing|decreasing)(?P<inputs>(?:[\s,]+\d+)*){_MARGIN}")
_CONVEX = re.compile(rf"convex{_MARGIN}")
_BASKET = re.compile(rf"basket{_MARGIN}")


def read_claims(text: str, n_inputs: int, against: Surrogate | AbstractReference | None = None) -> tuple[Claim, ...]:
    """The claims in `text`, separated by semicolons, about a surrogate of `n_inputs` inputs.

    - `value`, `gradient`, `hessian`, `gamma`: the range of every entry; gamma is the second derivative along all ones;
    - `value >= 0`, `0 <= gradient <= 1`, `gamma >= -1e-3`: all entries within these bounds;
    - `increasing`, `decreasing 0 2`: monotone in all inputs, or in those numbered (from 0);
    - `convex`: no negative second derivative in any direction;
    - `distance value`, `distance gradient <= 0.01`: how far at most from the model `against`;
    - `basket`: what no-arbitrage asks of an option on the basket `against`, see `basket_claims`.

    `~ MARGIN` behind `increasing`, `decreasing`, `convex` and `basket` allows for a slope, a curvature, or for the
    basket parts of a delta and a gamma, so far on the wrong side.

    >>> read_claims("0 <= gradient <= 1; decreasing 1 ~ 1e-9", n_inputs=3)  # doctest: +ELLIPSIS
    (Within(of='gradient', lower=0.0, upper=1.0, ...), Monotone(inputs=(1,), increasing=False, margin=1e-09))
    """
    claims: list[Claim] = []
    for phrase in (part.strip().lower() for part in text.split(";")):
        if phrase:
            claims += _read(phrase, n_inputs, against)
    return tuple(dict.fromkeys(claims))


def _read(phrase: str, n_inputs: int, against) -> list[Claim]:
    if found := _BOUNDS.fullmatch(phrase):
        return [_bounds(phrase, found, n_inputs)]
    if found := _DISTANCE.fullmatch(phrase):
        return [Distance(found["of"], bound=_number(found["bound"], None))]
    if found := _MONOTONE.fullmatch(phrase):
        inputs = tuple(int(number) for number in re.findall(r"\d+", found["inputs"])) or tuple(range(n_inputs))
        return [Monotone(inputs, found["way"] == "increasing", _number(found["margin"], 0.0))]
    if found := _CONVEX.fullmatch(phrase):
        return [Convex(margin=_number(found["margin"], 0.0))]
    if found := _BASKET.fullmatch(phrase):
        if not isinstance(against, GaussianBasket):
            raise InputError("The claim 'basket' is about a basket option; name the configuration with its market.")
        margin = _number(found["margin"], 0.0)
        return list(basket_claims(against, delta_margin=margin, gamma_margin=margin))
    raise InputError(
        f"{phrase!r} is no claim; write such as 'gradient', 'value >= 0', '0 <= gradient <= 1', 'gamma >= -1e-3', "
        "'increasing 0 2', 'convex ~ 1e-6', 'distance value <= 0.01' or 'basket', with ; between them."
    )


def _bounds(phrase: str, found: re.Match, n_inputs: int) -> Claim:
    of, direction = found["of"], None
    if of == "gamma":
        of, direction = "curvature", (1.0,) * n_inputs
    if found["above"] is None and found["end"] is None:
        return Range(of, direction)
    if found["above"] is not None and found["sign"] == ">=":
        raise InputError(f"{phrase!r} has two lower bounds; write LOWER <= QUANTITY <= UPPER.")
    end = _number(found["end"], None)
    lower = end if found["sign"] == ">=" else _number(found["above"], None)
    return Within(of, lower, end if found["sign"] == "<=" else None, direction)


def _number(text: str | None, default: float | None) -> float | None:
    return default if text is None else float(text)


def claim_text(claim: Claim) -> str:
    """`claim` in words that `read_claims` understands, as far as it can say what the claim says.

    >>> claim_text(Within("curvature", lower=-0.5, direction=(1.0, 1.0))), claim_text(Monotone((0, 1), margin=1e-9))
    ('gamma >= -0.5', 'increasing 0 1 ~ 1e-09')
    """
    if isinstance(claim, Monotone):
        inputs = " ".join(map(str, claim.inputs))
        return f"{'increasing' if claim.increasing else 'decreasing'} {inputs}{_margin_text(claim.margin)}"
    if isinstance(claim, Convex):
        if claim.directions is None:
            return f"convex{_margin_text(claim.margin)}"
        return ", ".join(f"{_curvature_name(direction)} >= {-claim.margin:.12g}" for direction in claim.directions)
    if isinstance(claim, Distance):
        return f"distance {claim.of}" + ("" if claim.bound is None else f" <= {claim.bound:.12g}")
    name = claim.of if claim.direction is None else _curvature_name(claim.direction)
    if isinstance(claim, Range):
        return name
    if claim.upper is None:
        return f"{name} >= {_bound_text(claim.lower)}"
    above = "" if claim.lower is None else f"{_bound_text(claim.lower)} <= "
    return f"{above}{name} <= {_bound_text(claim.upper)}"


def _curvature_name(direction: tuple[float, ...]) -> str:
    return "gamma" if all(entry == 1.0 for entry in direction) else f"curvature along {_bound_text(direction)}"


def _margin_text(margin: float) -> str:
    return f" ~ {margin:.12g}" if margin else ""


def _bound_text(bound) -> str:
    """A number, or the entries of an array, the middle ones left out of a long one."""
    if np.ndim(bound) == 0:
        return f"{bound:.12g}"
    entries = [f"{entry:.3g}" for entry in np.ravel(bound)]
    if len(set(entries)) == 1:
        return entries[0]
    return f"[{', '.join(entries if len(entries) <= 4 else [*entries[:2], '...', entries[-1]])}]"
