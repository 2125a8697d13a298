"""Checkpoints: complete or absent, recognised when damaged, never another computation's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning._foundation.errors import InputError
from sobolev_pruning.storage import Checkpoints
from sobolev_pruning.storage import checkpoints as checkpoint
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import LBFGS, Adam, LevenbergMarquardt, fit, loop

TREE = {"a": jnp.arange(3.0), "b": (jnp.asarray(2), jnp.ones((0, 2)))}


class Killed(Exception):
    """Stands for the end of the process, right after a checkpoint was written."""


@pytest.fixture
def killed_after(monkeypatch):
    """Makes every possible checkpoint, and ends the run after so many of them."""

    def arrange(saves: int | None):
        monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        left = [saves]
        save = Checkpoints.save

        def save_and_die(self, number, tree):
            save(self, number, tree)
            if left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        monkeypatch.setattr(Checkpoints, "save", save_and_die)
        return monkeypatch.undo

    return arrange


@pytest.fixture(scope="module")
def start(samples) -> Surrogate:
    return Surrogate.create([3, 3, 1], samples, key=jax.random.key(2))


@pytest.mark.parametrize(
    "optimiser", [Adam(steps=40, batch_size=64), LBFGS(iterations=9), LevenbergMarquardt(iterations=9)]
)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_resumed_ends_with_the_bits_of_one_never_interrupted(
    optimiser, damaged, start, samples, tmp_path, killed_after
):
    def run(directory):
        return fit(start, samples, key=jax.random.key(5), optimiser=optimiser, checkpoints=directory)

    whole = run(None)
    undo = killed_after(4)
    with pytest.raises(Killed):
        run(tmp_path)
    undo()
    if damaged:
        newest = max(tmp_path.glob("*.safetensors"))
        newest.write_bytes(newest.read_bytes()[:-20])
    resumed = run(tmp_path)
    for one, other in zip(jax.tree.leaves(whole.surrogate), jax.tree.leaves(resumed.surrogate)):
        np.testing.assert_array_equal(one, other)
    for name, column in whole.history.columns().items():
        np.testing.assert_array_equal(column, resumed.history.columns()[name])
    assert (whole.best_step, whole.best_held_out) == (resumed.best_step, resumed.best_held_out)


def test_the_last_two_are_kept_and_read_back(tmp_path):
    store = Checkpoints(tmp_path / "new", "mine")
    assert store.latest(TREE) is None
    for number in (1, 2, 10):
        store.save(number, jax.tree.map(lambda leaf, n=number: leaf + n, TREE))
    assert sorted(path.name for path in store.directory.iterdir()) == ["00000002.safetensors", "00000010.safetensors"]
    number, tree = store.latest(TREE)
    assert number == 10
    np.testing.assert_array_equal(tree["a"], TREE["a"] + 10)
    assert tree["b"][0] == 12 and tree["b"][0].shape == () and tree["b"][1].shape == (0, 2)
    store.clear()
    assert store.latest(TREE) is None


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def one_bit_changed(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def header_changed(content: bytes) -> bytes:
    return content.replace(b"checksum", b"checkers")


@pytest.mark.parametrize("damage", [cut_short, one_bit_changed, header_changed, lambda content: b""])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    store = Checkpoints(tmp_path, "mine")
    store.save(1, TREE)
    store.save(2, TREE)
    newest = tmp_path / "00000002.safetensors"
    newest.write_bytes(damage(newest.read_bytes()))
    assert store.latest(TREE)[0] == 1
    (tmp_path / "00000001.safetensors").write_bytes(b"no checkpoint")
    assert store.latest(TREE) is None


def test_another_computations_checkpoint_is_refused(tmp_path, start, samples, killed_after):
    def run(**changes):
        settings = {"key": jax.random.key(5), "optimiser": LevenbergMarquardt(iterations=4), "weight": 1.0} | changes
        fit(start, samples, checkpoints=tmp_path, **settings)

    killed_after(None)
    run()
    for changes in (
        {"key": jax.random.key(6)},
        {"weight": 0.5},
        {"optimiser": LevenbergMarquardt(iterations=5)},
        {"optimiser": LBFGS(iterations=4)},
        {"patience": 3},
        {"order": 0},
    ):
        with pytest.raises(InputError, match="belongs to another computation; use another directory"):
            run(**changes)


def test_a_checkpoint_of_other_versions_is_refused_by_name(tmp_path, monkeypatch):
    store = Checkpoints(tmp_path, "mine")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "versions_line", lambda: "jax 0.9.0, numpy 2.0.0")
        store.save(1, TREE)
    with pytest.raises(InputError, match=r"was made with jax 0\.9\.0, numpy 2\.0\.0, now there is sobolev-pruning"):
        store.latest(TREE)
