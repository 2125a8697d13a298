"""What UM-Bridge 1.0 asks of a model and how a surrogate answers, as JSON objects (Seelinger et al. 2023,
doi:10.21105/joss.04748).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import shortened
from ...surrogate import Surrogate, guarded

Content: TypeAlias = dict[str, Any]


class Refusal(Exception):
    """A question that is answered by an error: its `kind` by the protocol, what is wrong, and the status of HTTP."""

    def __init__(self, kind: str, message: str, status: int = 400):
        super().__init__(message)
        self.kind, self.status = kind, status


class BridgedModel:
    """A surrogate as UM-Bridge sees models: one vector of `d` inputs, one of `k` outputs.

    With J the Jacobian and H_j the Hessian of output j at the input: Gradient is `sens J`, ApplyJacobian `J vec`,
    ApplyHessian `sum_j sens_j H_j vec`, refused for a network that is not once continuously differentiable. Points
    outside of the training range are refused unless it may `extrapolate`.

    Raises `InputError` where it may not and the range is not known.
    """

    def __init__(self, surrogate: Surrogate, name: str, extrapolate: bool):
        if not extrapolate and surrogate.training_range is None:
            raise InputError(
                f"The network {name} holds no training range, so points outside of it cannot be refused; "
                "serve it with --extrapolate."
            )
        self.surrogate = surrogate
        self._expected = None if extrapolate else guarded(surrogate)

        def value(x):
            return jnp.atleast_1d(surrogate(x))

        def gradient(x, sens):
            return jax.vjp(value, x)[1](sens)[0]

        def jacobian_product(x, vec):
            return jax.jvp(value, (x,), (vec,))[1]

        def hessian_product(x, sens, vec):
            return jax.jvp(lambda point: gradient(point, sens), (x,), (vec,))[1]

        d, k = surrogate.widths[0], surrogate.widths[-1]
        self._sizes = {"sens": k, "vec": d}
        self._functions: dict[str, tuple[Callable, tuple[str, ...]]] = {
            "Evaluate": (jax.jit(value), ()),
            "Gradient": (jax.jit(gradient), ("sens",)),
            "ApplyJacobian": (jax.jit(jacobian_product), ("vec",)),
        }
        if surrogate.smoothness >= 1:
            self._functions["ApplyHessian"] = (jax.jit(hessian_product), ("sens", "vec"))
        for function, more in self._functions.values():  # compiled before the first question
            function(surrogate.scaling.x_shift, *(jnp.zeros(self._sizes[name]) for name in more))

    def answer(self, question: str, content: Content) -> Content:
        """The answer to a question, by the last part of its address; raises `Refusal` for what has none."""
        surrogate = self.surrogate
        if question == "InputSizes":
            return {"inputSizes": [surrogate.widths[0]]}
        if question == "OutputSizes":
            return {"outputSizes": [surrogate.widths[-1]]}
        if question == "ModelInfo":
            return {
                "support": {name: name in self._functions for name in FUNCTIONS},
                "inputs": [asdict(variable) for variable in surrogate.inputs],
                "outputs": [asdict(variable) for variable in surrogate.outputs],
            }
        if question not in self._functions:
            kinks = "the network is not once continuously differentiable"
            raise Refusal("UnsupportedFeature", f"{question} is not supported, because {kinks}.")
        for name in _PLACES[question]:
            if type(content.get(name)) is not int or content[name] != 0:
                raise Refusal("InvalidInput", f"{name} must be 0: there is one vector of inputs, and one of outputs.")
        function, more = self._functions[question]
        x = self._point(content.get("input"))
        found = function(x, *(_vector(content.get(name), self._sizes[name], name) for name in more))
        output = np.asarray(found).tolist()
        if not np.isfinite(output).all():
            raise Refusal("InvalidOutput", "The output is not finite there; keep to the range of the network.", 500)
        return {"output": [output] if question == "Evaluate" else output}

    def _point(self, given: object) -> Float[np.ndarray, "d"]:
        d = self.surrogate.widths[0]
        if not isinstance(given, list) or len(given) != 1:
            raise Refusal("InvalidInput", f"input must be a list of one list, with the {d} inputs.")
        x = _vector(given[0], d, "input[0]")
        if self._expected is not None:
            try:
                self._expected.watched(x)
            except InputError as error:
                raise Refusal("InvalidInput", str(error)) from None
        return x


FUNCTIONS = ("Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian")
_PLACES = {
    "Evaluate": (),
    "Gradient": ("outWrt", "inWrt"),
    "ApplyJacobian": ("outWrt", "inWrt"),
    "ApplyHessian": ("outWrt", "inWrt1", "inWrt2"),
}
QUESTIONS = ("Info", "InputSizes", "OutputSizes", "ModelInfo", *FUNCTIONS)


def answer(models: Mapping[str, BridgedModel], question: str, content: object) -> Content:
    """The answer to `question`, one of `QUESTIONS`, about the model that `content` names; raises `Refusal`."""
    if question == "Info":
        return {"protocolVersion": 1.0, "models": list(models)}
    if not isinstance(content, dict):
        raise Refusal("InvalidInput", "The content must be a JSON object, as UM-Bridge 1.0 has them.")
    name = content.get("name")
    if not isinstance(name, str) or name not in models:
        raise Refusal("ModelNotFound", f"There is no model {shortened(repr(name))}; there are {', '.join(models)}.")
    if not isinstance(content.get("config", {}), dict):
        raise Refusal("InvalidInput", "config must be a JSON object; leave it out, as there is nothing to configure.")
    return models[name].answer(question, content)


def _vector(given: object, size: int, name: str) -> Float[np.ndarray, "..."]:
    if not isinstance(given, list) or len(given) != size:
        raise Refusal("InvalidInput", f"{name} must be a list of {size} number{'s' * (size != 1)}.")
    try:
        if not all(type(entry) in (int, float) for entry in given):
            raise ValueError
        vector = np.array(given, dtype=np.float64)
        if not np.isfinite(vector).all():
            raise ValueError
    except (ValueError, OverflowError):
        raise Refusal("InvalidInput", f"{name} holds something else than finite numbers.") from None
    return vector
