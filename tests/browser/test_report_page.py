"""The report in a real browser: on a desk, on a phone, at night, on paper, and with hostile words in every place."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from pypdf import PdfReader

from eng5_runner.reports.html_report import report
from eng5_runner.results.artefact import Artefact
from tests.support.artefacts import sha256, with_files
from tests.support.browser import HOSTILE, LOW_CONTRAST, opened
from tests.support.judged_run import judged_run

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("chromium")]
HEADINGS = """
() => Array.from(document.querySelectorAll("h1, h2, h3, h4"), (head) => Number(head.tagName[1]))
"""


@pytest.fixture(scope="module")
def run() -> Artefact:
    return judged_run(students=30, per_essay=12)


def written(artefact: Artefact, folder: Path, **options: object) -> Path:
    file = folder / "report.html"
    file.write_bytes(report(artefact, **options))
    return file


def widened(run: Artefact, students: int) -> Artefact:
    """The run with many more students, who take the places and grades of its own in turn."""
    projections = {projection.essay_id: projection for projection in run.grade_projections}
    sources = {student.essay_id: student for student in run.inputs.students}
    entries = [entry for entry in run.bt_summary if not entry.is_anchor]
    copies = [
        (f"{entries[number % len(entries)].essay_id}-{number}", entries[number % len(entries)])
        for number in range(len(entries), students)
    ]
    ranked = sorted(
        (*run.bt_summary, *(entry.model_copy(update={"essay_id": name}) for name, entry in copies)),
        key=lambda entry: -entry.theta,
    )
    more = tuple(
        sources[entry.essay_id].model_copy(update={"essay_id": name, "text_sha256": sha256(name)})
        for name, entry in copies
    )
    inputs = run.inputs.model_copy(update={"students": (*run.inputs.students, *more)})
    return run.model_copy(
        update={
            "inputs": inputs,
            "bt_summary": tuple(entry.model_copy(update={"rank": n}) for n, entry in enumerate(ranked, start=1)),
            "grade_projections": (
                *run.grade_projections,
                *(projections[entry.essay_id].model_copy(update={"essay_id": name}) for name, entry in copies),
            ),
        }
    )


async def test_no_table_is_wider_than_a_window_of_1000_pixels(browser, run, tmp_path):
    file = written(run, tmp_path)
    async with opened(browser, file, viewport={"width": 1000, "height": 900}) as (page, _):
        assert (
            await page.evaluate(
                "Array.from(document.querySelectorAll('.wide')).filter((e) => e.scrollWidth > e.clientWidth).length"
            )
            == 0
        )


async def test_the_page_fits_a_desk_and_a_phone_by_day_and_by_night(browser, run, tmp_path):
    file = written(run, tmp_path)
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        size = {"width": width, "height": 900}
        async with opened(browser, file, viewport=size, color_scheme=scheme) as (page, watched):
            shot = await page.screenshot(full_page=True)
            assert shot.startswith(b"\x89PNG") and len(shot) > 50_000
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= width
            assert await page.evaluate(LOW_CONTRAST) == []
            letters = await page.evaluate(
                "Array.from(document.querySelectorAll('.positions text'), (t) => t.getBoundingClientRect().height)"
                ".filter((height) => height > 0)"
            )
            assert min(letters) > 9.0, "no letter of the picture is too small to read"
        assert watched.console == [] and watched.requests == [file.as_uri()]


async def test_the_page_can_be_heard(browser, run, tmp_path):
    async with opened(browser, written(run, tmp_path)) as (page, _):
        levels = await page.evaluate(HEADINGS)
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert await page.locator("th:not([scope])").count() == 0
        assert await page.locator("svg[role=img]:not(:has(> title))").count() == 0
        assert await page.locator("svg:not([role=img]):not([aria-hidden])").count() == 0
        assert await page.locator("input:not([aria-label]), select:not([aria-label])").count() == 0


async def test_tables_are_sorted_searched_and_filtered(browser, run, tmp_path):
    async with opened(browser, written(run, tmp_path)) as (page, watched):
        table = page.locator("table.grades")
        names = table.locator("tbody tr:visible th")
        whole = await names.count()
        assert whole == 30
        await table.get_by_role("button", name="θ", exact=True).click()
        heads = await table.locator("thead th").all_inner_texts()
        column = next(n for n, head in enumerate(heads, start=1) if head.startswith("θ"))
        thetas = [float(text) for text in await table.locator(f"tbody td:nth-child({column})").all_inner_texts()]
        assert thetas == sorted(thetas) and len(set(thetas)) > 10
        await table.get_by_role("button", name="grade", exact=True).click()
        grades = await table.locator("tbody td:nth-child(3)").all_inner_texts()
        order = ("F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
        assert [order.index(grade) for grade in grades] == sorted(order.index(grade) for grade in grades)
        search = page.get_by_label("search in students")
        await search.fill("te17b-01")
        assert await names.count() == 10
        await search.fill("")
        await page.get_by_label("only with this grade").select_option(grades[-1])
        assert await names.count() == grades.count(grades[-1]) < whole
        await table.locator("tbody tr:visible th a").first.click()
        fold = page.locator("details[open] h3")
        assert await fold.inner_text() == await names.first.inner_text()
        assert watched.console == []


async def test_without_scripts_everything_is_there_and_no_button_is_dead(browser, run, tmp_path):
    async with opened(browser, written(run, tmp_path), java_script_enabled=False) as (page, _):
        assert await page.locator("table.grades tbody tr").count() == 30
        assert await page.locator("button, input, select").count() == 0
        await page.locator("details summary").first.click()
        assert await page.locator("details[open] li").count() > 0


@pytest.mark.parametrize(("students", "most"), [(30, 7), (200, 11)])
async def test_on_paper_it_is_short_and_no_heading_stands_alone(browser, run, tmp_path, students, most):
    artefact = run if students == len(run.inputs.students) else widened(run, students)
    async with opened(browser, written(artefact, tmp_path), color_scheme="dark") as (page, _):
        printed = PdfReader(io.BytesIO(await page.pdf(prefer_css_page_size=True)))
        headings = set(await page.locator("h2, h3").all_inner_texts())
    assert len(printed.pages) <= most
    width, height = (float(side) for side in printed.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (595, 842)
    pages = [sheet.extract_text() for sheet in printed.pages]
    listed = [sheet for sheet in pages if sheet.count("np-eng5-class") > 2]
    assert len(listed) > students // 60 and all("claim P(grade)" in sheet for sheet in listed), "each names its columns"
    for sheet in printed.pages:
        last = sheet.extract_text().strip().splitlines()[-1]
        assert last.strip() not in headings


async def test_whatever_others_wrote_stays_text(browser, tmp_path):
    run = judged_run(students=12, anchors=9, per_essay=8, words=HOSTILE)
    first, *rows = run.llm_comparisons
    named = with_files(run, {run.inputs.students[0].essay_id: f"a{HOSTILE}.docx"})
    status = run.runner_status.model_copy(update={"reasons": (f"broken{HOSTILE}",)})
    hostile = named.model_copy(
        update={"runner_status": status, "llm_comparisons": (replace(first, justification=HOSTILE), *rows)}
    )
    texts = {student.essay_id: f"An essay.{HOSTILE}" for student in run.inputs.students}
    file = written(hostile, tmp_path, texts=texts)
    async with opened(browser, file) as (page, watched):
        await page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
        await page.locator("h1").hover()
        assert await page.evaluate("window.reached") is None
        assert await page.locator("img, iframe, object, form").count() == 0
        assert await page.locator("script").count() == 1 and await page.locator("style").count() == 1
        assert "<script>" in await page.locator("h1").inner_text()
        assert "<script>" in await page.locator(".essay").first.inner_text()
        assert await page.get_by_text("Not for sharing.").is_visible()
    assert (watched.console, watched.dialogs, watched.requests) == ([], [], [file.as_uri()])
