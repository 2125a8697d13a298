from .c_out import save_c as save_c
from .numpy_out import save_numpy as save_numpy
from .onnx_in import load_onnx as load_onnx
from .onnx_out import save_onnx as save_onnx
