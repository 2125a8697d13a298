"""The page about certificates is executed: its block certifies, writes a file and proves it again."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "certificates.md"


def test_the_example_of_the_page_runs_and_proves_what_it_claims(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    namespace = {"__name__": "page"}
    exec(compile(block, PAGE.name, "exec"), namespace)
    *answers, same = capsys.readouterr().out.splitlines()
    assert same == "True"
    assert namespace["certificate"].proved, answers
    assert (tmp_path / "surrogate.certificate.json").is_file()
