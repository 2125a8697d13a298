"""Kept results: a damaged line costs that line, and those of another run are never taken over."""

import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest

import black_boxes
from sobolev_pruning import InputError
from sobolev_pruning.sampling.kept_results import KeptResults
from sobolev_pruning.sampling.simulator_identity import source_of, state_of

POINTS = np.random.default_rng(0).uniform(size=(6, 2))
ROWS = {row: (np.array([row / 7, -row]), np.arange(4.0).reshape(2, 2) + row / 3) for row in range(6)}


def opened(path, simulate=black_boxes.noisy_with_gradient, points=POINTS, seed=3, derivatives="own", steps=None):
    return KeptResults(path, simulate, points, seed, derivatives, steps)


def kept_in(path, **options) -> bytes:
    kept = opened(path, **options)
    for row, result in ROWS.items():
        kept.add(row, *result)
    kept.close()
    return path.read_bytes()


def test_no_flipped_bit_gives_a_wrong_sample_or_costs_more_than_one(tmp_path):
    path = tmp_path / "a.results"
    whole = kept_in(path)
    for place in np.random.default_rng(1).permutation(8 * len(whole))[:60]:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        kept = opened(path)
        kept.close()
        assert len(kept.found) >= len(ROWS) - 1 and kept.n_damaged <= 1
        assert len(kept.found) + kept.n_damaged >= len(ROWS)
        for row, result in kept.found.items():
            for found, expected in zip(result, ROWS[row]):
                np.testing.assert_array_equal(found, expected)
        again = opened(path)  # the damage is gone from the file
        again.close()
        assert again.n_damaged == 0 and len(again.found) == len(kept.found)


def scaled(x, seed, factor=1.0):
    return factor * x.sum()


def made(factor):
    return lambda x, seed: factor * x.sum()


class Scaled:
    def __init__(self, **settings):
        self.settings = settings

    def __call__(self, x, seed):
        return self.settings["factor"] * x.sum()

    def method(self, x, seed):
        return self(x, seed)


PAIRS = {
    "partial keyword": (functools.partial(scaled, factor=1.0), functools.partial(scaled, factor=2.0)),
    "partial array": (functools.partial(scaled, factor=np.ones(3)), functools.partial(scaled, factor=np.zeros(3))),
    "closure": (made(1.0), made(2.0)),
    "object": (Scaled(factor=1.0), Scaled(factor=2.0)),
    "method": (Scaled(factor=1.0).method, Scaled(factor=2.0).method),
    "object inside": (Scaled(a=SimpleNamespace(b=[1, {2: "c"}])), Scaled(a=SimpleNamespace(b=[1, {2: "d"}]))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_simulator_carries_tells_it_from_another(tmp_path, name):
    first, second = PAIRS[name]
    kept_in(tmp_path / "a.results", simulate=first)
    assert state_of(first) == state_of(first) != state_of(second)
    again = opened(tmp_path / "a.results", simulate=first)
    again.close()
    assert len(again.found) == len(ROWS)
    with pytest.raises(InputError, match=r"belongs to another run \(a simulator with other arguments or attributes\)"):
        opened(tmp_path / "a.results", simulate=second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": np.array([0.1, 0.1])}, "another step of the differences"),
        ({"points": POINTS.reshape(4, 3)}, "other points"),
        ({"points": POINTS + 1.0}, "other points"),
        ({"seed": 4}, "another seed"),
        ({"derivatives": "differences"}, "other derivatives"),
        ({"simulate": black_boxes.noisy}, r"another simulator\)"),
    ],
)
def test_what_determines_the_results_is_in_the_header(tmp_path, options, message):
    kept_in(tmp_path / "a.results")
    with pytest.raises(InputError, match=rf"belongs to another run \({message}.*; delete it or name another file"):
        opened(tmp_path / "a.results", **options)


def test_a_change_of_the_source_or_of_a_module_that_it_uses_is_seen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "kept_helper.py").write_text("def helped(x):\n    return x\n")
    (tmp_path / "kept_model.py").write_text("import kept_helper\n\ndef f(x, seed):\n    return kept_helper.helped(x)\n")
    import kept_model

    before = source_of(kept_model.f)
    assert source_of(functools.partial(kept_model.f, seed=1)) == before
    (tmp_path / "kept_helper.py").write_text("def helped(x):\n    return 2 * x\n")
    helped = source_of(kept_model.f)
    (tmp_path / "kept_model.py").write_text("import kept_helper\n\ndef f(x, seed):\n    return -kept_helper.helped(x)")
    assert len({before, helped, source_of(kept_model.f)}) == 3


def test_lines_that_fit_their_checksum_and_not_the_run_are_left_out(tmp_path):
    from sobolev_pruning.sampling.kept_results import _line

    path = tmp_path / "a.results"
    kept = opened(path)
    good = {"row": 1, "y": [1.0, 2.0], "dydx": [[1.0, 2.0], [3.0, 4.0]]}
    wrong = [{"row": 6}, {"row": -1}, {"row": True}, {"row": 1.0}, {"y": [1.0]}, {"dydx": None}, {"dydx": [1.0]}]
    lines = [_line(kept._header, json.dumps(good | change)) for change in ({}, *wrong)]
    lines.append(_line(kept._header, "[" * 100_000))
    kept.close()
    path.write_bytes(b"\n".join([_line(kept._header, kept._header), *lines]) + b"\n")
    found = opened(path)
    found.close()
    assert list(found.found) == [1] and found.n_damaged == len(wrong) + 1
