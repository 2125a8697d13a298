from .read.equinox import from_equinox as from_equinox
from .read.network_file import read_network as read_network
from .read.onnx import load_onnx as load_onnx
from .read.weights import from_keras_weights as from_keras_weights
from .read.weights import from_torch_state as from_torch_state
from .write.c import save_c as save_c
from .write.numpy import save_numpy as save_numpy
from .write.onnx import save_onnx as save_onnx
