"""The functions of a C header that compute a surrogate and its derivatives.

A kernel computes a block of points, one number of every point of the block beside the other, so that compilers turn
the inner loops into vector instructions; a single point is a block of one. The derivatives follow the formulas of
`onnx_out`: adjoints backwards, tangents forwards, curvature `sum_l Z_l' diag(A_l * f''(z_l)) Z_l`. In the text `NAME`
stands for the prefix of the header and `TYPE` for its number type.
"""

from ..surrogate import Surrogate
from .c_text import WORDS
from .expression import Term
from .formulas import FORMULAS
from .text import assignments

_ARGUMENTS = {
    "value": ["x", "value"],
    "gradient": ["x", "value", "gradient"],
    "hessian": ["x", "value", "gradient", "hessian"],
    "hvp": ["x", "direction", "value", "gradient", "hvp"],
}


def _sizes(surrogate: Surrogate) -> dict[str, list[int]]:
    d, k = surrogate.widths[0], surrogate.widths[-1]
    return {
        "x": [d],
        "direction": [d],
        "value": [k],
        "gradient": [k, d],
        "hessian": [k, d, d],
        "hvp": [k, d],
    }


def _brackets(sizes: list[int]) -> str:
    return "".join(f"[{size}]" for size in sizes)


def kernel(surrogate: Surrogate, kind: str, block: int) -> str:
    """`NAME_KIND_blockB`, from inputs to outputs, all arrays with the points of the block last."""
    sizes, hidden = _sizes(surrogate), len(surrogate.layers) - 1
    parameters = ", ".join(f"TYPE {name}{_brackets([*sizes[name], block])}" for name in _ARGUMENTS[kind])
    lines = [f"static inline void NAME_{kind}_block{block}({parameters})", "{", "    int i, j, o, p;"]
    if kind == "hessian":
        lines.append("    int a, b;")
    lines += _forward(surrogate, kind, block)
    if kind == "hvp":
        lines += _directional(surrogate, block) if hidden > 0 else ["    (void)direction;"]
    if kind != "value":
        lines += _backward(surrogate, kind, block)
    if kind == "hessian":
        lines += _curvature(surrogate, block)
    return "\n".join([*lines, "}", ""])


def _loops(indices: str, sizes: list[int | str], *body: str) -> list[str]:
    """`body` inside loops over `indices`."""
    lines, indent = [], "    "
    for index, size in zip(indices, sizes):
        lines.append(f"{indent}for ({index} = 0; {index} < {size}; ++{index})" + " {" * (index == indices[-1]))
        indent += "    "
    return [*lines, *(indent + line for line in body), indent[:-4] + "}"]


def _forward(surrogate: Surrogate, kind: str, block: int) -> list[str]:
    widths = surrogate.widths
    orders = {"value": 1, "gradient": 2}.get(kind, 3)
    words, results = assignments(FORMULAS[surrogate.activation](Term("variable"))[:orders], "z", WORDS, _number)
    lines = [f"    TYPE n0[{widths[0]}][{block}];"]
    lines += _loops("ip", [widths[0], block], "n0[i][p] = (x[i][p] - NAME_x_shift[i]) * NAME_x_rate[i];")
    for layer in range(1, len(widths) - 1):
        shape = _brackets([widths[layer], block])
        names = [f"n{layer}", f"s{layer}", f"c{layer}"][:orders]
        lines.append("    TYPE " + ", ".join(f"{name}{shape}" for name in names) + ";")
        lines += _affine(layer, f"n{layer}", f"NAME_b{layer}[i]", f"n{layer - 1}", widths, block)
        body = [f"const TYPE z = n{layer}[i][p];"]
        body += [f"const TYPE {name} = {text};" for name, text in words]
        body += [f"{name}[i][p] = {result};" for name, result in zip(names, results)]
        lines += _loops("ip", [widths[layer], block], *body)
    last = len(widths) - 1
    lines += _affine(last, "value", f"NAME_b{last}[i]", f"n{last - 1}", widths, block)
    scaled = "value[o][p] = NAME_y_shift[o] + NAME_y_scale[o] * value[o][p];"
    return lines + _loops("op", [widths[-1], block], scaled)


def _affine(layer: int, target: str, start: str, source: str, widths: tuple[int, ...], block: int) -> list[str]:
    """`target = start + w source` of a layer."""
    lines = _loops("ip", [widths[layer], block], f"{target}[i][p] = {start};")
    product = f"{target}[i][p] += NAME_w{layer}[i][j] * {source}[j][p];"
    return lines + _loops("ijp", [widths[layer], widths[layer - 1], block], product)


def _directional(surrogate: Surrogate, block: int) -> list[str]:
    """`d` the tangents of the nodes along the direction, `e` those of their slopes."""
    widths = surrogate.widths
    lines = [f"    TYPE d0[{widths[0]}][{block}];"]
    lines += _loops("ip", [widths[0], block], "d0[i][p] = direction[i][p] * NAME_x_rate[i];")
    for layer in range(1, len(widths) - 1):
        shape = _brackets([widths[layer], block])
        lines.append(f"    TYPE d{layer}{shape}, e{layer}{shape};")
        lines += _affine(layer, f"d{layer}", "0", f"d{layer - 1}", widths, block)
        body = [f"e{layer}[i][p] = c{layer}[i][p] * d{layer}[i][p];", f"d{layer}[i][p] *= s{layer}[i][p];"]
        lines += _loops("ip", [widths[layer], block], *body)
    return lines


def _backward(surrogate: Surrogate, kind: str, block: int) -> list[str]:
    """`a` the adjoints of the nodes, `q` what each bends, `h` the tangents of the adjoints."""
    widths = surrogate.widths
    k, last = widths[-1], len(widths) - 1
    lines = []
    for layer in range(last - 1, -1, -1):
        names = [f"a{layer}"] + [f"h{layer}"] * (kind == "hvp") + [f"q{layer}"] * (kind == "hessian" and layer > 0)
        shape = _brackets([k, widths[layer], block])
        lines.append("    TYPE " + ", ".join(f"{name}{shape}" for name in names) + ";")
        if layer == last - 1:
            body = [f"a{layer}[o][i][p] = NAME_y_scale[o] * NAME_w{last}[o][i];"]
            body += [f"h{layer}[o][i][p] = 0;"] * (kind == "hvp")
            lines += _loops("oip", [k, widths[layer], block], *body)
        else:
            above = layer + 1
            zero = [f"a{layer}[o][i][p] = 0;"] + [f"h{layer}[o][i][p] = 0;"] * (kind == "hvp")
            lines += _loops("oip", [k, widths[layer], block], *zero)
            body = [f"a{layer}[o][i][p] += a{above}[o][j][p] * NAME_w{above}[j][i];"]
            body += [f"h{layer}[o][i][p] += h{above}[o][j][p] * NAME_w{above}[j][i];"] * (kind == "hvp")
            lines += _loops("ojip", [k, widths[above], widths[layer], block], *body)
        if layer > 0:
            body = [f"q{layer}[o][i][p] = a{layer}[o][i][p] * c{layer}[i][p];"] * (kind == "hessian")
            if kind == "hvp":
                changed = f"h{layer}[o][i][p] * s{layer}[i][p] + a{layer}[o][i][p] * e{layer}[i][p]"
                body.append(f"h{layer}[o][i][p] = {changed};")
            body.append(f"a{layer}[o][i][p] *= s{layer}[i][p];")
            lines += _loops("oip", [k, widths[layer], block], *body)
    body = ["gradient[o][i][p] = a0[o][i][p] * NAME_x_rate[i];"]
    body += ["hvp[o][i][p] = h0[o][i][p] * NAME_x_rate[i];"] * (kind == "hvp")
    return lines + _loops("oip", [k, widths[0], block], *body)


def _curvature(surrogate: Surrogate, block: int) -> list[str]:
    """The Hessian, from the tangents `t` of every layer along every input and what each node bends."""
    widths = surrogate.widths
    d, k, widest = widths[0], widths[-1], max(widths[:-1])
    lines = _loops("oabp", [k, d, d, block], "hessian[o][a][b][p] = 0;")
    if len(widths) == 2:
        return lines
    shape = _brackets([widest, d, block])
    lines.append(f"    TYPE t{shape}" + f", u{shape}" * (len(widths) > 3) + ";")
    for layer in range(1, len(widths) - 1):
        width = widths[layer]
        if layer == 1:
            lines += _loops("iap", [width, d, block], "t[i][a][p] = NAME_w1[i][a] * NAME_x_rate[a];")
        else:
            lines += _loops("iap", [width, d, block], "t[i][a][p] = 0;")
            product = f"t[i][a][p] += NAME_w{layer}[i][j] * u[j][a][p];"
            lines += _loops("ijap", [width, widths[layer - 1], d, block], product)
        bent = f"hessian[o][a][b][p] += q{layer}[o][i][p] * t[i][a][p] * t[i][b][p];"
        lines += _loops("oiabp", [k, width, d, d, block], bent)
        if layer < len(widths) - 2:
            lines += _loops("iap", [width, d, block], f"u[i][a][p] = s{layer}[i][p] * t[i][a][p];")
    return lines


def entry_points(surrogate: Surrogate, kind: str, block: int) -> str:
    """`NAME_KIND` for one point and `NAME_KIND_batch` for many."""
    sizes, names = _sizes(surrogate), _ARGUMENTS[kind]
    inputs = [name for name in names if name in ("x", "direction")]
    outputs = [name for name in names if name not in inputs]
    parameters = ", ".join(f"const TYPE *{name}" for name in inputs) + ", "
    parameters += ", ".join(f"TYPE *{name}" for name in outputs)
    flat = {name: _flat_size(sizes[name]) for name in names}

    def body(block: int, start: str, count: str) -> list[str]:
        lines = [f"    TYPE {name}_{_brackets([*sizes[name], block])};" for name in names]
        lines.append("    int i, p;")
        for name in inputs:
            point = f"{start}(p < {count} ? p : 0)" if block > 1 else ""
            place = f"({point}) * {flat[name]} + i" if block > 1 else "i"
            lines += _loops("pi", [block, flat[name]], f"{name}_[i][p] = {name}[{place}];")
        lines.append(f"    NAME_{kind}_block{block}({', '.join(f'{name}_' for name in names)});")
        for name in outputs:
            place = f"({start}p) * {flat[name]} + i" if block > 1 else "i"
            entry = f"(&{name}_{'[0]' * len(sizes[name])}[0])[i * {block} + p]"
            lines += _loops("pi", [count, flat[name]], f"{name}[{place}] = {entry};")
        return lines

    one = [f"static inline void NAME_{kind}({parameters})", "{", *body(1, "", "1"), "}", ""]
    inner = ["    " + line for line in body(block, "start + ", "count")]
    many = [
        f"static inline void NAME_{kind}_batch(long n, {parameters})",
        "{",
        "    long start;",
        f"    for (start = 0; start < n; start += {block}) " + "{",
        f"        const int count = n - start < {block} ? (int)(n - start) : {block};",
        *inner,
        "    }",
        "}",
        "",
    ]
    return "\n".join([*one, *many])


def _flat_size(sizes: list[int]) -> int:
    size = 1
    for length in sizes:
        size *= length
    return size


def _number(number: float) -> str:
    return f"(TYPE){number!r}"
