"""Makes the `tensorflow_*.onnx` files of this folder: feed-forward networks as tf2onnx writes those of TensorFlow.

Run in an environment of its own, as TensorFlow is no dependency: `pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0
onnx==1.23.2`, then `python export_with_tensorflow.py`. Inputs, and the outputs TensorFlow gives for them, lie in
`tensorflow.npz`.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf2onnx

HERE = Path(__file__).parent
RNG = np.random.default_rng(0)


def mlp(*widths, activation, dtype=np.float32):
    # Tensors made here would become inputs of the graph; arrays become constants.
    layers = [
        (RNG.normal(size=(n_in, n_out)).astype(dtype), RNG.normal(size=n_out).astype(dtype))
        for n_in, n_out in pairwise(widths)
    ]

    def network(x):
        for weight, bias in layers[:-1]:
            x = activation(tf.matmul(x, weight) + bias)
        return tf.matmul(x, layers[-1][0]) + layers[-1][1]

    return network


def keras(*widths, activation):
    """A Keras model between fixed scalings of its inputs and its output."""
    layers = [tf.keras.layers.Dense(width, activation, bias_initializer="random_normal") for width in widths[1:-1]]
    last = tf.keras.layers.Dense(widths[-1], bias_initializer="random_normal")
    model = tf.keras.Sequential([tf.keras.Input((widths[0],)), *layers, last])
    mean, deviation = np.array([1.0, -2.0, 0.5], np.float32), np.array([2.0, 0.5, 3.0], np.float32)
    return lambda x: 3.0 + 0.5 * model((x - mean) / deviation)


def main():
    tf.keras.utils.set_random_seed(0)
    networks = {
        "tanh": (mlp(3, 6, 5, 1, activation=tf.tanh), tf.float32, None),
        "relu": (mlp(3, 6, 2, activation=tf.nn.relu), tf.float32, None),
        "sigmoid": (mlp(3, 6, 1, activation=tf.sigmoid), tf.float32, None),
        "elu": (mlp(3, 6, 1, activation=tf.nn.elu), tf.float32, None),
        "softplus": (mlp(3, 6, 1, activation=tf.nn.softplus), tf.float32, None),
        "silu": (mlp(3, 6, 5, 1, activation=tf.nn.silu), tf.float32, None),
        "gelu": (mlp(3, 6, 1, activation=lambda z: 0.5 * z * (1.0 + tf.math.erf(z / np.sqrt(2.0)))), tf.float32, None),
        "gelu_tanh": (mlp(3, 6, 1, activation=lambda z: tf.nn.gelu(z, approximate=True)), tf.float32, None),
        "double": (mlp(3, 6, 1, activation=tf.tanh, dtype=np.float64), tf.float64, None),
        "fixed_batch": (mlp(3, 6, 1, activation=tf.nn.silu), tf.float32, 7),
        "keras_silu": (keras(3, 6, 5, 1, activation="silu"), tf.float32, None),
    }
    arrays = {}
    for name, (network, dtype, batch) in networks.items():
        x = tf.constant(RNG.normal(size=(7, 3)), dtype)
        arrays[f"{name}.x"], arrays[f"{name}.y"] = x.numpy(), np.asarray(network(x))
        signature = [tf.TensorSpec((batch, 3), dtype, name="x")]
        function = tf.function(lambda x, network=network: tf.identity(network(x), "y"))
        path = HERE / f"tensorflow_{name}.onnx"
        tf2onnx.convert.from_function(function, input_signature=signature, opset=18, output_path=str(path))
    np.savez_compressed(HERE / "tensorflow.npz", **arrays)


if __name__ == "__main__":
    main()
