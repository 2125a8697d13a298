"""Networks of Equinox, PyTorch and Keras from their weights, against what those compute."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sobolev_pruning as sp
from sobolev_pruning import InputError
from tolerances import ALGEBRAIC

KEY = jax.random.key(0)
POINTS = np.random.default_rng(0).normal(size=(9, 2))
W1, B1, W2 = (np.random.default_rng(1).normal(size=shape) for shape in ((3, 2), (3,), (1, 3)))

FUNCTIONS = {
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "relu": lambda x: jax.nn.relu(x),
    "leaky_relu(0.01)": jax.nn.leaky_relu,
    "selu": jax.nn.selu,
    "mish": jax.nn.mish,
    "hard_swish": jax.nn.hard_swish,
    "relu6": jax.nn.relu6,
    "softsign": jax.nn.soft_sign,
    "elu": jax.nn.elu,
    "softplus": jax.nn.softplus,
    "sin": jnp.sin,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_mlp_of_equinox_is_the_same_function(name):
    model = eqx.nn.MLP(2, 3, 4, 1, activation=FUNCTIONS[name], final_activation=jax.nn.sigmoid, key=KEY)
    found = sp.from_equinox(model)
    assert (found.widths, found.activations) == ((2, 4, 3), (name, "sigmoid"))
    np.testing.assert_allclose(found.value(POINTS), jax.vmap(model)(POINTS), atol=ALGEBRAIC)


def test_a_sequence_of_equinox_is_the_same_function():
    keys = jax.random.split(KEY, 3)
    model = eqx.nn.Sequential(
        [
            eqx.nn.Linear(2, 4, use_bias=False, key=keys[0]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Dropout(inference=True),
            eqx.nn.Linear(4, 3, key=keys[1]),
            eqx.nn.Identity(),
            eqx.nn.Linear(3, 1, key=keys[2]),
        ]
    )
    found = sp.from_equinox(model)
    assert found.activations == ("relu", "identity", "identity") and found.scalar_output
    np.testing.assert_allclose(found.value(POINTS), jax.vmap(model)(POINTS)[:, 0], atol=ALGEBRAIC)
    single = eqx.nn.MLP("scalar", "scalar", 4, 1, key=KEY)
    np.testing.assert_allclose(
        sp.from_equinox(single).value(POINTS[:, :1]), jax.vmap(single)(POINTS[:, 0]), atol=ALGEBRAIC
    )


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (eqx.nn.MLP(2, 1, 4, 1, activation=lambda x: x**2, key=KEY), "activation is a function that is not known"),
        (eqx.nn.MLP(2, 1, 4, 1, activation=eqx.nn.PReLU(0.2), key=KEY), "activation is a PReLU that is not known"),
        (eqx.nn.Sequential([eqx.nn.Linear(2, 3, key=KEY), eqx.nn.LayerNorm(3)]), r"layers\[1\] is a LayerNorm"),
        (eqx.nn.Sequential([eqx.nn.Lambda(jnp.tanh)]), r"layers\[0\] is an activation where a Linear layer should"),
        (eqx.nn.Sequential([]), "There are no layers"),
        (eqx.nn.GRUCell(2, 3, key=KEY), "The model is a GRUCell; give an eqx.nn.MLP"),
    ],
)
def test_other_modules_are_refused_with_their_place(types_unchecked, model, sentence):
    with pytest.raises(InputError, match=sentence):
        sp.from_equinox(model)


def test_a_state_of_pytorch_and_weights_of_keras_are_the_same_network():
    expected = np.tanh(POINTS @ W1.T + B1) @ W2[0]
    state = {"net.0.weight": W1, "net.0.bias": B1, "net.2.weight": W2}
    np.testing.assert_allclose(sp.from_torch_state(state, "tanh").value(POINTS), expected, atol=ALGEBRAIC)
    keras = sp.from_keras_weights([W1.T, B1, W2.T], ("tanh", "sigmoid"))
    np.testing.assert_allclose(keras.value(POINTS), 1 / (1 + np.exp(-expected)), atol=ALGEBRAIC)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: sp.from_torch_state({"1.running_mean": B1}, "relu"),
            r"1.running_mean has the shape \(3,\), which is no",
        ),
        (lambda: sp.from_torch_state({"0.weight": W1, "1.bias": B1}, "relu"), "1.bias has the shape"),
        (lambda: sp.from_torch_state({"0.weight": W1, "2.weight": W1}, "relu"), "2.weight is a layer from 2 to 3"),
        (lambda: sp.from_torch_state({"0.weight": W1 * np.nan}, "relu"), "0.weight, or its bias, holds a number that"),
        (lambda: sp.from_torch_state({}, "relu"), "There are no layers"),
        (lambda: sp.from_torch_state({"0.weight": W1}, ("relu", "tanh")), "There are 2 activations for 1 layers"),
        (
            lambda: sp.from_keras_weights([W1.T, B1, B1], "relu"),
            r"weights\[2\] has the shape \(3,\), which is no kernel",
        ),
        (lambda: sp.from_keras_weights([W1.T, B1[:2]], "relu"), r"weights\[0\] is a layer from 2 to 3 with a bias"),
    ],
)
def test_what_is_no_chain_of_layers_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
