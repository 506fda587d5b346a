"""Whatever a server answers: what can be read is used, and what may have been charged is counted at its highest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.judges.cost_bound import call_at_most_usd, prompt_bytes
from eng5_runner.stack.llm.judge import JudgeFailed, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for, question
from tests.support.judges.hostile import ALL, READABLE, UNCHARGED, Hostile, hostile

COUNTED = 11
"""The first so many of the readable answers say in a credible way what they took, all but the last."""


@asynccontextmanager
async def judge_of(path: Path, server: Hostile, *, cache: Path | None = None) -> AsyncIterator[JudgeEntry]:
    environ = environ_for(path, server.url, timeout="2", attempts="3")
    async with open_judges(environ, cache_folder=cache) as entries:
        yield next(entry for entry in entries if entry.model.model_id == "local-7b")


async def asked(path: Path, server: Hostile) -> tuple[Verdict | JudgeFailed, float]:
    """What one question gives, and the most that it can cost."""
    async with judge_of(path, server) as judge:
        try:
            answer: Verdict | JudgeFailed = await judge.judge(question())
        except JudgeFailed as failed:
            answer = failed
    size = prompt_bytes(question().prompt)
    return answer, float(call_at_most_usd(judge.model, prompt_bytes=size, overrides=question().overrides) or 0)


@pytest.mark.parametrize("kind", READABLE)
async def test_a_readable_answer_is_used(tmp_path: Path, kind: str) -> None:
    async with hostile(kind) as server:
        answer, _ = await asked(tmp_path, server)

    assert isinstance(answer, Verdict) and answer.winner == "Essay A"
    is_counted = kind in list(READABLE)[: COUNTED - 1]
    assert (answer.cost is not None) == is_counted
    assert answer.cost is None or answer.cost >= float(server.spent) * 0.999
    assert server.answered.total() == 1


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in READABLE])
async def test_an_unreadable_answer_is_asked_for_once_and_its_cost_is_unknown_or_nothing(
    tmp_path: Path, kind: str
) -> None:
    async with hostile(kind) as server:
        answer, most = await asked(tmp_path, server)

    assert isinstance(answer, JudgeFailed) and not answer.is_final
    if kind in UNCHARGED:
        assert (answer.spent.cost, server.answered.total()) == (0.0, 3)
    elif kind in ("no text", "a number for a text"):  # with a credible usage
        assert answer.spent.cost == pytest.approx(float(server.spent))
    else:
        assert (answer.spent.cost, server.answered.total()) == (None, 1)
        assert float(server.spent) <= most


async def test_a_question_that_an_ended_service_had_asked_is_left_to_who_counts_costs(tmp_path: Path) -> None:
    begun = replace(question(), was_begun=True)
    async with hostile("as it should be") as server, judge_of(tmp_path, server, cache=tmp_path / "cache") as judge:
        with pytest.raises(JudgeFailed) as failed:
            await judge.judge(begun)
        assert (failed.value.is_interrupted, failed.value.spent.cost, server.answered.total()) == (True, None, 0)
        assert failed.value.message.endswith(MAY_BE_CHARGED)


async def test_an_answer_that_an_ended_service_had_kept_is_published_with_its_cost(tmp_path: Path) -> None:
    asked = question()
    async with hostile("as it should be") as server, judge_of(tmp_path, server, cache=tmp_path / "cache") as judge:
        paid = await judge.judge(asked)
        again = await judge.judge(replace(asked, was_begun=True))
        other = await judge.judge(replace(asked, request_id="another", was_begun=True))

    assert again == replace(paid, seconds=None) and again.cost == pytest.approx(float(server.spent))
    assert (other.cost, other.replay_of is not None) == (0.0, True)
    assert server.answered.total() == 1
