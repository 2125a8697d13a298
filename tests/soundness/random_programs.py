# ruff: noqa: E501  (tables of texts)
"""Random JAX programs as source text: the same seed gives the same text, which can be pasted where it failed."""

from dataclasses import dataclass

import numpy as np

CONSTANTS = (0.0, 0.0, 0.25, 0.5, 1.0, -1.0, 2.0, 0.3, -0.7, 1.5, 3.0, 0.1)
"""Kinks and jumps are put here, and so are edges of boxes."""

# Texts in which `u` and `w` stand for numbers (arrays go through them elementwise) and `A`, `B`, `C` for constants.
SMOOTH = (
    "jnp.sin(u)", "jnp.cos(u)", "jnp.tanh(u)", "jnp.exp(u)", "jnp.exp(-u * u)", "jnp.expm1(u)", "jnp.arctan(u)",
    "jnp.sinh(u)", "jnp.cosh(u)", "jnp.log(1.5 + u * u)", "jnp.sqrt(0.5 + u * u)", "1.0 / (1.0 + u * u)", "u * u",
    "jnp.square(u)", "u + A", "A - u", "A * u", "u / 3.0", "-u", "u - w", "u + w", "u * w", "u * w - w * u * 0.5",
    "jax.scipy.special.erf(u)", "lax.logistic(u)", "jax.nn.silu(u)", "jax.nn.softplus(u)", "jax.nn.gelu(u)",
    "jax.nn.gelu(u, approximate=False)", "jax.nn.sigmoid(u)", "jax.nn.mish(u)", "jax.nn.log_sigmoid(u)",
    "jax.nn.squareplus(u)", 'activate(u, "silu")', 'activate(u, "gelu")', 'activate(u, "gelu_tanh")',
    'activate(u, "softplus")', 'activate(u, "tanh")', 'activate(u, "sigmoid")', "jnp.arcsinh(u)", "jnp.exp2(u)",
    "jnp.logaddexp(u, w)", "jnp.arctan2(u, 1.0 + w * w)", "jnp.sinc(u)", "jnp.hypot(u, w)", "jnp.exp2(u) - 2.0**w",
)  # fmt: skip
KINKS = (
    "jnp.maximum(u, w)", "jnp.minimum(u, w)", "jnp.maximum(u, A)", "jnp.minimum(A, u)", "jnp.abs(u)", "jnp.abs(u - A)",
    "jnp.clip(u, -1.0, 0.5)", "jnp.clip(u, A, A + 1.0)", "jax.nn.relu(u)", "jax.nn.relu6(u)", "jax.nn.leaky_relu(u)",
    "jax.nn.hard_tanh(u)", "jax.nn.hard_sigmoid(u)", "jax.nn.elu(u)", "jax.nn.celu(u)", "jax.nn.selu(u)",
    "jax.nn.soft_sign(u)", 'activate(u, "relu")', 'activate(u, "elu")', "jnp.where(u > A, u, A)",
    "jnp.where(u <= A, 2.0 * u - A, u)", "jnp.where(u < w, w, u)", "jnp.sqrt(u * u)", "u * jnp.sign(u)",
    "jnp.where(u == A, A, u)", "jnp.where(u > 0.0, u, 0.0) - jnp.where(u > 0.0, 0.0, u)", "lax.clamp(-0.5, u, 0.5)",
    "jnp.maximum(u, jnp.inf * -1.0)", "jnp.minimum(u, jnp.inf)", "jnp.maximum(jnp.minimum(u, 1.0), -1.0) ** 3",
    "jnp.abs(u) ** 3", "jnp.maximum(u, 0.0) ** 2", "jnp.fmax(u, w)",
)  # fmt: skip
JUMPS = (
    "jnp.sign(u)", "jnp.sign(u - A)", "jnp.floor(u)", "0.1 * jnp.floor(1.7 * u)", "jnp.ceil(u)", "jnp.round(u)",
    "jnp.round(2.0 * u)", "jnp.remainder(u, 1.0)", "jnp.remainder(u, B)", "u % 0.75", "jnp.trunc(2.0 * u)",
    "lax.rem(u, 0.5)", "u // 0.5", "(u > A).astype(float)", "(u >= w).astype(float)", "(3.0 * u).astype(int).astype(float)",
    "jnp.where(u > A, 0.5, 0.0)", "jnp.where(u <= A, jnp.sin(w), w + 1.0)", "jnp.where(u < w, u, w - 1.0)",
    "u - jnp.floor(u)", "jnp.heaviside(u, 0.5)", "jnp.where(u == A, 5.0, u)", "jnp.where((u > A) & (w < 0.5), u, w)",
    "jnp.where((u > A) | (w > 0.5), 1.0, w)", "jnp.where(jnp.logical_xor(u > A, w > 0.0), u, 0.0)",
    "jnp.where(~(u > A), u, 2.0)", "u.astype(bool).astype(float)", "jnp.sign(u) * w", "jnp.fmod(u, 0.3)",
    "jnp.where(u != A, u, 0.0)", "jnp.floor(u) * (u - A)", "jnp.signbit(u - A).astype(float)", "jnp.rint(u)",
    "jnp.copysign(u, w)", "jnp.mod(u, w)", "jnp.floor_divide(u, B)", "jnp.where(jnp.floor(u) % 2 == 0, u, -u)",
)  # fmt: skip
POWERS = (
    "u**2", "u**3", "u**4", "u**-1", "u**-2", "u**-3", "u**0.5", "u**1.5", "u**-0.5", "u**2.0", "u**3.0", "u**0",
    "jnp.power(u, w)", "jnp.power(u, A)", "jnp.power(jnp.abs(u) + 0.1, w)", "2.0**u", "B**u", "jnp.power(u, 7)",
    "lax.integer_pow(u, 5)", "u**1024.0", "lax.pow(u, jnp.asarray(3))", "lax.pow(u, jnp.asarray(-2))",
    "jnp.power(u, jnp.round(w))", "jnp.float_power(u, 3)", "jnp.cbrt(u)", "(u * u) ** 0.5", "jnp.square(u) ** 1.5",
    "lax.pow(u, w.astype(int))", "jnp.power(0.0 * u, w)", "lax.rsqrt(u)", "(u - A) ** 3", "jnp.power(jnp.round(u), w)",
)  # fmt: skip
INTEGERS = (
    "((2.0 * u).astype(int) & 1).astype(float)", "((2.0 * u).astype(int) | 2).astype(float)",
    "((3.0 * u).astype(int) // 2).astype(float)", "lax.div((3.0 * u).astype(int), 2).astype(float)",
    "((3.0 * u).astype(int) % 3).astype(float)", "((3.0 * u).astype(int) * (2.0 * w).astype(int)).astype(float)",
    "((3.0 * u).astype(int) ** 2).astype(float)", "(60.0 * u).astype(jnp.int8).astype(float)",
    "((u > A) & (w > 0.0)).astype(float)", "((u > A).astype(int) + (w > 0.5).astype(int)).astype(float)",
    "jnp.maximum((2.0 * u).astype(int), 1).astype(float)", "jnp.abs((2.0 * u).astype(int)).astype(float)",
    "((2.0 * u).astype(int) ^ 1).astype(float)", "(~(2.0 * u).astype(int)).astype(float)",
    "((2.0 * u).astype(int) << 1).astype(float)", "((5.0 * u).astype(jnp.int8) * jnp.int8(40)).astype(float)",
    "((u.astype(int) > 0) | (w.astype(int) < 1)).astype(float)", "jnp.where(u.astype(int) == 1, u, w)",
    "jnp.clip((4.0 * u).astype(int), -1, 2).astype(float)", "((4.0 * u).astype(int) - 1).astype(bool).astype(float)",
    "jnp.sign((2.0 * u).astype(int)).astype(float)", "(u.astype(jnp.int32) + jnp.int32(2147483646)).astype(float)",
    "lax.rem((5.0 * u).astype(int), 3).astype(float)", "(-(2.0 * u).astype(int)).astype(float)",
    "(jnp.floor(u).astype(int) >> 1).astype(float)", "(u > A).astype(int).astype(bool).astype(float)",
)  # fmt: skip
PARTIAL = (
    "jnp.sqrt(u)", "jnp.log(u)", "1.0 / u", "u / w", "jnp.log1p(u)", "jnp.arcsin(u)", "jnp.arccos(u)", "jnp.arccosh(u)",
    "jnp.arctanh(u)", "jnp.tan(u)", "jnp.arctan2(u, w)", "jnp.sqrt(u - A)", "jnp.log(jnp.abs(u))", "u / (w - A)",
    "1.0 / (u * u)", "jnp.log2(u)", "jnp.log10(u)", "jax.scipy.special.xlogy(u, w)", "0.001 * jnp.sqrt(u)",
    "1.0 / (1.0 + jnp.exp(-u))", "jnp.sqrt(jnp.sin(u))", "lax.erf_inv(u)", "jnp.reciprocal(u)", "u / jnp.abs(u)",
    "jax.scipy.special.logit(u)", "jnp.sqrt(1.0 - u * u)",
)  # fmt: skip
GUARDS = (
    "jnp.where(jnp.isnan(jnp.log(u)), 0.0, jnp.log(u))", "jnp.nan_to_num(jnp.sqrt(u), nan=-5.0)",
    "jnp.where(jnp.sqrt(u) >= 0.0, 1.0, -1.0)", "jnp.where(u >= 0.0, jnp.sqrt(u), -u)",
    "jnp.where(u > 0.0, jnp.log(jnp.where(u > 0.0, u, 1.0)), -1.0)", "jnp.where(jnp.isfinite(1.0 / u), 1.0 / u, 7.0)",
    "jnp.where(jnp.isnan(jnp.sqrt(u)), w, 1.0)", "jnp.where(jnp.log(u) < 0.0, 3.0, -3.0)", "jnp.fmax(jnp.sqrt(u), w)",
    "jnp.where(u == 0.0, 1.0, jnp.sin(u) / jnp.where(u == 0.0, 1.0, u))", "jnp.where(u > 0.0, u**1.5, 0.0)",
    "jnp.where(~jnp.isnan(jnp.power(u, 0.5)), u, -2.0)", "jnp.where(jnp.isnan(u / u), 1.0, u / u)",
    "jnp.sqrt(jnp.maximum(u, 0.0))", "jnp.log(jnp.maximum(u, 0.1))", "jnp.where(u / w > 0.5, u, w)",
    "jnp.nan_to_num(jnp.arcsin(u), nan=4.0)", "jnp.isnan(jnp.log(u)).astype(float)", "(jnp.sqrt(u) != 0.5).astype(float)",
    "jnp.where(jnp.logical_not(jnp.sqrt(u) < 1.0), 2.0, u)", "(jnp.log(u) == jnp.log(u)).astype(float)",
    "jnp.maximum(jnp.nan_to_num(jnp.log(u), nan=-1.0), w)", "jnp.isfinite(jnp.log(u)).astype(float) * w",
    "jnp.where(jnp.arccosh(u) > 0.5, u, 0.0)", "jnp.where(jnp.isnan(jnp.sqrt(u) + w), w, jnp.sqrt(u) + w)",
    "jnp.sqrt(u).astype(bool).astype(float)",
)  # fmt: skip
CONTAINERS = (
    "jax.jit(lambda a, b: F)(u, w)", "jax.checkpoint(lambda a, b: F)(u, w)",
    "lax.fori_loop(0, 3, lambda i, a: 0.5 * a + jnp.sin(w), u)", "lax.fori_loop(0, 4, lambda i, a: a * 0.5 + w * i, u)",
    "lax.fori_loop(0, 3, lambda i, a: a + 0.1 * w**i, u)", "lax.fori_loop(1, 3, lambda i, a: jnp.maximum(a * 0.5, w - i), u)",
    "lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, 0.5 * s[1] + w), (0, u))[1]",
    "lax.scan(lambda a, b: (0.5 * a + jnp.abs(b * w), None), u, jnp.array([0.5, -1.0, 2.0]))[0]",
    "lax.scan(lambda a, b: (jnp.where(a > A, a * 0.5, a + b), None), u, jnp.array([0.5, -1.0]))[0] + 0.0 * w",
    "lax.scan(lambda a, i: (a + u**i, None), 0.0 * u, jnp.arange(4))[0]",
)  # fmt: skip
SCALAR_ONLY = (
    "lax.cond(u > A, lambda a, b: F, lambda a, b: a - b, u, w)", "lax.cond(u > A, jnp.sin, jnp.cos, w)",
    "lax.switch(u.astype(int), [jnp.sin, jnp.cos, lambda a: a + 1.0], w)",
    "lax.cond(jnp.sqrt(u) > 0.5, lambda a: a, lambda a: -a, w)", "jnp.sum(u ** jnp.arange(4))",
    "jnp.sum(u ** jnp.array([1.0, 2.0, 3.0]))", "jnp.polyval(jnp.array([0.5, -1.0, 2.0]), u)",
    "jnp.max(jax.vmap(lambda n: u**n)(jnp.arange(1, 4)))", "jax.jit(lambda a, p: a**p)(u, jnp.asarray(3))",
    "jnp.stack([u, w]).sum()", "jnp.array([u, w, A]).max()", "jnp.sort(jnp.array([u, w, A]))[1]",
    "jnp.linalg.norm(jnp.array([u, w]))", "jax.nn.softmax(jnp.array([u, w, A]))[0]", "jax.nn.logsumexp(jnp.array([u, w]))",
    "jnp.array([u, A, w]).argmax().astype(float)", "jnp.array([1.0, 2.0, 4.0])[(u > A).astype(int)] * w",
    "lax.cumlogsumexp(jnp.array([u, w, A]))[1]", "jnp.where(jnp.array([u, w]) > A, 1.0, w).sum()",
    "jnp.cumsum(jnp.array([u, w, u]).astype(int))[2].astype(float)", "jnp.prod(jnp.array([u, w, A]))",
    "jnp.median(jnp.array([u, w, A]))", "jnp.nanmax(jnp.sqrt(jnp.array([u, w, A])))", "jnp.vander(jnp.array([u, w]), 3).sum()",
    "jnp.interp(u, jnp.array([-1.0, 0.0, 1.0]), jnp.array([0.0, 1.0, -1.0]))", "jnp.dot(jnp.array([u, w]), jnp.array([w, u]))",
)  # fmt: skip
FROM_VECTOR = (
    "jnp.sum(v)", "jnp.prod(v)", "jnp.max(v)", "jnp.min(v)", "jnp.mean(v)", "jnp.sum(M @ v)", "v @ v", "v @ (M @ v)",
    "jnp.var(v)", "jnp.cumsum(v)[-1]", "jnp.cumprod(v)[-1]", "jnp.sort(v)[0]", "jax.nn.logsumexp(v)", "jnp.linalg.norm(v)",
    "jax.nn.softmax(v)[0]", "lax.cummax(v, axis=0)[-1]", "jnp.nansum(jnp.log(v))", "jnp.nanmax(jnp.sqrt(v))",
    "jnp.sum((v > A).astype(int)).astype(float)", "jnp.any(v > A).astype(float)", "jnp.all(v > A).astype(float)",
    "jnp.sum(v.astype(int)).astype(float)", "jnp.sum(jax.vmap(lambda u: G)(v))", "lax.scan(lambda a, u: (0.5 * a + G, None), 0.0, v)[0]",
    "jnp.nanmin(jnp.arcsin(v))", "jnp.count_nonzero(v > A).astype(float)", "jnp.prod(v.astype(int)).astype(float)",
    "jnp.max(jnp.abs(v))", "jnp.ptp(v)", "jnp.sum(jnp.where(v > A, v, 0.0))", "lax.map(lambda u: G, v).sum()",
    "jnp.linalg.norm(v, ord=1)", "jnp.nanmean(jnp.sqrt(v))", "jnp.sum(jax.nn.one_hot(v.astype(int), 3)[:, 1])",
    "lax.associative_scan(jnp.add, v)[-1]", "jnp.max(M @ v)", "jnp.sum(jnp.diff(v) ** 2)", "jnp.sum(jnp.outer(v, v))",
)  # fmt: skip
KINDS = {
    "smooth": SMOOTH,
    "kink": KINKS,
    "jump": JUMPS,
    "power": POWERS,
    "integer": INTEGERS,
    "partial": PARTIAL,
    "guard": GUARDS,
    "container": CONTAINERS,
}
SHARE = {"smooth": 5, "kink": 3, "jump": 2, "power": 2, "integer": 1.5, "partial": 1.5, "guard": 1.5, "container": 1.5}


@dataclass(frozen=True)
class Program:
    """`lines` assign `s0`, `s1`, ... from the inputs `x`, `(inputs,)`; `result` is a number made of them."""

    inputs: int
    lines: tuple[tuple[str, str], ...]
    result: str
    kinds: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        body = [f"    {name} = {text}" for name, text in self.lines]
        return "\n".join(["def program(x):", *body, f"    return {self.result}"])

    def compiled(self):
        """The function that the source defines."""
        import jax
        import jax.numpy as jnp
        from jax import lax

        from sobolev_pruning.activations import activate

        names = {"jax": jax, "jnp": jnp, "lax": lax, "activate": activate, "np": np}
        exec(self.source, names)
        return names["program"]

    def constants(self) -> list[float]:
        """The numbers that stand in the source: where kinks and jumps may be."""
        import re

        return sorted({float(t) for t in re.findall(r"-?\d+\.\d+", self.source) if abs(float(t)) < 100})


def random_program(seed: int, length: int | None = None) -> Program:
    """A program of `length` statements (default: 1 to 5) of one to four inputs."""
    generator = np.random.default_rng([seed, 20])
    inputs = int(generator.integers(1, 5))
    length = int(generator.integers(1, 6)) if length is None else length
    writer = _Writer(generator, inputs)
    for _ in range(length):
        writer.statement()
    return Program(inputs, tuple(writer.lines), writer.result(), tuple(writer.kinds))


class _Writer:
    def __init__(self, generator, inputs: int):
        self.generator, self.inputs = generator, inputs
        self.scalars = [f"x[{i}]" for i in range(inputs)]
        self.vectors = ["x"]
        self.lines, self.kinds = [], []

    def pick(self, options, recent: bool = False):
        if recent and len(options) > 1 and self.generator.random() < 0.6:
            return options[-1]
        return options[self.generator.integers(len(options))]

    def elementary(self) -> str:
        shares = np.array([SHARE[kind] for kind in KINDS])
        kind = list(KINDS)[self.generator.choice(len(shares), p=shares / shares.sum())]
        self.kinds.append(kind)
        return self.pick(KINDS[kind])

    def filled(self, text: str, u: str, w: str) -> str:
        """The text with names in the place of its letters."""
        numbers = {
            "A": repr(float(self.pick(CONSTANTS))),
            "B": repr(float(abs(self.pick(CONSTANTS)) or 0.5)),
            "F": self.pick(["a * b + 0.5", "jnp.maximum(a, b)", "a - jnp.abs(b)", "jnp.tanh(a) * b", "jnp.where(a > b, a, b)"]),
            "M": self.matrix(),
        }  # fmt: skip
        numbers["G"] = self.filled(self.pick(SMOOTH[:12] + KINKS[:10] + JUMPS[:8]), "u", "u") if "G" in text else ""
        names = {"u": u, "w": w, "v": u} | numbers
        if "lambda u" in text or "lambda a, u" in text:  # its own parameter
            names.pop("u")
        return _substituted(text, names)

    def matrix(self) -> str:
        entries = np.round(self.generator.normal(0, 1, (self.inputs, self.inputs)), 1)
        return f"jnp.array({entries.tolist()})"

    def statement(self) -> None:
        name = f"s{len(self.lines)}"
        choice = self.generator.random()
        if choice < 0.2:  # a whole vector
            u, w = self.pick(self.vectors, recent=True), self.pick(self.vectors)
            text = self.filled(self.elementary(), u, w)
            self.vectors.append(name)
        elif choice < 0.4:
            self.kinds.append("vector")
            text = self.filled(self.pick(FROM_VECTOR), self.pick(self.vectors, recent=True), "")
            self.scalars.append(name)
        else:
            template = self.pick(SCALAR_ONLY) if choice < 0.5 else self.elementary()
            text = self.filled(template, self.pick(self.scalars, recent=True), self.pick(self.scalars))
            self.scalars.append(name)
        self.lines.append((name, text))

    def result(self) -> str:
        last = self.lines[-1][0]
        text = f"jnp.sum({last})" if last in self.vectors else last
        unused = [n for n in (*self.scalars, *self.vectors) if n.startswith("s") and n != last and not self.used(n)]
        for name in unused:
            text += f" + 0.5 * jnp.sum({name})" if name in self.vectors else f" - {name}"
        return text

    def used(self, name: str) -> bool:
        import re

        return any(re.search(rf"\b{name}\b", text) for _, text in self.lines)


def _substituted(text: str, names: dict[str, str]) -> str:
    import re

    def replaced(match):
        name = match.group()
        value = names.get(name, name)
        return f"({value})" if value.startswith("-") else value

    return re.sub(r"\b[A-Za-z]\b", replaced, text)
