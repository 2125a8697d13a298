"""Whether to integrate a direction of the noise, which one and how: chosen by a pilot."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import PRNGKey
from .._foundation.precision import require_float64
from .differences import line_stencil
from .model import AbstractReference
from .pathwise import value_and_jacobian
from .piecewise import n_switching_places
from .quiet import QuietReference
from .switches import UnknownSwitchesError, switches

MOST_NOISE = 2048
"""Most variables of the noise of a path: directions are eigenvectors of a matrix of that size."""

MOST_PLACES = 12
"""Most switches along the direction for which pieces are worth their integration."""

LEAST_GAIN = 1.5
"""A direction is integrated if the variance of values or of slopes falls by this factor and neither rises."""

_SEED = 20_18
_GRADIENTS = 1024
_STEIN_POINTS, _STEIN_PATHS = 64, 1024
_PLACES_PATHS = 1024
_POINTS, _PATHS, _PATHS_AT_ONCE = 8, 512, 128
_SIGNIFICANT, _NEGLIGIBLE = 5.0, 2e-3


class PreIntegration(eqx.Module):
    """What a pilot found about one direction of the noise of a reference.

    - `way`: "pieces", where the pieces of the simulation along the direction are known and integrated one by one;
      "points", where the mean is one over randomly shifted points; "none", where it does not pay or cannot be done, for
      the `reason` given.
    - `direction`: `(m,)`, among the standard normal variables that make the noise of a path. `share`: the part of the
      second moment of the label's slopes in the noise that lies along it.
    - `order`: up to which order the derivatives of quiet labels are those of their mean.
    - `ratios`: the variance of plain labels at fixed inputs over that of quiet ones, for value, delta and gamma.
      Plain gamma is the central difference of gradients with common noise.
    """

    way: Literal["pieces", "points", "none"]
    reason: str
    direction: Float[np.ndarray, "m"] | None = None
    share: float | None = None
    order: int = 1
    ratios: dict[str, float] | None = None


def quiet(model) -> AbstractReference:
    """`model` with one direction of its noise integrated in every label, or `model` itself where that does not pay.

        label(x, w) = E_t[v(x, a t + w)],   t standard normal, w the rest of the noise, orthogonal to a

    has the mean of `v` and less variance, and no kink or jump where `v` has one along `a`. The direction `a` is the
    principal axis of the second moment of the label's slopes in its noise (active subspace), the other axes become the
    coordinates of Sobol points in the order of their eigenvalues. A pilot with a key of its own, so that what is
    sampled later stays unbiased, tells how the mean is taken, which derivatives of it are valid and what it gains: see
    `PreIntegration`, the result's `record`. Liu and Owen 2023; Griewank, Kuo, Leoevey and Sloan 2018. Derivation:
    docs/derivations/quiet-labels.md.

    For noise made of normal or uniform variables, whatever the simulation does with it.

    >>> from sobolev_pruning.reference import black_scholes, payoffs
    >>> worst = black_scholes(payoffs.worst_of_call, inputs={"spot": (80, 120)}, assets=2, correlation=0.5)
    >>> model = quiet(worst)
    >>> model.record.way, model.record.order
    ('pieces', 2)
    >>> model.sample(jax.random.key(0), 64, order=2, paths=4).hvp.shape
    (64, 1, 2)
    """
    return pre_integrated(model)[0]


def pre_integrated(model) -> tuple[AbstractReference, PreIntegration]:
    """The reference that `quiet` gives, and the record that says why."""
    require_float64("quiet")
    m = model.noise_law.size
    if not m:
        return model, PreIntegration("none", "the noise is not made of normal or uniform variables")
    if m > MOST_NOISE:
        return model, PreIntegration("none", f"the noise of a path has {m} variables, more than {MOST_NOISE}")
    keys = jax.random.split(jax.random.key(_SEED), 3)
    moment, trusted = _noise_moment(model, keys[0])
    if not trusted:
        moment = _jump_moment(model, keys[0])
    eigenvalues, vectors = np.linalg.eigh(np.asarray(moment))
    if not eigenvalues[-1] > 0:
        return model, PreIntegration("none", "the labels do not depend on the noise")
    rotation = jnp.asarray(vectors[:, ::-1])
    found = {"direction": vectors[:, -1], "share": float(eigenvalues[-1] / eigenvalues.sum())}
    most = _most_places(model, rotation, keys[1])
    for tried in dict.fromkeys((most, None)):
        candidate = QuietReference(model, rotation, tried, order=2 if tried is not None else 1)
        quiet_labels = _study(candidate, candidate.label_order, keys[2])
        if quiet_labels.order > 0:
            break
    else:
        return model, PreIntegration("none", "slopes of integrated labels are not those of their mean", **found)
    plain = _study(model, 1, keys[2])
    ratios = {name: _ratio(noise, quiet_labels.noise[name]) for name, noise in plain.noise.items()}
    found |= {"order": quiet_labels.order, "ratios": ratios}
    gains = [ratios["value"], ratios["delta"]]
    if not (max(gains) >= LEAST_GAIN and min(gains) >= 1.0):
        return model, PreIntegration("none", "the variance of labels does not fall enough", **found)
    reason = f"the variance of values falls by {ratios['value']:.3g}, that of slopes by {ratios['delta']:.3g}"
    way = "points" if tried is None else "pieces"
    record = PreIntegration(way, reason, **found)
    return QuietReference(model, rotation, tried, quiet_labels.order, record), record


def _one_path(model):
    return lambda x, z: model.simulate(x, model.noise_law.from_normal(z)).reshape(-1)


@eqx.filter_jit
def _noise_moment(model, key: PRNGKey):
    """Second moment of the slopes in the noise, outputs in units of their spread, and whether they tell of all noise.

    For what is continuous in the noise the variance is at most the trace (Poincare's inequality for the normal law):
    where it is more, jumps make it, which slopes do not see.
    """
    m, one_path = model.noise_law.size, _one_path(model)
    input_key, *noise_keys = jax.random.split(key, 3)
    x = model.training_inputs(input_key, _GRADIENTS)
    z, other = (jax.random.normal(each, (_GRADIENTS, m), jnp.float64) for each in noise_keys)
    values, slopes = jax.vmap(lambda x, z: value_and_jacobian(lambda z: one_path(x, z), z))(x, z)
    spread = _spread(values)
    slopes = jnp.where(jnp.isfinite(slopes), slopes, 0.0) / spread[None, :, None]
    moment = jnp.einsum("nka,nkb->ab", slopes, slopes) / _GRADIENTS
    noise = 0.5 * jnp.mean(jnp.sum(((values - jax.vmap(one_path)(x, other)) / spread[None, :]) ** 2, axis=1))
    return moment, jnp.trace(moment) >= noise


@eqx.filter_jit
def _jump_moment(model, key: PRNGKey) -> Float[Array, "m m"]:
    """Second moment of the slopes of the mean in a shift of the noise, `E_z[v(x, z) z]` (Stein's identity)."""
    m, one_path = model.noise_law.size, _one_path(model)
    input_key, noise_key = jax.random.split(key)
    x = model.training_inputs(input_key, _STEIN_POINTS)
    z = jax.random.normal(noise_key, (_STEIN_PATHS, m), jnp.float64)

    def shift_slopes(x):
        values = jax.vmap(lambda z: 0.5 * (one_path(x, z) - one_path(x, -z)))(z)
        return values.T @ z / _STEIN_PATHS

    slopes = jax.lax.map(shift_slopes, x)
    return jnp.einsum("nka,nkb->ab", slopes, slopes)


def _spread(values: Float[Array, "n k"]) -> Float[Array, "k"]:
    spread = jnp.std(values, axis=0)
    return jnp.where(spread > 0.0, spread, 1.0)


def _most_places(model, rotation: Float[Array, "m m"], key: PRNGKey) -> int | None:
    """How many switches to allow for, one more than in any path of a pilot; None where not known or too many."""
    try:
        places = int(_count_places(model, rotation, key))
    except UnknownSwitchesError:
        return None
    return None if places > MOST_PLACES else places + (places > 0)


@eqx.filter_jit
def _count_places(model, rotation, key: PRNGKey):
    one_path = _one_path(model)
    input_key, noise_key = jax.random.split(key)
    x = model.training_inputs(input_key, _PLACES_PATHS)
    rest = jax.random.normal(noise_key, (_PLACES_PATHS, len(rotation) - 1), jnp.float64) @ rotation[:, 1:].T

    def count(given):
        x, rest = given
        along = lambda t: one_path(x, rest + t * rotation[:, 0])  # noqa: E731
        return n_switching_places(lambda x, t: switches(along, t), x)

    return jnp.max(jax.lax.map(count, (x, rest), batch_size=128))


class _Study(NamedTuple):
    """Up to which order derivatives of labels are valid, and variances of value, delta and gamma at fixed inputs."""

    order: int
    noise: dict[str, float]


def _study(reference: AbstractReference, order: int, key: PRNGKey) -> _Study:
    """How far derivatives of labels have the mean that differences of labels have, and how noisy they are.

    Along lines through points of the box, by five-point differences on the same paths, as in
    `differences.missing_mass`: a derivative is valid where the mean of `differences - derivative` is at most 5 standard
    errors, twice what halving the step moves it and a part in 500 of what it is. The second one is taken to be valid
    only where along `gamma_direction`, or the diagonal of the box, these are together at most half of what it is, so
    that the test can tell.
    """
    split = lambda a: np.asarray(a).reshape(_POINTS, 2, *a.shape[1:])  # noqa: E731
    means, stderr, noise = jax.tree.map(split, _along_lines(reference, order, key))
    missing, moved, size = means
    # All have the axes point, line, order, output.
    size = np.sqrt(np.mean(size**2, axis=(0, 1), keepdims=True))
    limit = _SIGNIFICANT * stderr + 2.0 * np.abs(moved) + _NEGLIGIBLE * size
    holds = (np.abs(missing) <= limit).all(axis=(0, 1, 3))
    tells = np.sqrt(np.mean(limit[:, 0] ** 2, axis=0)) <= 0.5 * size[0, 0]
    valid = 0 if not holds[0] else 1 if order < 2 or not (holds[1] and tells[1].all()) else 2
    values, by_differences, derivatives = (each.sum(axis=(0, 3)) for each in noise)  # [line, order]
    slopes = by_differences if valid == 0 else derivatives
    gammas = derivatives if valid == 2 else by_differences
    return _Study(valid, {"value": values[1, 0], "delta": slopes[1, 0], "gamma": gammas[0, 1] if valid else np.inf})


@eqx.filter_jit
def _along_lines(reference: AbstractReference, order: int, key: PRNGKey):
    """Along `gamma_direction` (the diagonal without one), and from corner to corner of the box, per point, line, order
    and output:

    the means of differences less derivative, of what half the step moves it, and of the differences; the standard error
    of the first; variances of labels and slopes, of their differences and of their derivatives.
    """
    point_key, sign_key, noise_key = jax.random.split(key, 3)
    lower, upper = reference.box
    points = reference.test_points(point_key, _POINTS)
    direction = upper - lower if reference.gamma_direction is None else reference.gamma_direction
    reach = 1.0 / jnp.max(jnp.abs(direction) / (upper - lower))
    signs = jax.random.rademacher(sign_key, points.shape, jnp.float64)
    z = reference.noise(noise_key, _PATHS)

    def one_path(x, u, z):
        def label_and_slope(s):
            label = lambda s: reference.label(x + s * u, z).reshape(-1)  # noqa: E731
            return jnp.stack(jax.jvp(label, (s,), (jnp.ones(()),)))

        steps, weights, halved = line_stencil(x, u, lower, upper)
        values = jax.lax.map(label_and_slope, steps)
        whole, half = jnp.tensordot(weights, values, (0, 0)), jnp.tensordot(halved, values, (0, 0))
        if order == 2:
            here, derivative = jax.jvp(label_and_slope, (jnp.zeros(()),), (jnp.ones(()),))
        else:
            here = label_and_slope(jnp.zeros(()))
            derivative = jnp.stack([here[1], whole[1]])
        return whole - derivative, whole - half, whole, here, derivative

    def one(given):
        x, u = given
        found = jax.lax.map(lambda z: one_path(x, u, z), z, batch_size=_PATHS_AT_ONCE)
        off, moved, whole, here, derivative = found
        means = tuple(jnp.mean(each, axis=0) for each in (off, moved, whole))
        variances = tuple(jnp.var(each, axis=0) for each in (here, whole, derivative))
        return means, jnp.std(off, axis=0, ddof=1) / np.sqrt(_PATHS), variances

    parallel = jnp.broadcast_to(reach * direction[None, :], points.shape)
    lines = jnp.stack([parallel, signs * (upper - lower)[None, :]], axis=1)
    return jax.lax.map(one, (jnp.repeat(points, 2, axis=0), lines.reshape(-1, points.shape[1])))


def _ratio(plain: float, quiet_labels: float) -> float:
    """Of variances; infinite where the second is rounding."""
    return float(plain / quiet_labels) if quiet_labels > 1e-20 * plain else np.inf
