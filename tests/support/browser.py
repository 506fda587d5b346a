"""A headless Chromium of the machine, for tests: nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Error, Page, async_playwright

from tests.support.needs import cannot_be_had

# As root there is no sandbox; the tests load pages of their own alone.
_OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP rebound.example 127.0.0.1")

HOSTILE = (
    ' <script>window.reached = 1</script><img src="http://evil.example/x" onerror="window.reached = 1">'
    "</script></style></title></textarea>--><svg onload=window.reached=1>\" onmouseover='window.reached=1' {{7*7}}"
)
"""What somebody from outside may write in any place of a page."""
# Own text of an element against the first ground behind it that is no shade, as WCAG 2 computes it.
LOW_CONTRAST = """
() => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, ground) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((n) => top[n] * alpha + ground[n] * (1 - alpha));
  };
  const ground = (element) => {
    if (!element) { return [255, 255, 255]; }
    const colour = numbers(getComputedStyle(element).backgroundColor);
    return colour.length > 3 && colour[3] === 1 || colour.length === 3
      ? colour : over(colour, ground(element.parentElement));
  };
  const low = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
    const silent = ["SCRIPT", "TITLE"].includes(element.tagName.toUpperCase());
    if (!own || silent || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), behind = ground(element);
    const colour = over(numbers(element.closest("svg") ? style.fill : style.color), behind);
    const [dark, bright] = [light(colour), light(behind)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.add(`${element.tagName} ${element.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return Array.from(low);
}
"""
"""Tells the texts of a page that are too pale for WCAG AA."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium, for which `rebound.example` is this machine; the test is skipped where it is missing."""
    program = shutil.which("chromium")
    if program is None:
        cannot_be_had("Chromium is not installed: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """What a page does besides being shown.

    Attributes:
        console: what it wrote there, errors that nothing caught included.
        requests: addresses that it asked for.
        dialogs: messages that it opened.
    """

    def __init__(self, page: Page) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(_words(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: self.dialogs.append(dialog.message))


def _words(error: Error) -> str:
    return error.message


@asynccontextmanager
async def opened(browser: Browser, file: Path, **options: object) -> AsyncIterator[tuple[Page, Watched]]:
    """A page of a file in a window of its own, and what it does besides being shown."""
    context = await browser.new_context(**options)
    try:
        page = await context.new_page()
        watched = Watched(page)
        await page.goto(file.as_uri())
        yield page, watched
    finally:
        await context.close()
