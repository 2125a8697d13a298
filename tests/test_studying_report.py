"""The report of a study: what its sentences say follows from the figures, and the page shows them."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from browser import browser, faults, needs_browser
from sobolev_pruning.studying import render_study, study_headline, study_reading, study_table
from sobolev_pruning.studying.paired import paired_comparisons
from sobolev_pruning.studying.statistics import compared, differing, front, settings_of, varying
from study_records import FACTORS, cells, small_study


def by_name(record):
    return {tuple(s.levels[f] for f in ("approach", "criterion", "order", "size")): s for s in settings(record)}


def settings(record):
    return list(settings_of(record.cells).values())


def answers(record) -> str:
    return "\n".join(f"{question} {' '.join(sentences)}" for question, sentences in study_reading(record).items())


def test_one_setting_against_another_is_judged_seed_by_seed():
    (one,) = settings_of(cells({0: 1.0, 1: 2.0, 2: 3.0})).values()
    for other, ratio, verdict in (
        ({0: 2.0, 1: 8.0, 2: 9.0}, 1 / 3, "better"),
        ({0: 0.5, 1: 1.0, 2: 1.0}, 2.0, "worse"),
        ({0: 2.0, 1: 1.0, 2: 3.0}, 1.0, "undecided"),
        ({1: 4.0, 2: None, 7: 1.0}, 0.5, "better"),  # one seed in common
    ):
        (rival,) = settings_of(cells(other, approach="scratch")).values()
        found = compared(one, rival, "gamma")
        assert (found.ratio, found.verdict) == (pytest.approx(ratio), verdict)
    (stranger,) = settings_of(cells({9: 1.0}, approach="scratch")).values()
    assert compared(one, stranger, "gamma") is None


def test_the_spread_is_over_the_seeds_that_did_not_diverge():
    found = by_name(small_study())["rigl", None, 1, (4, 4)]
    assert found.spread("value") == (0.9, pytest.approx(1.05), 1.2)
    (lost,) = settings_of(cells({0: None})).values()
    assert lost.spread("value") is None


def test_settings_that_vary_in_a_factor_are_those_with_all_others_at_their_default():
    record = small_study()
    assert [s.levels["criterion"] for s in varying(record, ("criterion",))] == ["split", "fold", "random"]
    # Without fine-tuning there are no labels, and it is still the default but for the order.
    assert [s.levels["order"] for s in varying(record, ("order",))] == [1, "none"]
    assert len(varying(record, ("order", "labels"))) == 4
    assert {s.levels["approach"] for s in varying(record, ("approach",))} == {"pruning", "scratch", "growing", "rigl"}
    assert differing(varying(record, ("order", "labels")), FACTORS) == ["order", "labels"]


def test_the_front_holds_what_nothing_smaller_beats():
    record = small_study()
    assert front(settings(record), "value") == [(11, 1e-2), (33, 3e-4)]
    worse_and_larger = [s for s in settings(record) if s.levels["criterion"] == "random"]
    assert front([*worse_and_larger, by_name(record)["scratch", None, 1, (2, 2)]], "value") == [(11, 1e-2)]


def test_the_headline_counts_wins_and_losses():
    assert study_headline(small_study()) == (
        "Of 6 comparisons with one training from scratch pruning wins 3 and loses 3."
    )
    both = [*cells({0: 1e-3, 1: 2e-3}), *cells({0: 2e-3, 1: 1e-3}, approach="scratch-restarts")]
    even = replace(small_study(), cells=tuple(both), default=both[0].setting, crossings=())
    assert study_headline(even) == ("Of 3 comparisons with the best of several pruning wins 0 and loses 0.")
    assert study_headline(replace(even, cells=tuple(both[:2]))) == "Ways to a small network compared: 1."


def test_pruning_is_compared_with_what_was_trained_in_the_same_way():
    record = small_study()
    more = cells({0: 1.0, 1: 1.0, 2: 1.0}, approach="scratch", labels="teacher")
    found = paired_comparisons(replace(record, cells=(*record.cells, *more)))[2]
    assert (found.rival, found.training) == ("scratch", "labels: oversized network")
    assert found.won("better")["value"] == pytest.approx(3e-3)


def test_the_reading_says_where_pruning_wins_and_where_it_does_not():
    text = answers(small_study())
    assert (
        "Against one training from scratch, pruning is better at 33 parameters in value, delta and gamma "
        "(0.5, 0.5, 0.5); it is worse at 11 parameters in value, delta and gamma (2, 2, 2)."
    ) in text
    assert "Against networks grown from small, pruning is neither better nor worse in every seed, at 33" in text
    assert "Against sparse training by RigL, pruning is better at 33 parameters" in text


def test_the_reading_names_the_best_level_of_every_factor_and_what_is_at_stake():
    text = answers(small_study())
    assert (
        "Which criterion? The smallest median error has “chosen for the fold” in value (0.5 of the default's error), "
        "delta (0.5 of the default's error) and gamma (0.5 of the default's error). The worst choice has a larger one: "
        "60 times in value (“random”)"
    ) in text
    assert "In every seed worse than the default: “random” in value (30), delta (30) and gamma (30)." in text
    assert "In every seed better than the default: “chosen for the fold” in value (0.5)" in text
    assert "Which labels? The smallest median error has “fresh samples” in value (the default)" in text
    assert "“oversized network” in" not in text.partition("Which labels?")[2].partition("\n")[0]
    assert "Which order of fine-tuning and labels, taken together (fine-tuning)?" in text
    assert "“order 2: curvature too, oversized network” in value" in text
    assert "Which fold?" not in text  # nothing was varied
    assert "with 33 parameters 20 in value" in text and "with 11 parameters 200 in value" in text


def test_the_reading_changes_with_the_figures():
    record = small_study()
    turned = replace(
        record,
        cells=tuple(
            replace(cell, errors={q: e * 1e-2 for q, e in cell.errors.items()})
            if cell.levels["approach"] == "scratch"
            else cell
            for cell in record.cells
        ),
    )
    assert "Against one training from scratch, pruning is worse at 33 parameters" in answers(turned)


def test_the_page_shows_everything_and_escapes_what_is_not_its_own():
    page = render_study(small_study())
    for text in (study_headline(small_study()), "Which criterion?", "sparse training, RigL", "chosen for the fold"):
        assert text in page
    assert "A call, &amp; &lt;a basket&gt;" in page
    assert "Training diverged at step 3: &lt;nan&gt;." in page
    assert page.count('<svg class="figure"') == 3 + 4 + 3 * sum(
        len(varying(small_study(), (factor,))) > 1 for factor in FACTORS
    )
    assert render_study(small_study()) == page


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_has_no_fault_in_a_browser(tmp_path, width):
    (tmp_path / "study.html").write_text(render_study(small_study()), encoding="utf-8")
    with browser() as driver:
        assert faults(driver, tmp_path / "study.html", width) == []


def test_the_terminal_table_fits_and_marks_the_best_of_each_size():
    written = StringIO()
    Console(width=80, force_terminal=True, color_system="standard", file=written).print(study_table(small_study()))
    lines = written.getvalue().splitlines()
    plain = StringIO()
    Console(width=80, color_system=None, file=plain).print(study_table(small_study()))
    text = plain.getvalue()
    assert "…" not in text and "oversized" in text and "337" in text
    marked = [line for line in lines if "\x1b[1;32m" in line]
    assert len(marked) == 2
    assert "pruned" in marked[0] and "from scratch" in marked[1]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
