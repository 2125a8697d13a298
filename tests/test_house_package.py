"""The package as a whole: what importing it does, and that its documentation is there and runs."""

import doctest
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sobolev_pruning

ROOT = Path(__file__).parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages(sobolev_pruning.__path__, "sobolev_pruning."))
ROOMS = [name for name in MODULES if name.count(".") == 1 and not name.startswith("sobolev_pruning._")]

HEAVY = {"matplotlib", "onnx", "onnxruntime", "jinja2", "diffrax", "pyarrow", "h5py", "typer", "distributed"}
HEAVY |= {"scipy.stats", "scipy.optimize"}

_REPORT_WHAT_IMPORTING_DOES = """
import json, sys, jax
before = dict(jax.config.values)
import sobolev_pruning
changed = sorted(name for name, value in jax.config.values.items() if before.get(name, value) != value)
loaded = {".".join(name.split(".")[:length]) for name in sys.modules for length in (1, 2)}
print(json.dumps({"changed": changed, "loaded": sorted(loaded)}))
"""


def test_importing_changes_no_setting_and_loads_nothing_heavy_and_needs_no_display():
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _REPORT_WHAT_IMPORTING_DOES],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["changed"] == []
    assert "jax" in found["loaded"]
    assert HEAVY.isdisjoint(found["loaded"])


def _public_names():
    for room in ["sobolev_pruning", *ROOMS]:
        module = importlib.import_module(room)
        for name, thing in vars(module).items():
            if not name.startswith("_") and (inspect.isclass(thing) or inspect.isfunction(thing)):
                if thing.__module__.startswith("sobolev_pruning"):
                    yield pytest.param(thing, id=f"{room}.{name}")


@pytest.mark.parametrize("thing", list(_public_names()))
def test_every_public_name_has_a_docstring(thing):
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            documented = inspect.isfunction(member) or isinstance(member, property | staticmethod | classmethod)
            if documented and not name.startswith("_"):
                inherited = (getattr(base, name, None) for base in thing.__mro__)
                assert any(inspect.getdoc(found) for found in inherited if found), f"{thing.__name__}.{name}"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert module.__doc__ or Path(module.__file__).name == "__init__.py"
    failures, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failures == 0


def test_the_python_of_the_readme_runs(tmp_path):
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README.md")
    blocks = re.findall(r"^```python\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
