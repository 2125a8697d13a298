"""The pages about models and data are executed: every Python block of a page, in order, in one namespace."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [
    DOCS / name
    for name in (
        *("bring-your-own-simulator.md", "how-to-choose-an-enclosure.md", "models.md", "real-data.md"),
        *("constraints.md", "error-bars.md", "scikit-learn.md"),
    )
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_page_run_and_print_what_they_say(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    namespace = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, page.name, "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        for stated in re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE):
            assert stated in printed


def test_the_example_for_scikit_learn_is_that_of_its_page():
    example = (DOCS.parent / "examples" / "sklearn_engine.py").read_text()
    _, _, code = example.partition('"""\n\n')
    assert len(code) > 500 and f"```python\n{code}```" in (DOCS / "scikit-learn.md").read_text()
