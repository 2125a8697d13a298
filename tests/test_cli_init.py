"""The script that `init --from-function` writes: it runs as written, and mistakes are told in one sentence."""

import re
import runpy
import sys

import pytest

import sobolev_pruning as sp
from command_line import call

SIMULATOR = """
import jax.numpy as jnp
import numpy as np


def simulate(x, z):
    spot, volatility = x
    first, second = z
    return spot * jnp.exp(0.2 * volatility * (first + second))


def outside(x, z):
    return np.maximum(x[0] + z[0], 0.0)


number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "walk.py").write_text(SIMULATOR)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("walk", None)


def test_the_script_trains_prunes_evaluates_and_saves(capsys, folder, monkeypatch):
    answer = call(capsys, "init", "--from-function", "walk:simulate")
    assert answer.status == 0 and "Wrote simulate_surrogate.py" in answer.printed
    path = folder / "simulate_surrogate.py"
    text = path.read_text()
    assert '    "x1": (0.5, 1.5),\n}' in text and "\nNOISE = 2\n" in text  # as many as the function unpacks
    # The same script, with less to learn from and to be judged by.
    for name, number in (("SAMPLES", "512"), ("HIDDEN, KEEP", "[8, 8], 4"), ("TEST_POINTS, TEST_PATHS", "16, 1024")):
        text, replaced = re.subn(rf"^{name} = .*$", f"{name} = {number}", text, flags=re.MULTILINE)
        assert replaced == 1
    path.write_text(text)
    monkeypatch.syspath_prepend(folder)
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert "agree with differences" in printed
    r2 = [float(found) for found in re.findall(r"R2: value ([-\d.]+), delta", printed)]
    assert len(r2) == 2 and min(r2) > 0.9
    assert sp.load(folder / "simulate.safetensors").widths == (2, 4, 4, 1)
    assert (folder / "simulate.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-function", "walk"], "--from-function is 'walk'; give module:function"),
        (["--from-function", "walk:simulate()"], "give module:function"),
        (["--from-function", "run:simulate"], "The module run cannot be imported (ModuleNotFoundError"),
        (["--from-function", "walk:number"], "The module walk has no function number"),
        (["--from-function", "walk:outside"], "does what JAX cannot follow, such as a NumPy call"),
        (["walk.py", "--from-function", "walk:simulate"], "walk.py exists already"),
        (["none/mine.py", "--from-function", "walk:simulate"], "none"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, folder, arguments, message):
    answer = call(capsys, "init", *arguments)
    assert answer.status == 2 and message in answer.errors and "Traceback" not in answer.errors
    assert [path.name for path in folder.glob("*.py")] == ["walk.py"]
