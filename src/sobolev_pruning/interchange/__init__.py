from .onnx_out import save_onnx as save_onnx
