"""The range of inputs that a surrogate was trained on: it travels with the network, into every file and out again."""

import json
import runpy
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

import sobolev_pruning as sp
from sobolev_pruning import InputError
from sobolev_pruning.certificates.record import digest
from surrogates import surrogate_of_shape
from tolerances import FLOAT64_ACROSS_PROGRAMS

BOX = ([-1.0, 0.5], [2.0, 0.75])


@pytest.fixture(scope="module")
def ranged():
    bare = surrogate_of_shape([2, 4, 3, 1], "tanh", scalar=True)
    ends = tuple(jnp.asarray(end) for end in BOX)
    return sp.Surrogate(bare.layers, bare.scaling, bare.activation, bare.scalar_output, ends)


def assert_range(surrogate, expected=BOX):
    np.testing.assert_array_equal(surrogate.training_range, expected)


def test_creation_and_training_take_it_from_their_samples(samples):
    created = sp.Surrogate.create([3, 2, 1], samples, key=jax.random.key(0))
    assert_range(created, (samples.x.min(axis=0), samples.x.max(axis=0)))
    narrower = samples[jnp.all(jnp.abs(samples.x - 1.0) < 0.6, axis=1)]
    trained = sp.fit(created, narrower, key=jax.random.key(1), optimiser=sp.LevenbergMarquardt(1)).surrogate
    assert_range(trained, (narrower.x.min(axis=0), narrower.x.max(axis=0)))


def test_pruning_keeps_it(ranged):
    assert_range(sp.prune(ranged, keep=[2, 0], box=BOX, fold="least-squares"))


def test_files_keep_it(ranged, tmp_path):
    ranged.save(tmp_path / "net.safetensors")
    assert_range(sp.load(tmp_path / "net.safetensors"))
    sp.save_onnx(ranged, tmp_path / "net.onnx")
    assert_range(sp.load_onnx(tmp_path / "net.onnx"))
    sp.save_numpy(ranged, tmp_path / "net.py")
    module = runpy.run_path(str(tmp_path / "net.py"))
    assert module["in_range"]([[0.0, 0.6], [0.0, 0.8]]).tolist() == [True, False]


def test_a_box_given_to_an_export_goes_before_it(ranged, tmp_path):
    sp.save_onnx(ranged, tmp_path / "net.onnx", box=([0.0, 0.0], [1.0, 1.0]))
    assert_range(sp.load_onnx(tmp_path / "net.onnx"), ([0.0, 0.0], [1.0, 1.0]))


@pytest.mark.parametrize("note", ["[1]", "[[0, 1], [NaN, 2]]", "{", "7", "[[0, 0], [1, Infinity]]"])
def test_a_damaged_note_of_it_is_left_aside(ranged, tmp_path, note):
    sp.save_onnx(ranged, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    next(entry for entry in model.metadata_props if entry.key == "box").value = note
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert sp.load_onnx(tmp_path / "net.onnx").training_range is None


def test_it_must_have_one_number_per_input(ranged):
    with pytest.raises(InputError, match="training_range must be two arrays of 2 numbers each"):
        sp.Surrogate(ranged.layers, ranged.scaling, "tanh", True, (jnp.zeros(3), jnp.ones(3)))


def test_half_of_it_in_a_file_is_refused(ranged, tmp_path):
    from safetensors.numpy import load, save

    ranged.save(tmp_path / "net.safetensors")
    content = (tmp_path / "net.safetensors").read_bytes()
    tensors = load(content)
    del tensors["x_highest"]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    (tmp_path / "half.safetensors").write_bytes(save(tensors, metadata=header))
    with pytest.raises(InputError, match="promises a finite float64 tensor x_highest"):
        sp.load(tmp_path / "half.safetensors")


INSIDE, OUTSIDE = [0.5, 0.6], [0.5, 0.8]


def test_a_guarded_network_gives_what_the_network_gives(ranged):
    for outside in ("warn", "refuse"):
        watched = sp.guarded(ranged, outside)
        for quantity in ("value", "gradient", "hessian"):
            expected = getattr(ranged, quantity)([INSIDE, list(BOX[0]), list(BOX[1])])
            np.testing.assert_array_equal(getattr(watched, quantity)([INSIDE, list(BOX[0]), list(BOX[1])]), expected)
        assert watched(jnp.asarray(INSIDE)) == ranged(jnp.asarray(INSIDE))


@pytest.mark.parametrize("quantity", ["value", "gradient", "hessian"])
def test_points_outside_are_refused_or_warned_about_by_name(ranged, quantity):
    points = [INSIDE, OUTSIDE, [-3.0, 0.6]]
    message = (
        r"Input x1 of point 1 is 0.8, but the network was trained from 0.5 to 0.75 \(and 1 more points are outside\)"
    )
    with pytest.raises(InputError, match=message):
        getattr(sp.guarded(ranged), quantity)(points)
    with pytest.warns(UserWarning, match=message):
        found = getattr(sp.guarded(ranged, "warn"), quantity)(points)
    np.testing.assert_array_equal(found, getattr(ranged, quantity)(points))


def test_one_point_outside_or_of_nan_is_refused(ranged):
    with pytest.raises(InputError, match=r"Input x1 is 0.8, but the network was trained from 0.5 to 0.75; keep to the"):
        sp.guarded(ranged)(jnp.asarray(OUTSIDE))
    with pytest.raises(InputError, match="Input x0 of point 0 is nan"):
        sp.guarded(ranged).value([[np.nan, 0.6]])


TRANSFORMED = {
    "jit": lambda f: jax.jit(lambda x: f(x)),
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, jnp.asarray(INSIDE)])),
    "grad": lambda f: jax.grad(f),
    "jit of vmap of grad": lambda f: lambda x: jax.jit(jax.vmap(jax.grad(f)))(jnp.stack([jnp.asarray(INSIDE), x])),
    "jit of value": lambda f: lambda x: jax.jit(lambda x: f.value(x[None]))(x),
    "jit of hessian": lambda f: lambda x: jax.jit(lambda x: f.hessian(x[None]))(x),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_guard_holds_under_transformations(ranged, name):
    inside, outside = jnp.asarray(INSIDE), jnp.asarray(OUTSIDE)
    call, expected = TRANSFORMED[name](sp.guarded(ranged)), TRANSFORMED[name](ranged)(inside)
    np.testing.assert_allclose(call(inside), expected, rtol=FLOAT64_ACROSS_PROGRAMS)
    # JAX gives either, by its version and the kind of program.
    with pytest.raises(
        (RuntimeError, ValueError), match="An input is outside of the range that the network was trained on; keep to"
    ):
        jax.block_until_ready(call(outside))
    TRANSFORMED[name](sp.guarded(ranged, "warn"))(outside)  # a warning would be an error here


def test_a_guard_needs_a_range_and_a_known_answer(types_unchecked, ranged):
    with pytest.raises(InputError, match='outside is \'clip\'; choose "warn" or "refuse"'):
        sp.guarded(ranged, "clip")
    bare = sp.Surrogate(ranged.layers, ranged.scaling, "tanh", True)
    with pytest.raises(InputError, match="holds no training range; train it, or give the range to the constructor"):
        sp.guarded(bare)


def test_a_certificate_depends_neither_on_it_nor_on_names(ranged):
    bare = sp.Surrogate(ranged.layers, ranged.scaling, "tanh", True)
    assert digest(bare) == digest(ranged) == digest(replace(bare, inputs=["spot", "rate"], outputs=["price"]))
