"""A heat pump's efficiency, learnt in PyTorch, to a small network inside an FMU (`pip install torch`; a minute)."""

from dataclasses import replace

import jax
import numpy as np
import torch

jax.config.update("jax_enable_x64", True)
import sobolev_pruning as sp  # noqa: E402  (float64 comes first)
from sobolev_pruning.surrogate import Scaling  # noqa: E402

INPUTS = ["T_outside [degC]", "T_supply [degC]", "speed"]
LOWER, UPPER = np.array([-15.0, 30.0, 0.3]), np.array([15.0, 55.0, 1.0])


def efficiency(x: torch.Tensor) -> torch.Tensor:
    """What stands for measurements: a part of Carnot's, largest at a middle speed."""
    outside, supply, speed = x.T
    return 0.45 * (supply + 273.15) / (supply - outside + 8.0) * (1.0 - 0.6 * (speed - 0.55) ** 2)


# As in many a project: inputs scaled to -1 ... 1 and outputs to spread 1, outside of the network.
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
centre, half = torch.tensor((LOWER + UPPER) / 2), torch.tensor((UPPER - LOWER) / 2)
scaled = 2.0 * torch.rand(2000, 3) - 1.0
cop = efficiency(centre + half * scaled)
mean, spread = cop.mean(), cop.std()
model = torch.nn.Sequential(
    torch.nn.Linear(3, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
)
optimiser = torch.optim.LBFGS(model.parameters(), max_iter=500, line_search_fn="strong_wolfe")


def loss() -> torch.Tensor:
    optimiser.zero_grad()
    error = torch.mean((model(scaled)[:, 0] - (cop - mean) / spread) ** 2)
    error.backward()
    return error


optimiser.step(loss)

# The scaling goes inside, and with it the names and the range.
state = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
scaling = Scaling(*(jax.numpy.asarray(np.atleast_1d(part.tolist())) for part in (centre, half, mean, spread)))
box = jax.numpy.asarray(LOWER), jax.numpy.asarray(UPPER)
network = sp.from_torch_state(state, "tanh")
network = replace(network, scaling=scaling, training_range=box, inputs=INPUTS, outputs=["COP"])
print(f"From PyTorch: {'-'.join(map(str, network.widths))}, {network.n_parameters:,} parameters.")

found = sp.shrink(network, tolerance=sp.Tolerance(value=0.9999, delta=0.999), box=box, pairs=20_000, progress=True)
small = replace(found.surrogate, training_range=box)  # rounder than the range of the points it learnt from
print(f"Shrunk: {'-'.join(map(str, small.widths))}, {small.n_parameters} parameters;")
reached = {name: round(r2, 6) for name, r2 in found.verified.figures("r2").items() if r2 is not None}
print("R2 against the network of PyTorch:", reached)

sp.save_fmu(small, "heat_pump.fmu")
print("Wrote heat_pump.fmu, with units, ranges and directional derivatives.")
