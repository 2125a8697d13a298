"""A model behind the UM-Bridge protocol 1.0 (Seelinger et al. 2023, doi:10.21105/joss.04748): JSON over HTTP."""

import json
import urllib.error
import urllib.request

import numpy as np
from jaxtyping import Float

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import shortened

_LARGEST = 2**28
"""Bytes of an answer."""

_PATIENCE = 20.0
"""Seconds that a server may take to say what it has; its model may take as long as it needs."""

_MODEL_PATIENCE = 24 * 3600.0


class BridgeModel:
    """`(x, seed) -> y`, or `(y, dydx)` with `derivatives`, by the server at `address`; the seed is not sent.

    `x` is cut into the vectors that the model takes as inputs; its outputs are joined to one vector `(k,)`, or a
    number.
    """

    def __init__(self, address: str, model: str | None, derivatives: bool | None):
        self.address = address.rstrip("/")
        found = self._asked("Info", None).get("models", [])
        if model is None and len(found) == 1:
            model = found[0]
        if model not in found:
            raise InputError(f"The server at {address} has the models {', '.join(map(str, found))}; name one as model.")
        self.name = model
        supports = self._asked("ModelInfo", {"name": model}).get("support", {})
        self.derivatives = bool(supports.get("Gradient")) if derivatives is None else derivatives
        if self.derivatives and not supports.get("Gradient"):
            raise InputError(f"The model {model} at {address} gives no gradients; take differences, or none.")
        sizes = self._asked("InputSizes", {"name": model}).get("inputSizes", [])
        self.sizes = [int(size) for size in sizes]

    def expect_inputs(self, n: int) -> None:
        """Raises `InputError` where the model takes another number of inputs."""
        if sum(self.sizes) != n:
            raise InputError(f"The model {self.name} has {sum(self.sizes)} inputs, and the box {n}; give a range each.")

    def __call__(self, x: Float[np.ndarray, "d"], seed: int):
        parts = np.split(x, np.cumsum(self.sizes)[:-1])
        given = {"name": self.name, "input": [part.tolist() for part in parts], "config": {}}
        outputs = self._asked("Evaluate", given)["output"]
        y = np.concatenate([np.asarray(output, np.float64) for output in outputs])
        if not self.derivatives:
            return y if len(y) > 1 else y[0]
        rows = []
        for number, output in enumerate(outputs):
            for place in range(len(output)):
                sensitivity = [float(place == other) for other in range(len(output))]
                slopes = [
                    self._asked("Gradient", given | {"outWrt": number, "inWrt": wrt, "sens": sensitivity})["output"]
                    for wrt in range(len(parts))
                ]
                rows.append(np.concatenate([np.asarray(part, np.float64) for part in slopes]))
        return (y, np.stack(rows)) if len(y) > 1 else (y[0], rows[0])

    def _asked(self, what: str, content: dict | None) -> dict:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.address}/{what}", body, {"Content-Type": "application/json"})
        patience = _MODEL_PATIENCE if what in ("Evaluate", "Gradient") else _PATIENCE
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:
                found = json.loads(answer.read(_LARGEST))
        except urllib.error.HTTPError as error:
            said = error.read(1000).decode("utf-8", "replace")
            raise InputError(
                f"The server at {self.address} answered {error.code} to {what}: {shortened(said)}"
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(
                f"There is no UM-Bridge server at {shortened(self.address)} ({shortened(str(error))}); start one."
            ) from None
        if not isinstance(found, dict) or "error" in found:
            raise InputError(f"The server at {self.address} refused {what}: {shortened(str(found))}")
        return found
