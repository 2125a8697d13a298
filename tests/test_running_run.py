"""A whole small run: its files, its rules about directories, and that being killed changes no figure."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sobolev_pruning import InputError, load
from sobolev_pruning.running import read_config, run

SMALL = """\
name = "small"
seed = 3
samples = 512
oracle = true

[source]
n_assets = 3

[oversized]
hidden = [12, 12, 12]

[oversized.training.optimiser]
kind = "adam"
steps = 600

[[pruning]]
keep = [3, 0, 4]
rounds = 2

[pruning.retraining.optimiser]
kind = "adam"
steps = 200

[finetuning.teacher.training.optimiser]
kind = "levenberg-marquardt"
iterations = 8

[finetuning.fixed.training.optimiser]
kind = "levenberg-marquardt"
iterations = 8

[finetuning.reference]
samples = 4000

[finetuning.reference.training.optimiser]
kind = "levenberg-marquardt"
iterations = 8
"""
STAGES = ["oversized", "pruned", "finetuned-teacher", "finetuned-fixed", "finetuned-reference"]
STAGES += ["plain", "scratch", "oracle"]


@pytest.fixture(scope="module")
def config_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(SMALL)
    return path


def start(config_path: Path, out: Path, *more: str) -> subprocess.Popen:
    """The command line in a process of its own, as a user starts it."""
    command = [sys.executable, "-m", "sobolev_pruning.cli", "run", str(config_path), "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def finished(config_path, tmp_path_factory) -> tuple[Path, str]:
    """The directory and the terminal output of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("finished") / "run"
    process = start(config_path, out)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return out, printed


def figures(out: Path) -> dict:
    """`metrics.json` without times and versions."""
    metrics = json.loads((out / "metrics.json").read_text())
    for record in (metrics, *metrics["stages"]):
        record.pop("seconds")
    metrics.pop("versions")
    return metrics


def test_a_run_leaves_all_its_files(finished):
    out, _ = finished
    expected = {"config.toml", "metrics.json", "history.csv", "significance.csv", "report.html"}
    expected |= {
        "surrogate.safetensors",
        "surrogate.onnx",
        "surrogate.h",
        "surrogate.py",
        "surrogate.mjs",
        "explorer.html",
        "certificate.json",
        "checkpoints",
    }
    assert {path.name for path in out.iterdir()} == expected


def test_the_metrics_are_those_of_the_stages(finished):
    out = finished[0]
    stages = {stage["name"]: stage for stage in figures(out)["stages"]}
    assert list(stages) == STAGES
    assert stages["oversized"]["widths"] == [3, 12, 12, 12, 1]
    for name in STAGES[1:-1]:
        assert stages[name]["widths"] == [3, 3, 4, 1], name
    assert stages["finetuned-reference"]["n_parameters"] == 33
    final = load(out / "surrogate.safetensors")
    assert final.widths == (3, 3, 4, 1)
    # Wide margins: eight times the pairs beat what the noise of the few allowed.
    assert stages["finetuned-reference"]["r2"]["value"] > 0.999
    assert stages["finetuned-reference"]["r2"]["delta"] > 0.995
    assert stages["finetuned-reference"]["r2"]["gamma"] > 0.95


def test_the_terminal_shows_the_table_and_the_report(finished):
    printed = finished[1]
    assert "report.html" in printed.replace("\n", "")
    for word in ("value", "delta", "gamma"):
        assert word in printed.lower()


def test_the_tables_have_a_row_per_node_and_per_epoch(finished):
    out, _ = finished
    header, *rows = (out / "significance.csv").read_text().splitlines()
    assert header == "round,layer,node,range_width,adjoint,score,kept"
    assert len([row for row in rows if row.startswith("1,")]) == 36
    history = np.genfromtxt(out / "history.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert set(history["stage"]) >= {"oversized", "finetuned-reference", "scratch"}


def test_a_directory_in_use_is_refused_and_another_run_is_not_resumed(finished, config_path):
    out, _ = finished
    with pytest.raises(InputError, match=r"is not empty; add --resume"):
        run(read_config(config_path), out)
    with pytest.raises(InputError, match=r"started with `seed = 3`, the configuration now says `seed = 4`"):
        run(read_config(config_path, seed=4), out, resume=True)


def test_a_run_killed_at_several_points_ends_with_the_same_figures(finished, config_path, tmp_path):
    """Killed as soon as a stage's checkpoint appears, that is: while the next stage is computed."""
    out = tmp_path / "run"
    process = start(config_path, out)
    for stage in ("oversized", "pruning-01", "finetuned-fixed"):
        deadline = time.monotonic() + 120
        while not list((out / "checkpoints").glob(f"{stage}*.safetensors")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (out / "metrics.json").exists()
        if stage == "finetuned-fixed":  # a damaged checkpoint costs its own stage, no more and no figure
            damaged = out / "checkpoints" / "finetuned-teacher.safetensors"
            damaged.write_bytes(damaged.read_bytes()[:-40])
        process = start(config_path, out, "--resume")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert figures(out) == figures(finished[0])
    assert (out / "surrogate.safetensors").read_bytes() == (finished[0] / "surrogate.safetensors").read_bytes()


def test_a_mistake_gets_one_sentence_and_status_2(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace("samples = 512", "samples = 'many'"))
    process = start(path, tmp_path / "out")
    printed, errors = process.communicate()
    assert process.returncode == 2
    assert "line 3: samples is 'many'; it must be a valid integer" in errors
    assert "Traceback" not in errors and printed == ""
    assert not (tmp_path / "out").exists()


OWN = """\
import jax.numpy as jnp
from sobolev_pruning.reference import from_function

def truth(x):
    return jnp.stack([jnp.sin(3 * x[1]) * x[0], x[1] + x[0] ** 2])

def model():
    noisy = lambda x, z: truth(x) + 0.05 * z
    return from_function(noisy, inputs={"size": (0.5, 2), "angle": (-1, 1)}, noise=2, exact=truth, kind="my wave")

number = 3
def broken():
    raise KeyError("size")
"""
OWN_RUN = """\
name = "own"
samples = 512
controls = false
[source]
kind = "function"
function = "FUNCTION"
[oversized]
hidden = [8]
[oversized.training.optimiser]
kind = "levenberg-marquardt"
iterations = 30
[[pruning]]
keep = [6]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Configurations whose reference is a function of a module in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_model.py").write_text(OWN)

    def config(function: str):
        (tmp_path / "own.toml").write_text(OWN_RUN.replace("FUNCTION", function))
        return read_config(tmp_path / "own.toml")

    yield config
    sys.modules.pop("own_model", None)


def test_a_run_imitates_a_reference_of_the_users_own(own, tmp_path):
    result = run(own("own_model:model"), tmp_path / "out")
    oversized, pruned = result.record.stages
    assert result.record.source == "My wave, a function of size, angle"
    assert oversized.widths == (2, 8, 2) and pruned.widths == (2, 6, 2)
    assert oversized.evaluation.value.r2 > 0.99 and len(oversized.evaluation.outputs) == 2
    assert oversized.predictions.axis_label == "angle" and oversized.predictions.direction == "angle"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "along a shift of angle" in page and "antithetic" not in page and result.record.published == {}
    run(own("own_model:model"), tmp_path / "out", resume=True)
    (tmp_path / "own_model.py").write_text(OWN.replace("0.05 * z", "0.06 * z"))
    sys.modules.pop("own_model")
    with pytest.raises(InputError, match=r"another source: the code of a function, or the content"):
        run(own("own_model:model"), tmp_path / "out", resume=True)


def test_where_no_truth_is_known_fewer_points_are_estimated(own, tmp_path):
    (tmp_path / "own_model.py").write_text(OWN.replace("exact=truth", "paths=64, gamma_direction=[1.0, 1.0]"))
    (first, _) = run(own("own_model:model"), tmp_path / "out").record.stages
    assert first.evaluation.n_points == first.exposure.n_points == 512 == len(first.predictions.true_gamma)
    assert first.evaluation.against.startswith("Monte Carlo") and np.isfinite(first.predictions.true_gamma).all()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("own_model:missing", "The module own_model has no function missing"),
        ("own_model:number", "The module own_model has no function number"),
        ("own_model:truth", "is a simulator and needs a range for each input"),
        ("own_model:broken", "raised KeyError when called without arguments"),
        ("math:gcd", "gives a int; let it return a reference"),
    ],
)
def test_what_is_no_reference_is_told_and_leaves_no_directory(own, tmp_path, function, told):
    with pytest.raises(InputError, match=told):
        run(own(function), tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
