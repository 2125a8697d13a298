"""The repository as text: clean, free of any machine's paths, and of one mind about versions."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "requirements.txt").read_text().split("\n")
    if line and not line.startswith("#")
)

# The brackets keep the patterns from finding themselves.
_OF_A_MACHINE = re.compile(r"(?<![\w.])/(home|root|work|Users|op[t])/[\w.]|[p]ypi\.|index[-]url|find[-]links")


def _texts():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so there is no list of its files")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode()


def test_no_file_names_a_path_of_some_machine_or_a_registry():
    found = [f"{name}: {match.group()}" for name, text in _texts() for match in _OF_A_MACHINE.finditer(text)]
    assert found == []


@pytest.mark.parametrize("text", ["at /" + "home/someone/x", "'/" + "root/.cache'", "--index" + "-url x"])
def test_a_path_of_a_machine_would_be_seen(text):
    assert _OF_A_MACHINE.search(text)


def test_ruff_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_version_is_the_same_everywhere():
    current = PROJECT["version"]
    assert version("sobolev-pruning") == current
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1) == current
    versions = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(name for name in versions if name != "Unreleased") == current


@pytest.mark.parametrize("needed", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]])
def test_pinned_versions_satisfy_the_ranges_of_the_package(needed):
    requirement = Requirement(needed)
    assert requirement.specifier.contains(PINS[requirement.name.lower()])
