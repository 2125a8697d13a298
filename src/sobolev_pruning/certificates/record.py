"""The certificate: what was proved, for which weights, over which box."""

import hashlib
import json
import platform
import re
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from .._foundation.errors import InputError
from .._foundation.files import write_result
from .._foundation.variables import Variable
from ..reference import AbstractReference
from ..sampling.simulator_identity import source_of, state_of
from ..surrogate import Surrogate, to_tensors
from .claims import Claim, claim_to_json

FORMAT = "sobolev_pruning.certificate"
SCHEMA = 3
WITHOUT_NAMES = 2
"""The schema of certificates that name no inputs and outputs, which are read and checked as before."""

MOST_BYTES = 2**26
"""More than the entries of a Hessian of a hundred inputs need, and little enough to be read anywhere."""

MARGINS = "outward by the proved or tested error of each operation (docs/derivations/certificates.md)"

SEMANTICS = (
    "holds for the models as functions of real numbers (weights as stored, every operation exact) at every real point "
    "of the box; the rounding of the proof is included"
)

OUTWARD = 1e-9
"""Numbers are recorded weaker by this part of their size, so that another machine's rounding can prove them again."""

Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True)
class Answer:
    """What became of one claim.

    - `lower`, `upper`: proved bounds of every entry over the box, whatever the status, flat; `bounds` gives them in
      their `shape`. For `Distance` of the norm, for `Convex` of the second derivative along each direction, or of the
      smallest eigenvalue.
    - `reached_lower`, `reached_upper`: every entry is at or below the first at its point in `lowest_at`, and at or
      above the second at its point in `highest_at`, as enclosed there: so far at least does the true range reach.
      Infinite the other way, with None for the point, where no point is known.
    - `point`: for "refuted" the input that refutes, with `entry`, the place in the flat arrays of the entry that fails
      there, and `evidence`, bounds of it at that point.
    - `gap`: for "undecided" how far the worst cell is from the claim, relative to the reached spread of that entry, and
      `where` that cell is (lower and upper corner of a box of inputs around it); `reason` says what of the models is in
      the way there, None where more pieces may decide it.
    """

    claim: Claim
    status: Status
    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    reached_lower: tuple[float, ...]
    reached_upper: tuple[float, ...]
    lowest_at: tuple[tuple[float, ...] | None, ...]
    highest_at: tuple[tuple[float, ...] | None, ...]
    point: tuple[float, ...] | None = None
    entry: int | None = None
    evidence: tuple[float, float] | None = None
    gap: float = 0.0
    where: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    reason: str | None = None

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """`lower` and `upper` as arrays."""
        return np.reshape(self.lower, self.shape), np.reshape(self.upper, self.shape)


@dataclass(frozen=True)
class Certificate:
    """Answers to claims about one surrogate over one box.

    `weights` and `against` are SHA-256 digests of the tensors (the latter None where no claim compares); `method` says
    how cells were enclosed, `pieces` how many enclosures were made, `budget` how many were allowed, `versions` what
    computed it. `rules` names the enclosure rules that the proof used and that are not the package's own: they are
    trusted. `semantics` says in words what kind of statement the answers are. `inputs` and `outputs` are what claims
    call them, None in the files of earlier versions.
    """

    answers: tuple[Answer, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    weights: str
    against: str | None
    method: str
    margins: str
    pieces: int
    budget: int
    versions: dict[str, str]
    rules: tuple[str, ...] = ()
    semantics: str = SEMANTICS
    inputs: tuple[Variable, ...] | None = None
    outputs: tuple[Variable, ...] | None = None

    @property
    def proved(self) -> bool:
        """Whether every claim was proved."""
        return all(answer.status == "proved" for answer in self.answers)

    def save(self, path: str | Path) -> None:
        """Writes the certificate as JSON, aside and renamed; `check_certificate` proves it again from there.

        Raises `InputError` where the file cannot be written.
        """
        data = encoded(self)
        if len(data) > MOST_BYTES:
            raise InputError(f"The certificate takes {len(data) >> 20} MiB, too much to be read again; claim less.")
        write_result(path, data)


def encoded(certificate: Certificate) -> bytes:
    """The certificate as JSON, with the digest of all the rest; infinity, which JSON lacks, is a string."""
    content = asdict(certificate)
    for record, answer in zip(content["answers"], certificate.answers):
        record["claim"] = claim_to_json(answer.claim)
    named = certificate.inputs is not None
    if not named:
        del content["inputs"], content["outputs"]
    content = _plain({"format": FORMAT, "schema": SCHEMA if named else WITHOUT_NAMES} | content)
    content["digest"] = content_digest(content)
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def content_digest(content: dict) -> str:
    """SHA-256 of the canonical JSON of all but the digest itself."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and np.isinf(value) else value


def digest(model: Surrogate | AbstractReference) -> str:
    """SHA-256 of everything that determines the model: architecture or kind, names, shapes and bytes of its arrays.

    Functions that a reference is made of count by their source and by what they carry, so that the digest is the same
    in another process. The training range of a surrogate and its names change none of its values, so they do not count.
    """
    found = hashlib.sha256()
    if isinstance(model, Surrogate):
        tensors, header = to_tensors(replace(model, training_range=None))
        # As files of schema 1 had it, so that certificates stay those of the same network.
        header = {name: header[name] for name in ("format", "widths", "scalar_output")}
        header |= {"schema": 1, "activation": model.activation}
        found.update(json.dumps(header, sort_keys=True).encode())
        named = sorted(tensors.items())
    else:
        leaves, structure = jax.tree.flatten(model)
        found.update(re.sub(" at 0x[0-9a-f]+", "", f"{type(model).__name__}{structure}").encode())
        functions = [leaf for leaf in leaves if callable(leaf)]
        found.update("".join(source_of(function) + state_of(function) for function in functions).encode())
        named = [(str(i), leaf) for i, leaf in enumerate(leaves) if not callable(leaf)]
    for name, array in named:
        array = np.ascontiguousarray(array)
        found.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("sobolev-pruning", "jax", "jaxlib", "numpy")}
    return packages | {"python": platform.python_version()}
