"""The report as text: complete, well formed, self-contained, and honest about what is missing."""

import re
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest

from report_records import PUBLISHED, TIMINGS, evaluation, removals, small_record, stage
from sobolev_pruning.drawing.canvas import canvas, log_ticks
from sobolev_pruning.drawing.numbers import count_text, r2_text, stage_label
from sobolev_pruning.running import ReportRecord, render_report
from sobolev_pruning.running.summary import calls_until_paid, comparison, error_ratio, headline
from sobolev_pruning.training import History
from tolerances import ALGEBRAIC

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Outline(HTMLParser):
    """What a page consists of: its elements with their attributes, its text, and whether every element is closed."""

    def __init__(self, page: str):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def record() -> ReportRecord:
    return small_record()


@pytest.fixture(scope="module")
def page(record) -> str:
    return render_report(record)


@pytest.fixture(scope="module")
def outline(page) -> Outline:
    return Outline(page)


def test_every_element_is_closed_and_headings_leave_out_no_level(outline):
    assert outline.open == []
    levels = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels))


def test_ids_are_unique_and_references_inside_the_page_lead_somewhere(page, outline):
    ids = Counter(attributes["id"] for _, attributes in outline.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', page)) <= set(ids)


def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(page, outline):
    targets = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)|@import\s*(\S+)', page)
    assert {
        target for found in targets for target in found if target and not target.startswith(("#", "data:"))
    } == set()
    assert outline.all("script") == []


def test_figures_and_tables_can_be_read_aloud(outline):
    figures = [attributes for attributes in outline.all("svg") if "aria-hidden" not in attributes]
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in figures)
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in outline.all("th"))
    assert len(outline.all("table")) == len(outline.all("thead")) > 0


def test_every_score_and_every_published_figure_stands_in_the_page(record, outline):
    for found in record.stages:
        assert stage_label(found.name) in outline.text
        assert count_text(found.n_parameters) in outline.text
        for evaluated in (found.evaluation, found.exposure):
            for r2 in evaluated.figures("r2").values():
                assert r2_text(r2) in outline.text
    for figures in PUBLISHED.values():
        assert all(f"paper {r2_text(r2)}" in outline.text for r2 in figures.values())


def test_the_headline_names_the_final_network_and_not_a_control(record, outline):
    final = record.stages[2].evaluation
    expected = f"From 1,841 to 25 parameters, with R² {r2_text(final.value.r2)} in value"
    assert headline(record).startswith(expected)
    assert headline(record) in outline.text
    assert "fine-tuned, reference data" in comparison(record)


def test_texts_of_the_record_are_escaped(record):
    hostile = '<script>alert(1)</script> & "$x_1$'
    hostile_stage = replace(record.stages[2], name=hostile, description=hostile)
    texts = {"name": hostile, "source": hostile, "config": hostile, "versions": {"a": hostile}}
    outline = Outline(render_report(replace(record, stages=(hostile_stage,), **texts)))
    assert outline.all("script") == []
    assert outline.text.count(hostile) >= 5
    assert record.config in unescape(render_report(record))


def test_the_same_record_gives_the_same_page(record, page):
    assert render_report(record) == page


def test_the_page_stays_light_with_as_many_points_as_a_run_has():
    assert len(render_report(small_record(points=4096)).encode()) < 1_500_000


def test_drawing_changes_no_setting_of_matplotlib(record):
    import matplotlib

    before = dict(matplotlib.rcParams)
    render_report(replace(record, stages=record.stages[:1]))
    assert dict(matplotlib.rcParams) == before


def test_plain_and_sobolev_training_are_told_apart(page):
    assert page.count('<span class="note number">values only</span>') == 2
    assert page.count('<span class="note number">values and derivatives</span>') == 2


def test_each_node_is_one_tick_among_the_kept_or_among_the_removed(record, page):
    for round in record.removals:
        drawing = page[page.index(f'id="significance-{round.round}-figure') :]
        drawing = drawing[: drawing.index("</svg>")]
        for colour, chosen in (("blue", True), ("orange", False)):
            paths = re.findall(rf'<path d="([^"]*)"[^>]*stroke: var\(--{colour}', drawing)
            nodes = sum(int(np.sum(kept == chosen)) for kept in round.kept)
            assert sum(path.count("M") for path in paths) == nodes
    assert "all 8 removed" in page
    assert "8 of 40 kept" in page


def test_scores_without_a_place_on_a_logarithmic_scale_are_drawn_at_its_edge(record):
    round = record.removals[0]
    scores = (np.array([0.0, np.inf, 1.0, np.nan]), np.zeros(2))
    kept = (np.array([False, True, True, True]), np.array([True, False]))
    page = render_report(replace(record, removals=(replace(round, scores=scores, kept=kept),)))
    assert "3 of 4 kept" in page


def test_points_out_of_view_are_counted(record):
    predictions = record.stages[0].predictions
    astray = np.where(np.arange(len(predictions.axis)) < 7, 1e6, predictions.gamma)
    moved = replace(record.stages[0], predictions=replace(predictions, gamma=astray))
    assert "7 points out of view" in render_report(replace(record, stages=(moved,)))


def test_many_rounds_are_folded_in_the_middle_and_none_is_lost(record):
    rounds = tuple(replace(removals()[0], round=number) for number in range(1, 10))
    page = render_report(replace(record, removals=rounds))
    assert "3 rounds in between" in page
    assert re.findall(r"<b>Round (\d)</b>", page) == [str(number) for number in range(1, 10)]


def test_what_is_missing_is_left_out_or_shown_as_missing(record):
    bare = replace(
        stage("oversized", (3, 5, 1), 0.1, None),
        evaluation=evaluation(0.1, derivatives=False),
        exposure=evaluation(0.1, derivatives=False),
    )
    never_trained = replace(stage("pruned", (3, 2, 1), 0.1, 1), history=History.empty())
    constant = replace(bare.evaluation, value=replace(bare.evaluation.value, r2=None, r2_by_component=None))
    stages = (bare, replace(never_trained, evaluation=constant, exposure=constant))
    page = render_report(replace(record, stages=stages, removals=(), published={}, explorer=None))
    outline = Outline(page)
    sections = [attributes["id"] for attributes in outline.all("section")]
    assert sections == ["results", "predictions", "network", "cost", "use", "configuration"]
    assert "Hessian</th>" not in page and "Gamma</th>" not in page
    assert "–" in outline.text
    assert headline(replace(record, stages=stages)) == "From 26 to 11 parameters."


def test_a_record_without_stages_still_gives_a_page(record):
    outline = Outline(render_report(replace(record, stages=(), removals=(), published={}, versions={})))
    assert "No network was trained in this run." in outline.text


@pytest.mark.parametrize(
    ("widths", "text"), [((2, 16, 1), "2–16–1"), ((2, 17, 1), "2–17–1"), ((2, 900, 900, 900, 1), "2–900×3–1")]
)
def test_networks_of_any_width_are_drawn(record, widths, text):
    page = render_report(replace(record, stages=(stage("oversized", widths, 0.1, None),), removals=()))
    assert text in page
    assert len(page) < 1_000_000


def test_calls_until_paid_is_where_both_have_spent_the_same():
    calls = calls_until_paid(TIMINGS)
    spent = TIMINGS.total + calls * TIMINGS.final
    assert abs(spent - calls * TIMINGS.source) <= ALGEBRAIC * spent
    assert calls_until_paid(replace(TIMINGS, final=TIMINGS.source)) is None


def test_a_surrogate_slower_than_its_reference_is_said_to_never_pay(record):
    page = render_report(replace(record, timings=replace(TIMINGS, final=1.0)))
    assert "never pays" in page


def test_the_error_ratio_compares_one_minus_r2():
    assert abs(error_ratio(0.98, 0.9) - 0.2) <= ALGEBRAIC
    assert error_ratio(None, 0.9) is None
    assert error_ratio(0.9, 1.0) is None


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_from_what_is_behind_them(theme):
    """Contrast ratios of WCAG 2.2: 4.5 for text and 3 for what figures are made of."""
    css = resources.files("sobolev_pruning.drawing").joinpath("page.css").read_text()
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]))
    needed = {"ink": 4.5, "ink-soft": 4.5, "blue": 4.5, "orange": 4.5, "good": 4.5, "grey": 3.0}
    for name, ratio in needed.items():
        for behind in ("page", "card", "tint") if name == "ink" else ("page", "card"):
            light, dark = sorted((_luminance(colours[name]), _luminance(colours[behind])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= ratio, (name, behind)


@pytest.mark.parametrize(
    ("lower", "upper", "ticks"),
    [
        (1e-5, 1e1, ["10⁻⁵", "10⁻³", "10⁻¹", "10"]),
        (2e-3, 0.5, ["10⁻²", "10⁻¹"]),
        (0.05, 0.8, ["0.1", "0.3"]),
        (0.15, 0.9, ["0.2", "0.5"]),
        (0.21, 0.26, ["0.25"]),
    ],
)
def test_logarithmic_ticks_stand_at_round_numbers(lower, upper, ticks):
    _, axes = canvas(100, 100, 10, 10, 10, 10)
    axes.set(xscale="log", xlim=(lower, upper))
    log_ticks(axes.xaxis, lower, upper, count=4)
    assert [axes.xaxis.get_major_formatter()(tick) for tick in axes.get_xticks()] == ticks
