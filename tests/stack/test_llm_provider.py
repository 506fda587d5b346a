"""The LLM Provider Service: HTTP in, Kafka out, and nothing judged twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import select

from eng5_runner.contracts.messages import parse_callback
from eng5_runner.contracts.services import ComparisonBody, ModelManifest
from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.llm.judge import Question, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baseline
from eng5_runner.stack.llm.queue import UNANSWERABLE, QueueRepository, new_entry
from eng5_runner.stack.llm.service import LLMProvider
from eng5_runner.stack.platform.kafka import Pacer, Publisher
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.tables import llm_comparisons
from eng5_runner.stack.platform.web import served
from tests.support.stack.driver import RecordingJudge, at_work, embedded
from tests.support.stack.llm import comparison, provider

ESSAYS = {"essay_a_id": "a", "essay_b_id": "b"}
SAME = {"essay_a_id": "a", "essay_b_id": "a"}


class GatedJudge(RecordingJudge):
    """Notes the question, then waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, question: Question) -> Verdict:
        self.asked.set()
        await self.gate.wait()
        return await super().__call__(question)


async def test_a_result_echoes_the_question_and_its_metadata(tmp_path: Path) -> None:
    async with provider(tmp_path) as site:
        body = comparison()
        queue_id = await site.queued(body)
        (raw,) = await site.messages(1)

    envelope = json.loads(raw)
    assert envelope["event_type"] == Topic.COMPARISON.value
    assert envelope["correlation_id"] == envelope["data"]["correlation_id"] == body["correlation_id"]
    assert envelope["data"]["request_id"] == queue_id
    told = envelope["data"]["request_metadata"]
    assert {key: told[key] for key in body["metadata"]} == body["metadata"]
    assert parse_callback(Topic.COMPARISON, raw).data.winner == "Essay A"  # type: ignore[union-attr]


async def test_asked_again_it_answers_again_and_does_not_judge_again(tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with provider(tmp_path, judge.entry()) as site:
        body = comparison()
        first = await site.queued(body)
        (raw,) = await site.messages(1)
        assert await site.queued(body) == first
        assert await site.messages(1) == [raw]
        about = body["metadata"] | {"essay_b_id": "another"}
        other = comparison(2, 3, correlation_id=body["correlation_id"], metadata=about)
        code, message = await site.refused(other, 400)

    assert (code, "another prompt" in message) == ("VALIDATION_ERROR", True)
    assert len(judge.prompts) == 1


async def test_an_outcome_is_in_the_record_before_anybody_is_told(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        told: list[tuple[bytes, bytes | None]] = []
        last = asyncio.Event()

        class Witness(Publisher):
            async def publish(self, _: str, value: bytes, *, key: bytes | None = None) -> None:
                row = await store.row(select(llm_comparisons.c.outcome))
                told.append((value, row.outcome if row else None))
                last.set()

        clock = asyncio.get_running_loop().time
        witness = Witness(AIOKafkaProducer(), Pacer(rate=1.0, burst=1.0, clock=clock), cluster=embedded("nowhere:1"))
        service = LLMProvider(store=store, publisher=witness, judges=(offline_baseline(),))
        async with at_work(service.run()) as working:
            async with served(service.application()) as url, aiohttp.ClientSession() as http:
                async with http.post(f"{url}/api/v1/comparison", json=comparison()) as response:
                    assert response.status == 202
                await last.wait()
            service.close()
            await working

    ((published, recorded),) = told
    assert published == recorded


async def test_many_at_once_under_one_correlation_id_are_one(tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with provider(tmp_path, judge.entry()) as site:
        body = comparison()
        ids = await asyncio.gather(*(site.queued(body) for _ in range(20)))

    assert len(set(ids)) == len(judge.prompts) == 1


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"llm_config_overrides": {}}, "VALIDATION_ERROR", "provider_override is required"),
        ({"llm_config_overrides": {"provider_override": "openai"}}, "LLM_CONFIGURATION_ERROR", "no judge for openai"),
        (
            {"llm_config_overrides": {"provider_override": "mock", "model_override": "gpt"}},
            "LLM_CONFIGURATION_ERROR",
            "no judge for mock/gpt",
        ),
        ({"user_prompt": ""}, "VALIDATION_ERROR", "user_prompt"),
        ({"correlation_id": "7"}, "VALIDATION_ERROR", "UUID"),
        ({"correlation_id": "-" * 40 + str(uuid4())}, "VALIDATION_ERROR", "UUID in its usual form"),
        ({"correlation_id": uuid4().hex}, "VALIDATION_ERROR", "UUID in its usual form"),
        ({"metadata": {}}, "VALIDATION_ERROR", "essay_a_id"),
        ({"metadata": SAME}, "VALIDATION_ERROR", "compared with itself"),
        ({"metadata": ESSAYS | {"n": 10**20}}, "VALIDATION_ERROR", "metadata: Integer exceeds 64-bit range"),
        ({"metadata": ESSAYS | {"n": "x" * 10**6}}, "VALIDATION_ERROR", "metadata: too long"),
        (
            {"llm_config_overrides": {"provider_override": "mock", "max_tokens_override": 10**20}},
            "VALIDATION_ERROR",
            "max_tokens_override",
        ),
        ({"callback_topic": "elsewhere"}, "VALIDATION_ERROR", "callback_topic"),
    ],
)
async def test_what_it_cannot_answer_it_refuses(tmp_path: Path, change: dict[str, Any], code: str, told: str) -> None:
    async with provider(tmp_path) as site:
        found, message = await site.refused(comparison(**change), 400)

    assert found == code
    assert told in message


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    judge = GatedJudge()
    async with provider(tmp_path, judge.entry(), workers=1, queue_length=1) as site:
        await site.queued(comparison(0, 1))
        await judge.asked.wait()
        await site.queued(comparison(0, 2))

        status, answered, headers = await site.ask(comparison(0, 3))

        async with site.http.get(f"{site.url}/metrics") as response:
            assert "comparisons_waiting 1.0" in (await response.text()).splitlines()
        assert (status, headers["Retry-After"]) == (503, "1")
        assert b"LLM_QUEUE_FULL" in answered
        judge.gate.set()
        assert len(await site.messages(2)) == 2


async def test_while_a_refused_comparison_waits_another_is_asked_in_its_place(tmp_path: Path) -> None:
    class Refused(GatedJudge):
        """Says of its first question that the provider refused it for now."""

        async def __call__(self, question: Question) -> Verdict:
            if not self.asked.is_set():
                question.give_way()
                return await super().__call__(question)
            self.gate.set()
            return await RecordingJudge.__call__(self, question)

    judge = Refused()
    async with provider(tmp_path, judge.entry(), workers=1) as site:
        await site.queued(comparison(0, 1))
        await judge.asked.wait()
        await site.queued(comparison(0, 2))
        assert len(await site.messages(2)) == 2


async def test_of_several_in_one_request_each_is_taken_or_refused_by_itself(tmp_path: Path) -> None:
    judge = GatedJudge()
    async with provider(tmp_path, judge.entry(), workers=1, queue_length=2) as site:
        await site.queued(first := comparison(0, 1))
        await judge.asked.wait()
        bodies = [first, comparison(0, 2), comparison(0, 3, callback_topic="another"), comparison(0, 4), comparison()]
        async with site.http.post(f"{site.url}/api/v1/comparisons", json={"comparisons": bodies}) as response:
            answers = (await response.json())["answers"]

        assert [one.get("error", {}).get("error_code") for one in answers] == [
            *(None, None, "VALIDATION_ERROR", None, "LLM_QUEUE_FULL"),
        ]
        assert [(one["status"], one["retry_after"]) for one in answers if "error" in one] == [(400, None), (503, 1.0)]
        judge.gate.set()
        told = {json.loads(raw)["data"]["request_id"] for raw in await site.messages(3)}

    assert told == {one["queue_id"] for one in answers if "queue_id" in one}


async def test_what_was_accepted_is_taken_up_after_a_restart(tmp_path: Path) -> None:
    blocked, judge = GatedJudge(), RecordingJudge()
    async with provider(tmp_path, blocked.entry(), workers=1) as site:
        ids = [await site.queued(comparison(0, other)) for other in (1, 2, 3)]
    assert blocked.prompts == []

    async with provider(tmp_path, judge.entry()) as site:
        raw = await site.messages(3)

    assert {json.loads(one)["data"]["request_id"] for one in raw} == set(ids)
    assert len(judge.prompts) == 3


async def test_a_judge_that_is_gone_after_a_restart_is_an_error_callback(tmp_path: Path) -> None:
    gone = GatedJudge()
    entry = JudgeEntry(offline_baseline().model.model_copy(update={"model_id": "gone"}), gone)
    body = comparison(llm_config_overrides={"provider_override": "mock", "model_override": "gone"})
    async with provider(tmp_path, entry, workers=1) as site:
        await site.queued(body)

    async with provider(tmp_path) as site:
        (raw,) = await site.messages(1)

    data = json.loads(raw)["data"]
    assert (data["winner"], data["error_detail"]["error_code"]) == (None, "LLM_CONFIGURATION_ERROR")
    assert data["request_metadata"]["prompt_sha256"]


async def test_a_bug_in_a_judgement_is_that_comparison_s_error_and_the_others_are_judged(tmp_path: Path) -> None:
    judge = RecordingJudge()
    spoilt = comparison(0, 1)

    async def buggy(question: Question) -> Verdict:
        if question.prompt == spoilt["user_prompt"]:
            raise ZeroDivisionError("SECRET ESSAY")
        return await judge(question)

    async with provider(tmp_path, JudgeEntry(offline_baseline().model, buggy)) as site:
        await site.queued(spoilt)
        (failed,) = await site.messages(1)
        await site.queued(comparison(0, 2))
        (judged,) = await site.messages(1)

    data = json.loads(failed)["data"]
    assert (data["winner"], data["error_detail"]["error_code"]) == (None, "INTERNAL_ERROR")
    assert data["request_metadata"]["cost_known"] is False
    assert b"SECRET" not in failed
    assert json.loads(judged)["data"]["winner"]


async def test_what_an_earlier_version_accepted_and_nobody_can_answer_is_neither_judged_nor_in_the_way(
    tmp_path: Path,
) -> None:
    judge = RecordingJudge()
    good = ComparisonBody.model_validate(comparison())
    unreadable = good.llm_config_overrides.model_copy(update={"max_tokens_override": 10**20})
    changes = [{"metadata": SAME}, {"metadata": ESSAYS | {"n": 10**20}}, {"llm_config_overrides": unreadable}, {}]
    async with open_store(tmp_path) as store:
        record = QueueRepository(store, length=9)
        writing = record.start(asyncio.create_task)
        for change in changes:
            body = good.model_copy(update={"correlation_id": str(uuid4()), **change})
            await record.accepted.add(new_entry(body, "0" * 64))
        for task in writing:
            task.cancel()

    async with provider(tmp_path, judge.entry()) as site:
        (raw,) = await site.messages(1)
        assert json.loads(raw)["data"]["winner"]
    async with open_store(tmp_path) as store:
        outcomes = [row.outcome for row in await store.rows(select(llm_comparisons.c.outcome))]

    assert sorted(outcomes, key=len) == [UNANSWERABLE] * 3 + [raw]
    assert len(judge.prompts) == 1


async def test_a_prompt_without_two_essays_is_an_error_callback(tmp_path: Path) -> None:
    async with provider(tmp_path) as site:
        await site.queued(comparison(prompt_blocks=None, user_prompt="Which one is better?"))
        (raw,) = await site.messages(1)

    assert json.loads(raw)["data"]["error_detail"]["error_code"] == "LLM_INVALID_PROMPT"


async def test_the_manifest_names_the_baseline_and_says_what_it_is(tmp_path: Path) -> None:
    async with provider(tmp_path) as site, site.http.get(f"{site.url}/api/v1/models") as response:
        manifest = ModelManifest.model_validate_json(await response.read())

    assert manifest.total_models == 1
    (model,) = manifest.providers["mock"]
    assert model.model_id == "offline-baseline-2"
    assert model.capabilities is not None
    assert model.capabilities["language_model"] is False
    assert model.cost_per_1k_input_tokens == 0
