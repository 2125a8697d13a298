"""The explorer: what it says is what Python says, what it calls proved holds, and the page works in a browser."""

import json
import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from browser import browser, faults, needs_browser
from command_line import call
from sobolev_pruning import InputError, Samples, Surrogate
from sobolev_pruning._foundation.variables import Variable
from sobolev_pruning.exploring import TrueSlice, explorer_page, explorer_part, page_around
from sobolev_pruning.exploring.proved import proved_parts
from sobolev_pruning.surrogate import ErrorBars
from tolerances import EXPORT_FLOAT64

LOWER, UPPER = np.array([0.5, -1.0, 2.0]), np.array([1.5, 1.0, 2.5])


def network(widths, seed=0, names=None):
    """A random network over the box, its range known."""
    random = np.random.default_rng(seed)
    d = widths[0]
    lower, upper = np.resize(LOWER, d), np.resize(UPPER, d)
    y = random.normal(size=50) if widths[-1] == 1 else random.normal(size=(50, widths[-1]))
    samples = Samples(lower + (upper - lower) * random.random((50, d)), y)
    made = Surrogate.create(widths, samples, key=jax.random.key(seed))
    names = [Variable(f"in {i}", "m") for i in range(d)] if names is None else names
    return replace(made, training_range=(jnp.asarray(lower), jnp.asarray(upper)), inputs=names)


def of_each_input(net):
    """`net` with a first layer that has a node for each input alone."""
    first = replace(net.layers[0], weight=3.0 * jnp.eye(net.widths[0]))
    return replace(net, layers=(first, *net.layers[1:]))


NETWORKS = {
    "cut along inputs": of_each_input(network([3, 3, 1])),
    "cut along combinations": network([5, 1, 3, 2], seed=1),
    "one input": network([1, 3, 1], seed=2),
}


_DIRECTIONS = 0.1 * np.random.default_rng(6).standard_normal((4, NETWORKS["cut along inputs"].n_parameters))
BARS = ErrorBars(NETWORKS["cut along inputs"], jnp.asarray(_DIRECTIONS), jnp.ones((2, 1)))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_proved_holds_at_points_of_every_part(name):
    net = NETWORKS[name]
    lower, upper = map(np.asarray, net.training_range)
    parts = proved_parts(net, lower, upper)
    assert (np.count_nonzero(parts.directions, axis=1) == 1).all() == (name != "cut along combinations")
    random = np.random.default_rng(3)
    corners = np.where(random.random((500, len(lower))) < 0.5, lower, upper)
    x = np.concatenate([lower + (upper - lower) * random.random((20_000, len(lower))), corners])
    part = np.zeros(len(x), dtype=int)
    for direction, edges in zip(parts.directions, parts.edges):
        part = part * (len(edges) - 1) + np.clip(np.searchsorted(edges, x @ direction) - 1, 0, len(edges) - 2)
    for (low, high), found in ((parts.value, net.value(x)), (parts.gradient, net.gradient(x))):
        found = np.asarray(found).reshape(len(x), *low.shape[1:])
        assert (low[part] <= found).all() and (found <= high[part]).all()
        spread = np.median(high[part] - low[part], axis=0)
        assert np.mean(spread / np.ptp(found, axis=0)) < 0.7  # and says more than the range over the box


def test_a_network_too_large_is_not_enclosed_and_its_page_refused():
    large = network([3, 120, 120, 1])
    assert proved_parts(large, LOWER, UPPER) is None
    with pytest.raises(InputError, match=r"parameters would take \d+ kB, more than 300; shrink or prune"):
        explorer_page(large, "large")


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        ({"training_range": None}, {}, "training range is not known; give the range to explore"),
        ({}, {"box": (LOWER, LOWER)}, "an input with no width"),
        ({}, {"rival": ("other.onnx", network([3, 4, 2]))}, "other.onnx has 3 inputs and 2 outputs"),
        (
            {},
            {"rival": ("other", network([3, 4, 1], names=[Variable(name) for name in "abc"]))},
            "those of other a, b, c; give those of its own model",
        ),
    ],
)
def test_what_cannot_be_explored_is_told(change, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        explorer_page(replace(NETWORKS["cut along inputs"], **change), "net", **arguments)


def test_the_command_writes_a_page(capsys, tmp_path):
    net = NETWORKS["cut along inputs"]
    net.save(tmp_path / "net.safetensors")
    answer = call(capsys, "explore", tmp_path / "net.safetensors", "-o", tmp_path / "page.html")
    assert answer.status == 0 and "open it in a browser" in answer.printed
    assert "in 2 [m]" in (tmp_path / "page.html").read_text() or '"in 2"' in (tmp_path / "page.html").read_text()


@pytest.fixture(scope="module")
def driver():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page with everything on it, one with one input, and one with many inputs and names that do not break."""
    folder = tmp_path_factory.mktemp("explorers")
    plain = NETWORKS["cut along inputs"]
    places = np.linspace(LOWER[0], UPPER[0], 5)
    heights = tuple(np.sin(places).tolist())
    full = explorer_part(
        plain,
        rival=("</script><b>rival", network([3, 2, 1], seed=4)),
        errors=[0.01],
        truth=("the truth", [TrueSlice(0, 0, tuple(places.tolist()), heights, heights)]),
    )
    (folder / "bars.html").write_text(explorer_page(BARS, "bars"), encoding="utf-8")
    (folder / "full.html").write_text(page_around(full, plain, "<full>"), encoding="utf-8")
    (folder / "one.html").write_text(explorer_page(NETWORKS["one input"], "one"), encoding="utf-8")
    endless = [Variable(f"{'endless' * 9}{i}", "unit" * 12) for i in range(20)]
    wide = explorer_page(network([20, 2, 2], names=endless), "endless" * 20)
    (folder / "many.html").write_text(wide, encoding="utf-8")
    return folder


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["full", "one", "many", "bars"])
def test_the_page_has_no_fault(driver, pages, name, width):
    assert faults(driver, pages / f"{name}.html", width, dark=width == 390) == []


@pytest.fixture
def full(driver, pages):
    driver.get("about:blank")
    driver.get((pages / "full.html").as_uri())
    return driver


def settled(driver, script: str):
    """What `script` gives once drawing has come to rest."""
    time.sleep(0.35)
    return driver.execute_script(script)


@needs_browser
def test_values_and_slopes_are_those_of_python(full):
    net = NETWORKS["cut along inputs"]
    x = LOWER + (UPPER - LOWER) * np.random.default_rng(5).random((1000, 3))
    found = full.execute_script(
        "return arguments[0].map(x => [explorer.network.value(x), ...explorer.network.gradient(x)])", x.tolist()
    )
    expected = np.column_stack([net.value(x), net.gradient(x)])
    assert np.abs(np.array(found) - expected).max() <= EXPORT_FLOAT64["gradient"] * np.abs(expected).max()


@needs_browser
def test_what_is_shown_is_that_of_the_point(full):
    net = NETWORKS["cut along inputs"]
    point = [0.75, 0.5, 2.25]
    full.execute_script("explorer.set(arguments[0])", point)
    shown = settled(full, "return document.getElementById('explorer').innerText")
    value, slopes = float(net.value([point])[0]), np.asarray(net.gradient([point]))[0]
    for number in (value, *slopes):
        assert f"{number:.6g}"[:7].replace("-", "\u2212") in shown
    assert "</script><b>rival:" in shown and "typical error 0.01" in shown
    low, high = (float(end.replace("\u2212", "-")) for end in shown.split("proved: between ")[1].split()[0:3:2])
    assert low <= value <= high
    assert "At the edge" not in shown and "Outside" not in shown


@needs_browser
def test_error_bars_are_those_of_python(driver, pages):
    point = np.array([[0.75, 0.5, 2.25]])
    driver.get((pages / "bars.html").as_uri())
    driver.execute_script("explorer.set(arguments[0])", point[0].tolist())
    cells = settled(
        driver,
        "return [...document.querySelectorAll('#explorer table')].map(table => [...table.rows].map(row =>"
        " [...row.cells].map(cell => cell.innerText)))",
    )
    (slopes,) = (table for table in cells if table[0][:2] == ["Input", "Slope"])
    place = next(i for i, head in enumerate(slopes[0]) if head.startswith("±"))
    shown = [float(row[place].lstrip("±").strip()) for row in slopes[1:4]]
    np.testing.assert_allclose(shown, 1.645 * np.asarray(BARS.gradient(point))[0], rtol=2e-2)
    drawn = driver.execute_script("return document.querySelectorAll('#explorer svg path[opacity]').length")
    assert drawn > 0 and "error bars, 90%" in driver.execute_script("return document.body.innerText")


@needs_browser
def test_the_edge_and_what_lies_beyond_are_told(full):
    full.execute_script("explorer.set([1.5, 0, 2.25])")
    assert "At the edge of its range: in 0." in settled(full, "return document.getElementById('explorer').innerText")
    field = full.find_element("css selector", "#explorer input[type=number]")
    field.clear()
    field.send_keys("1.75")
    shown = settled(full, "return document.getElementById('explorer').innerText")
    assert "Outside of its range: in 0." in shown and "proved: between" not in shown


@needs_browser
def test_a_link_a_row_and_a_line_hold_the_point(full, pages):
    full.execute_script("explorer.set([0.6, 0.25, 2.125]); explorer.state.shown = 'slope 1'")
    link, csv, line = full.execute_script("return ['link', 'csv', 'python'].map(way => explorer.ways[way]())")
    names, numbers = csv.splitlines()
    assert names.split(",")[:5] == ["in 0", "in 1", "in 2", "y", "dy/din 0"]
    net = NETWORKS["cut along inputs"]
    expected = [0.6, 0.25, 2.125, float(net.value([[0.6, 0.25, 2.125]])[0])]
    assert np.allclose([float(number) for number in numbers.split(",")][:4], expected, rtol=1e-12)
    assert line.startswith("network.value([[0.6, 0.25, 2.125]])")
    full.get("about:blank")
    full.get(link)
    state = settled(full, "return [explorer.state.x, explorer.state.shown, explorer.state.output]")
    assert state == [[0.6, 0.25, 2.125], "slope 1", 0]


@needs_browser
def test_sliders_slices_and_the_map_move_the_point(full):
    from selenium.webdriver import ActionChains, Keys

    slider = full.find_element("css selector", "#explorer input[type=range]")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert settled(full, "return explorer.state.x[0]") == pytest.approx(1.001)
    canvas = full.find_element("id", "explorer-canvas")
    before = json.loads(full.execute_script("return JSON.stringify(explorer.state)"))
    canvas.send_keys(Keys.ARROW_UP)
    up = before["up"]
    moved = settled(full, "return explorer.state.x")
    assert moved[up] == pytest.approx(before["x"][up] + (UPPER - LOWER)[up] / 50)
    full.execute_script(
        "document.querySelectorAll('#explorer .plot')[2].scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    plot = full.find_elements("css selector", "#explorer .plot")[2]
    ActionChains(full).move_to_element_with_offset(plot, plot.size["width"] // 4, 0).click().perform()
    share = (settled(full, "return explorer.state.x[2]") - LOWER[2]) / (UPPER - LOWER)[2]
    assert share == pytest.approx(0.75, abs=0.03)


@needs_browser
def test_the_truth_is_drawn_only_where_the_other_inputs_are_in_the_middle(full):
    drawn = "return document.querySelector('#explorer .plot .truth').getAttribute('d')"
    assert settled(full, drawn).count("M") == 5
    full.execute_script("explorer.set([0.6, 0, 2.25])")
    assert settled(full, drawn).count("M") == 5
    full.execute_script("explorer.set([0.6, 0.5, 2.25])")
    assert settled(full, drawn) == ""
