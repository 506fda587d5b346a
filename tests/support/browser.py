"""A headless Chromium of the machine, for tests: nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Error, Page, async_playwright

from tests.support.needs import cannot_be_had

# As root there is no sandbox; the tests load pages of their own alone.
_OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP rebound.example 127.0.0.1")


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
