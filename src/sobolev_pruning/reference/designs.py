"""Points of the unit cube that fill it more evenly than chance: scrambled Sobol points and Latin hypercubes."""

from functools import lru_cache
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from .._foundation.arrays import Points, PRNGKey
from .._foundation.errors import InputError

Design: TypeAlias = Literal["random", "sobol", "latin-hypercube"]
DESIGNS = ("random", "sobol", "latin-hypercube")

_BITS = 32
_SOBOL_BITS = 30
_REPLICATE_BITS = 16
_SOBOL_DIMENSIONS = 21_201


def check_design(design: str) -> None:
    """Raises `InputError` for a name that is none of `DESIGNS`."""
    if design not in DESIGNS:
        raise InputError(f"design is {design!r}; choose one of {', '.join(DESIGNS)}.")


def unit_points(design: Design, key: PRNGKey, n: int, d: int) -> Points:
    """`n` points of the open unit cube, each uniform by itself; usable inside compiled code.

    >>> points = unit_points("sobol", jax.random.key(0), 8, 2)
    >>> np.sort(np.floor(8 * points[:, 0])).astype(int).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    if design == "sobol":
        return scrambled_sobol(key, n, d)
    if design == "latin-hypercube":
        return latin_hypercube(key, n, d)
    return jax.random.uniform(key, (n, d), jnp.float64, minval=2.0**-53)


def latin_hypercube(key: PRNGKey, n: int, d: int) -> Points:
    """Every input in random order has one point in each of its `n` equal slices."""
    order_key, place_key = jax.random.split(key)
    slices = jax.random.permutation(order_key, jnp.tile(jnp.arange(n)[:, None], (1, d)), axis=0, independent=True)
    return (slices.astype(jnp.float64) + jax.random.uniform(place_key, (n, d), jnp.float64, minval=2.0**-53)) / n


def joint_points(design: Design, key: PRNGKey, n: int, d: int, m: int, replicate: Int[Array, ""] | int = 0):
    """`n` points `(n, d)` of the inputs and `(n, m)` of the noise, that fill the space of both together.

    Each `replicate` of one key has the same inputs and other noise. With Sobol points the noise of replicate `r` is
    that of replicate 0 with the digits of point `r` of another Sobol sequence added without carry: every replicate is a
    scrambled net with the inputs, and the replicates of one input are a net among themselves.
    """
    if design != "sobol":
        input_key, noise_key = jax.random.split(key)
        noise_key = replicate_key(noise_key, replicate)
        return unit_points(design, input_key, n, d), unit_points(design, noise_key, n, m)
    digits = _scrambled_digits(key, n, d + m)
    directions = _scrambled_directions(jax.random.fold_in(key, 1), _REPLICATE_BITS, m)
    shift = _exclusive_or(jnp.zeros((1, m), jnp.uint32), directions, jnp.asarray(replicate, jnp.uint32)[None])
    return _in_unit_cube(digits[:, :d]), _in_unit_cube(digits[:, d:] ^ shift)


def replicate_key(key: PRNGKey, replicate: Int[Array, ""] | int) -> PRNGKey:
    """The key of a replicate; replicate 0 has `key` itself."""
    return jnp.where(jnp.asarray(replicate) == 0, key, jax.random.fold_in(key, replicate))


def scrambled_sobol(key: PRNGKey, n: int, d: int) -> Points:
    """The first `n` Sobol points under a random linear matrix scramble and digital shift (Matousek 1998).

    A Sobol point is the exclusive or of direction numbers, one per bit of its index; scrambling multiplies each
    direction number by a random lower triangular binary matrix, so a new key costs no more than the points themselves.
    """
    return _in_unit_cube(_scrambled_digits(key, n, d))


def _scrambled_digits(key: PRNGKey, n: int, d: int) -> UInt32[Array, "n d"]:
    matrix_key, shift_key = jax.random.split(key)
    directions = _scrambled_directions(matrix_key, max(1, (n - 1).bit_length()), d)
    shift = jnp.broadcast_to(jax.random.bits(shift_key, (1, d), jnp.uint32), (n, d))
    return _exclusive_or(shift, directions, jnp.arange(n, dtype=jnp.uint32))


def _scrambled_directions(key: PRNGKey, bits: int, d: int) -> UInt32[Array, "bits d"]:
    if d > _SOBOL_DIMENSIONS:
        raise InputError(f"Sobol points exist for up to {_SOBOL_DIMENSIONS} variables, not {d}; use another design.")
    directions = jnp.asarray(_direction_numbers(bits, d))
    rows = jax.random.bits(key, (_BITS, 1, d), jnp.uint32)
    diagonal = (jnp.uint32(1) << jnp.arange(_BITS - 1, -1, -1, dtype=jnp.uint32))[:, None, None]
    rows = (rows & ~(diagonal | (diagonal - jnp.uint32(1)))) | diagonal
    parity = jax.lax.population_count(rows & directions[None]) & jnp.uint32(1)
    return jnp.sum(parity * diagonal, axis=0, dtype=jnp.uint32)


def _exclusive_or(
    points: UInt32[Array, "n d"], directions: UInt32[Array, "bits d"], index: UInt32[Array, "n"]
) -> UInt32[Array, "n d"]:
    for bit in range(len(directions)):
        chosen = ((index >> jnp.uint32(bit)) & jnp.uint32(1))[:, None]
        points = points ^ (chosen * directions[bit][None, :])
    return points


def _in_unit_cube(digits: UInt32[Array, "n d"]) -> Points:
    return (digits.astype(jnp.float64) + 0.5) * 2.0**-_BITS


@lru_cache(maxsize=16)
def _direction_numbers(bits: int, d: int) -> UInt32[np.ndarray, "bits d"]:
    """Direction numbers of Joe and Kuo, read off points: in Gray-code order point `2^(j+1) - 1` is number `j`."""
    from scipy.stats import qmc  # slow to import

    engine = qmc.Sobol(d, scramble=False, bits=_SOBOL_BITS)
    numbers = []
    for j in range(bits):
        engine.fast_forward(2 ** (j + 1) - 1 - engine.num_generated)
        point = engine.random(1)[0]
        numbers.append(np.round(point * 2.0**_SOBOL_BITS).astype(np.uint32) << np.uint32(_BITS - _SOBOL_BITS))
    return np.stack(numbers)
