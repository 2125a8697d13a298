"""The results table as a terminal shows it."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from report_records import PUBLISHED, evaluation, small_record, stage
from sobolev_pruning.report import results_table
from sobolev_pruning.report.numbers import r2_text, stage_label


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
