"""A judge that tosses a coin: nobody reads its order as a result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, chat, serving
from tests.support.runner import newest, run
from tests.support.small_study import build_study


def coin(asked: Asked) -> Said:
    """The same answer to the same prompt, whatever the essays say."""
    heads = hashlib.sha256(json.dumps(asked.body["messages"]).encode()).digest()[0] % 2
    answer = {"winner": f"Essay {'AB'[heads]}", "justification": "The coin says so.", "confidence": 3}
    return chat(json.dumps(answer))


async def test_a_coin_gets_no_green_banner_and_no_grades(tmp_path: Path) -> None:
    study = build_study(tmp_path / "study")
    judge = ("--llm-provider", "openai", "--llm-model", "local-7b", "--yes")
    options = ("--mode", "execute", "--assets", study, "--seed", 5, "--max-comparisons", 160, *judge)
    async with serving(coin) as server:
        env = environ_for(tmp_path, server.url)
        ran = await asyncio.to_thread(run, *options, cwd=tmp_path, env=env)
    assert ran.code == 0, ran.err
    page = (newest(tmp_path) / "report.html").read_text()
    assert "No better than chance; no grades." in ran.err
    assert '<section class="verdict bad"' in page and "<span>No better than chance; no grades.</span>" in page
    assert '<dt>Is the order reliable?</dt><dd><strong class="bad">No.</strong>' in page
    assert "Dashed lines" not in page and "P(grade)" not in page
