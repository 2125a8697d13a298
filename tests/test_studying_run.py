"""A whole small study: its files, its executors, and that being killed changes no figure."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from dask_stand_in import stand_in
from sobolev_pruning import InputError
from sobolev_pruning._foundation.errors import TrainingDiverged
from sobolev_pruning.running import read_as
from sobolev_pruning.running.config import TrainingConfig
from sobolev_pruning.sampling.executors import open_executor, outcomes
from sobolev_pruning.studying import StudyConfig, study
from sobolev_pruning.studying import cell as study_cell
from sobolev_pruning.studying import networks as study_networks
from sobolev_pruning.studying.cell import compute_cell
from sobolev_pruning.studying.cells import default_cell
from sobolev_pruning.studying.config import APPROACHES
from sobolev_pruning.studying.directory import StudyDirectory
from sobolev_pruning.training.stage_store import Stage

# One optimiser and few shapes: nearly all of the time is compilation.
SMALL = """\
name = "small"
seeds = [0, 3]
samples = 256

[source]
n_assets = 2

[oversized]
hidden = [5, 5]

[oversized.training.optimiser]
kind = "adam"
steps = 120
batch_size = 64

[default]
criterion = "taylor"
size = [2, 3]

[factors]
criterion = ["taylor", "random"]
fold = ["mean", "sobolev"]
schedule = ["one-shot", "rounds"]

[crossings.alternatives]
approach = ["pruning", "scratch", "scratch-restarts", "growing", "set", "rigl"]
size = [[2, 3]]

[crossings.fine-tuning]
labels = ["teacher", "fixed", "reference"]
order = ["none", 1]

[rounds]
number = 2

[rounds.retraining.optimiser]
kind = "adam"
steps = 40
batch_size = 64

[finetuning]
samples = 256

[finetuning.optimiser]
kind = "adam"
steps = 40
batch_size = 64

[scratch]
starts = 2

[growing]
doublings = 1

[sparse]
updates = 3

[sparse.optimiser]
kind = "adam"
steps = 120
batch_size = 64
"""
SETTINGS = 12
"""The default, one other criterion, fold and schedule, five other approaches, and three ways to fine-tune."""


@pytest.fixture(scope="module")
def config_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def finished(config_path, tmp_path_factory) -> Path:
    """The directory of a study that nobody disturbed, computed in a thread of this process."""
    out = tmp_path_factory.mktemp("finished") / "study"
    with ThreadPoolExecutor(1) as pool:
        study(read_as(StudyConfig, config_path), out, executor=pool)
    return out


def start(config_path: Path, out: Path) -> subprocess.Popen:
    """The command line in a process of its own, as a user starts it, with one worker process."""
    command = [sys.executable, "-m", "sobolev_pruning.cli", "study", str(config_path), "--out", str(out)]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, "--workers", "1"], stdout=pipe, stderr=pipe, text=True)


def figures(out: Path) -> dict:
    """`study.json` without times and versions."""
    found = json.loads((out / "study.json").read_text())
    for record in (found, *found["oversized"], *found["cells"]):
        record.pop("seconds")
    found.pop("versions")
    return found


def test_a_study_leaves_all_its_files(finished):
    assert {path.name for path in finished.iterdir()} == {
        *("config.toml", "study.json", "cells.csv", "report.html", "oversized", "cells")
    }
    assert len(list((finished / "oversized").iterdir())) == 2
    assert len(list((finished / "cells").iterdir())) == 2 * SETTINGS


def test_the_figures_are_those_of_every_cell(finished):
    found = figures(finished)
    assert found["schema"] == 1 and found["seeds"] == [0, 3]
    assert len(found["cells"]) == 2 * SETTINGS and len(found["oversized"]) == 2
    for cell in found["cells"]:
        assert cell["fault"] is None
        assert cell["n_parameters"] == 19
        sparse = cell["levels"]["approach"] in ("set", "rigl")
        assert cell["widths"] == ([2, 5, 5, 1] if sparse else [2, 2, 3, 1])
        assert all(cell["errors"][name] > 0 for name in ("value", "delta", "gamma"))
    assert any("pruning" in sentence.lower() for sentences in found["reading"].values() for sentence in sentences)


def test_no_two_settings_are_the_same_network(finished):
    """Every factor changes something: the same error twice would mean that a level has no effect."""
    cells = [cell for cell in figures(finished)["cells"] if cell["seed"] == 0]
    errors = [cell["errors"]["value"] for cell in cells]
    # The best of several starts may be the first one.
    names = [cell["setting"] for cell in cells if cell["levels"]["approach"] != "scratch-restarts"]
    assert len(set(errors)) >= len(names)


def test_the_table_has_a_row_for_every_cell(finished):
    with (finished / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    cells = figures(finished)["cells"]
    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells):
        assert row["approach"] == cell["levels"]["approach"]
        assert row["size"] == "2-3" and int(row["seed"]) == cell["seed"]
        assert float(row["error_gamma"]) == cell["errors"]["gamma"]
        assert np.isfinite(float(row["rmse_value"]))
        assert row["fault"] == ""


def test_training_does_what_it_should(finished):
    """Fine-tuning beats none."""
    cells = {(cell["setting"], cell["seed"]): cell["errors"]["value"] for cell in figures(finished)["cells"]}
    tuned = "pruning_taylor_sobolev_one-shot_order-1_reference_2x3"
    for seed in (0, 3):
        assert cells[tuned, seed] < cells["pruning_taylor_sobolev_one-shot_order-none_2x3", seed]


def test_a_study_killed_between_cells_ends_with_the_same_figures(finished, config_path, tmp_path):
    """Killed after a few cells, two of them then damaged; begun by a process, ended by a thread of this one."""
    out = tmp_path / "study"
    process = start(config_path, out)
    deadline = time.monotonic() + 240
    while len(list((out / "cells").glob("*.json"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "study.json").exists()
    kept = sorted((out / "cells").glob("*.json"))
    kept[0].write_bytes(kept[0].read_bytes()[:-20])
    found = json.loads(kept[1].read_text())
    found["found"]["errors"]["value"] *= 2.0
    kept[1].write_text(json.dumps(found))
    before = {path: path.stat().st_mtime_ns for path in kept[2:]}

    with pytest.raises(InputError, match=r"is not empty; add --resume to go on"):
        study(read_as(StudyConfig, config_path), out, executor=ThreadPoolExecutor(1))
    resumed = study(read_as(StudyConfig, config_path), out, resume=True, executor=ThreadPoolExecutor(1))
    named = ", ".join(f"cells/{path.name}" for path in kept[:2])
    (told,) = resumed.warnings
    assert told.startswith(f"2 damaged files of {out} computed again: ")
    assert sorted(told.removesuffix(".").split(": ")[1].split(", ")) == sorted(named.split(", "))
    assert figures(out) == figures(finished)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_terminal_shows_the_table_the_answer_and_the_report(finished, config_path, capsys):
    answer = call(capsys, "study", config_path, "--out", finished, "--resume")
    assert answer.status == 0, answer.errors
    for text in (
        "from scratch, best start",
        "comparisons with one training from scratch",
        f"Report: {finished / 'report.html'}",
    ):
        assert text in answer.printed


def test_a_finished_study_is_not_computed_again(finished, config_path):
    class Idle(ThreadPoolExecutor):
        def submit(self, *call):
            raise AssertionError("something was computed")

    before = figures(finished)
    study(read_as(StudyConfig, config_path), finished, resume=True, executor=Idle(1))
    assert figures(finished) == before


def test_a_network_that_cannot_be_made_is_a_fault_and_no_end(finished, config_path, monkeypatch):
    def diverging(*_):
        raise TrainingDiverged("Training diverged at step 1: the loss became nan.")

    config = read_as(StudyConfig, config_path)
    monkeypatch.setattr(study_cell, "network_of", diverging)
    directory = StudyDirectory(finished, config, True)
    network, _ = directory.oversized(3)
    found = compute_cell(config.model_dump_json(), replace(default_cell(config), seed=3), network)
    assert found["fault"] == "Training diverged at step 1: the loss became nan."
    assert found["errors"] == {} and found["n_parameters"] == 19


@pytest.mark.parametrize("approach", APPROACHES)
def test_every_training_of_a_study_measures_slopes_as_its_file_says(finished, config_path, monkeypatch, approach):
    """That of the cell, whatever its approach, and those between its rounds."""
    seen = []

    def called(*arguments, **options):
        training = next((each for each in arguments if isinstance(each, TrainingConfig)), None)
        seen.append(options["scaled"] if training is None else training.scaled)
        if seen[1:] or approach != "pruning":
            raise TrainingDiverged("enough")
        return Stage(arguments[0], {"history.held_out_total": np.zeros(1)}, 0.0)

    monkeypatch.setattr(study_networks, "trained", called)
    monkeypatch.setattr(study_networks, "fit_sparse", called)
    scaled = {"finetuning": {"scaled": True}, "rounds": {"number": 2, "retraining": {"scaled": True}}}
    config = StudyConfig.model_validate(read_as(StudyConfig, config_path).model_dump() | scaled)
    cell = replace(default_cell(config), seed=3, approach=approach, schedule="rounds", labels="fixed")
    network, _ = StudyDirectory(finished, read_as(StudyConfig, config_path), True).oversized(3)
    assert compute_cell(config.model_dump_json(), cell, network)["fault"] == "enough"
    assert seen == [True] * (2 if approach == "pruning" else 1)


def test_another_study_is_not_resumed(finished, config_path):
    other = read_as(StudyConfig, config_path, full=True)
    with pytest.raises(InputError, match=r"started with `full = false`, the configuration now says `full = true`"):
        study(other, finished, resume=True, executor=ThreadPoolExecutor(1))


def test_calls_are_given_out_a_few_at_a_time_and_all_come_back():
    class Counting(ThreadPoolExecutor):
        waiting = most = 0

        def submit(self, function, *arguments):
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            return super().submit(function, *arguments)

    with Counting(1) as pool:
        found = {}
        for key, future in outcomes(pool, ((number, pow, (number, 2)) for number in range(500))):
            pool.waiting -= 1
            found[key] = future.result()
    assert found == {number: number**2 for number in range(500)}
    assert pool.most <= 64


def test_a_worker_that_dies_is_told_in_one_sentence(config_path, tmp_path):
    class Dying(ThreadPoolExecutor):
        def submit(self, *call):
            future = Future()
            future.set_exception(BrokenExecutor("its process died"))
            return future

    with pytest.raises(InputError, match=r"worker of the study was lost \(its process died\); .*, take fewer"):
        study(read_as(StudyConfig, config_path), tmp_path / "out", executor=Dying(1))


def test_without_dask_a_scheduler_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="--scheduler needs the package distributed; install it"):
        with open_executor(None, "tcp://localhost:8786"):
            pass


def test_a_scheduler_gives_its_own_executor(monkeypatch):
    clients = stand_in(monkeypatch)
    with open_executor(None, "tcp://scheduler:8786") as pool:
        assert [future.result() for _, future in outcomes(pool, [(0, pow, (3, 2))])] == [9]
        assert not clients[0].closed
    assert clients[0].closed
    with pytest.raises(InputError, match=r"There is no Dask scheduler at tcp://nowhere:1 \(timed out\); start one"):
        with open_executor(None, "tcp://nowhere:1"):
            pass
