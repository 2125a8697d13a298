"""The report in a real browser, narrow and wide, by day and by night; and the check itself."""

from dataclasses import replace

import pytest

from browser import browser, faults, needs_browser
from report_records import small_record, stage
from sobolev_pruning.running import render_report

pytestmark = needs_browser

WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def driver():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A full report, one with nothing in it, and one with texts that do not break by themselves."""
    full = small_record()
    empty = replace(full, stages=(), removals=(), published={}, versions={}, config="")
    endless = "x" * 120
    stages = (*full.stages, stage(endless, (3, 200, 1), 0.1, 1, description=endless))
    long = replace(full, name=endless, source=endless, stages=stages, config=endless * 3, versions={endless: endless})
    folder = tmp_path_factory.mktemp("pages")
    for name, record in {"full": full, "empty": empty, "long": long}.items():
        (folder / f"{name}.html").write_text(render_report(record), encoding="utf-8")
    return folder


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["full", "empty", "long"])
def test_the_report_has_no_fault(driver, pages, name, width):
    assert faults(driver, pages / f"{name}.html", width) == []


def test_the_report_follows_the_reader_into_the_dark(driver, pages):
    background = "return getComputedStyle(document.body).backgroundColor"
    ink = "return getComputedStyle(document.querySelector('svg.figure text')).fill"
    seen = {}
    for dark in (False, True):
        assert faults(driver, pages / "full.html", 1280, dark=dark) == []
        seen[dark] = driver.execute_script(background), driver.execute_script(ink)
    assert seen[False][0] != seen[True][0]
    assert seen[False][1] != seen[True][1]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('wrong')</script>", "console"),
        ("<script>nothing.at.all()</script>", "console"),
        ('<img alt="gone" src="data:image/png;base64,AAAA">', "broken picture: gone"),
        ('<svg aria-label="bare" width="10" height="10"></svg>', "empty drawing: bare"),
        ('<details>x<svg aria-label="bare" width="10" height="10"><g></g></svg></details>', "empty drawing: bare"),
        (
            '<svg width="9" height="9" aria-label="d"><image width="9" height="9" href="data:,"/></svg>',
            "broken picture inside: d",
        ),
        ('<link rel="stylesheet" href="elsewhere.css">', "loaded from elsewhere"),
        ('<div style="width: 2000px">wide</div>', "scrolls sideways"),
    ],
)
def test_the_check_sees_each_fault(driver, tmp_path, body, fault):
    page = tmp_path / "page.html"
    (tmp_path / "elsewhere.css").write_text("p {color: red}", encoding="utf-8")
    page.write_text(f'<!DOCTYPE html><html><link rel="icon" href="data:,"><body>{body}</body></html>', encoding="utf-8")
    assert any(fault in found for found in faults(driver, page, 1280))


def test_the_check_finds_nothing_wrong_with_a_sound_page(driver, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<!DOCTYPE html><html><link rel="icon" href="data:,"><body>'
        '<svg width="9" height="9"><rect width="5" height="5"/></svg></body></html>',
        encoding="utf-8",
    )
    assert faults(driver, page, 390) == []
