"""Sources: what a function, a program, a server, a file or a network is taken for, and what they give to a run."""

import http.server
import json
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError, Samples
from sobolev_pruning.reference import Box, from_function
from sobolev_pruning.running import config_of
from sobolev_pruning.running.config import RunConfig
from sobolev_pruning.running.sources import Workers, opened, reference_of
from sobolev_pruning.running.sources.functions import kind_of
from sobolev_pruning.running.sources.text import name_of, source_table
from sobolev_pruning.sampling import write_samples
from tolerances import ALGEBRAIC

BOX = Box([0.5, 0.5], [1.5, 1.5], ("spot", "vol"))
RANGES = {"spot": (0.5, 1.5), "vol": (0.5, 1.5)}
FUNCTIONS = """
import numpy as np
import jax.numpy as jnp

def price(x, z):
    return x[0] * jnp.exp(0.1 * x[1] * z[2])

def counts(x, seed):
    return float(np.random.default_rng(seed).poisson(5.0 + x[0]))

def own(x, seed):
    noise = np.random.default_rng(seed).normal()
    return x[0] * x[1] + 0.1 * noise, np.array([x[1], x[0]])

def smooth(x, seed):
    return float(np.asarray(x)[0]) ** 2 + float(x[1])

def rows(points, seed):
    return np.asarray(points)[:, 0] * np.asarray(points)[:, 1]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "models.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("models", None)


def source_of(table: dict):
    return config_of(RunConfig, {"name": "a", "source": table}).source


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("samples.csv", "data"),
        ("a/b.parquet", "data"),
        ("net.onnx", "network"),
        ("net.safetensors", "network"),
        ("pricer:price", "function"),
        ("folder/pricer.py:price", "function"),
        ("command: ./pricer IN.csv OUT.csv", "program"),
        ("http://localhost:4242", "um-bridge"),
        ("gaussian-basket", "gaussian-basket"),
    ],
)
def test_a_text_tells_the_kind_of_its_source(text, kind):
    table = source_table(text)
    assert table["kind"] == kind
    config_of(
        RunConfig, {"name": name_of(table), "source": table | ({"box": RANGES} if "box" in _fields(kind) else {})}
    )


def _fields(kind: str) -> set[str]:
    return {"function": {"box"}, "program": {"box"}, "um-bridge": {"box"}}.get(kind, set())


def test_what_is_no_source_is_told_what_there_is():
    with pytest.raises(InputError, match=r"'nothing.txt' is no source: give a configuration|nothing.txt is no source"):
        source_table("nothing.txt")


@pytest.mark.parametrize(
    ("simulate", "size"),
    [
        (lambda x, z: x[0] * z[2], 3),  # JAX reads beyond the end of an array without a word
        (lambda x, z: x[0] + z[0] * z[1], 2),
        (lambda x, z: jnp.dot(x, z), 2),
        (lambda x, z: x[0] * z, 1),
    ],
)
def test_the_number_of_noise_variables_is_found_by_trying(simulate, size):
    kind = kind_of(simulate, "models:price", BOX, None, "normal")
    assert kind.reference.noise_law.size == size


def test_a_function_is_told_by_its_second_argument():
    def keyed(x, key):
        return x[0] + jax.random.normal(key, (), jnp.float64)

    def seeded(x, seed):
        return float(x[0])

    def numpy_only(x):
        return float(np.maximum(x[0], 0.0))

    def exact(x):
        return x[0] * x[1]

    def any_number(x, z):
        return x[0] * jnp.sum(z)

    assert kind_of(keyed, "m:f", BOX, None, "normal").reference is not None
    assert kind_of(seeded, "m:f", BOX, None, "normal").takes_seed
    assert kind_of(numpy_only, "m:f", BOX, None, "normal").reference is None
    reference = kind_of(exact, "m:f", BOX, None, "normal").reference
    assert reference.truth(np.ones((1, 2))).value_stderr is None
    with pytest.raises(InputError, match="takes any number of noise variables; say how many"):
        kind_of(any_number, "m:f", BOX, None, "normal")
    assert kind_of(any_number, "m:f", BOX, 12, "uniform").reference.noise_law.size == 12
    made = from_function(lambda x, z: x[0] + z[0], inputs=BOX, noise=1)
    assert kind_of(lambda: made, "m:f", None, None, "normal").reference is made
    with pytest.raises(InputError, match="needs a range for each input"):
        kind_of(seeded, "m:f", None, None, "normal")
    with pytest.raises(InputError, match="has a box of its own"):
        kind_of(made, "m:f", BOX, None, "normal")
    with pytest.raises(InputError, match="m:f gives a float; let it return a reference"):
        kind_of(lambda: 1.0, "m:f", None, None, "normal")


def test_a_function_in_a_file_is_found_there(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "elsewhere.py").write_text("def price(x, z):\n    return x[0] * z[0]\n")
    config = source_of({"kind": "function", "function": "deep/elsewhere.py:price", "box": RANGES})
    assert [each.name for each in reference_of(config, 0).inputs] == ["spot", "vol"]
    with pytest.raises(InputError, match=r"there is no file deep/nowhere.py"):
        reference_of(config.model_copy(update={"function": "deep/nowhere.py:price"}), 0)


@pytest.mark.parametrize(
    ("name", "order", "noisy"), [("counts", 0, True), ("own", 1, True), ("smooth", 1, False)], ids=str
)
def test_a_simulator_outside_jax_tells_its_derivatives_and_its_noise(folder, name, order, noisy):
    config = source_of({"kind": "function", "function": f"models:{name}", "box": RANGES})
    with opened(config, 0, jax.random.key(0), Workers(1)) as source:
        source.prepare(folder / "calls")
        assert (source.order, source.noisy) == (order, noisy)
        samples = source.draw(jax.random.key(1), 64, order)
        assert len(samples) == 64 and (samples.dydx is not None) == bool(order)
        assert [each.name for each in samples.inputs] == ["spot", "vol"]
        again = source.draw(jax.random.key(1), 64, order)
        np.testing.assert_array_equal(samples.y, again.y)
        if name == "smooth":
            expected = np.stack([2.0 * np.asarray(samples.x)[:, 0], np.ones(64)], axis=1)
            np.testing.assert_allclose(samples.dydx, expected, atol=1e-4)


def test_test_points_of_a_noisy_simulator_have_standard_errors(folder, monkeypatch):
    monkeypatch.setattr("sobolev_pruning.running.sources.call_source.MOST_TESTED", 32)
    config = source_of({"kind": "function", "function": "models:own", "box": RANGES, "outputs": ["payoff"]})
    with opened(config, 0, jax.random.key(0), Workers(1)) as source:
        source.prepare(folder / "calls")
        source.draw(jax.random.key(1), 256, 1)  # as many calls go into test points
        evaluator, _ = source.evaluators(jax.random.key(2))
        truth = evaluator.truth
        assert [each.name for each in source.outputs] == ["payoff"]
        error = np.asarray(truth.value) - np.prod(np.asarray(evaluator.points), axis=1)
        assert 0.5 < np.sqrt(np.mean(error**2)) / np.sqrt(np.mean(np.asarray(truth.value_stderr) ** 2)) < 2.0
        assert source.cost(0.01).seconds > 10 * source.cost(0.1).seconds


def test_calls_that_fail_are_told(folder):
    (folder / "models.py").write_text("def half(x, seed):\n    return 1.0 / (x[0] > 1.0) if x[0] < 1.0 else 1.0\n")
    config = source_of({"kind": "function", "function": "models:half", "box": RANGES, "derivatives": "none"})
    with opened(config, 0, jax.random.key(0), Workers(1)) as source:
        source.prepare(folder / "calls")
        assert 0 < len(source.draw(jax.random.key(1), 64, 0)) < 64
        assert any("not finite" in remark for remark in source.remarks)


def test_a_function_over_rows_is_called_in_batches(folder):
    config = source_of({"kind": "function", "function": "models:rows", "box": RANGES, "rows": True})
    with opened(config, 0, jax.random.key(0), Workers(1)) as source:
        source.prepare(folder / "calls")
        samples = source.draw(jax.random.key(1), 300, 0)
        np.testing.assert_allclose(samples.y, np.prod(np.asarray(samples.x), axis=1), rtol=ALGEBRAIC)


PROGRAM = """
import csv, sys
with open(sys.argv[1]) as file:
    rows = list(csv.DictReader(file))
if "fail" in sys.argv:
    sys.exit("no licence")
with open(sys.argv[2], "w") as file:
    writer = csv.writer(file)
    writer.writerow(["price", "dprice/dspot", "dprice/dvol"])
    for row in rows:
        spot, vol = float(row["spot"]), float(row["vol"])
        assert int(row["seed"]) >= 0
        writer.writerow([spot * vol, vol, spot])
"""


def test_a_program_reads_and_writes_files(folder):
    (folder / "pricer.py").write_text(PROGRAM)
    table = {"kind": "program", "command": f"{sys.executable} pricer.py IN.csv OUT.csv", "box": RANGES}
    config = source_of(table | {"derivatives": "own"})
    with opened(config, 0, jax.random.key(0), Workers(1)) as source:
        source.prepare(folder / "calls")
        samples = source.draw(jax.random.key(1), 100, 1)
        x = np.asarray(samples.x)
        np.testing.assert_allclose(samples.y, x[:, 0] * x[:, 1], rtol=ALGEBRAIC)
        np.testing.assert_allclose(samples.dydx, x[:, ::-1], rtol=ALGEBRAIC)
        assert not source.noisy
    failing = source_of(table | {"command": table["command"] + " fail"})
    with opened(failing, 0, jax.random.key(0), Workers(1)) as source, pytest.raises(InputError, match="no licence"):
        source.prepare(folder / "calls-2")
    with pytest.raises(InputError, match=r"must name IN.csv and OUT.csv"):
        with opened(source_of(table | {"command": "./pricer"}), 0, jax.random.key(0), Workers(1)):
            pass


class _Bridge(http.server.BaseHTTPRequestHandler):
    """Two inputs in vectors of 1 each, one output: their product."""

    def do_GET(self):
        self._answer({"protocolVersion": 1.0, "models": ["forward"]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/ModelInfo":
            self._answer({"support": {"Evaluate": True, "Gradient": True}})
        elif self.path == "/InputSizes":
            self._answer({"inputSizes": [1, 1]})
        else:
            a, b = asked["input"][0][0], asked["input"][1][0]
            gradient = [(b, a)[asked.get("inWrt", 0)] * asked.get("sens", [0])[0]]
            self._answer({"output": [[a * b]] if self.path == "/Evaluate" else gradient})

    def _answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_model_behind_um_bridge_is_asked_over_http(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Bridge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        table = {"kind": "um-bridge", "address": f"http://127.0.0.1:{server.server_port}", "box": RANGES}
        with opened(source_of(table), 0, jax.random.key(0), Workers(1)) as source:
            source.prepare(folder / "calls")
            samples = source.draw(jax.random.key(1), 20, 1)
            np.testing.assert_allclose(samples.dydx, np.asarray(samples.x)[:, ::-1], rtol=ALGEBRAIC)
        with pytest.raises(InputError, match="has 2 inputs, and the box 1"):
            with opened(source_of(table | {"box": {"a": (0, 1)}}), 0, jax.random.key(0), Workers(1)):
                pass
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(InputError, match="There is no UM-Bridge server at"):
        with opened(source_of(table), 0, jax.random.key(0), Workers(1)):
            pass


def test_rows_of_a_file_are_split_once_and_for_all(tmp_path):
    x = np.random.default_rng(0).uniform(size=(50, 2))
    names = {"inputs": ["a", "b"], "outputs": ["c"]}
    write_samples(Samples(x, x[:, 0] * x[:, 1], **names), tmp_path / "rows.csv")
    config = source_of({"kind": "data", "file": str(tmp_path / "rows.csv"), "x": ["a", "b"], "y": ["c"]})
    with opened(config, 0, jax.random.key(3), Workers()) as source:
        training, (_, everywhere) = source.draw(jax.random.key(0), 10**6, 0), source.evaluators(jax.random.key(1))
        together = np.concatenate([training.x, everywhere.points])
        assert len(training) == 40 and len(np.unique(together, axis=0)) == 50
        assert not source.endless and source.order == 0 and source.title.startswith("rows.csv: c, a function of a, b")
    few = config.model_copy(update={"file": str(tmp_path / "few.csv")})
    write_samples(Samples(x[:9], x[:9, 0], **names), tmp_path / "few.csv")
    with pytest.raises(InputError, match="has 9 rows, too few to learn from and to test by"):
        with opened(few, 0, jax.random.key(3), Workers()):
            pass


def test_a_network_is_a_source_over_its_range_or_a_box(tmp_path, surrogate):
    path = tmp_path / "net.safetensors"
    surrogate.save(path)
    d = surrogate.widths[0]
    box = {f"x{c}": (0.0, 1.0) for c in range(d)}
    table = {"kind": "network", "file": str(path), "box": box}
    reference = reference_of(source_of(table), 0)
    points = np.asarray(reference.test_points(jax.random.key(0), 5))
    np.testing.assert_array_equal(reference.value(points), surrogate.value(points))
    with pytest.raises(InputError, match=r"does not say where it was trained; give a range for each"):
        reference_of(source_of({"kind": "network", "file": str(path)}), 0)
    with opened(source_of(table), 0, jax.random.key(0), Workers()) as source:
        assert source.is_network and source.label_noise(jax.random.key(0)) == 0.0
        assert source.cost(1e-3).words == "one call"
    with pytest.raises(InputError, match=f"has {d} inputs, and the box 1 ranges"):
        reference_of(source_of({"kind": "network", "file": str(path), "box": {"a": (0, 1)}}), 0)


def test_the_name_of_a_run_is_that_of_its_source():
    assert name_of(source_table("folder/my samples.csv")) == "my-samples"
    assert name_of(source_table(str(Path("a/b/Net.onnx")))) == "Net"
