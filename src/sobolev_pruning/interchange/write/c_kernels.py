"""The functions of a C header that compute a surrogate and its derivatives.

A batch goes through in blocks of points; inside, one number of every point of the block lies beside the other, so
that compilers turn the inner loops into vector instructions. A single point is the same text without those loops. The
derivatives follow the formulas of `onnx_out`: adjoints backwards, tangents forwards, curvature
`sum_l Z_l' diag(A_l * f''(z_l)) Z_l`. In the text `NAME` stands for the prefix of the header, `TYPE` for its number
type, and `w1`, `b1` and so on for the layers with the scales of inputs and outputs inside.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..formulas import formulas
from .c_text import WORDS, assignment, loops_around
from .layers import WrittenLayers
from .text import assignments

BLOCK = 32
"""Points of a block. Loops of 16 rounds or fewer are unrolled by gcc before it looks for vectors, and slower for it."""

TERMS = 8
"""Terms of a sum in one statement; from one statement to the next it goes through memory."""

OUTPUTS = {
    "value": ["value"],
    "gradient": ["value", "gradient"],
    "curvature": ["value", "gradient", "curvature"],
    "hvp": ["value", "gradient", "hvp"],
    "hessian": ["value", "gradient", "hessian"],
}
"""What each function gives, in the order of its arguments."""

DIRECTED = ("curvature", "hvp")
"""The functions that take a direction too: one for the whole batch, or one for each point."""


def functions(network: WrittenLayers, kind: str, number: Callable[[float], str]) -> str:
    """`NAME_KIND` for one point and `NAME_KIND_batch` for many; `number` writes a constant."""
    single, block = _Kernel(network, kind, number, points=1), _Kernel(network, kind, number, points=BLOCK)
    return "\n".join([*single.text(), *block.text(), *_batch(network, kind)])


def _sizes(network: WrittenLayers) -> dict[str, int]:
    """How many numbers each argument holds for one point."""
    d, k = network.widths[0], network.widths[-1]
    return {"x": d, "direction": d, "value": k, "gradient": k * d, "curvature": k, "hvp": k * d, "hessian": k * d * d}


def _parameters(kind: str) -> str:
    inputs = ["x", "direction"] if kind in DIRECTED else ["x"]
    return ", ".join([f"const TYPE *{name}" for name in inputs] + [f"TYPE *{name}" for name in OUTPUTS[kind]])


@dataclass(frozen=True)
class _Kernel:
    """The function for `points` points, from inputs to outputs."""

    network: WrittenLayers
    kind: str
    number: Callable[[float], str]
    points: int

    def text(self) -> list[str]:
        name = f"NAME_{self.kind}" if self.points == 1 else f"NAME_{self.kind}_block"
        lines = [*self._forward(), *self._value()]
        if self.kind != "value":
            lines += self._backward() if self._hidden else self._without_layers()
        if self.kind == "hessian":
            lines += self._hessian()
        counters = [name for name in "ijoabp" if any(f"({name} = 0;" in line for line in lines)]
        return [
            f"static inline void {name}({_parameters(self.kind)})",
            "{",
            f"    int {', '.join(counters)};",
            *lines,
            "}",
            "",
        ]

    @property
    def _widths(self) -> tuple[int, ...]:
        return self.network.widths

    @property
    def _hidden(self) -> range:
        """The numbers of the hidden layers, from 1."""
        return range(1, len(self._widths) - 1)

    @property
    def _at(self) -> str:
        """Where a point lies in an array of the block."""
        return "" if self.points == 1 else "[p]"

    def _argument(self, name: str, index: str) -> str:
        """An entry of an argument, which holds one point after the other."""
        size = _sizes(self.network)[name]
        if self.points == 1 or (name == "direction" and self.kind == "curvature"):
            return f"{name}[{index}]"
        return f"{name}[p]" if size == 1 else f"{name}[p * {size} + {index}]"

    def _arrays(self, names: list[str], *sizes: int) -> str:
        brackets = "".join(f"[{size}]" for size in sizes) + (f"[{self.points}]" if self.points > 1 else "")
        return f"    TYPE {', '.join(name + brackets for name in names)};"

    def _each(self, loops: dict[str, int | str], *body: str) -> list[str]:
        """`body` for every value of the indices and every point."""
        return loops_around(loops | ({"p": self.points} if self.points > 1 else {}), body)

    def _sum(
        self,
        target: str,
        term: Callable[[str], str],
        count: int,
        outer: dict[str, int | str],
        inner: dict[str, int | str] | None = None,
        start: str | None = None,
        onto: bool = False,
    ) -> list[str]:
        """`target = start + term(0) + ... + term(count - 1)` for every value of the indices and every point.

        A sum of many terms runs over them between the `outer` and the `inner` loops; with `onto` it is added to what
        `target` holds.
        """
        inner = inner or {}
        given = [] if start is None else [start]
        if count <= TERMS:
            terms = given + [term(str(j)) for j in range(count)]
            return self._each(outer | inner, *assignment(target, terms, onto))
        whole = count - count % TERMS
        lines = [] if onto else self._each(outer | inner, f"{target} = {start or 0};")
        chunk = assignment(target, [term(f"j + {j}" if j else "j") for j in range(TERMS)], onto=True)
        lines += self._each(outer | {"j": f"{whole}; j += {TERMS}"} | inner, *chunk)
        if whole < count:
            rest = assignment(target, [term(str(j)) for j in range(whole, count)], onto=True)
            lines += self._each(outer | inner, *rest)
        return lines

    def _forward(self) -> list[str]:
        """`n` the nodes, `s` their slopes; `c` how they bend, times tangents where there is a direction."""
        widths, at = self._widths, self._at
        lines = [self._arrays(["n0"], widths[0])]
        lines += self._each({"i": widths[0]}, f"n0[i]{at} = {self._argument('x', 'i')} - NAME_x_shift[i];")
        for layer in self._hidden:
            names = [f"n{layer}", f"s{layer}", f"c{layer}"][: {"value": 1, "gradient": 2}.get(self.kind, 3)]
            lines.append(self._arrays(names, widths[layer]))
            lines += self._affine(layer, f"n{layer}[i]{at}")
            if self.kind in DIRECTED:
                lines += self._tangents(layer)
            lines += self._each({"i": widths[layer]}, *self._activation(layer, names))
        return lines

    def _affine(self, layer: int, target: str) -> list[str]:
        widths, at = self._widths, self._at
        lines = self._sum(
            target,
            lambda j: f"NAME_w{layer}[i][{j}] * n{layer - 1}[{j}]{at}",
            widths[layer - 1],
            {"i": widths[layer]},
            start=f"NAME_b{layer}[i]",
        )
        return lines + self._beside(layer, target, lambda j: f"NAME_skip[i][{j}] * n0[{j}]{at}", {"i": widths[layer]})

    def _beside(
        self,
        layer: int,
        target: str,
        term: Callable[[str], str],
        outer: dict[str, int | str],
        inner: dict[str, int | str] | None = None,
        count: int | None = None,
    ) -> list[str]:
        """What goes past the hidden layers, where it enters at `layer`: a sum over the inputs, or over `count`."""
        count = self._widths[0] if count is None else count
        if self.network.skip is None or layer != self.network.skip_layer or not count:
            return []
        return self._sum(target, term, count, outer, inner, onto=True)

    def _tangents(self, layer: int) -> list[str]:
        """`d`, the derivatives of the layer along the direction, before its activation."""
        widths, at = self._widths, self._at

        def term(j: str) -> str:
            below = self._argument("direction", j) if layer == 1 else f"d{layer - 1}[{j}]{at}"
            return f"NAME_w{layer}[i][{j}] * {below}"

        target, each = f"d{layer}[i]{at}", {"i": widths[layer]}
        lines = [self._arrays([f"d{layer}"], widths[layer]), *self._sum(target, term, widths[layer - 1], each)]
        return lines + self._beside(
            layer, target, lambda j: f"NAME_skip[i][{j}] * {self._argument('direction', j)}", each
        )

    def _activation(self, layer: int, names: list[str]) -> list[str]:
        at = self._at
        wanted = formulas(self.network.activations[layer - 1])[: len(names)]
        words, results = assignments(wanted, "z", WORDS, self.number)
        body = [f"const TYPE z = n{layer}[i]{at};"]
        body += [f"const TYPE {name} = {text};" for name, text in words]
        if self.kind in DIRECTED:
            body.append(f"const TYPE d = d{layer}[i]{at};")
            results[2] += " * d" if self.kind == "hvp" else " * d * d"
        body += [f"{name}[i]{at} = {result};" for name, result in zip(names, results)]
        if self.kind in DIRECTED and layer < self._hidden[-1]:
            body.append(f"d{layer}[i]{at} = d * {results[1]};")
        return body

    def _value(self) -> list[str]:
        return self._affine(len(self._widths) - 1, self._argument("value", "i"))

    def _without_layers(self) -> list[str]:
        """The derivatives of an affine function."""
        d, k = self._widths[0], self._widths[-1]
        lines = self._each({"o": k, "i": d}, f"{self._argument('gradient', f'o * {d} + i')} = NAME_w1[o][i];")
        if self.kind in DIRECTED:
            size = _sizes(self.network)[self.kind]
            lines += self._each({"i": size}, f"{self._argument(self.kind, 'i')} = 0;")
            lines.append("    (void)direction;")
        return lines

    def _backward(self) -> list[str]:
        """`a` the adjoints of the layers before their activation, `q` what each node bends, `h` how `a` changes."""
        widths, at = self._widths, self._at
        d, k, top = widths[0], widths[-1], self._hidden[-1]
        moving = ["a", "h"] if self.kind == "hvp" else ["a"]
        lines = []
        for layer in reversed(self._hidden):
            names = [*moving, "q"] if self.kind == "hessian" else moving
            lines.append(self._arrays([f"{name}{layer}" for name in names], k, widths[layer]))
            if layer < top:
                for name in moving:
                    lines += self._pulled(name, layer, f"{name}{layer}[o][i]{at}")
            adjoint = f"NAME_w{top + 1}[o][{{}}]" if layer == top else f"a{layer}[o][{{}}]{at}"
            if self.kind == "curvature":
                lines += self._bent(layer, adjoint)
            bent = f"{adjoint.format('i')} * c{layer}[i]{at}"
            body = []
            if self.kind == "hessian":
                body.append(f"q{layer}[o][i]{at} = {bent};")
            if self.kind == "hvp":
                change = f"h{layer}[o][i]{at}"
                body.append(f"{change} = " + (bent if layer == top else f"{change} * s{layer}[i]{at} + {bent}") + ";")
            body.append(f"a{layer}[o][i]{at} = {adjoint.format('i')} * s{layer}[i]{at};")
            lines += self._each({"o": k, "i": widths[layer]}, *body)
        lines += self._to_inputs("a", self._argument("gradient", f"o * {d} + i"))
        if self.kind == "hvp":
            lines += self._to_inputs("h", self._argument("hvp", f"o * {d} + i"))
        return lines

    def _to_inputs(self, name: str, target: str) -> list[str]:
        """`name` of the first layer, back to the inputs, and that of the layer that they reach directly."""
        widths, at, layer = self._widths, self._at, self.network.skip_layer
        lines, outer, inner = self._pulled(name, 0, target), {"o": widths[-1]}, {"i": widths[0]}
        if layer in self._hidden:
            term = f"{name}{layer}[o][{{0}}]{at} * NAME_skip[{{0}}][i]"
            return lines + self._beside(layer, target, term.format, outer, inner, count=widths[layer])
        return lines + self._beside(layer, target, lambda j: "NAME_skip[o][i]", outer, inner, count=int(name == "a"))

    def _pulled(self, name: str, layer: int, target: str) -> list[str]:
        """`name` of the layer above, back through its weights."""
        widths, at, above = self._widths, self._at, layer + 1
        return self._sum(
            target,
            lambda j: f"{name}{above}[o][{j}]{at} * NAME_w{above}[{j}][i]",
            widths[above],
            {"o": widths[-1]},
            {"i": widths[layer]},
        )

    def _bent(self, layer: int, adjoint: str) -> list[str]:
        """What a layer adds to the second derivative along the direction."""
        widths, at = self._widths, self._at
        return self._sum(
            self._argument("curvature", "o"),
            lambda j: f"{adjoint.format(j)} * c{layer}[{j}]{at}",
            widths[layer],
            {"o": widths[-1]},
            onto=layer < self._hidden[-1],
        )

    def _hessian(self) -> list[str]:
        """Half of it, from what each node bends and the tangents `t` of every layer along every input, then all."""
        widths, at = self._widths, self._at
        d, k = widths[0], widths[-1]
        triangle = {"o": k, "a": d, "b": "a + 1"}
        lines = [self._arrays(["half"], k, d, d)]
        if not self._hidden:
            lines += self._each(triangle, f"half[o][a][b]{at} = 0;")
        for layer in self._hidden:
            tangent = "NAME_w1[{}][{}]" if layer == 1 else f"t{layer}[{{}}][{{}}]{at}"
            if layer > 1:
                lines += [self._arrays([f"t{layer}"], widths[layer], d), *self._all_tangents(layer)]
            lines += self._sum(
                f"half[o][a][b]{at}",
                lambda j, layer=layer, tangent=tangent: (
                    f"q{layer}[o][{j}]{at} * {tangent.format(j, 'a')} * {tangent.format(j, 'b')}"
                ),
                widths[layer],
                triangle,
                onto=layer > 1,
            )
        places = [self._argument("hessian", f"(o * {d} + {row}) * {d} + {column}") for row, column in ("ab", "ba")]
        return lines + self._each(triangle, *(f"{place} = half[o][a][b]{at};" for place in places))

    def _all_tangents(self, layer: int) -> list[str]:
        widths, at = self._widths, self._at
        below = "NAME_w1[{}][a]" if layer == 2 else f"t{layer - 1}[{{}}][a]{at}"
        target, outer, inner = f"t{layer}[i][a]{at}", {"i": widths[layer]}, {"a": widths[0]}
        lines = self._sum(
            target,
            lambda j: f"NAME_w{layer}[i][{j}] * s{layer - 1}[{j}]{at} * {below.format(j)}",
            widths[layer - 1],
            outer,
            inner,
        )
        return lines + self._beside(layer, target, lambda j: "NAME_skip[i][a]", outer, inner, count=1)


def _batch(network: WrittenLayers, kind: str) -> list[str]:
    """Whole blocks in place; the points after the last through arrays of a block, filled up by repeating them."""
    sizes = _sizes(network)
    if kind == "curvature":
        sizes["direction"] = 0
    inputs = ["x", "direction"] if kind in DIRECTED else ["x"]
    moved = [name for name in inputs + OUTPUTS[kind] if sizes[name] > 0]

    def call(suffix: Callable[[str], str]) -> str:
        names = (name + suffix(name) if name in moved else name for name in inputs + OUTPUTS[kind])
        return f"        NAME_{kind}_block({', '.join(names)});"

    lines = [
        f"static inline void NAME_{kind}_batch(long n, {_parameters(kind)})",
        "{",
        f"    TYPE {', '.join(f'{name}_rest[{BLOCK * sizes[name]}]' for name in moved)};",
        f"    const long rest = n % {BLOCK};",
        "    long start, i;",
        f"    for (start = 0; start + {BLOCK} <= n; start += {BLOCK})",
        call(lambda name: f" + start * {sizes[name]}"),
        "    if (rest > 0) {",
    ]
    for name in (name for name in inputs if name in moved):
        lines.append(f"        for (i = 0; i < {BLOCK * sizes[name]}; ++i)")
        lines.append(f"            {name}_rest[i] = {name}[start * {sizes[name]} + i % (rest * {sizes[name]})];")
    lines.append(call(lambda name: "_rest"))
    for name in OUTPUTS[kind]:
        lines.append(f"        for (i = 0; i < rest * {sizes[name]}; ++i)")
        lines.append(f"            {name}[start * {sizes[name]} + i] = {name}_rest[i];")
    return [*lines, "    }", "}", ""]
