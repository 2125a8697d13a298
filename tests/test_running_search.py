"""A run that plans and searches: what it leaves, what it says, and that a choice in the file stands."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from report_records import small_record
from sobolev_pruning import InputError, load
from sobolev_pruning.commands import RunOptions, configuration
from sobolev_pruning.running import config_of, read_config, run, write_planned_config
from sobolev_pruning.running.config import RunConfig, TrainingConfig
from sobolev_pruning.running.plan import decide, pilot
from sobolev_pruning.running.plan_file import commented
from sobolev_pruning.running.records import SearchRecord
from sobolev_pruning.running.run_directory import free_directory
from sobolev_pruning.running.search_stages import seconds_of_one, within
from sobolev_pruning.running.sources import Workers, opened
from sobolev_pruning.running.summary import networks, verdict
from sobolev_pruning.searching import Candidate
from surrogates import surrogate_of_shape

MODEL = """
import jax.numpy as jnp

def wave(x):
    return jnp.tanh(x[0] + 0.5 * x[1])
"""
BOX = {"size [m]": (-1.0, 1.0), "angle": (-1.0, 1.0)}
SMALL = {
    "name": "wave",
    "samples": 256,
    "source": {"kind": "function", "function": "wave_model:wave", "box": BOX, "outputs": ["height [m]"]},
    "oversized": {
        "hidden": [6],
        "activation": "tanh",
        "training": {"optimiser": {"kind": "levenberg-marquardt", "iterations": 20}},
    },
    "search": {
        "max_parameters": 5,
        "samples": 256,
        "training": {"starts": 1, "optimiser": {"kind": "levenberg-marquardt", "iterations": 5}},
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "wave_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def record():
    return replace(small_record(), stages=small_record().stages[:3])


def test_a_search_ends_with_a_network_a_report_and_a_certificate(folder):
    result = run(config_of(RunConfig, SMALL), folder / "out")
    record, out = result.record, folder / "out"
    assert [stage.name for stage in record.stages] == ["oversized", "found", "finetuned", "plain", "scratch"]
    final = record.stages[2]
    assert final.n_parameters <= 5 and final.evaluation.value.r2 > 0.9999
    network = load(out / "surrogate.safetensors")
    assert [str(each) for each in (*network.inputs, *network.outputs)] == ["size [m]", "angle", "height [m]"]
    assert {"surrogate.onnx", "surrogate.h", "surrogate.py", "certificate.json", "plan.json"} <= {
        path.name for path in out.iterdir()
    }
    assert all(answer.status == "proved" for answer in record.certificate.answers)
    lowest, highest = record.certificate.answers[0].lower[0], record.certificate.answers[0].upper[0]
    assert lowest <= np.tanh(-1.5) + 0.01 and highest >= np.tanh(1.5) - 0.01
    page = (out / "report.html").read_text()
    for told in ("size [m]", "dheight/dsize", "What was decided", "Slices through the box", "Gaussian process"):
        assert told in page
    assert {decision.what: decision.chosen for decision in record.decisions}["Samples"] == "256"
    assert record.stages[2].history.step[-1] <= 5  # as the configuration says of the last training
    assert np.max(np.abs(record.slices[0].value - record.slices[0].true_value)) < 0.02
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["schema"] == 2 and metrics["inputs"][0] == {"name": "size", "unit": "m"}
    assert metrics["errors"][0]["rmse"] == record.errors[0].rmse and metrics["verdict"] == list(verdict(record))
    assert [tried["n_parameters"] for tried in metrics["search"]["path"]] == [
        c.n_parameters for c in record.search.path
    ]
    assert [claim["status"] for claim in metrics["claims"]] == ["proved"] * len(record.certificate.answers)
    again = run(config_of(RunConfig, SMALL), folder / "out", resume=True)
    np.testing.assert_array_equal(again.surrogate.layers[0].weight, result.surrogate.layers[0].weight)


def test_a_finished_run_goes_on_with_other_samples_minutes_and_goal_but_as_nothing_else(folder):
    config = config_of(RunConfig, SMALL)
    run(config, folder / "out")
    oversized = folder / "out" / "checkpoints" / "oversized.safetensors"
    written = oversized.stat().st_mtime_ns
    other = SMALL | {"minutes": 20.0, "search": SMALL["search"] | {"max_parameters": 9}}
    assert 5 < run(config_of(RunConfig, other), folder / "out", resume=True).surrogate.n_parameters <= 9
    assert oversized.stat().st_mtime_ns == written
    more = run(config_of(RunConfig, other | {"samples": 300}), folder / "out", resume=True)
    assert oversized.stat().st_mtime_ns > written and "samples = 300" in more.record.config
    with pytest.raises(InputError, match=r"the run was started with `seed = 0`"):
        run(config_of(RunConfig, other | {"seed": 1}), folder / "out", resume=True)


def test_time_that_is_short_takes_starts_rounds_and_controls_away_in_this_order():
    config = RunConfig(name="short")
    asked = TrainingConfig(starts=4, noise_rounds=1)

    def left(seconds: float):
        settings, controls, cuts = within(asked, 1.0, seconds, config)
        return settings.starts, settings.noise_rounds, controls, [cut.what for cut in cuts]

    assert left(15.0) == (4, 1, True, [])
    assert left(14.9) == (3, 1, True, ["Starts"])
    assert left(5.0) == (1, 1, False, ["Starts", "Controls"])
    assert left(0.0) == (1, 0, False, ["Starts", "Noise", "Controls"])


def test_the_verdict_is_about_points_never_used(record):
    final = networks(record)[-1]
    error = 1.0 - final.evaluation.value.r2
    tried = Candidate(final.widths, (0,), 9, 99, {"value": 0.1}, {"value": 0.0}, {}, True, 64, 1.0)

    def said(limit: float, **changed) -> str:
        search = SearchRecord(
            {"value": limit}, "r2", "the start network", (replace(tried, **changed),), (), True, False
        )
        return verdict(replace(record, search=search))[0]

    assert "but on points never used its error in value is 2 times the limit" in said(0.5 * error)
    assert "on points never used its errors are at most 0.5 times their limits" in said(2.0 * error)
    # An excess over another network, on labels with noise, says nothing that the test points could be held against.
    assert said(0.5 * error, on_labels={"value": 0.2}).endswith("parameters.")


def test_what_the_file_leaves_open_is_planned_and_can_be_edited(folder):
    patient = {"training": {"patience": 7, "held_out": 0.25}}
    asked = config_of(
        RunConfig, {"name": "wave", "source": SMALL["source"], "oversized": {"hidden": [9]}, "search": patient}
    )
    with opened(asked.source, 0, jax.random.key(0), Workers()) as source:
        source.prepare(folder)
        planned, decisions = decide(asked, source, pilot(asked, source, 1e-6))
    reasons = {decision.what: decision for decision in decisions}
    assert planned.oversized.hidden == (9,)
    training = planned.search.training
    assert (training.patience, training.held_out, training.starts) == (7, 0.25, 4)
    assert reasons["Oversized network"].why == "the configuration says so"
    assert reasons["Samples of the search"].why == "labels have no noise, so few are enough"
    assert planned.search.tolerance.relative and planned.search.tolerance.limited == ("value", "delta", "hessian")
    write_planned_config(asked, folder / "plan.toml", Workers())
    assert read_config(folder / "plan.toml") == planned
    assert "labels have no noise" in (folder / "plan.toml").read_text()
    with pytest.raises(InputError, match=r"plan.toml exists already"):
        write_planned_config(asked, folder / "plan.toml", Workers())
    assert commented("[a.b]\nc = 1", ()) == "[a.b]\nc = 1"


def test_options_of_the_command_become_a_configuration(folder):
    box = "size=0:1,angle=-1:1"
    config = configuration("wave_model:wave", RunOptions(box=box, noise="uniform:2x3", tolerance="value=0.99", y="a,b"))
    assert (config.name, config.source.box) == ("wave", {"size": (0.0, 1.0), "angle": (-1.0, 1.0)})
    assert (config.source.noise, config.source.law, config.source.outputs) == ((2, 3), "uniform", ("a", "b"))
    assert config.search.tolerance.value == 0.99 and not config.search.tolerance.relative
    data = configuration("rows.csv", RunOptions(x="a,b", y="c*", max_parameters=9, seed=3, minutes=1.0))
    assert (data.source.x, data.source.y, data.seed, data.minutes) == (("a", "b"), "c*", 3, 1.0)
    assert data.search.max_parameters == 9
    (folder / "run.toml").write_text(json.dumps({"name": "a"})[1:-1].replace('"name": ', "name = "))
    assert configuration("run.toml", RunOptions(samples=99)).samples == 99


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        ("rows.csv", {"noise": "3"}, "--noise says nothing of a source of kind data"),
        ("m:f", {"tolerance": "value=0.9", "max_parameters": 3}, "ask for two things"),
        ("m:f", {"figure": "rmse"}, "--figure says what --tolerance limits"),
        ("m:f", {"noise": "many"}, "--noise is 'many'; give how many variables"),
        ("run.toml", {"box": "0:1"}, "--box is said in run.toml itself"),
        ("m:f", {"derivatives": "exact"}, "source.derivatives is 'exact'"),
    ],
)
def test_options_that_do_not_fit_are_told(folder, source, options, told):
    with pytest.raises(InputError, match=told):
        configuration(source, RunOptions(**options))


def test_without_out_the_next_free_directory_is_taken(folder):
    config = config_of(RunConfig, SMALL)
    assert str(free_directory(config.name, config.seed, False)) == "runs/wave-0"
    (folder / "runs" / "wave-0").mkdir(parents=True)
    (folder / "runs" / "wave-0" / "config.toml").write_text("")
    assert str(free_directory(config.name, config.seed, False)) == "runs/wave-0-2"
    assert str(free_directory(config.name, config.seed, True)) == "runs/wave-0"


def test_a_run_has_phases_or_a_search():
    with pytest.raises(InputError, match=r"there are phases of \[\[pruning\]\] and a \[search\]"):
        config_of(RunConfig, SMALL | {"pruning": [{"keep": [3]}]})
    with pytest.raises(InputError, match=r"\[finetuning\] follows phases"):
        config_of(RunConfig, SMALL | {"finetuning": {"fixed": {}}})


def test_the_time_of_a_training_is_foretold_for_every_optimiser(record):
    """From a network tried for a second: its passes over the samples, whatever the optimiser calls a step."""
    network = networks(record)[-1]
    tried = Candidate(network.widths, (0,), 9, 99, {}, {}, {}, True, 1000, 1.0)
    surrogate = surrogate_of_shape(list(network.widths), "silu", True)

    def seconds(**optimiser) -> float:
        settings = TrainingConfig.model_validate({"optimiser": optimiser})
        return seconds_of_one((tried,), surrogate, settings, 2000)

    assert seconds(kind="levenberg-marquardt", iterations=50) == 4.0
    assert seconds(kind="lbfgs", iterations=1000) == 4.0
    assert seconds(kind="adam", steps=4000, batch_size=500) == 4.0
