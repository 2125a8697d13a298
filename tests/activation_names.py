"""The activations that tests run over."""

from sobolev_pruning.activations import ACTIVATIONS

FAMILY_MEMBERS = (
    "leaky_relu(0.01)",
    "leaky_relu(-0.5)",
    "elu(0.5)",
    "clip(-0.7, 2.0)",
    "softplus(2.0)",
    "swish(1.702)",
    "tanh(1.7159, 0.6667)",
)
EVERY = (*ACTIVATIONS, *FAMILY_MEMBERS)

REPRESENTATIVE = ("silu", "softplus", "tanh", "gelu", "gelu_tanh", "elu", "relu", "hard_swish")
"""For what compiles long: of every kind of smoothness, with and without own functions."""
