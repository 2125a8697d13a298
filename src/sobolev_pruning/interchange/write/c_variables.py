"""Names of inputs and outputs in a C header: an enumeration of each, so that `x[net_input_spot]` is that entry."""

import re
from collections.abc import Sequence

from ..._foundation.variables import Variable


def enumerations(prefix: str, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> str:
    """`enum PREFIX_input` and `enum PREFIX_output`, their entries in order, with names and units beside them.

    >>> print(enumerations("net", [Variable("spot[0]", "USD")], [Variable("price")]))
    enum net_input {
        net_input_spot_0 = 0 /* spot[0] [USD] */
    };
    enum net_output {
        net_output_price = 0 /* price */
    };
    """
    return "\n".join(_enumeration(f"{prefix}_{what}", of) for what, of in (("input", inputs), ("output", outputs)))


def _enumeration(name: str, variables: Sequence[Variable]) -> str:
    lines = []
    for number, (identifier, variable) in enumerate(zip(identifiers(variables), variables)):
        comma = "," if number < len(variables) - 1 else ""
        lines.append(f"    {name}_{identifier} = {number}{comma} /* {_comment(str(variable))} */")
    return "\n".join([f"enum {name} {{", *lines, "};"])


def identifiers(variables: Sequence[Variable]) -> list[str]:
    """What stands for each name in an identifier: `_` for what C does not allow, a number behind what was there before.

    >>> identifiers([Variable("spot[0]"), Variable("spot 0"), Variable("σ")])
    ['spot_0', 'spot_0_2', 'variable']
    """
    found: list[str] = []
    taken = set()
    for variable in variables:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", variable.name).strip("_") or "variable"
        unique, number = plain, 2
        while unique in taken:
            unique, number = f"{plain}_{number}", number + 1
        taken.add(unique)
        found.append(unique)
    return found


def _comment(text: str) -> str:
    """`text` as a comment holds it: it neither ends one nor begins another, nor joins lines."""
    return re.sub(r"(?<=[*/?])(?=[*/?])", " ", text.replace("\\", "/"))
