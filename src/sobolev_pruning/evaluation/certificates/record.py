"""The certificate: what was proved, for which weights, over which box; as a record and as a file."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from ..._foundation.errors import InputError
from ..._foundation.files import write_atomically
from ...reference import AbstractReference
from ...surrogate import Surrogate, to_tensors
from .claims import Claim, claim_from_json, claim_to_json

_FORMAT = "sobolev_pruning.certificate"
_SCHEMA = 1

Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True)
class Answer:
    """What became of one claim.

    - `lower`, `upper`: proved bounds of every entry over the box, whatever the status, flat; `bounds` gives them in
      their `shape`. For `Distance` of the norm, for `Convex` of the second derivative along each direction, or of the
      smallest eigenvalue.
    - `reached_lower`, `reached_upper`: the extremes at points, enclosed there: the true range reaches at least from the
      first to the second.
    - `point`: for "refuted" the input that refutes, with `evidence`, bounds of the failing entry at that point.
    - `gap`: for "undecided" how far the worst cell is from the claim, relative to the reached spread of that entry, and
      `where` that cell is (lower and upper corner of a box of inputs around it).
    """

    claim: Claim
    status: Status
    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    reached_lower: tuple[float, ...]
    reached_upper: tuple[float, ...]
    point: tuple[float, ...] | None = None
    evidence: tuple[float, float] | None = None
    gap: float = 0.0
    where: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """`lower` and `upper` as arrays."""
        return np.reshape(self.lower, self.shape), np.reshape(self.upper, self.shape)


@dataclass(frozen=True)
class Certificate:
    """Answers to claims about one surrogate over one box.

    `weights` and `against` are SHA-256 digests of the tensors (the latter None without a second model); `method` says
    how cells were enclosed, `pieces` how many enclosures were made, `budget` how many were allowed, `versions` what
    computed it.
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

    @property
    def proved(self) -> bool:
        """Whether every claim was proved."""
        return all(answer.status == "proved" for answer in self.answers)

    def save(self, path: str | Path) -> None:
        """Writes the certificate as JSON, aside and renamed; `check_certificate` proves it again from there."""
        content = {"format": _FORMAT, "schema": _SCHEMA} | asdict(self)
        for record, answer in zip(content["answers"], self.answers):
            record["claim"] = claim_to_json(answer.claim)
        write_atomically(path, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")


MARGINS = "outward by the proved or tested error of each operation (docs/derivations/certificates.md)"


def load_certificate(path: str | Path) -> Certificate:
    """Reads what `Certificate.save` wrote; raises `InputError` where it is missing, damaged or of another kind."""
    path = Path(path)
    try:
        content = _infinite(json.loads(path.read_text()))
    except OSError:
        raise InputError(f"There is no file {path} to read; check the path of the certificate.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; it may be cut short: certify again.") from None
    if (
        not isinstance(content, dict)
        or content.pop("format", None) != _FORMAT
        or content.pop("schema", None) != _SCHEMA
    ):
        raise InputError(f"{path} is no certificate of schema {_SCHEMA}; give a file written by Certificate.save.")
    try:
        answers = tuple(
            Answer(
                **{
                    name: claim_from_json(value) if name == "claim" else _frozen(value)
                    for name, value in answer.items()
                }
            )
            for answer in content.pop("answers")
        )
        certificate = Certificate(answers=answers, **{name: _frozen(value) for name, value in content.items()})
        for answer in answers:
            ends = [np.asarray(end, float).reshape(answer.shape) for end in (answer.lower, answer.upper)]
            if answer.status not in ("proved", "refuted", "undecided") or np.isnan(ends).any():
                raise ValueError
        box = [np.asarray(end, float) for end in (certificate.lower, certificate.upper)]
        if box[0].ndim != 1 or box[0].shape != box[1].shape or not isinstance(certificate.budget, int):
            raise ValueError
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{path} does not hold all parts of a certificate; certify again.") from None
    return certificate


def digest(model: Surrogate | AbstractReference) -> str:
    """SHA-256 of everything that determines the model: architecture or kind, names, shapes and bytes of its arrays.

    The training range of a surrogate changes none of its values, so it does not count.
    """
    found = hashlib.sha256()
    if isinstance(model, Surrogate):
        tensors, header = to_tensors(replace(model, training_range=None))
        found.update(json.dumps(header, sort_keys=True).encode())
        named = sorted(tensors.items())
    else:
        leaves, structure = jax.tree.flatten(model)
        found.update(f"{type(model).__name__}{structure}".encode())
        named = [(str(i), leaf) for i, leaf in enumerate(leaves)]
    for name, array in named:
        array = np.ascontiguousarray(array)
        found.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("sobolev-pruning", "jax", "jaxlib", "numpy")}
    return packages | {"python": platform.python_version()}


def _plain(value):
    """Infinity, which JSON lacks, as a string."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and np.isinf(value) else value


def _infinite(value):
    """The inverse of `_plain`."""
    if isinstance(value, dict):
        return {name: _infinite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_infinite(item) for item in value]
    return float(value) if value in ("inf", "-inf") else value


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
