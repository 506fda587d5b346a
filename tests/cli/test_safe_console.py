"""What services and other people wrote cannot act on the terminal."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from aiohttp import web
from rich.table import Table

from eng5_runner.reports.terminal.safe_console import SafeConsole
from tests.support.runner import run
from tests.support.servers import serving

HOSTILE = "m\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202ecba\u2066\u2028\r\x7f"


def test_every_text_of_the_console_is_made_harmless() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=False, width=200)
    table = Table("column" + HOSTILE)
    table.add_row(HOSTILE)
    console.print(table)
    console.print(HOSTILE, style="red")
    assert all(char.isprintable() or char == "\n" for char in file.getvalue())
    assert file.getvalue().count("PWNED") == 3


async def unwell(_: web.Request) -> web.Response:
    return web.json_response({"status": "unhealthy", "reason": HOSTILE}, status=503)


async def test_what_an_unhealthy_service_says_is_made_harmless(tmp_path: Path) -> None:
    async with serving(unwell) as url:
        ran = await asyncio.to_thread(run, "stack", "healthcheck", url, cwd=tmp_path)
    assert ran.code == 1 and "PWNED" in ran.err
    assert ran.err.strip().isprintable()


def test_the_name_of_a_strangers_folder_is_made_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "study\x1b[2J"
    folder.mkdir()
    (folder / ".env").write_text("OPENAI_API_KEY=canary\nENG5_ANTHROPIC_BASE_URL=https://elsewhere\n")
    (folder / ".env").chmod(0o644)
    ran = run("models", cwd=folder, env={"ANTHROPIC_API_KEY": "ours"})
    assert "others can read it" in ran.err and "is not used" in ran.err
    assert all(line.isprintable() for line in ran.err.splitlines())
