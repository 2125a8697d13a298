"""The parts a certificate stands on: coordinates, cells, enclosures at points, eigenvalues of interval matrices."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning.certificates.coordinates import Subboxes, coordinates_for
from sobolev_pruning.certificates.maps import mapped
from sobolev_pruning.certificates.quantities import Part, Quantities
from sobolev_pruning.certificates.semidefinite import Metric, negative_curvature, smallest_eigenvalue
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC

SHAPES = [(5, 1, 1), (5, 2, 1), (5, 3, 1), (3, 4, 1), (5, 6, 1)]
LOWER, UPPER = 2.0, 4.5


@functools.cache
def coordinates_of(widths):
    model = mapped(surrogate_of_shape(list(widths), "silu", True))
    d = widths[0]
    # One input without width, where the box is flat.
    upper = np.full(d, UPPER)
    upper[0] = LOWER
    return model, coordinates_for([model], np.full(d, LOWER), upper)


def points_for(coordinates, n):
    xi = np.clip(np.random.default_rng(1).uniform(-2, 2, (n, len(coordinates.lower))), -1, 1)
    return np.clip(coordinates.centre + coordinates.half * xi, coordinates.lower, coordinates.upper)


@pytest.mark.parametrize("widths", SHAPES, ids=str)
def test_the_maps_in_the_coordinates_are_those_of_the_inputs(widths):
    model, coordinates = coordinates_of(widths)
    assert coordinates.exact == (min(widths[:2]) <= 3)
    points = points_for(coordinates, 50)
    xi = coordinates.scaled(points)
    y = xi @ coordinates.directions
    z = y @ coordinates.along[0].T + xi @ coordinates.across[0].T
    error = points @ np.asarray(model.matrix.mid()).T + np.asarray(model.offset.mid()) - z
    e = coordinates.remainder[0]
    slack = ALGEBRAIC * np.abs(z).max()
    assert ((np.asarray(e.lower) - slack <= error) & (error <= np.asarray(e.upper) + slack)).all()
    assert (np.asarray(e.wid()) <= 100 * slack).all()


@pytest.mark.parametrize("widths", SHAPES, ids=str)
def test_a_cell_that_holds_a_point_of_the_box_is_kept_with_the_point(widths):
    _, coordinates = coordinates_of(widths)
    points = points_for(coordinates, 400)
    exact = coordinates.cells_of(points)
    rng = np.random.default_rng(2)
    for size in (0.01, 0.3):
        below, above = size * rng.uniform(size=(2, *exact.lower.shape))
        cells, alive = coordinates.narrowed(Subboxes(exact.lower - below, exact.upper + above))
        assert alive.all()
        middle = 0.5 * (exact.lower + exact.upper)
        assert (cells.lower <= middle + ALGEBRAIC).all() and (middle - ALGEBRAIC <= cells.upper).all()


@pytest.mark.parametrize("widths", SHAPES[:3], ids=str)
def test_cells_beyond_the_box_are_dropped(widths):
    """Of a fine grid about the image of the box, exactly the cells that no point comes near."""
    _, coordinates = coordinates_of(widths)
    root, r = coordinates.root(), coordinates.rank
    n = {1: 200, 2: 40, 3: 16}[r]
    step = 2.4 * root.upper[0] / n
    corners = np.stack(np.meshgrid(*[np.arange(n)] * r, indexing="ij"), axis=-1).reshape(-1, r)
    cells = Subboxes(-1.2 * root.upper + corners * step, -1.2 * root.upper + (corners + 1) * step)
    kept = coordinates.narrowed(cells)[1]
    xi = np.random.default_rng(3).uniform(-1, 1, (200_000, 5)) * np.array([0.0, 1, 1, 1, 1])
    ends = np.clip(2 * xi, -1, 1) @ coordinates.directions
    hit = {tuple(row) for row in np.floor((ends + 1.2 * root.upper) / step).astype(int).tolist()}
    kept_set = {tuple(row) for row in corners[kept].tolist()}
    assert hit <= kept_set
    assert len(kept_set) < len(cells) * (1.0 if r == 1 else 0.9)


@pytest.mark.parametrize(
    "widths, difference",
    [([5, 1, 1], False), ([5, 2, 1], True), ([5, 2, 1], False), ([5, 6, 1], False)],
    ids=["interval", "mean", "affine of few coordinates", "affine of all inputs"],
)
def test_enclosures_at_points_are_the_values(widths, difference):
    networks = [surrogate_of_shape(widths, "silu", True), surrogate_of_shape([5, 1, 1], "tanh", True, seed=4)]
    models = [mapped(network) for network in networks[: 1 + difference]]
    coordinates = coordinates_for(models, np.full(5, LOWER), np.full(5, UPPER))
    quantities = Quantities(models, coordinates, [Part("value", difference=difference)], order=0)
    assert quantities.method == ("mean value" if difference else "interval" if widths[1] == 1 else "affine")
    points = points_for(coordinates, 20)
    bounds = quantities.enclose_points(points)
    value = np.asarray(networks[0].value(points))
    if difference:
        value = value - np.asarray(networks[1].value(points))
    assert (np.abs(bounds.lower[:, 0] - value) <= ALGEBRAIC).all() and (
        np.abs(bounds.upper[:, 0] - value) <= ALGEBRAIC
    ).all()
    np.testing.assert_allclose(quantities.at(points)[:, 0], value, atol=ALGEBRAIC)


@pytest.mark.parametrize("m", [1, 3, 6])
def test_the_smallest_eigenvalue_is_below_that_of_every_matrix_inside(m):
    rng = np.random.default_rng(m)
    middle = rng.normal(size=(40, 1, m, m))
    middle = middle + np.swapaxes(middle, -1, -2)
    for radius in (0.0, 1e-6, 0.1):
        bound = smallest_eigenvalue(middle - radius, middle + radius, Metric(None, 0.0))
        signs = np.sign(rng.normal(size=(200, *middle.shape)))
        inside = middle + radius * np.tril(signs) + radius * np.swapaxes(np.tril(signs, -1), -1, -2)
        smallest = np.linalg.eigvalsh(inside)[..., 0].min(axis=0)
        assert (bound <= smallest + ALGEBRAIC).all()
        assert (bound >= np.linalg.eigvalsh(middle)[..., 0] - m * (m + 1) * radius - ALGEBRAIC).all()
    unknown = np.full((1, 1, m, m), np.inf)
    assert smallest_eigenvalue(-unknown, unknown, Metric(None, 0.0))[0, 0] == -np.inf


def test_a_reduced_metric_reports_in_units_of_the_inputs():
    """`H_x = A' H_z A`: the bound in t may differ from the eigenvalue in x by the deviation alone."""
    model = mapped(surrogate_of_shape([5, 2, 1], "silu", True))
    metric = Metric.of(model, reduced=True)
    assert metric.factor is not None and metric.deviation < ALGEBRAIC
    z = jnp.array([0.3, -0.4])
    inner, outer = np.asarray(metric.hessian(model, z)), np.asarray(model.hessian(z))
    bound = smallest_eigenvalue(inner[None], inner[None], metric)[0, 0]
    smallest = np.linalg.eigvalsh(outer)[0, 0]
    assert bound <= smallest + ALGEBRAIC and abs(bound - min(smallest, 0.0)) <= ALGEBRAIC
    negative = -inner - np.eye(2)
    assert abs(negative_curvature(negative[0], negative[0], metric) - np.linalg.eigvalsh(negative)[0, 0]) <= ALGEBRAIC
