"""The results table as a terminal shows it."""

import time
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from report_records import PUBLISHED, evaluation, small_record, stage
from sobolev_pruning._foundation import progress
from sobolev_pruning.drawing import fitted
from sobolev_pruning.drawing.fitted import plain_text
from sobolev_pruning.drawing.numbers import r2_text, stage_label
from sobolev_pruning.running import results_table


def shown(stages, published, width: int = 80) -> str:
    written = StringIO()
    Console(width=width, color_system=None, file=written).print(results_table(stages, published))
    return written.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_cut_off(width):
    stages = (*small_record().stages, stage("finetuned-teacher", (7, *[128] * 6, 1), 0.01, 1))
    text = shown(stages, PUBLISHED, width)
    assert "…" not in text
    for found in stages:
        assert stage_label(found.name) in text
        assert all(r2_text(found.evaluation.figures("r2")[name]) in text for name in ("value", "delta", "gamma"))
    assert "7–128×6–1" in text
    assert "83,713" in text


def test_a_tick_marks_what_is_as_good_as_the_paper_and_nothing_else():
    final = small_record().stages[2]
    text = shown((final,), PUBLISHED)
    line = next(line for line in text.splitlines() if "reference data" in line)
    assert f"{r2_text(final.evaluation.value.r2)}✓" in line
    assert line.count("✓") == 2  # value and gamma; the paper's delta is out of reach
    assert "0.999999999" in text


def test_without_published_figures_the_paper_is_not_mentioned():
    text = shown(small_record().stages, {})
    assert "paper" not in text
    assert "✓" not in text


def test_the_widths_of_the_paper_and_a_truth_that_is_no_closed_form_are_told():
    text = " ".join(shown(small_record().stages, PUBLISHED).split())
    assert "the paper’s oversized network is 7–128×6–1" in text and "The truth is" not in text
    estimated = replace(evaluation(0.1), against="Monte Carlo, 8 paths of the smoothed model")
    text = " ".join(shown((replace(small_record().stages[0], evaluation=estimated),), {}).split())
    assert "The truth is Monte Carlo, 8 paths of the smoothed model." in text


def test_what_was_not_measured_is_a_dash():
    bare = replace(small_record().stages[0], evaluation=evaluation(0.1, derivatives=False))
    assert shown((bare,), PUBLISHED).count("–  ") >= 2


def fitted_text(width: int, encoding: str = "utf-8") -> str:
    written = TextIOWrapper(BytesIO(), encoding=encoding, errors="strict")
    console = Console(width=width, color_system=None, file=written)
    console.print(fitted(results_table(small_record().stages, PUBLISHED), console))
    written.seek(0)
    return written.read()


def test_a_narrow_terminal_shows_the_columns_that_matter_whole():
    text = fitted_text(40)
    assert "…" not in text
    assert "Value" in text and "Stage" in text
    for found in small_record().stages:
        assert r2_text(found.evaluation.figures("r2")["value"]) in text
    assert "Left out for want of width: Hessian, Gamma" in " ".join(text.split())
    assert "Left out" not in fitted_text(100)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_other_encodings_get_plain_characters(encoding):
    text = fitted_text(100, encoding)
    text.encode("ascii")
    assert "R2, higher is better" in text


def test_powers_of_ten_are_read_right_without_superscripts():
    assert plain_text("3.8×10⁻⁵") == "3.8e-05"
    assert plain_text("10⁻³") == "1e-03"
    assert plain_text("2.0×10¹²") == "2.0e+12"


def test_where_there_is_no_terminal_a_line_comes_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.05)
    with progress.progress_bar("training", 2000, "compiling") as show:
        time.sleep(0.2)
        show(1200, "train 1.0e-03")
        time.sleep(0.2)
    with progress.waiting("pruning"):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert "training: 0 of 2,000, compiling (0 s)" in lines
    assert "training: 1,200 of 2,000, train 1.0e-03 (0 s)" in lines
    assert "pruning (0 s)" in lines
    time.sleep(0.2)
    assert capsys.readouterr().err == ""
