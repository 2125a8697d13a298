"""How the files of a run are loaded and called, with the names of its inputs."""

from collections.abc import Sequence

from .._foundation.variables import Variable, in_short

_SHOWN = 8


def calls(
    inputs: Sequence[Variable], outputs: Sequence[Variable], middle: Sequence[float]
) -> tuple[tuple[str, str], ...]:
    """A title and code for each way: this package, NumPy alone, C, JavaScript, ONNX."""
    names = in_short([variable.name for variable in inputs], _SHOWN)
    numbers = ", ".join(f"{number:.6g}" for number in middle[:_SHOWN]) + (", ..." if len(inputs) > _SHOWN else "")
    told = in_short([str(variable) for variable in outputs], _SHOWN)
    return (
        (
            "Python, with this package",
            "import jax\njax.config.update('jax_enable_x64', True)\nimport sobolev_pruning as sp\n\n"
            f"network = sp.load('surrogate.safetensors')\nx = [[{numbers}]]  # {names}\n"
            f"network.value(x)     # {told}\nnetwork.gradient(x)  # first derivatives, in the order of the inputs",
        ),
        (
            "Python, with NumPy alone",
            f"import surrogate  # surrogate.py of this folder\n\nx = [[{numbers}]]  # {names}\n"
            "surrogate.value(x), surrogate.gradient(x), surrogate.hessian(x)",
        ),
        (
            "C",
            f'#include "surrogate.h"\n\ndouble x[{len(inputs)}] = {{{numbers}}};  /* {names} */\n'
            f"double y[{len(outputs)}], slopes[{len(outputs) * len(inputs)}];\n"
            "surrogate_gradient(x, y, slopes);",
        ),
        (
            "JavaScript",
            'import { value, gradient } from "./surrogate.mjs";\n\n'
            f"const x = [{numbers}];  // {names}\nvalue(x); gradient(x);",
        ),
        (
            "ONNX",
            "import numpy as np, onnxruntime\n\nsession = onnxruntime.InferenceSession('surrogate.onnx')\n"
            f"session.run(None, {{session.get_inputs()[0].name: np.array([[{numbers}]])}})  # {names}",
        ),
    )
