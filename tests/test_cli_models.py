"""The commands on somebody's network: what they find out, print and write, and what they refuse."""

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import sobolev_pruning as sp
from command_line import call
from sobolev_pruning._foundation.variables import numbered_inputs, numbered_outputs
from sobolev_pruning.commands import evaluation_table, shrinking_table
from sobolev_pruning.commands import prune as model_pruning
from sobolev_pruning.commands import shrink as model_shrinking
from sobolev_pruning.commands.compare import _by_output
from sobolev_pruning.commands.records import EvaluationRecord, NetworkRecord, ShrinkingRecord, TrialRecord
from sobolev_pruning.drawing.numbers import r2_text
from sobolev_pruning.pruning import remove_inputs
from sobolev_pruning.searching import Candidate
from surrogates import surrogate_of_shape

CONFIG = 'name = "small"\n[source]\nn_assets = 2\nmarket_seed = 1\n[[pruning]]\nkeep = [1, 0, 0, 0, 0, 0]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small networks of two inputs in files, a damaged one, a configuration, and data of one of the networks."""
    path = tmp_path_factory.mktemp("models")
    network = surrogate_of_shape([2, 4, 3, 1], "silu", scalar=True)
    network.save(path / "net.safetensors")
    sp.save_onnx(network, path / "net.onnx", box=([1.0, 1.0], [4.0, 4.0]))
    surrogate_of_shape([2, 2, 1], "tanh", scalar=True, seed=3).save(path / "other.safetensors")
    another = surrogate_of_shape([2, 2, 1], "tanh", scalar=True, seed=4)
    sp.save_onnx(another, path / "another.onnx", box=([1.0, 1.0], [4.0, 4.0]))
    surrogate_of_shape([3, 2, 1], "tanh", scalar=True).save(path / "three.safetensors")
    surrogate_of_shape([2, 2, 2], "tanh", scalar=False).save(path / "two.safetensors")
    (path / "cut.onnx").write_bytes((path / "net.onnx").read_bytes()[:300])
    (path / "cut.safetensors").write_bytes((path / "net.safetensors").read_bytes()[:100])
    (path / "config.toml").write_text(CONFIG)
    x = np.random.default_rng(0).uniform(1.0, 5.0, (40, 2))
    rows = np.column_stack([x, network.value(x), network.gradient(x)])
    np.savetxt(path / "data.csv", rows, delimiter=",", header="x0,x1,y,dy/dx0,dy/dx1", comments="")
    np.savetxt(path / "values.csv", rows[:, :3], delimiter=",", header="spot,vol,price", comments="")
    return path


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def found(capsys, *arguments, status=0):
    """What a command prints with --json, and what to standard error."""
    answer = call(capsys, *arguments, "--json")
    assert answer.status == status, answer.errors
    return json.loads(answer.printed), answer.errors


def test_significance_scores_every_node(capsys, tmp_path):
    record, errors = found(capsys, "significance", "net.onnx", "--method", "interval", "-o", tmp_path / "s.csv")
    expected = sp.significance(sp.load("net.safetensors"), (1.0, 4.0), "interval")
    for layer, scores in zip(record["scores"], expected.scores):
        np.testing.assert_allclose(layer, scores, rtol=1e-9)
    assert record["guaranteed"] and record["lower"] == [1.0, 1.0] and record["network"]["n_parameters"] == 31
    assert (tmp_path / "s.csv").read_text().count("\n") == 1 + 7 and errors == ""
    table = call(capsys, "significance", "net.onnx", "--method", "interval", "--box", "0:9")
    assert "Significance by interval, order 0 (proved bounds)" in table.printed
    assert "Warning: Input x0 reaches from 0 to 9, but the network was trained from 1 to 4" in table.errors


def test_a_criterion_looks_at_data(capsys):
    record, _ = found(capsys, "significance", "net.safetensors", "--method", "node-magnitude", "--data", "data.csv")
    assert not record["guaranteed"] and record["range_widths"][0] == [None] * 4


def test_names_of_data_go_through_pruning_into_an_export_and_come_back(capsys, tmp_path):
    out, columns = tmp_path / "small.onnx", ("--x", "spot,vol", "--y", "price")
    data = ("--data", "values.csv", *columns, "--box", "1:4", "--fold", "midpoint")
    assert call(capsys, "prune", "net.onnx", "--keep", "3,2", "-o", out, *data).status == 0
    small = sp.load_onnx(out)
    assert [variable.name for variable in (*small.inputs, *small.outputs)] == ["spot", "vol", "price"]
    record, _ = found(capsys, "evaluate", out, "--data", "values.csv")
    assert [entry["name"] for entry in record["entries"][0]] == ["price"]
    assert record["networks"][0]["inputs"][1] == {"name": "vol", "unit": None}
    answer = call(capsys, "evaluate", out, "--data", "values.csv", "--x", "vol,spot", "--y", "price")
    assert answer.status == 2 and "give them in one order" in " ".join(answer.errors.split())


def test_prune_writes_a_smaller_network_and_its_errors(capsys, tmp_path, monkeypatch):
    out = tmp_path / "small.safetensors"
    record, _ = found(capsys, "prune", "net.onnx", "--keep", "3,0", "-o", out)
    small = sp.load(out)
    assert small.widths == (2, 3, 1) and record["after"]["widths"] == [2, 3, 1]
    np.testing.assert_array_equal(small.training_range, [[1.0, 1.0], [4.0, 4.0]])
    points = np.random.default_rng(1).uniform(1.0, 4.0, (4000, 2))
    error = np.abs(small.value(points) - sp.load("net.safetensors").value(points)).max()
    assert record["evaluation"]["value"]["max_abs"] == pytest.approx(error, rel=0.2)
    assert record["proved_difference"] is None
    fold = "--fold", "midpoint", "--method", "random"
    answer = call(capsys, "prune", "net.onnx", "--keep", "3,0", "-o", out, *fold)
    boxed = tmp_path / "boxed.safetensors"
    call(capsys, "prune", "net.onnx", "--keep", "3,0", "-o", boxed, *fold, "--box", "1.5:3,2:4")
    np.testing.assert_array_equal(sp.load(boxed).training_range, [[1.5, 2.0], [3.0, 4.0]])
    assert answer.status == 0 and "2–3–1 silu, 13 parameters" in answer.printed and "Proved" not in answer.printed

    def proof(first, second, box, pieces):  # `test_compare_...` has a true one
        assert (first.widths, second.widths) == ((2, 4, 3, 1), (2, 3, 1)) and box.upper.tolist() == [4.0, 4.0]
        return 0.5, 0.25

    monkeypatch.setattr(model_pruning, "guaranteed_distance", proof)
    answer = call(capsys, "prune", "net.onnx", "--keep", "3,0", "-o", out, "--prove")
    expected = "Proved: over the whole box values differ by at most 0.5; 0.25 was found."
    assert expected in " ".join(answer.printed.split())


def test_shrink_writes_the_network_found_or_says_that_there_is_none(capsys, tmp_path, monkeypatch):
    start, small, asked = sp.load("net.safetensors"), sp.load("other.safetensors"), {}
    errors = sp.evaluate(small, sp.Samples([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0]))

    def search(surrogate, data, **arguments):
        asked.update(arguments, data=data)
        errors_of_it = {"value": asked.get("error", 1e-5)}, {"value": asked.get("stderr", 0.0)}, asked.get("noisy", {})
        tried = (Candidate(small.widths, (1,), small.n_parameters, 40, *errors_of_it, True, 16, 0.1),)
        return sp.Shrink(
            asked.get("gives"), (1,), tried, tried, {"value": 2e-5}, "r2", "the start network", errors, False
        )

    monkeypatch.setattr(model_shrinking, "shrink", search)
    out = tmp_path / "small.safetensors"
    arguments = ["shrink", "net.safetensors", "--box", "0:6", "--tolerance", "value=0.9", "-o", out]
    answer = call(capsys, *arguments)
    assert answer.status == 1 and "No network within the tolerance" in answer.printed and not out.exists()
    assert asked["tolerance"] == sp.Tolerance(value=0.9) and asked["data"] is None and asked["box"].upper[0] == 6.0
    asked["gives"] = small
    record, _ = found(capsys, *arguments)
    assert sp.load(out).widths == tuple(record["after"]["widths"]) == small.widths != start.widths
    np.testing.assert_array_equal(sp.load(out).training_range, [[0.0, 0.0], [6.0, 6.0]])
    table = call(capsys, *arguments).printed
    assert "2×2–1" in table and "0.5" in table and "yes" in table and "Of 2 inputs x1 matters" in table
    asked |= {"gives": remove_inputs(small, [0], ([0.0, 0.0], [6.0, 6.0])).surrogate, "stderr": 1e-6}
    answer = call(capsys, *arguments, "--reduced-inputs", "--size", "operations", "--against", "surrogate")
    assert sp.load(out).widths == (1, *small.widths[1:]) and "0.5 ± 0.05" in answer.printed
    assert asked["size"] == "operations" and asked["against"] == "surrogate"
    asked |= {"gives": small, "error": -4e-5, "stderr": 4.2e-6, "noisy": {"value": 0.03}}
    printed = " ".join(call(capsys, *arguments).printed.split())
    assert "Value on labels Value excess / limit" in printed and "0.03 none ± 0.21 yes" in printed
    assert "whose own error is not part of it" in printed


def test_evaluate_measures_several_networks_on_data(capsys):
    record, _ = found(capsys, "evaluate", "net.safetensors", "other.safetensors", "--data", "data.csv")
    first, second = record["evaluations"]
    assert first["value"]["max_abs"] < 1e-12 < second["value"]["max_abs"] and first["gamma"] is None
    answer = call(capsys, "evaluate", "net.onnx", "--data", "values.csv", "--x", "spot,vol", "--y", "price")
    assert "net.onnx: 2–4–3–1 silu, 31 parameters" in answer.printed
    assert "Warning: net.onnx: Input x0 reaches from 1" in answer.errors


def test_evaluate_measures_against_a_reference(capsys):
    record, _ = found(capsys, "evaluate", "net.safetensors", "--reference", "config.toml")
    assert record["evaluations"][0]["n_points"] == 4096 and record["evaluations"][0]["hessian"] is not None


def as_text(table) -> str:
    written = StringIO()
    Console(width=120, color_system=None, file=written).print(table)
    return written.getvalue()


def test_every_output_is_shown(capsys, tmp_path):
    one, two = (surrogate_of_shape([2, 3, 2], "tanh", False, seed=seed) for seed in (1, 2))
    x = np.random.default_rng(2).uniform(1.0, 4.0, (30, 2))
    evaluation = sp.evaluate(one, two.label(x, order=0))
    network = NetworkRecord("two.onnx", (2, 3, 2), "tanh", 17, numbered_inputs(2), numbered_outputs(2))
    lines = as_text(evaluation_table(EvaluationRecord((network,), (evaluation,), ((),), "data.csv", ()))).splitlines()
    for name, r2 in (
        ("two.onnx", min(output.value.r2 for output in evaluation.outputs)),
        ("y0", evaluation.outputs[0].value.r2),
        ("y1", evaluation.outputs[1].value.r2),
    ):
        assert any(name in line and r2_text(r2) in line for line in lines[1:])
    limits = {"value of output 0": 0.1, "value of output 1": 0.5}
    trial = TrialRecord((2, 1, 2), 7, 30, dict(zip(limits, (0.03, 0.4))), dict.fromkeys(limits, 0.0), {}, True)
    record = ShrinkingRecord(network, network, (0, 1), "r2", limits, "samples", (trial,), None, ())
    text = as_text(shrinking_table(record))
    rows = [line.split() for line in text.splitlines() if "0.3" in line or "0.8" in line]
    assert rows == [["2–1–2", "7", "y0", "0.3", "yes"], ["y1", "0.8"]] and "in every output" in text
    found = _by_output("value", *(np.asarray(net.value(x)) for net in (one, two)), one.outputs)
    assert [difference.of for difference in found] == ["value of y0", "value of y1"]
    distance = np.abs(np.asarray(one.value(x)) - np.asarray(two.value(x)))
    np.testing.assert_allclose([difference.largest for difference in found], distance.max(axis=0))


def test_compare_gives_a_found_and_a_guaranteed_difference(capsys):
    arguments = ["compare", "other.safetensors", "another.onnx", "--order", "0", "--pieces", "2000"]
    record, errors = found(capsys, *arguments)
    value, gradient, hessian = record["differences"]
    assert 0 < value["rms"] < value["largest"] <= value["guaranteed"] < 1.6 * value["largest"]
    points = np.random.default_rng(1).uniform(1.0, 4.0, (4000, 2))
    far = np.abs(sp.load("other.safetensors").value(points) - sp.load_onnx("another.onnx").value(points)).max()
    assert 0.9 * far <= value["largest"] and far <= value["guaranteed"]
    assert gradient["guaranteed"] is None and gradient["largest"] > 0 and hessian["largest"] > 0
    assert record["lower"] == [1.0, 1.0] and errors == ""


def test_certify_writes_what_check_proves_again(capsys, tmp_path):
    out = tmp_path / "certificate.json"
    arguments = ["certify", "other.safetensors", "--box", "1:4", "--claims", "value; value >= 1e9", "-o", out]
    record, _ = found(capsys, *arguments, status=1)
    proved, refuted = record["certificate"]["answers"]
    points = np.random.default_rng(1).uniform(1.0, 4.0, (4000, 2))
    values = sp.load("other.safetensors").value(points)
    assert proved["status"] == "proved" and proved["lower"][0] <= values.min() <= values.max() <= proved["upper"][0]
    assert refuted["status"] == "refuted" and len(refuted["point"]) == 2
    checked = call(capsys, "check", out, "other.safetensors", "--pieces", "4000")
    assert checked.status == 0 and "proved" in checked.printed and "functions of real numbers" in checked.printed
    refused = call(capsys, "check", out, "net.safetensors")
    assert refused.status == 2 and "is for another surrogate: the weights have changed" in refused.errors


@pytest.mark.parametrize("claim", ["distance value", "distance gradient <= 1"])
def test_a_distance_of_networks_of_different_outputs_or_inputs_is_refused(capsys, claim):
    for other, sizes in (("two", "2 inputs and 2 outputs"), ("three", "3 inputs and 1 output")):
        answer = call(capsys, "certify", "net.onnx", "--against", f"{other}.safetensors", "--claims", claim)
        assert answer.status == 2 and answer.printed == ""
        assert f"2 inputs and 1 output, the model it is against {sizes}; a Distance is that" in answer.errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("significance none.onnx", "There is no file none.onnx"),
        ("significance cut.onnx", "cut.onnx is not a readable ONNX file; it may be cut short"),
        ("significance cut.safetensors", "cut.safetensors is not a readable safetensors file"),
        ("significance config.toml", "config.toml ends in .toml; give a .safetensors or an .onnx file"),
        ("significance net.safetensors", "holds no training range; say where to look with --box"),
        ("significance net.onnx --method best", "method is 'best'; choose one of interval, affine, split"),
        ("significance net.onnx --order 3", "order is 3; choose 0, 1 or 2"),
        ("significance net.onnx --box 0:1,0:1,0:1", "gives 3 ranges, but the network has 2 inputs"),
        ("significance net.onnx --method taylor", "method 'taylor' looks at samples; give"),
        ("significance net.onnx -o no/s.csv", "There is no folder no to write s.csv into"),
        ("prune net.onnx --keep some -o a.onnx", "--keep is 'some'; give a number of nodes per layer"),
        ("prune net.onnx --keep 3,3,3 -o a.onnx", "keep lists 3 layers, the network has 2 hidden ones"),
        ("prune net.onnx --keep 2 -o a.txt", "a.txt ends in .txt; give -o a .safetensors or an .onnx file"),
        ("prune net.onnx --keep 2 -o no/a.onnx", "There is no folder no"),
        ("prune net.onnx --keep 2 -o a.onnx --fold best", "fold is 'best'; choose one of"),
        ("prune net.onnx --keep 2 -o a.onnx --method best", "method is 'best'; choose one of"),
        ("shrink net.onnx -o a.onnx", "needs either --tolerance or --max-parameters"),
        ("shrink net.onnx --tolerance value -o a.onnx", "--tolerance has 'value'; write value=0.9999"),
        ("shrink net.onnx --tolerance value=2 -o a.onnx", "The R2 asked of value is 2.0"),
        ("shrink net.onnx --tolerance theta=0.9 -o a.onnx", "--tolerance has 'theta=0.9'"),
        ("shrink net.onnx --tolerance value=0.9 --figure best -o a.onnx", "figure is 'best'; choose"),
        (
            "shrink net.onnx --tolerance value=0.9 --data values.csv --x spot,vol --y price -o a.onnx",
            "values.csv lacks derivatives",
        ),
        ("evaluate net.onnx", "by exactly one of --reference CONFIG.toml and --data FILE"),
        ("evaluate three.safetensors --reference config.toml", "has 3 inputs, but the reference of config.toml has 2"),
        ("evaluate net.onnx --reference none.toml", "none.toml cannot be read"),
        ("evaluate net.onnx --data none.csv", "There is no file none.csv"),
        ("evaluate three.safetensors --data data.csv", "has 2 inputs, but the network has 3"),
        ("evaluate net.onnx --data values.csv", "no column matches x='x*'; there are 'spot', 'vol', 'price'"),
        ("compare net.onnx three.safetensors", "compare networks of the same function"),
        ("compare net.onnx other.safetensors --order 5", "--order is 5; choose 0"),
        ("certify net.onnx --claims monotonic", "'monotonic' is no claim; write such as"),
        ("certify net.onnx --claims ;", "certify was given no claims"),
        ("certify net.onnx --claims increasing_7", "'increasing_7' is no claim"),
        ("certify net.onnx --claims distance_value", "is no claim"),
        ("certify net.onnx --claims value --pieces 0", "pieces is 0; allow at least 1"),
        ("certify net.onnx --claims basket", "'basket' is about a basket option"),
        ("check config.toml net.onnx", "config.toml is not JSON"),
        ("check none.json net.onnx", "There is no file 'none.json'"),
        ("compare net.onnx", "Missing argument"),
        ("evaluate net.onnx --order x", "No such option"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(types_unchecked, capsys, folder, arguments, message):
    before = sorted(folder.iterdir())
    answer = call(capsys, *arguments.split())
    assert answer.status == 2 and answer.printed == ""
    assert message in answer.errors and "Traceback" not in answer.errors
    assert sorted(folder.iterdir()) == before
