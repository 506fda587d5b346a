"""The parts of the prompt that comparisons share are marked for the provider's cache, and priced as there."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, count, pairwise
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.contracts.request import BATCHING_MODE
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for
from tests.support.judges.paid import Desk
from tests.support.judges.servers import Asked, Said, Script, Server, chat, message, serving
from tests.support.runner import newest, run
from tests.support.small_study import build_study
from tests.support.stack.llm import Site, comparison, provider

INPUT, CACHED, WRITTEN, OUTPUT = map(Decimal, ("0.0000025", "0.00000125", "0.0000025", "0.00001"))
COMPARISONS = 40
AFTER = 0.05
"""Seconds before each answer."""
KILLS = int(os.environ.get("ENG5_KILLS", "1"))
"""Of the test that kills the whole runner again and again; `ENG5_KILLS=200` is its long form, of half an hour."""
PLACES = 4


class CachingServer:
    """Speaks the Messages API and keeps what is marked, as its provider does; four letters are a token.

    Attributes:
        after: seconds before each answer.
        bill: of each question in USD; `read`: the tokens that it read from its cache.
        marked: the texts up to each mark, for each question; `kept`: those in the cache.
        times: when the questions with a last marked text came.
    """

    def __init__(self, *, after: float = AFTER) -> None:
        self.after = after
        self.bill: list[Decimal] = []
        self.read = 0
        self.marked: list[list[str]] = []
        self.kept: set[str] = set()
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def __call__(self, asked: Asked) -> Said:
        *shared, rest = asked.body["messages"][0]["content"]
        assert all(part["cache_control"] == {"type": "ephemeral"} for part in shared) and "cache_control" not in rest
        marked = list(accumulate((part["text"] for part in shared), initial=asked.body["system"]))[1:]
        read = max((len(text) // 4 for text in marked if text in self.kept), default=0)
        self.read += read
        into = len(marked[-1]) // 4 - read
        self.marked.append(marked)
        self.times[marked[-1]].append(asked.at)
        self.kept.update(marked)
        plain, written = len(rest["text"]) // 4, 60
        self.bill.append(plain * INPUT + read * CACHED + into * WRITTEN + written * OUTPUT)
        answer = {"winner": "Essay A", "justification": "Clearer.", "confidence": 4}
        said = replace(message(json.dumps(answer)), after=self.after)
        counts = {"cache_read_input_tokens": read, "cache_creation_input_tokens": into}
        said.body["usage"] = {"input_tokens": plain, "output_tokens": written, **counts}
        return said


@asynccontextmanager
async def _alone(folder: Path, script: Script) -> AsyncIterator[tuple[Site, Server]]:
    """The LLM provider service and its provider."""
    async with (
        serving(script) as server,
        open_judges(environ_for(folder, server.url), cache_folder=None) as judges,
        provider(folder / "data", *judges) as site,
    ):
        yield site, server


async def test_after_a_restart_only_what_was_sent_counts_as_asked(tmp_path: Path) -> None:
    """Of three comparisons of a bundle the first is under way, and the others wait for it."""
    came, told = asyncio.Event(), {"essay_a_id": "a", "bos_batch_id": "batch", BATCHING_MODE: "serial_bundle"}
    judge = {"provider_override": "openai", "model_override": "local-7b"}

    def silent(_: Asked) -> Said:
        came.set()
        return replace(chat(), until=asyncio.Event())

    async with _alone(tmp_path, silent) as (site, server):
        for other in (1, 2, 3):
            about = told | {"essay_b_id": f"b{other}"}
            await site.queued(comparison(0, other, llm_config_overrides=judge, metadata=about))
        async with asyncio.timeout(30):
            await came.wait()
    assert len(server.asked) == 1
    async with _alone(tmp_path, lambda _: chat()) as (site, server):
        results = [json.loads(raw)["data"] for raw in await site.messages(3)]
    interrupted = [each["request_metadata"]["essay_b_id"] for each in results if each["error_detail"]]
    assert (interrupted, len(server.asked)) == (["b1"], 2)


def rows(artefact: dict[str, Any]) -> list[dict[str, Any]]:
    """All calls of the run."""
    return [*artefact["llm_comparisons"], *artefact["failed_comparisons"]]


@pytest.mark.parametrize("mode", ["per_request", "serial_bundle"])
async def test_the_artefact_has_the_bill_of_a_server_that_caches(tmp_path: Path, mode: str) -> None:
    build_study(tmp_path / "study")
    server = CachingServer()
    async with serving(server) as at:
        environ = environ_for(tmp_path, at.url, provider="anthropic")
        arguments = ("--llm-provider", "anthropic", "--llm-model", "local-7b", "--max-comparisons", COMPARISONS)
        ran = await asyncio.to_thread(
            run,
            *("--mode", "execute", "--assets", tmp_path / "study", "--llm-batching-mode", mode),
            *arguments,
            cwd=tmp_path,
            env=environ,
        )
    assert ran.code == 0, ran.err
    assert len(server.marked) == COMPARISONS
    assert len({marked[0] for marked in server.marked}) == 1
    if mode == "per_request":
        assert all(len(marked) == 1 for marked in server.marked)
    else:
        assert 1 < len({first for _, first in server.marked}) < COMPARISONS / 2
        assert all(first.endswith("essay>>>") and first.count("essay>>>") == 1 for _, first in server.marked)
        one_by_one = [later - earlier for times in server.times.values() for earlier, later in pairwise(times)]
        assert min(one_by_one) > AFTER * 0.9, "each is asked after the answer to the one before"
    artefact = json.loads((newest(tmp_path) / "assessment_run.execute.json").read_text())
    assert artefact["costs"]["total_usd"] == pytest.approx(float(sum(server.bill)), abs=1e-9)
    (counted,) = artefact["costs"]["token_counts"]
    assert counted["cached_tokens"] == server.read == sum(row.get("tokens_cached", 0) for row in rows(artefact))
    assert "of these cached" in ran.err + ran.out


@pytest.mark.timeout(400 + 20 * KILLS)
async def test_a_killed_run_has_the_whole_bill_of_a_server_that_caches(tmp_path: Path) -> None:
    """A question that was under way is stated as perhaps charged, at its highest cost; each other one to the cent."""
    killed, chance = 0, random.Random(6)
    for study in count():
        killed += await _killed(tmp_path / str(study), chance, most=min(KILLS - killed, 8))
        if killed >= KILLS:
            return


async def _killed(folder: Path, chance: random.Random, *, most: int) -> int:
    """How often a study was killed before it ended as it should."""
    build_study(folder / "study")
    server = CachingServer(after=0.5)
    async with serving(server) as at:
        environ = environ_for(folder, at.url, provider="anthropic", limits=f"concurrency = {PLACES}")
        judge = ("--llm-provider", "anthropic", "--llm-model", "local-7b", "--max-comparisons", COMPARISONS)
        killed = await Desk(folder, environ).killed(*judge, "--no-cache", chance=chance, most=most)
    artefact = json.loads((newest(folder) / "assessment_run.execute.json").read_text())
    assert len(artefact["llm_comparisons"]) == COMPARISONS
    lost = [row["cost_usd"] for row in artefact["failed_comparisons"]]
    paid = Counter(Decimal(str(row["cost_usd"])) for row in artefact["llm_comparisons"])
    bill = Counter(server.bill)
    assert not paid - bill, "each answer costs what the server says"
    assert (bill - paid).total() <= len(lost) <= PLACES * killed, "and nothing else was asked"
    assert all(MAY_BE_CHARGED in row["failure_reason"] for row in artefact["failed_comparisons"])
    assert min(lost, default=1) >= max(bill)
    return killed
