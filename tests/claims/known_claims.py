"""Reads `claims.json`: networks, references and claims whose answers are known; the format is in `README.md`."""

import ast
import json
import operator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp

from sobolev_pruning.certificates import Claim, Convex, Distance, Monotone, Range, Within
from sobolev_pruning.reference import FunctionReference, from_function
from sobolev_pruning.surrogate import Dense, Scaling, Surrogate

FILE = Path(__file__).parent / "claims.json"

_FUNCTIONS = {
    "maximum": jnp.maximum, "minimum": jnp.minimum, "abs": jnp.abs, "clip": jnp.clip, "where": jnp.where,
    "sign": jnp.sign, "floor": jnp.floor, "ceil": jnp.ceil, "round": jnp.round, "remainder": jnp.remainder,
    "integer": lambda x: x.astype(int).astype(float), "sqrt": jnp.sqrt, "exp": jnp.exp, "log": jnp.log,
    "sin": jnp.sin, "cos": jnp.cos, "tanh": jnp.tanh, "isnan": jnp.isnan, "stop_gradient": jax.lax.stop_gradient,
}  # fmt: skip
_OPERATIONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_CLAIMS = {"range": Range, "within": Within, "monotone": Monotone, "convex": Convex, "distance": Distance}


@dataclass(frozen=True)
class KnownClaim:
    """`answer`: "true", "false" (with a point `at` that refutes it), "neither" or "range"; `why` in words.

    `bounds` are the true range of every entry over the box, `[lowest, largest]`, where the file gives it.
    """

    claim: Claim
    answer: str
    why: str
    at: tuple[float, ...] | None
    bounds: tuple | None


@dataclass(frozen=True)
class Case:
    """Claims about one network over one box, with one reference or none."""

    name: str
    kind: str
    box: tuple[tuple[float, ...], tuple[float, ...]]
    network: Surrogate
    reference: FunctionReference | None
    claims: tuple[KnownClaim, ...]


def expression(text: str, inputs: int):
    """The function `x -> number` that an expression in x0, x1, ... stands for; nothing in the text is executed.

    Numbers and operators as in Python, comparisons of two operands, and the functions that `README.md` lists.
    """
    tree = ast.parse(text, mode="eval").body
    names = {f"x{i}": i for i in range(inputs)}

    def value(node, x):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in names:
            return x[names[node.id]]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand, x)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            exponent = node.right
            if isinstance(node.op, ast.Pow) and isinstance(exponent, ast.Constant) and isinstance(exponent.value, int):
                return value(node.left, x) ** exponent.value
            return _OPERATIONS[type(node.op)](value(node.left, x), value(exponent, x))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATIONS:
            return _OPERATIONS[type(node.ops[0])](value(node.left, x), value(node.comparators[0], x))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            return _FUNCTIONS[node.func.id](*[value(argument, x) for argument in node.args])
        raise ValueError(f"{ast.unparse(node)!r} is not part of the expressions of claims.json")

    return lambda x: jnp.asarray(value(tree, x), jnp.float64)


def cases(path: Path = FILE) -> list[Case]:
    content = json.loads(path.read_text())
    if content["format"] != "claims with known answers" or content["version"] != 1:
        raise ValueError(f"{path} is not a file of claims of version 1")
    return [_case(record) for record in content["cases"]]


def _case(record: dict) -> Case:
    network, inputs = _network(record["network"]), len(record["lower"])
    return Case(
        name=record["name"],
        kind=record["kind"],
        box=(tuple(record["lower"]), tuple(record["upper"])),
        network=network,
        reference=None if record["reference"] is None else _reference(record, inputs),
        claims=tuple(_known_claim(claim) for claim in record["claims"]),
    )


def _network(record: dict) -> Surrogate:
    layers = [Dense(jnp.array(r["weight"]), jnp.array(r["bias"])) for r in record["layers"]]
    d, k = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    given = record.get("scaling", {})
    parts = [("x_shift", d, 0.0), ("x_scale", d, 1.0), ("y_shift", k, 0.0), ("y_scale", k, 1.0)]
    scaling = Scaling(*[jnp.array(given.get(name, [default] * size)) for name, size, default in parts])
    return Surrogate(layers, scaling, record["activation"], k == 1)


def _reference(record: dict, inputs: int) -> FunctionReference:
    texts = record["reference"]
    if isinstance(texts, str):
        exact = expression(texts, inputs)
    else:
        parts = [expression(text, inputs) for text in texts]

        def exact(x):
            return jnp.concatenate([part(x)[None] for part in parts])

    box = (jnp.array(record["lower"]), jnp.array(record["upper"]))
    return from_function(lambda x, z: exact(x), inputs=box, noise=1, exact=exact)


def _known_claim(record: dict) -> KnownClaim:
    fields = {name: _tuples(value) for name, value in record["claim"].items()}
    claim = _CLAIMS[fields.pop("claim")](**fields)
    at, bounds = _tuples(record.get("at")), _tuples(record.get("range"))
    return KnownClaim(claim, record["answer"], record["why"], at, bounds)


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
