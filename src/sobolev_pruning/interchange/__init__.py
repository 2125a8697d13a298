from .read.onnx import load_onnx as load_onnx
from .write.c import save_c as save_c
from .write.numpy import save_numpy as save_numpy
from .write.onnx import save_onnx as save_onnx
