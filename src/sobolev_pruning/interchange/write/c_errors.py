"""The function of a C header that gives standard errors: how value and slopes change along uncertain directions.

Beside nodes `n`, slopes `s` and bends `c` of every layer there are its tangents along the inputs, `u` before and `v`
behind the activation; along a direction of the parameters the nodes change by `m`, the tangents by `g`. In the text
`NAME` stands for the prefix of the header, `TYPE` for its number type.
"""

from collections.abc import Callable

from ..formulas import formulas
from .c_text import WORDS, loops_around
from .layers import WrittenLayers
from .text import assignments

_START = """\
/* Standard errors at x: value_stderr[k] of the value, gradient_stderr[k][d] of the gradient. */
static inline void NAME_stderr(const TYPE *x, TYPE *value_stderr, TYPE *gradient_stderr)
{"""

_END = """\
    }}
    for (i = 0; i < {k}; ++i)
        value_stderr[i] = NAME_factors[0][i] * SQRT(value_stderr[i]);
    for (i = 0; i < {k} * {d}; ++i)
        gradient_stderr[i] = NAME_factors[1][i / {d}] * SQRT(gradient_stderr[i]);
}}

static inline void NAME_stderr_batch(long n, const TYPE *x, TYPE *value_stderr, TYPE *gradient_stderr)
{{
    long p;
    for (p = 0; p < n; ++p)
        NAME_stderr(x + p * {d}, value_stderr + p * {k}, gradient_stderr + p * {k} * {d});
}}
"""


def standard_errors(network: WrittenLayers, count: int, number: Callable[[float], str]) -> str:
    """`NAME_stderr` and `NAME_stderr_batch` over `count` directions; `number` writes a constant."""
    widths = network.widths
    d, k, last = widths[0], widths[-1], len(widths) - 1
    lines = [f"    TYPE n0[{d}];"]
    for layer in range(1, last + 1):
        lines.append(
            f"    TYPE m{layer}[{widths[layer]}], g{layer}[{widths[layer]}][{d}], u{layer}[{widths[layer]}][{d}];"
        )
    for layer in range(1, last):
        nodes = ", ".join(f"{name}{layer}[{widths[layer]}]" for name in "nsc")
        lines.append(f"    TYPE {nodes}, v{layer}[{widths[layer]}][{d}];")
    lines += ["    int r, i, a, j;", *loops_around({"i": d}, ["n0[i] = x[i] - NAME_x_shift[i];"])]
    for layer in range(1, last + 1):
        lines += _forward(network, layer, number, activated=layer < last)
    lines += loops_around({"i": k}, ["value_stderr[i] = 0;"])
    lines += loops_around({"i": f"{k} * {d}"}, ["gradient_stderr[i] = 0;"])
    lines.append(f"    for (r = 0; r < {count}; ++r) {{")
    changes = [line for layer in range(1, last + 1) for line in _changes(network, layer, activated=layer < last)]
    changes += loops_around({"i": k}, [f"value_stderr[i] += m{last}[i] * m{last}[i];"])
    changes += loops_around({"i": k, "a": d}, [f"gradient_stderr[i * {d} + a] += g{last}[i][a] * g{last}[i][a];"])
    lines += ["    " + line for line in changes]
    return "\n".join([_START, *lines, _END.format(d=d, k=k)])


def _forward(network: WrittenLayers, layer: int, number: Callable[[float], str], activated: bool) -> list[str]:
    """Nodes with their slopes and bends, and tangents, of one layer."""
    widths, skipped = network.widths, network.skip is not None and layer == network.skip_layer
    d, below, weight = widths[0], widths[layer - 1], f"NAME_w{layer}[i][j]"
    lines = []
    tangent = f"u{layer}[i][a]"
    if layer == 1:
        body = [f"{tangent} = NAME_w1[i][a]{' + NAME_skip[i][a]' if skipped else ''};"]
    else:
        body = [f"{tangent} = {'NAME_skip[i][a]' if skipped else '0'};"]
        body += [f"for (j = 0; j < {below}; ++j)", f"    {tangent} += {weight} * v{layer - 1}[j][a];"]
    lines += loops_around({"i": widths[layer], "a": d}, body)
    if not activated:
        return lines
    words, results = assignments(formulas(network.activations[layer - 1]), "z", WORDS, number)
    body = [f"TYPE z = NAME_b{layer}[i];", *(f"TYPE {name};" for name, _ in words)]
    body += [f"for (j = 0; j < {below}; ++j)", f"    z += {weight} * n{layer - 1}[j];"]
    if skipped:
        body += [f"for (j = 0; j < {d}; ++j)", "    z += NAME_skip[i][j] * n0[j];"]
    body += [f"{name} = {text};" for name, text in words]
    body += [f"{name}{layer}[i] = {result};" for name, result in zip("nsc", results)]
    body += [f"for (a = 0; a < {d}; ++a)", f"    v{layer}[i][a] = s{layer}[i] * u{layer}[i][a];"]
    return lines + loops_around({"i": widths[layer]}, body)


def _changes(network: WrittenLayers, layer: int, activated: bool) -> list[str]:
    """How nodes and tangents of one layer change along direction `r`."""
    widths, skipped = network.widths, network.skip is not None and layer == network.skip_layer
    d, below, weight, towards = widths[0], widths[layer - 1], f"NAME_w{layer}[i][j]", f"NAME_e{layer}[r][i][j]"
    node, tangent, past = f"m{layer}[i]", f"g{layer}[i][a]", layer - 1
    body = [f"{node} = NAME_f{layer}[r][i];", f"for (j = 0; j < {below}; ++j)"]
    body.append(f"    {node} += {towards} * n{past}[j]{f' + {weight} * m{past}[j]' if past else ''};")
    if skipped:
        body += [f"for (j = 0; j < {d}; ++j)", f"    {node} += NAME_eskip[r][i][j] * n0[j];"]
    start = "NAME_eskip[r][i][a]" if skipped else "0"
    body.append(f"for (a = 0; a < {d}; ++a) {{")
    if past:
        body += [f"    {tangent} = {start};", f"    for (j = 0; j < {below}; ++j)"]
        body.append(f"        {tangent} += {towards} * v{past}[j][a] + {weight} * g{past}[j][a];")
    else:
        body.append(f"    {tangent} = NAME_e1[r][i][a] + {start};")
    if activated:
        body.append(f"    {tangent} = s{layer}[i] * {tangent} + c{layer}[i] * {node} * u{layer}[i][a];")
    body.append("}")
    if activated:
        body.append(f"{node} *= s{layer}[i];")
    return loops_around({"i": widths[layer]}, body)
