"""Makes the `pytorch_*.onnx` files of this folder: feed-forward networks as PyTorch writes them.

Run in an environment of its own, as PyTorch is no dependency: `pip install torch==2.13.0 onnx==1.23.2
onnxscript==0.7.2`, then `python export_with_pytorch.py`. Inputs, and the outputs PyTorch gives for them, lie in
`pytorch.npz`.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

HERE = Path(__file__).parent


class Scaled(nn.Module):
    """A network between fixed affine scalings of its inputs and its output."""

    def __init__(self, network: nn.Module, d: int):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.linspace(-1.0, 2.0, d))
        self.register_buffer("deviation", torch.linspace(0.5, 3.0, d))

    def forward(self, x):
        return 4.0 + 0.25 * self.network((x - self.mean) / self.deviation)


class Functional(nn.Module):
    """SiLU in pieces, the weight on the left of the transposed batch, the output squeezed."""

    def __init__(self, d: int):
        super().__init__()
        self.first, self.last = nn.Linear(d, 6), nn.Linear(6, 1)

    def forward(self, x):
        z = self.first.weight @ x.T + self.first.bias[:, None]
        h = z / (1.0 + torch.exp(-z))
        return (self.last.weight @ h + self.last.bias[:, None]).T.squeeze(1)


def mlp(*widths: int, activation: type[nn.Module], **options) -> nn.Sequential:
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation(**options)]
    return nn.Sequential(*layers[:-1])


def without_stack_traces(path: Path):
    """Takes out what the exporter notes about the machine it ran on."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def main():
    torch.manual_seed(0)
    networks = {
        "silu": (mlp(3, 8, 8, 1, activation=nn.SiLU), {}),
        "tanh": (mlp(3, 8, 1, activation=nn.Tanh), {}),
        "relu": (mlp(2, 8, 4, 2, activation=nn.ReLU), {}),
        "sigmoid": (mlp(3, 5, 1, activation=nn.Sigmoid), {}),
        "softplus": (mlp(3, 5, 5, 1, activation=nn.Softplus), {}),
        "elu": (mlp(3, 5, 1, activation=nn.ELU), {}),
        "gelu": (mlp(3, 5, 5, 1, activation=nn.GELU), {}),
        "gelu_tanh": (mlp(3, 5, 1, activation=nn.GELU, approximate="tanh"), {}),
        "scaled": (Scaled(mlp(4, 6, 1, activation=nn.SiLU), 4), {}),
        "functional": (Functional(3), {}),
        "fixed_batch": (mlp(3, 8, 1, activation=nn.SiLU), {"fixed": True}),
        "double": (mlp(3, 8, 8, 1, activation=nn.GELU).double(), {}),
        "legacy_gelu": (mlp(3, 5, 1, activation=nn.GELU), {"legacy": True}),
        "legacy_silu": (mlp(3, 5, 5, 1, activation=nn.SiLU), {"legacy": True}),
        "legacy_functional": (Functional(3), {"legacy": True}),
        "linear": (nn.Linear(3, 2), {}),
        "narrow": (mlp(1, 1, 1, 1, activation=nn.Tanh), {}),
    }
    arrays = {}
    for name, (network, options) in networks.items():
        network.eval()
        parameter = next(network.parameters())
        d = parameter.shape[1]
        x = torch.randn(7, d, dtype=parameter.dtype)
        arrays[f"{name}.x"], arrays[f"{name}.y"] = x.numpy(), network(x).detach().numpy()
        kind = {"dynamo": False, "dynamic_axes": {"x": {0: "n"}}} if options.get("legacy") else {"dynamo": True}
        if not options.get("legacy") and not options.get("fixed"):
            kind["dynamic_shapes"] = ({0: torch.export.Dim("n")},)
        path = HERE / f"pytorch_{name}.onnx"
        torch.onnx.export(network, (x,), path, input_names=["x"], output_names=["y"], external_data=False, **kind)
        without_stack_traces(path)
    np.savez_compressed(HERE / "pytorch.npz", **arrays)


if __name__ == "__main__":
    main()
