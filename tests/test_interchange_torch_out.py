"""The PyTorch module: the same function as in JAX, differentiated by PyTorch, in the system's own Python."""

import json
import subprocess
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import EVERY
from other_python import PYTHON, needs_torch
from sobolev_pruning import InputError, Surrogate
from sobolev_pruning.activations import activation
from sobolev_pruning.activations.functions import JAX
from sobolev_pruning.interchange import save_torch
from sobolev_pruning.surrogate import Dense, Scaling
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_onnx_out import SHAPES, assert_agreement, inputs_for
from tolerances import ELEMENTARY, EXPORT_FLOAT64

CASES = {
    # Three activations in each network: a third of the compilations.
    **{
        f"3-5-4-3-2 {EVERY[i : i + 3]}": lambda i=i: layered_surrogate((*(*EVERY, *EVERY)[i : i + 3], "identity"))
        for i in range(0, len(EVERY), 3)
    },
    **{f"{widths} {flat}": lambda w=widths, f=flat: surrogate_of_shape(w, "silu", f) for widths, flat in SHAPES[1:4:2]},
    **{
        kind: lambda kind=kind: layered_surrogate(*LAYERED[kind])
        for kind in ("at the output", "everything", "everything, scalar")
    },
}

_ALL = """
import json, pathlib, runpy, torch
def derivatives(net, points, directions):
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    y = net(x)
    found = {"value": y.tolist(), "gradient": [], "hvp": []}
    for each in y[:, None].flatten(1).T:
        (slopes,) = torch.autograd.grad(each.sum(), x, create_graph=True)
        along = (slopes * torch.tensor(directions, dtype=torch.float64)).sum()
        (bends,) = torch.autograd.grad(along, x, retain_graph=True, allow_unused=True)
        found["gradient"].append(slopes.tolist())
        found["hvp"].append((torch.zeros_like(x) if bends is None else bends).tolist())
    return found
for folder in pathlib.Path(".").iterdir():
    if folder.is_dir():
        net = runpy.run_path(str(folder / "net.py"))["Surrogate"]()
        found = derivatives(net, **json.loads((folder / "points.json").read_text()))
        (folder / "found.json").write_text(json.dumps(found))
"""


def in_torch(code: str, folder) -> str:
    (folder / "test.py").write_text(code)
    done = subprocess.run([PYTHON, "-W", "error", "test.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_one_activation(name: str) -> Surrogate:
    """The activation itself as a network."""
    one, zero = jnp.ones((1, 1)), jnp.zeros(1)
    scaling = Scaling(zero, one[0], zero, one[0])
    return Surrogate([Dense(one, zero), Dense(one, zero)], scaling, name, True)


def places(name: str) -> np.ndarray:
    """Breakpoints, where PyTorch takes softplus(x) for x by default, and far out, where nothing may overflow."""
    return np.array([*(each.place for each in activation(name).breakpoints), 0.0, 25.0, 1e2, -1e2, 1e4, -1e4])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """What one process with PyTorch computes for every case."""
    place = tmp_path_factory.mktemp("torch")

    def write(name, surrogate, points, directions):
        (place / name).mkdir()
        save_torch(surrogate, place / name / "net.py")
        (place / name / "points.json").write_text(
            json.dumps({"points": points.tolist(), "directions": directions.tolist()})
        )

    for number, make in enumerate(CASES.values()):
        surrogate = make()
        write(str(number), surrogate, *(np.asarray(array) for array in inputs_for(surrogate)))
    for name in EVERY:
        points = places(name)[:, None]
        write(name, of_one_activation(name), points, np.ones_like(points))
    in_torch(_ALL, place)
    return place


def found_in(folder, scalar: bool):
    found = json.loads((folder / "found.json").read_text())
    for name in ("gradient", "hvp"):
        found[name] = np.moveaxis(np.array(found[name]), 0, 1)
        found[name] = found[name][:, 0] if scalar else found[name]
    return found | {"value": np.array(found["value"])}


@needs_torch
@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_torch_agrees_with_jax(evaluated, number):
    surrogate = list(CASES.values())[number]()
    points, directions = inputs_for(surrogate)
    products = surrogate.hessian_products(points, jnp.asarray(directions[:, None]))[:, 0]
    arrays = {"value": surrogate.value(points), "gradient": surrogate.gradient(points), "hvp": products}
    expected = {name: np.asarray(array) for name, array in arrays.items()}
    assert_agreement(found_in(evaluated / str(number), surrogate.scalar_output), expected, EXPORT_FLOAT64)


@needs_torch
@pytest.mark.parametrize("name", EVERY)
def test_at_breakpoints_and_far_out_derivatives_are_those_of_jax(evaluated, name):
    found, x = found_in(evaluated / name, scalar=True), jnp.asarray(places(name))
    for order, kind in enumerate(("value", "gradient", "hvp")):
        expected = np.asarray(activation(name).derivative(x, order, JAX))
        np.testing.assert_allclose(found[kind].ravel(), expected, rtol=ELEMENTARY, atol=ELEMENTARY)


@needs_torch
def test_the_module_trains_moves_and_refuses_as_pytorch_users_expect(tmp_path):
    names = ["spot [USD]", "a\"'{0}\\", "rate [{1/year}]"]
    surrogate = replace(layered_surrogate(*LAYERED["a skip"]), inputs=names)
    save_torch(surrogate, tmp_path / "net.py", box=([0, 0, 0], [1, 2, 3]))
    save_torch(surrogate, tmp_path / "open.py")
    code = """
import net, open as other, torch
torch.manual_seed(0); drawn = torch.rand(1); torch.manual_seed(0)
model = net.Surrogate()
assert torch.rand(1) == drawn, "making it draws no numbers"
assert net.INPUTS == ("spot", "a\\"'{0}\\\\", "rate")
assert [name for name, _ in model.named_parameters()] == [
    "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "skip.weight"]
assert [name for name, _ in model.named_buffers()] == ["x_shift", "x_scale", "y_shift", "y_scale"]
inside = model.in_range([[0, 0, 3], [-0.1, 1, 1], [0, 0, 3.1], [0, 0, float("nan")]])
assert inside.tolist() == [True, False, False, False] and model.in_range([0, 0, 0]).item() is True
assert other.Surrogate().in_range([0, 0, 0]) is None
assert model([1, 2, 3]).shape == (2,) and torch.equal(model([[1, 2, 3]] * 4)[2], model(torch.tensor([1, 2, 3])))
for wrong in ([1.0, 2.0], 1.0):
    try: model(wrong)
    except ValueError as error: assert "give (3,) or (n, 3)" in str(error)
    else: raise AssertionError(wrong)
before, x = model(torch.ones(5, 3)), torch.ones(5, 3)
optimiser = torch.optim.SGD(model.parameters(), 1e-2)
(model(x) ** 2).sum().backward(); optimiser.step()
assert (model(x) ** 2).sum() < (before ** 2).sum()
assert model.float()(x).dtype == torch.float32
fresh = net.Surrogate(); fresh.load_state_dict(model.double().state_dict())
assert torch.equal(fresh(x), model(x))
"""
    in_torch(code, tmp_path)


def test_a_box_of_another_shape_and_numbers_that_are_none_are_refused(tmp_path):
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    with pytest.raises(InputError, match="box must be a lower and an upper corner of 2 numbers each"):
        save_torch(surrogate, tmp_path / "net.py", box=([0], [1]))
    first, last = surrogate.layers
    endless = replace(surrogate, layers=(first, replace(last, bias=jnp.array([np.inf]))))
    with pytest.raises(InputError, match="The numbers of the network reach inf"):
        save_torch(endless, tmp_path / "net.py")
