"""Certificates in files, changed on purpose: by accident, or by somebody who puts in a new digest."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sobolev_pruning.evaluation.certificates.record import content_digest


def written(content: dict) -> bytes:
    """`content` in the form of a certificate's file, with the digest that it holds."""
    return (json.dumps(content, indent=1) + "\n").encode()


def sealed(content: dict) -> bytes:
    """The same with a digest that fits."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return written(rest | {"digest": content_digest(rest)})


def altered(path: Path, change, forged: bool = False) -> None:
    """Applies `change` to the content of the file; with a new digest where `forged`."""
    content = json.loads(path.read_text())
    change(content)
    path.write_bytes((sealed if forged else written)(content))


def paths_of(value, path: tuple = ()) -> Iterator[tuple]:
    """The place of every value inside `value`, its own left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_of(item, (*path, key))


def _holder(content, path: tuple):
    for key in path[:-1]:
        content = content[key]
    return content


def _other(value, rng: np.random.Generator):
    """A value that differs from `value`, mostly of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        factor = float(rng.choice([-1.0, 0.5, 0.999, 1 - 1e-6, 1 + 1e-6, 1.001, 2.0, 1e300]))
        near = math.nextafter(value, math.inf)
        choices = [value * factor, value + float(rng.normal()), near, 0.0, "inf", "-inf", None, str(value)]
        found = choices[int(rng.integers(len(choices)))]
        return int(found) if isinstance(value, int) and isinstance(found, float) and abs(found) < 1e18 else found
    if isinstance(value, str):
        words = ["proved", "refuted", "undecided", "value", "gradient", "hessian", "within", "range", "monotone", "inf"]
        place = int(rng.integers(len(value))) if value else 0
        words.append(value[:place] + chr(int(rng.integers(32, 127))) + value[place + 1 :])
        return words[int(rng.integers(len(words)))]
    if value is None:
        return [0.0, 0, [], [0.0], "inf", False][int(rng.integers(6))]
    return [None, {}, [], 0.0, [value]][int(rng.integers(5))]


def _leaf(content: dict, rng: np.random.Generator) -> None:
    # Numbers of points are many; each field is as likely as any other.
    fields = {}
    for path in paths_of(content):
        value = _holder(content, path)[path[-1]]
        if not isinstance(value, list | dict) or not value:
            fields.setdefault(tuple(key for key in path if isinstance(key, str)), []).append(path)
    found = list(fields.values())
    places = found[int(rng.integers(len(found)))]
    path = places[int(rng.integers(len(places)))]
    holder = _holder(content, path)
    holder[path[-1]] = _other(holder[path[-1]], rng)


def _structure(content: dict, rng: np.random.Generator) -> None:
    paths = [path for path in paths_of(content) if path[0] != "digest"]
    lists = [path for path in paths if isinstance(_holder(content, path), list)]
    kind = int(rng.integers(6))
    path = (paths if kind < 2 else lists)[int(rng.integers(len(paths if kind < 2 else lists)))]
    holder, key = _holder(content, path), path[-1]
    if kind == 0:  # deleted
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):  # renamed, or one more
        holder[f"{key}s"] = holder.pop(key) if rng.uniform() < 0.5 else holder[key]
    elif kind in (2, 3):  # repeated
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 4:  # taken out
        del holder[key]
    else:  # another order
        other = int(rng.integers(len(holder)))
        holder[key], holder[other] = holder[other], holder[key]


def _bytes(data: bytes, rng: np.random.Generator) -> bytes:
    place, kind = int(rng.integers(len(data))), int(rng.integers(6))
    if kind < 2:
        return data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :]
    if kind == 2:
        return data[:place] + data[place + 1 :]
    if kind == 3:
        return data[:place] + bytes([int(rng.integers(256))]) + data[place:]
    if kind == 4:
        return data[:place]
    lines = data.splitlines(keepends=True)
    first, second = int(rng.integers(len(lines))), int(rng.integers(len(lines)))
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def accidents(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` files that differ from `data` in one place each: a field, the order, a claim, a byte."""
    yield from _mutations(data, count, seed, written)


def forgeries(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` files whose content differs in one place each from that of `data`, with a digest that fits."""
    yield from _mutations(data, count, seed, sealed)


def _mutations(data: bytes, count: int, seed: int, put) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    while count:
        kind = int(rng.integers(10))
        if kind < 2 and put is written:
            changed = _bytes(data, rng)
        else:
            content = json.loads(data)
            (_structure if kind < 4 else _leaf)(content, rng)
            changed = put(content)
        if changed != data:
            count -= 1
            yield changed
