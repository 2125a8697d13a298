"""Makes the `jax_*.onnx` files of this folder: feed-forward networks of plain JAX as jax2onnx writes them.

Run in an environment of its own: `pip install jax==0.10.2 jax2onnx==0.17.1 equinox==0.13.8`, then
`python export_with_jax2onnx.py`. Inputs, and the outputs JAX gives for them, lie in `jax.npz`.
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax2onnx import to_onnx

HERE = Path(__file__).parent


def network(widths, activation, key):
    keys = jax.random.split(jax.random.key(key), len(widths))
    layers = [
        (0.7 * jax.random.normal(k, (n_in, n_out)), 0.3 * jax.random.normal(jax.random.fold_in(k, 1), (n_out,)))
        for k, n_in, n_out in zip(keys, widths, widths[1:])
    ]

    def apply(x):
        for weight, bias in layers[:-1]:
            x = activation(x @ weight + bias)
        return x @ layers[-1][0] + layers[-1][1]

    return apply


def scaled(inner):
    mean, deviation = jnp.asarray([1.0, -2.0, 0.5]), jnp.asarray([2.0, 0.5, 3.0])
    return lambda x: 3.0 + 0.5 * inner((x - mean) / deviation)


def squeezed(inner):
    return lambda x: inner(x)[:, 0]


def main():
    equinox_mlp = eqx.nn.MLP(3, 1, 6, 2, jax.nn.silu, key=jax.random.key(3))
    cases = {
        "silu": (network([3, 8, 5, 1], jax.nn.silu, 0), ("B", 3)),
        "tanh": (network([3, 8, 2], jnp.tanh, 1), ("B", 3)),
        "softplus": (network([3, 5, 1], jax.nn.softplus, 2), ("B", 3)),
        "elu": (network([3, 5, 1], jax.nn.elu, 3), ("B", 3)),
        "gelu": (network([3, 5, 1], lambda x: jax.nn.gelu(x, approximate=False), 4), ("B", 3)),
        "gelu_tanh": (network([3, 5, 5, 1], jax.nn.gelu, 5), ("B", 3)),
        "sigmoid": (network([3, 5, 1], jax.nn.sigmoid, 6), ("B", 3)),
        "relu": (network([3, 5, 1], jax.nn.relu, 6), ("B", 3)),
        "scaled": (scaled(network([3, 6, 1], jax.nn.silu, 7)), ("B", 3)),
        "equinox": (jax.vmap(equinox_mlp), ("B", 3)),
        "fixed_batch": (network([3, 8, 1], jax.nn.silu, 8), (4, 3)),
        "one_point": (network([3, 8, 1], jax.nn.silu, 9), (3,)),
        "squeezed": (squeezed(network([3, 8, 1], jax.nn.silu, 9)), ("B", 3)),
        "double": (network([3, 8, 1], jax.nn.silu, 10), ("B", 3)),
    }
    arrays = {}
    for name, (function, shape) in cases.items():
        double = name == "double"
        x = np.random.default_rng(0).normal(size=tuple(4 if n == "B" else n for n in shape))
        x = x.astype(np.float64 if double else np.float32)
        with jax.enable_x64(double):
            arrays[f"{name}.x"], arrays[f"{name}.y"] = x, np.asarray(function(jnp.asarray(x)))
        model = to_onnx(function, inputs=[shape], enable_double_precision=double)
        for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        onnx.save(model, HERE / f"jax_{name}.onnx")
    np.savez_compressed(HERE / "jax.npz", **arrays)


if __name__ == "__main__":
    main()
