"""The command `sample`: a simulator of the user's own becomes a data file that the other commands read."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import black_boxes
from command_line import call
from dask_stand_in import stand_in
from sobolev_pruning.sampling import black_box, read_samples
from tolerances import AD_AGAINST_DIFFERENCES

SIMULATORS = """
import numpy as np

calls, broken = [], True


def price(x, seed):
    return float(np.exp(x[0])) * np.random.default_rng(seed).normal()


def sometimes(x, seed):
    calls.append(float(x[0]))
    if broken and x[0] > 1.5:
        raise ValueError("no [such] market")
    return price(x, seed)


def never(x, seed):
    raise ValueError("no licence")


number = 3
"""
BOX = "0.5:1.5,0.1:0.4"


class Threads(ThreadPoolExecutor):
    """Threads in place of processes, which take a second to start."""

    def __init__(self, workers, time_limit):
        super().__init__(2)
        self.time_limit = time_limit


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(SIMULATORS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.fixture
def threads(folder, monkeypatch):
    """In place of processes, whose start takes seconds."""
    monkeypatch.setattr(black_box, "ProcessExecutor", Threads)
    return folder


def found(capsys, *arguments):
    answer = call(capsys, "sample", *arguments, "--json")
    assert answer.status == 0 and answer.errors == "", answer.errors
    return json.loads(answer.printed)


def seed_of(row, seed=0):
    return int(np.random.SeedSequence([seed, row]).generate_state(1)[0])


def test_processes_call_the_function_of_a_module_in_the_current_folder(capsys, folder):
    record = found(capsys, "mine:price", "--box", "x=0:2", "-n", 5, "--workers", 1, "--seed", 3, "-o", "out.csv")
    assert (record["function"], record["n_points"], record["n_samples"], record["n_kept"]) == ("mine:price", 5, 5, 0)
    assert record["failures"] == {} and record["first_failure"] is None and record["derivatives"] == "none"
    data = read_samples("out.csv")
    assert data.samples.dydx is None
    import mine

    np.testing.assert_array_equal(
        data.samples.y, [mine.price(x, seed_of(row, 3)) for row, x in enumerate(np.asarray(data.samples.x))]
    )
    cells = [cell for line in (folder / "out.csv").read_text().splitlines()[1:] for cell in line.split(",")]
    assert cells == [repr(float(cell)) for cell in cells]
    assert [(column["name"], column["role"]) for column in record["columns"]] == [("x", "input"), ("y", "output")]
    assert record["columns"][1]["highest"] == max(data.samples.y)
    assert sorted(path.name for path in folder.glob("out*")) == ["out.csv"]  # what was kept has done its duty


@pytest.mark.parametrize("name", ["out.csv", "out.npz"])
@pytest.mark.parametrize("derivatives", ["own", "differences", "none"])
def test_the_file_holds_the_numbers_of_the_simulator(capsys, threads, name, derivatives):
    function = "noisy_with_gradient" if derivatives == "own" else "noisy"
    arguments = [f"black_boxes:{function}", "--box", "spot=0.5:1.5,vol=0.1:0.4", "-n", 8, "-o", name]
    record = found(capsys, *arguments, "--derivatives", derivatives, "--design", "sobol")
    samples = read_samples(name, x=["spot", "vol"]).samples
    x = np.asarray(samples.x)
    assert ([0.5, 0.1] <= x).all() and (x <= [1.5, 0.4]).all()
    assert sorted(np.floor((x[:, 0] - 0.5) * 8)) == [*range(8)]  # Sobol points, one in each eighth
    expected = [black_boxes.noisy_with_gradient(point, seed_of(row)) for row, point in enumerate(x)]
    np.testing.assert_array_equal(samples.y, [y for y, _ in expected])
    names = [column["name"] for column in record["columns"]]
    slopes = ["dy0/dspot", "dy0/dvol", "dy1/dspot", "dy1/dvol"] if derivatives != "none" else []
    assert names == ["spot", "vol", "y0", "y1", *slopes]
    if derivatives == "none":
        assert samples.dydx is None
        return
    gradients = np.stack([dydx for _, dydx in expected])
    if derivatives == "own":
        np.testing.assert_array_equal(samples.dydx, gradients)
    scale = np.abs(gradients).max(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(samples.dydx / scale, gradients / scale, rtol=0, atol=AD_AGAINST_DIFFERENCES)


def test_the_seed_gives_the_points_and_the_noise(capsys, threads):
    arguments = ["mine:price", "--box", "0:2", "-n", 6]
    for name, seed in (("a.npz", 1), ("b.npz", 1), ("c.npz", 2)):
        found(capsys, *arguments, "--seed", seed, "-o", name)
    first, again, other = ((threads / name).read_bytes() for name in ("a.npz", "b.npz", "c.npz"))
    assert first == again != other


def test_failures_are_counted_and_the_next_call_goes_on_with_them_alone(capsys, threads):
    arguments = ["mine:sometimes", "--box", "1:2", "-n", 20]
    record = found(capsys, *arguments, "-o", "out.csv")
    import mine

    n_failed = sum(x > 1.5 for x in mine.calls)
    assert 0 < n_failed < 20 and len(mine.calls) == 20
    assert record["failures"] == {"raised": n_failed} and record["n_samples"] == 20 - n_failed
    assert record["first_failure"].endswith("ValueError: no [such] market")
    assert len(read_samples("out.csv").samples) == 20 - n_failed and (threads / "out.csv.results").exists()
    mine.calls.clear()
    printed = " ".join(call(capsys, "sample", *arguments, "-o", "out.csv").printed.split())
    assert f"out.csv: {20 - n_failed} samples of mine:sometimes" in printed
    assert f"20 points ({20 - n_failed} from an earlier run), failed: {n_failed} raised; no derivatives." in printed
    assert "no [such] market. The same command tries them again." in printed
    assert len(mine.calls) == n_failed
    mine.calls.clear()
    # The results are those of this function; another one would be mixed with them.
    refused = call(capsys, "sample", "mine:price", *arguments[1:], "-o", "out.csv")
    assert refused.status == 2 and "out.csv.results belongs to another run (another simulator" in refused.errors
    mine.broken = False
    record = found(capsys, *arguments, "-o", "out.csv")
    assert len(mine.calls) == n_failed and record["n_samples"] == 20 and record["n_kept"] == 20 - n_failed
    found(capsys, *arguments, "-o", "whole.csv")
    assert (threads / "out.csv").read_bytes() == (threads / "whole.csv").read_bytes()
    assert not (threads / "out.csv.results").exists()


def test_a_scheduler_does_the_work_with_its_workers(capsys, threads, monkeypatch):
    clients = stand_in(monkeypatch)
    arguments = ["mine:price", "--box", BOX, "-n", 6]
    found(capsys, *arguments, "--scheduler", "tcp://scheduler:8786", "-o", "cluster.csv")
    assert [(client.address, client.closed) for client in clients] == [("tcp://scheduler:8786", True)]
    found(capsys, *arguments, "-o", "here.csv")
    assert (threads / "cluster.csv").read_bytes() == (threads / "here.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mine", "MODULE:FUNCTION is 'mine'; give module:function, such as pricer:simulate"),
        ("nowhere:price", "The module nowhere cannot be imported (ModuleNotFoundError"),
        ("mine:prise", "The module mine has no function prise; correct the name"),
        ("mine:number", "The module mine has no function number"),
        ("mine:price --box 0.3", "--box has '0.3' where a range LOWER:UPPER is expected"),
        ("mine:price --box y=0:1", "--box has an input y, but outputs are called so; give it another name"),
        ("mine:price --box x=0:1,y12=0:1", "--box has an input y12"),
        ("mine:price -n 0", "-n is 0; give 1 point or more"),
        ("mine:price --seed -1", "seed is -1; give 0 or more"),
        ("mine:price --design grid", "design is 'grid'; choose one of random, sobol, latin-hypercube"),
        ("mine:price --derivatives aad", 'derivatives is \'aad\'; choose "own", "differences" or "none"'),
        ("mine:price --time-limit 0", "time_limit is 0.0 seconds; give a positive number"),
        ("mine:price -o out.txt", "out.txt ends in none of .csv, .npz; give a file of that kind"),
        ("mine:price -o none/out.csv", "There is no folder none to write out.csv into; make it first"),
        ("mine:price --scheduler tcp://s:1 --workers 2", "--scheduler has workers of its own; give one"),
        (
            "mine:never",
            "All 3 calls of the simulator failed; the first raised: ValueError: no licence; correct the simulator",
        ),
        ("mine:price --derivatives own", 'derivatives="own" takes a pair (y, dydx), but it returned a float'),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(types_unchecked, capsys, threads, arguments, message):
    function, *options = arguments.split()
    answer = call(capsys, "sample", function, "--box", BOX, "-n", 3, "-o", "out.csv", *options)
    assert answer.status == 2 and answer.printed == ""
    assert message in answer.errors and "Traceback" not in answer.errors
    assert [path.name for path in threads.iterdir() if path.is_file()] == ["mine.py"]
