"""A thin builder of ONNX graphs: constants and operations by name, one number type throughout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..expression import Term, TermOrNumber, in_order
from .representable import expect_representable

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""The first that has all we write and that onnxruntime of 2022 (1.12) already reads."""

IR_VERSION = 8

_PLAIN = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negate": "Neg",
    "absolute": "Abs",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
    "maximum": "Max",
    "minimum": "Min",
}


class GraphBuilder:
    """Collects nodes and initialisers; every method gives the name of its result, to be used in further calls.

    Constants equal in value and shape are stored once, and what no output needs is left out of the model.
    """

    def __init__(self, dtype: type[np.floating]):
        self.dtype = np.dtype(dtype)
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple, tuple[str, np.ndarray]] = {}

    def input(self, name: str, *shape: int | str, meaning: str) -> str:
        self._inputs.append(self._described(name, shape, meaning))
        return name

    def output(self, name: str, value: str, *shape: int | str, meaning: str) -> None:
        """Declares `value` to be the output `name`."""
        self.operation("Identity", value, name=name)
        self._outputs.append(self._described(name, shape, meaning))

    def constant(self, numbers) -> str:
        numbers = np.asarray(numbers)
        expect_representable(numbers, "of the graph", self.dtype.type)
        return self._stored(numbers.astype(self.dtype))

    def integers(self, *numbers: int) -> str:
        return self._stored(np.asarray(numbers, dtype=np.int64))

    def operation(self, kind: str, *inputs: str, name: str | None = None, **attributes) -> str:
        from onnx import helper

        name = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_node", **attributes))
        return name

    def unsqueeze(self, value: str, axis: int) -> str:
        return self.operation("Unsqueeze", value, self.integers(axis))

    def squeeze(self, value: str, axis: int) -> str:
        return self.operation("Squeeze", value, self.integers(axis))

    def evaluate(self, results: Sequence[Term], variable: str) -> list[str]:
        """The elementwise terms `results` with their variable standing for the value `variable`."""
        names: dict[int, str] = {}

        def name_of(operand: TermOrNumber) -> str:
            return names[id(operand)] if isinstance(operand, Term) else self.constant(operand)

        for term in in_order(results):
            if term.operation == "variable":
                names[id(term)] = variable
            elif term.operation == "where_positive":
                condition, then, otherwise = map(name_of, term.arguments)
                positive = self.operation("Greater", condition, self.constant(0.0))
                names[id(term)] = self.operation("Where", positive, then, otherwise)
            elif term.operation == "sigmoid":
                # Not Sigmoid: onnxruntime 1.20 to 1.30 makes QuickGelu of x Sigmoid(x), which it has in float32 only.
                falling = self.operation("Exp", self.operation("Neg", *map(name_of, term.arguments)))
                one = self.constant(1.0)
                names[id(term)] = self.operation("Div", one, self.operation("Add", one, falling))
            else:
                names[id(term)] = self.operation(_PLAIN[term.operation], *map(name_of, term.arguments))
        return [names[id(result)] for result in results]

    def model(self, name: str, version: str, metadata: dict[str, str]) -> "onnx.ModelProto":
        """The finished model, with `metadata` and the version of this package as its producer's."""
        from onnx import helper, numpy_helper

        needed = {output.name for output in self._outputs}
        nodes = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                nodes.insert(0, node)
                needed.update(node.input)
        initialisers = [
            numpy_helper.from_array(array, name=key) for key, array in self._constants.values() if key in needed
        ]
        graph = helper.make_graph(nodes, name, self._inputs, self._outputs, initialisers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sobolev-pruning",
            producer_version=version,
        )
        helper.set_model_props(model, metadata)
        return model

    def _described(self, name: str, shape: tuple[int | str, ...], meaning: str) -> "onnx.ValueInfoProto":
        from onnx import helper

        number_type = helper.np_dtype_to_tensor_dtype(self.dtype)
        return helper.make_tensor_value_info(name, number_type, list(shape), doc_string=meaning)

    def _stored(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        name, _ = self._constants.setdefault(key, (f"constant_{len(self._constants)}", array))
        return name
