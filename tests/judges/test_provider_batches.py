"""The providers' batch APIs: half the price, and nothing paid twice, whatever the provider and the machine do."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count, groupby
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.contracts.request import Provider
from eng5_runner.stack.llm.providers.batches import CANCELLED, BatchApi, BatchStatus, OwnBatch, Search
from eng5_runner.stack.llm.providers.protocol import Reply
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.batch_server import ANSWERED_BEFORE_CANCELLED, BatchServer, batch_server, prompt_of
from tests.support.judges.driver import environ_for, question
from tests.support.judges.paid import Desk
from tests.support.small_study import build_study

_LIMITS = "batch_collect_seconds = 0.1\nbatch_poll_seconds = 0.05\nbatch_settle_seconds = 0.5"
KILLS = int(os.environ.get("ENG5_KILLS", "1"))
"""Of the test that kills the whole runner again and again; `ENG5_KILLS=200` is its long form, of ten minutes."""
_CENT = Decimal("0.01")


@asynccontextmanager
async def _desk(
    folder: Path, server: BatchServer, *, provider: str = "openai", limits: str = ""
) -> AsyncIterator[Desk]:
    build_study(folder / "study")
    async with batch_server(server):
        environ = environ_for(folder, server.url, provider=provider, limits=f"{_LIMITS}\n{limits}")
        models = folder / "models.toml"
        models.write_text(models.read_text("utf-8").replace("output = 0.01\n", "output = 0.01\nbatch_factor = 0.5\n"))
        yield Desk(folder, environ)


def _judge(provider: str) -> tuple[object, ...]:
    # The last of two options counts, so this takes the place of the desk's own judge.
    return ("--llm-provider", provider, "--llm-model", "local-7b", "--max-comparisons", 40)


def _artefact(folder: Path) -> dict[str, Any]:
    (found,) = (folder / "runs" / "latest").glob("assessment_run.*.json")
    loaded: dict[str, Any] = json.loads(found.read_text("utf-8"))
    return loaded


def _cost(artefact: dict[str, Any]) -> Decimal:
    return Decimal(str(artefact["costs"]["total_usd"]))


async def test_expired_failed_and_doubled_results_cost_what_the_server_says(tmp_path: Path) -> None:
    server = BatchServer(misbehaves=True)
    async with _desk(tmp_path, server, provider="anthropic", limits="batch_requests = 25") as desk:
        ran = await desk.execute(*_judge("anthropic"), "--batch")
    assert ran.code == 0, ran.err
    assert len(server.batches) == 3  # chunks of 25 and 15, then those that expired or failed
    for batch in server.batches.values():
        first = [prompt_of(question).split("**Essay B:**")[0] for question in batch.questions.values()]
        assert len(list(groupby(first))) == len(set(first)) < len(first), "the same first essays follow each other"
    assert sum(server.prompts.values()) == 40 == len(server.prompts)
    artefact = _artefact(tmp_path)
    assert abs(_cost(artefact) - server.spent) < _CENT / 100
    assert all(row["batched"] for row in (*artefact["llm_comparisons"], *artefact["failed_comparisons"]))


async def test_at_the_cost_limit_batches_are_cancelled_and_what_is_done_is_paid(tmp_path: Path) -> None:
    """The answers of the first batch cost far more than their bounds, so the others could exceed the limit."""
    server = BatchServer(holds=True, written=40_000)
    async with _desk(tmp_path, server, limits="batch_requests = 10") as desk:
        ran = await desk.execute(*_judge("openai"), "--batch", "--max-cost", "1.2")
    assert ran.code == 4, ran.err
    assert sorted(server.cancelled) == ["batch_1", "batch_2", "batch_3"]
    assert list(server.batches) == ["batch_0", *sorted(server.cancelled)]
    assert sum(server.prompts.values()) == 10 + 3 * ANSWERED_BEFORE_CANCELLED == len(server.prompts)
    assert abs(_cost(_artefact(tmp_path)) - server.spent) < _CENT / 100


@pytest.mark.timeout(400 + 10 * KILLS)
async def test_a_killed_run_pays_nothing_twice(tmp_path: Path) -> None:
    """The runner and its stack are killed at any moment; each time the run is resumed."""
    killed, chance = 0, random.Random(5)
    for study in count():
        provider = ("openai", "anthropic")[study % 2]
        killed += await _killed(tmp_path / str(study), chance, provider=provider, most=min(KILLS - killed, 8))
        if killed >= KILLS:
            return


async def _killed(folder: Path, chance: random.Random, *, provider: str, most: int) -> int:
    """How often a study was killed before it ended as it should."""
    server = BatchServer(ends_after=6, misbehaves=True)
    async with _desk(folder, server, provider=provider, limits="batch_requests = 20") as desk:
        killed = await desk.killed(*_judge(provider), "--batch", chance=chance, most=most)
    assert sum(server.prompts.values()) == 40 == len(server.prompts)
    assert abs(_cost(_artefact(folder)) - server.spent) < _CENT / 100
    return killed


@asynccontextmanager
async def _api(folder: Path, server: BatchServer, provider: Provider) -> AsyncIterator[tuple[BatchApi, bytes]]:
    """A client of the local server, and a question as it asks it."""
    async with batch_server(server):
        environ = environ_for(folder, server.url, provider=provider.value)
        async with open_judges(environ, cache_folder=None) as entries:
            judge = next(entry for entry in entries if entry.model.model_id == "local-7b").batches
            assert judge is not None
            yield judge.api, judge.line(question())


@pytest.mark.parametrize("provider", [Provider.OPENAI, Provider.ANTHROPIC])
async def test_a_batch_whose_answer_was_lost_is_found_again(tmp_path: Path, provider: Provider) -> None:
    """Among others of the same account, on the second page of the list."""
    began = time.time()
    async with _api(tmp_path, BatchServer(ends_after=1), provider) as (api, line):
        names = [json.loads(line)["custom_id"], *(f"q{number}" for number in range(6))]
        lines = [line.replace(names[0].encode(), name.encode()) for name in names]
        made = [
            await api.create(f"own-{each}", await api.prepare(f"own-{each}", [line])) for each, line in enumerate(lines)
        ]
        wanted = OwnBatch(own_id="own-2", queue_ids=frozenset({names[2]}), since=began)
        before = await api.find(wanted)
        for each in made:
            await api.look(each)
        assert before == (
            made[2] if provider is Provider.OPENAI else Search.UNDECIDED
        )  # its results name the questions
        assert await api.find(wanted) == made[2]
        assert await api.find(OwnBatch(own_id="none", queue_ids=frozenset({"none"}), since=began)) is Search.MISSING


@pytest.mark.parametrize("provider", [Provider.OPENAI, Provider.ANTHROPIC])
async def test_of_a_cancelled_batch_the_answers_that_are_done_are_read(tmp_path: Path, provider: Provider) -> None:
    server = BatchServer(ends_after=1, holds=True)
    async with _api(tmp_path, server, provider) as (api, line):
        name = json.loads(line)["custom_id"]
        lines = [line.replace(name.encode(), f"q{number}".encode()) for number in range(5)]
        await api.create("first", await api.prepare("first", [line]))
        made = await api.create("second", await api.prepare("second", lines))
        assert (await api.look(made)).status is BatchStatus.RUNNING
        await api.cancel(made)
        state = await api.look(made)
        assert state.status is BatchStatus.ENDED
        results = {queue_id: each async for queue_id, each in api.results(made, state)}
    replies = [each for each in results.values() if isinstance(each, Reply)]
    assert len(replies) == ANSWERED_BEFORE_CANCELLED == state.answered
    assert [each for each in results.values() if not isinstance(each, Reply)] == [CANCELLED] * 2
