"""The record of samples that travels from the simulator to the training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .arrays import ArrayOrList, Gradients, Points, Values, float64_array
from .errors import InputError
from .precision import require_float64
from .variables import Variable, as_variables, numbered_inputs, numbered_outputs


@dataclass(frozen=True, eq=False, init=False)
class Samples:
    """Inputs with values and, where known, derivatives of a (stochastic) model, all float64.

    - `x`: inputs, `(n, d)`.
    - `y`: values, `(n,)` for a scalar model or `(n, k)`.
    - `dydx`: derivatives `dydx[i, j, c] = d y_ij / d x_ic`, `(n, d)` or `(n, k, d)`.
    - `directions`, `hvp`: directions `v` of shape `(n, m, d)` and the Hessian-vector products `H v` along them,
      `(n, m, d)` or `(n, m, k, d)`.
    - `y_stderr`, `dydx_stderr`: standard errors, shaped as `y` and `dydx`.
    - `missing`: states that NaN in `dydx` (and its standard errors) or `hvp` means "not known": training leaves such
      entries out.
    - `inputs`, `outputs`: their names and units, one `Variable` for each, or a text such as `"spot [USD]"`; by default
      `x0`, `x1`, ... and `y`, or `y0`, `y1`, ... of several.

    Raises `InputError` naming the array, and the first row that is wrong, where shapes do not agree or a number is
    not finite (NaN where `missing` allows it apart).

    >>> Samples(x=[[0.0], [1.0]], y=[0.0, 2.0], dydx=[[2.0], [2.0]]).n_inputs
    1
    >>> Samples(x=[[0.0], [1.0]], y=[0.0, 2.0], dydx=[[2.0], [np.nan]], missing=True).n_unknown
    1
    >>> str(Samples(x=[[90.0]], y=[1.5], inputs=["spot [USD]"], outputs=["price"]).inputs[0])
    'spot [USD]'
    """

    x: Points
    y: Values
    dydx: Gradients | None = None
    directions: Float[Array, "n m d"] | None = None
    hvp: Float[Array, "..."] | None = None
    y_stderr: Values | None = None
    dydx_stderr: Gradients | None = None
    missing: bool = False
    inputs: tuple[Variable, ...] = ()
    outputs: tuple[Variable, ...] = ()

    def __init__(
        self,
        x: ArrayOrList,
        y: ArrayOrList,
        dydx: ArrayOrList | None = None,
        directions: ArrayOrList | None = None,
        hvp: ArrayOrList | None = None,
        y_stderr: ArrayOrList | None = None,
        dydx_stderr: ArrayOrList | None = None,
        missing: bool = False,
        inputs: Sequence[Variable | str] | None = None,
        outputs: Sequence[Variable | str] | None = None,
    ):
        require_float64("Samples")
        given = locals()
        for name in ARRAYS:
            may_be_unknown = missing and name in ("dydx", "hvp", "dydx_stderr")
            array = None if given[name] is None else _finite_array(given[name], name, may_be_unknown)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "missing", bool(missing))
        if self.x.ndim != 2:
            raise InputError(f"x has shape {self.x.shape}; give one row per sample and one column per input.")
        n, d = self.x.shape
        if n == 0 or d == 0:
            raise InputError(
                f"x has shape {self.x.shape}, so there is nothing to learn from; give at least one sample."
            )
        if self.y.ndim not in (1, 2) or self.y.shape[0] != n:
            raise InputError(f"y has shape {self.y.shape}; give ({n},), or ({n}, k) for k outputs, to match x.")
        if self.n_outputs == 0:
            raise InputError(f"y has shape {self.y.shape}, so there is nothing to learn; give at least one output.")
        object.__setattr__(self, "inputs", as_variables(inputs, numbered_inputs(d), "inputs"))
        object.__setattr__(self, "outputs", as_variables(outputs, numbered_outputs(self.n_outputs), "outputs"))
        by_output = self.y.shape[1:]
        self._expect("dydx", (n, *by_output, d))
        self._expect("y_stderr", self.y.shape)
        self._expect("dydx_stderr", (n, *by_output, d))
        if (self.directions is None) != (self.hvp is None):
            raise InputError("directions and hvp belong together; give both or neither.")
        if self.directions is not None:
            m = self.directions.shape[1] if self.directions.ndim == 3 else 1
            self._expect("directions", (n, m, d))
            self._expect("hvp", (n, m, *by_output, d))

    def _expect(self, name: str, shape: tuple[int, ...]) -> None:
        array = getattr(self, name)
        if array is not None and array.shape != shape:
            raise InputError(f"{name} has shape {array.shape}; to match x and y it must be {shape}.")

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, rows) -> "Samples":
        """The samples of the given rows (a slice, an index array or a mask)."""
        chosen = {name: getattr(self, name) for name in ARRAYS}
        rows = np.asarray(rows) if isinstance(rows, Array) else rows
        taken = {name: None if array is None else np.asarray(array)[rows] for name, array in chosen.items()}
        return Samples(**taken, missing=self.missing, inputs=self.inputs, outputs=self.outputs)

    @property
    def n_inputs(self) -> int:
        """`d`."""
        return self.x.shape[1]

    @property
    def n_outputs(self) -> int:
        """`k`, 1 where the output axis is dropped."""
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    @property
    def is_scalar(self) -> bool:
        """Whether the output axis is dropped, as for a model with one output."""
        return self.y.ndim == 1

    @property
    def n_unknown(self) -> int:
        """How many entries of `dydx` and `hvp` are not known."""
        return sum(int(np.isnan(array).sum()) for array in (self.dydx, self.hvp) if array is not None)


ARRAYS = tuple(field.name for field in fields(Samples) if field.name not in ("missing", "inputs", "outputs"))
"""The fields of `Samples` that are arrays, or None."""


def _finite_array(given: ArrayOrList, name: str, may_be_unknown: bool) -> Array:
    array = float64_array(given, name)
    finite = np.isfinite(array) | (np.isnan(array) & may_be_unknown)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        row, rest = place[0] if place else 0, place[1:]
        where = f"row {row}" + (f", position {rest}" if rest else "")
        raise InputError(
            f"{name} holds {array[place]} at {where} ({int((~finite).sum())} such entries in all); "
            "remove or recompute these samples" + (", or state missing=True." if name in ("dydx", "hvp") else ".")
        )
    return jnp.asarray(array)


def digest_of(samples: Samples) -> str:
    """SHA-256 of all arrays of `samples`."""
    found = hashlib.sha256()
    for name in ARRAYS:
        array = getattr(samples, name)
        found.update(name.encode() + (b"none" if array is None else np.asarray(array).tobytes()))
    return found.hexdigest()
