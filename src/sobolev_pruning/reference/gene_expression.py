"""Gene expression by the chemical Langevin equation: messenger RNA and protein, with exact moments."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .designs import Design
from .from_function import FunctionReference, from_function
from .parameters import Parameters, choose_inputs


def gene_expression(
    *,
    inputs: Mapping[str, Sequence],
    steps: int = 100,
    transcription: float = 20.0,
    rna_decay: float = 1.0,
    translation: float = 10.0,
    protein_decay: float = 0.5,
    initial_rna: float = 5.0,
    initial_protein: float = 50.0,
    time: float = 2.0,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 65_536,
) -> FunctionReference:
    """Protein `P` at a `time`, and its second moment: two outputs, `P/100` and `(P/100)^2`.

    Four reactions, of messenger RNA `M` and protein: `M` is born at rate `transcription` and dies at `rna_decay M`,
    `P` is born at `translation M` and dies at `protein_decay P`. The chemical Langevin equation (Gillespie 2000)
    gives each reaction of rate `a` its own noise,

        dM = (transcription - rna_decay M) dt + sqrt(transcription) dW_1 - sqrt(rna_decay M) dW_2
        dP = (translation M - protein_decay P) dt + sqrt(translation M) dW_3 - sqrt(protein_decay P) dW_4

    in equal `steps` of Heun's method for the drift and Euler's for the noise (weak order 1 for the variance, 2 for
    the mean).

    The rates are linear, so the moments obey linear differential equations of their own, the same as those of the jump
    process; they are solved exactly by a matrix exponential.

    - `inputs`: ranges by name of the parameters that vary, any of the numbers above.

    >>> model = gene_expression(inputs={"transcription": (10, 30), "translation": (5, 15)}, time=60.0)
    >>> model.value([[20.0, 10.0]]).round(6).tolist()  # at rest P has mean 400 and variance 400 (1 + 10 / 1.5)
    [[4.0, 16.306667]]
    """
    values = {
        "transcription": transcription,
        "rna_decay": rna_decay,
        "translation": translation,
        "protein_decay": protein_decay,
        "initial_rna": initial_rna,
        "initial_protein": initial_protein,
        "time": time,
    }
    box, parameters, fixed = choose_inputs("gene_expression", values, inputs, positive=tuple(values))
    if steps < 1:
        raise InputError(f"gene_expression was asked for steps={steps}; give at least 1.")

    def simulate(x: Float[Array, "d"], z: Float[Array, "steps 4"]) -> Float[Array, "2"]:
        p = parameters(x)
        dt = p["time"] / steps

        def drift(rna, protein):
            return (
                p["transcription"] - p["rna_decay"] * rna,
                p["translation"] * rna - p["protein_decay"] * protein,
            )

        def step(state, z):
            rna, protein = state
            root = jnp.sqrt(dt)
            rna_noise = _root(p["transcription"]) * z[0] - _root(p["rna_decay"] * rna) * z[1]
            protein_noise = _root(p["translation"] * rna) * z[2] - _root(p["protein_decay"] * protein) * z[3]
            first = drift(rna, protein)
            ahead = rna + first[0] * dt + rna_noise * root, protein + first[1] * dt + protein_noise * root
            second = drift(*ahead)
            rna = rna + 0.5 * (first[0] + second[0]) * dt + rna_noise * root
            protein = protein + 0.5 * (first[1] + second[1]) * dt + protein_noise * root
            return (rna, protein), None

        (_, protein), _ = jax.lax.scan(step, (p["initial_rna"], p["initial_protein"]), z)
        scaled = protein / 100.0
        return jnp.stack([scaled, scaled**2])

    return from_function(
        simulate,
        inputs=box,
        noise=(steps, 4),
        exact=lambda x: _moments(parameters(x)),
        exact_source="moment equations",
        antithetic=antithetic,
        design=design,
        paths=paths,
        outputs=["protein [100 molecules]", "protein_squared [(100 molecules)^2]"],
        kind="protein number of a gene and its square",
        fixed={**fixed, "steps": steps},
    )


def _root(rate: Float[Array, ""]) -> Float[Array, ""]:
    """`sqrt(rate)`, 0 with slope 0 where noise has carried a number below 0."""
    positive = rate > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, rate, 1.0)), 0.0)


def _moments(p: Parameters) -> Float[Array, "2"]:
    """`E[P]/100` and `E[P^2]/100^2`, from `d/dt (1, E[M], E[P], E[M^2], E[MP], E[P^2]) = A (...)`."""
    k, g, c, h = p["transcription"], p["rna_decay"], p["translation"], p["protein_decay"]
    zero = jnp.zeros(())
    matrix = jnp.stack(
        [
            jnp.stack([zero, zero, zero, zero, zero, zero]),
            jnp.stack([k, -g, zero, zero, zero, zero]),
            jnp.stack([zero, c, -h, zero, zero, zero]),
            jnp.stack([k, 2.0 * k + g, zero, -2.0 * g, zero, zero]),
            jnp.stack([zero, zero, k, c, -(g + h), zero]),
            jnp.stack([zero, c, h, zero, 2.0 * c, -2.0 * h]),
        ]
    )
    rna, protein = p["initial_rna"], p["initial_protein"]
    start = jnp.stack([jnp.ones(()), rna, protein, rna**2, rna * protein, protein**2])
    moments = jax.scipy.linalg.expm(matrix * p["time"], max_squarings=32) @ start
    return jnp.stack([moments[2] / 100.0, moments[5] / 100.0**2])
