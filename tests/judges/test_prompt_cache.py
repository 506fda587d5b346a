"""The part of the prompt that all comparisons share is marked for the provider's cache, and priced as there."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, message, serving
from tests.support.runner import newest, run
from tests.support.small_study import build_study

INPUT, CACHED, WRITTEN, OUTPUT = map(Decimal, ("0.0000025", "0.00000125", "0.0000025", "0.00001"))
COMPARISONS = 8


class CachingServer:
    """Speaks the Messages API and keeps what is marked, as its provider does; four letters are a token.

    Attributes:
        usd: its bill.
        shared: the marked texts, in the order of the questions.
    """

    def __init__(self) -> None:
        self.usd = Decimal(0)
        self.shared: list[str] = []

    def __call__(self, asked: Asked) -> Said:
        marked, rest = asked.body["messages"][0]["content"]
        assert marked["cache_control"] == {"type": "ephemeral"} and "cache_control" not in rest
        prefix = len(asked.body["system"] + marked["text"]) // 4
        is_known = marked["text"] in self.shared
        self.shared.append(marked["text"])
        plain, written = len(rest["text"]) // 4, 60
        self.usd += plain * INPUT + prefix * (CACHED if is_known else WRITTEN) + written * OUTPUT
        said = message(json.dumps({"winner": "Essay A", "justification": "Clearer.", "confidence": 4}))
        counts = {"cache_read_input_tokens": prefix * is_known, "cache_creation_input_tokens": prefix * (not is_known)}
        said.body["usage"] = {"input_tokens": plain, "output_tokens": written, **counts}
        return said


async def test_the_artefact_has_the_bill_of_a_server_that_caches(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    server = CachingServer()
    async with serving(server) as at:
        environ = environ_for(tmp_path, at.url, provider="anthropic")
        arguments = ("--llm-provider", "anthropic", "--llm-model", "local-7b", "--max-comparisons", COMPARISONS)
        ran = await asyncio.to_thread(
            run, "--mode", "execute", "--assets", tmp_path / "study", *arguments, cwd=tmp_path, env=environ
        )
    assert ran.code == 0, ran.err
    assert len(server.shared) == COMPARISONS and len(set(server.shared)) == 1
    artefact = json.loads((newest(tmp_path) / "assessment_run.execute.json").read_text())
    assert artefact["costs"]["total_usd"] == pytest.approx(float(server.usd), abs=1e-9)
