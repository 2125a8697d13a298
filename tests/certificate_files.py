"""Certificates in files, changed on purpose: by accident, or by somebody who puts in a new digest."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sobolev_pruning.certificates import Certificate, Convex, Distance, Monotone, Range, Within, check
from sobolev_pruning.certificates.claims import order_of
from sobolev_pruning.certificates.column_bounds import parts_of, target_of
from sobolev_pruning.certificates.record import content_digest


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


def with_programs_kept(monkeypatch) -> None:
    """Lets `check_certificate` compile once what many files about the same models, box and quantities need."""
    kept = {}

    def prepared(group, lower, upper):
        parts = tuple(dict.fromkeys(part for claim in group.claims for part in parts_of(claim)))
        key = (*map(id, group.models), parts, max(map(order_of, group.claims)), lower.tobytes(), upper.tobytes())
        if key not in kept:
            kept[key] = (group.models, original(group, lower, upper)[0])
        quantities = kept[key][1]
        return quantities, [target_of(claim, quantities) for claim in group.claims]

    original = check.prepared
    monkeypatch.setattr(check, "prepared", prepared)


def falsehoods(certificate: Certificate, network, other, grid: int = 41) -> list[str]:
    """What in a certificate is not so, as found by evaluating the models in floats on a grid and at its points."""
    axes = [np.linspace(low, high, grid) for low, high in zip(certificate.lower, certificate.upper)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    found = []
    for number, answer in enumerate(certificate.answers):
        values = _entries(answer.claim, network, other, points)
        lower, upper = np.asarray(answer.lower), np.asarray(answer.upper)
        slack = 1e-12 * np.abs(values).max(axis=0)
        if len(lower) != values.shape[1] or (values < lower - slack).any() or (values > upper + slack).any():
            found.append(f"answer {number}: bounds")
            continue
        reached = (answer.lowest_at, answer.reached_lower, 1), (answer.highest_at, answer.reached_upper, -1)
        for places, stated, sign in reached:
            for entry, place in enumerate(places):
                if place is not None:
                    value = _at(answer.claim, network, other, place)[entry]
                    if not sign * value <= sign * stated[entry] + slack[entry]:
                        found.append(f"answer {number}: what entry {entry} reaches")
        if answer.status == "proved" and not _holds(answer, values, slack):
            found.append(f"answer {number}: proved")
        if answer.status == "refuted":
            value = _at(answer.claim, network, other, answer.point)
            low, high = _limits(answer.claim, len(lower))
            failing, within = value[answer.entry], slack[answer.entry]
            if low[answer.entry] <= failing - within and failing + within <= high[answer.entry]:
                found.append(f"answer {number}: refuted")
    return found


def _entries(claim, network, other, points: np.ndarray) -> np.ndarray:
    """All entries that a claim speaks of, `(n, entries)`."""
    n = len(points)
    if isinstance(claim, Monotone):
        gradients = np.asarray(network.gradient(points)).reshape(n, -1, points.shape[1])
        return gradients[:, :, list(claim.inputs)].reshape(n, -1)
    if isinstance(claim, Distance):
        first, second = (np.asarray(getattr(model, claim.of)(points)).reshape(n, -1) for model in (network, other))
        return np.linalg.norm(first - second, axis=1)[:, None]
    directions = [claim.direction] if getattr(claim, "direction", None) else getattr(claim, "directions", None)
    if directions or isinstance(claim, Convex):
        hessians = np.asarray(network.hessian(points))
        if directions is None:
            return np.linalg.eigvalsh(hessians)[:, :1]
        return np.stack([np.einsum("i,nij,j->n", v, hessians, v) for v in np.asarray(directions)], axis=1)
    return np.asarray(getattr(network, claim.of)(points)).reshape(n, -1)


def _at(claim, network, other, place) -> np.ndarray:
    return _entries(claim, network, other, np.tile(np.asarray(place), (4, 1)))[0]  # one compiled shape for all points


def _limits(claim, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounds that a claim sets; infinite where it sets none."""
    low, high = -np.inf, np.inf
    if isinstance(claim, Within):
        low, high = -np.inf if claim.lower is None else claim.lower, np.inf if claim.upper is None else claim.upper
    elif isinstance(claim, Monotone):
        low, high = (-claim.margin, np.inf) if claim.increasing else (-np.inf, claim.margin)
    elif isinstance(claim, Convex):
        low = -claim.margin
    elif isinstance(claim, Distance) and claim.bound is not None:
        high = claim.bound
    return tuple(np.broadcast_to(np.ravel(end), entries) for end in (low, high))


def _holds(answer, values: np.ndarray, slack: np.ndarray) -> bool:
    """Whether the values on the grid agree with a claim that is called proved."""
    claim, low, high = answer.claim, values.min(axis=0), values.max(axis=0)
    if isinstance(claim, Range) or (isinstance(claim, Distance) and claim.bound is None):
        # The grid need not reach the extremes; a hundredth is allowed for that.
        size = 1e-7 * np.maximum(np.abs(answer.lower), np.abs(answer.upper))
        if isinstance(claim, Distance):
            return bool((answer.upper <= 1.01 * (1 + claim.tolerance) * (high + size)).all())
        width = np.subtract(answer.upper, answer.lower)
        return bool((width <= 1.01 * (1 + claim.tolerance) * (high - low + size)).all())
    least, most = _limits(claim, values.shape[1])
    return bool((values >= least - slack).all() and (values <= most + slack).all())
