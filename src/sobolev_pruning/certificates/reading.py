"""Reading a certificate: only where the file is, to the byte, what `Certificate.save` writes."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .._foundation.errors import InputError
from .._foundation.variables import Variable, as_variables, numbered_inputs, variables_from_json
from .claims import Distance, claim_from_json
from .record import (
    FORMAT,
    MARGINS,
    MOST_BYTES,
    SCHEMA,
    SEMANTICS,
    WITHOUT_NAMES,
    Answer,
    Certificate,
    content_digest,
    encoded,
)


def load_certificate(path: str | Path) -> Certificate:
    """Reads what `Certificate.save` wrote; nothing in it is proved by reading: see `check_certificate`.

    Raises `InputError` where the file is missing, of another kind or version, or not exactly as it was written. The
    digest in it tells accidents, not forgeries: whoever changes the content can put in a new digest.
    """
    data = _read(path)
    content = _parsed(data, path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no certificate; give a file written by Certificate.save.")
    if content.get("schema") not in (WITHOUT_NAMES, SCHEMA):
        raise InputError(
            f"{path} is a certificate of another version of this package, not of schema {WITHOUT_NAMES} or {SCHEMA}; "
            "certify again."
        )
    try:
        fitting = content.pop("digest", None) == content_digest(content)
    except RecursionError:
        fitting = False
    if not fitting:
        raise InputError(f"{path} was changed after it was written, as its digest tells; certify again.")
    try:
        names = dict.fromkeys(("inputs", "outputs")) if content["schema"] == WITHOUT_NAMES else {}
        certificate = _certificate(
            names | {name: content[name] for name in content if name not in ("format", "schema")}
        )
        incoherent = _incoherence(certificate)
        changed = encoded(certificate) != data
    except InputError as error:
        raise InputError(f"{path} is no valid certificate: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise InputError(f"{path} does not hold all parts of a certificate, each of its kind; certify again.") from None
    if incoherent:
        raise InputError(f"{path} contradicts itself: {incoherent}; certify again.")
    if changed:
        raise InputError(f"{path} is not in the form in which it was written; certify again.")
    return certificate


def _read(path: str | Path) -> bytes:
    try:
        if not Path(path).is_file():
            raise OSError
        if Path(path).stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is too large for a certificate; give a file written by Certificate.save.")
        return Path(path).read_bytes()
    except InputError:
        raise
    except (OSError, ValueError):  # the latter: a null character
        raise InputError(f"There is no file {str(path)!r} to read; check the path of the certificate.") from None


def _parsed(data: bytes, path: str | Path) -> object:
    def refused(token: str):
        raise ValueError(token)

    try:
        return json.loads(data.decode(), parse_constant=refused)
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; it may be cut short: certify again.") from None


def _infinite(value):
    """Infinity, which JSON lacks, from the string it is written as."""
    if isinstance(value, dict):
        return {name: _infinite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_infinite(item) for item in value]
    return float(value) if isinstance(value, str) and value in ("inf", "-inf") else value


# What every field is read by: the value, or TypeError or ValueError.


def _number(value) -> float:
    value = _infinite(value)
    if not isinstance(value, float) or math.isnan(value):
        raise TypeError
    return value


def _count(value) -> int:
    if type(value) is not int or not 0 <= value <= 2**53:
        raise TypeError
    return value


def _text(value) -> str:
    if not isinstance(value, str) or not value.isprintable():  # no escape sequences for terminals
        raise TypeError
    return value


def _one_of(*texts: str) -> Callable:
    def read(value):
        if value not in texts:
            raise ValueError
        return value

    return read


def _each(read: Callable, length: int | None = None) -> Callable:
    def each(values):
        if not isinstance(values, list) or (length is not None and len(values) != length):
            raise TypeError
        return tuple(read(value) for value in values)

    return each


def _or_none(read: Callable) -> Callable:
    return lambda value: None if value is None else read(value)


def _names(value) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {_text(name): _text(item) for name, item in value.items()}


def _variables(values) -> tuple[Variable, ...]:
    return as_variables(variables_from_json(values), numbered_inputs(len(values)), "The certificate")


def _record(kind: type, readers: dict[str, Callable]) -> Callable:
    def read(values):
        if not isinstance(values, dict) or set(values) != set(readers):
            raise TypeError
        return kind(**{name: readers[name](value) for name, value in values.items()})

    return read


_numbers = _each(_number)
_point = _each(_number)
_answer = _record(
    Answer,
    {
        "claim": lambda value: claim_from_json(_infinite(value)),
        "status": _one_of("proved", "refuted", "undecided"),
        "shape": _each(_count),
        "lower": _numbers,
        "upper": _numbers,
        "reached_lower": _numbers,
        "reached_upper": _numbers,
        "lowest_at": _each(_or_none(_point)),
        "highest_at": _each(_or_none(_point)),
        "point": _or_none(_point),
        "entry": _or_none(_count),
        "evidence": _or_none(_each(_number, 2)),
        "gap": _number,
        "where": _or_none(_each(_point, 2)),
        "reason": _or_none(_text),
    },
)
_certificate = _record(
    Certificate,
    {
        "answers": _each(_answer),
        "lower": _numbers,
        "upper": _numbers,
        "weights": _text,
        "against": _or_none(_text),
        "method": _text,
        "margins": _one_of(MARGINS),
        "pieces": _count,
        "budget": _count,
        "versions": _names,
        "rules": _each(_text),
        "semantics": _one_of(SEMANTICS),
        "inputs": _or_none(_variables),
        "outputs": _or_none(_variables),
    },
)


def _incoherence(certificate: Certificate) -> str | None:
    """What in the certificate contradicts itself, as far as that shows without the models."""
    lower, upper = np.asarray(certificate.lower), np.asarray(certificate.upper)
    if not certificate.answers:
        return "it answers no claims"
    if len(lower) != len(upper) or not (np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)).all():
        return "its box is none"
    if any(isinstance(answer.claim, Distance) for answer in certificate.answers) != (certificate.against is not None):
        return "it compares with a second model that it does not name, or names one and does not compare"
    if not (certificate.pieces and certificate.budget):
        return "it was made without enclosing anything"
    for answer in certificate.answers:
        points = [answer.point, *answer.lowest_at, *answer.highest_at, *(answer.where or ())]
        if not all(len(p) == len(lower) and (lower <= p).all() and (p <= upper).all() for p in points if p is not None):
            return "it names a point outside of its box"
        entries = math.prod(answer.shape)
        arrays = (answer.lower, answer.upper, answer.reached_lower, answer.reached_upper)
        if not entries or any(len(a) != entries for a in (*arrays, answer.lowest_at, answer.highest_at)):
            return "its arrays differ in their numbers of entries"
        least, most, reached_least, reached_most = (np.asarray(a) for a in arrays)
        if not ((least <= most) & (least <= reached_least) & (reached_most <= most)).all():
            return "its bounds exclude what its points reach"
        nowhere = [[p is None for p in found] for found in (answer.lowest_at, answer.highest_at)]
        if (nowhere[0] != np.isposinf(reached_least)).any() or (nowhere[1] != np.isneginf(reached_most)).any():
            return "it reaches something nowhere"
        refuting = [field is not None for field in (answer.point, answer.entry, answer.evidence)]
        if set(refuting) != {answer.status == "refuted"} or (refuting[0] and answer.entry >= entries):
            return "a refuted answer needs a point, an entry and its bounds there, and no other answer has them"
        undecided = answer.status == "undecided"
        if (answer.where is not None) != undecided or answer.gap < 0 or (answer.gap > 0 and not undecided):
            return "an undecided answer needs a gap and where it is, and no other answer has them"
        if undecided and not (np.asarray(answer.where[0]) <= answer.where[1]).all():
            return "the place of a gap is no box"
        if answer.reason is not None and not undecided:
            return "an answer that is decided has a reason why not"
    if certificate.inputs is not None and len(certificate.inputs) != len(lower):
        return "it has other inputs than its box"
    return None
