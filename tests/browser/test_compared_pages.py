"""The pages of several runs in a real browser: a sweep's leaderboard, and two runs side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.reports.html_compare import comparison_page
from eng5_runner.reports.html_leaderboard import leaderboard_page
from eng5_runner.results.compare import compare_artefacts
from eng5_runner.results.sweep.figures import figures_of
from eng5_runner.results.sweep.leaderboard import make_leaderboard
from tests.support.browser import HOSTILE, LOW_CONTRAST, opened
from tests.support.judged_run import judged_run

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("chromium")]
LETTERS = """
Array.from(document.querySelectorAll("svg text"), (text) => text.getBoundingClientRect().height)
  .filter((height) => height > 0)
"""


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    """Of two judges, with hostile words in every name, model and reason."""
    runs = [judged_run(students=6, anchors=9, per_essay=8, words=HOSTILE, noise=noise) for noise in (0.1, 4.0)]
    figures = [
        figures_of(run, judge=f"{name}{HOSTILE}", design=f"each{HOSTILE}", seed=seed, directory=f"2027-{name}")
        for name, run in zip(("strict", "hasty"), runs, strict=True)
        for seed in (1, 2)
    ]
    board = make_leaderboard(figures, name=f"judges{HOSTILE}", expected_runs=4, limit_usd=5.0)
    return {"leaderboard": leaderboard_page(board), "comparison": comparison_page([compare_artefacts(*runs)])}


@pytest.mark.parametrize("name", ["leaderboard", "comparison"])
async def test_the_page_fits_every_screen_and_whatever_others_wrote_stays_text(browser, pages, name, tmp_path: Path):
    file = tmp_path / f"{name}.html"
    file.write_bytes(pages[name])
    for width, scheme in ((1280, "light"), (390, "dark")):
        size = {"width": width, "height": 900}
        async with opened(browser, file, viewport=size, color_scheme=scheme) as (page, watched):
            await page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
            shot = await page.screenshot(full_page=True)
            assert shot.startswith(b"\x89PNG") and len(shot) > 20_000
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= width
            assert await page.evaluate(LOW_CONTRAST) == []
            assert min(await page.evaluate(LETTERS)) > 9.0
            assert await page.evaluate("window.reached") is None
            assert await page.locator("img, iframe, object, form, svg svg").count() == 0
            assert "<script>" in await page.locator("main").inner_text()
        assert (watched.console, watched.dialogs, watched.requests) == ([], [], [file.as_uri()])


async def test_the_leaderboard_is_sorted_and_leads_to_each_run(browser, pages, tmp_path: Path):
    file = tmp_path / "leaderboard.html"
    file.write_bytes(pages["leaderboard"])
    async with opened(browser, file) as (page, _):
        rows = page.locator("table").first.locator("tbody tr")
        assert (await rows.first.inner_text()).startswith("strict")
        await page.get_by_role("button", name="τ-b", exact=True).first.click()
        assert (await rows.first.inner_text()).startswith("hasty"), "the lowest first"
        links = await page.locator("main table a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert sorted(set(links)) == ["2027-hasty/report.html", "2027-strict/report.html"]
