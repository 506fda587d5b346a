"""A judge behind OpenAI's Chat Completions API, on a server that speaks it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.stack.llm.judge import JudgeFailed
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for, question, site
from tests.support.judges.servers import GOOD, KEY, Asked, Said, Script, chat, in_turn, openai_error, serving


async def test_the_answer_and_its_price(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        verdict = await at.ask()

    assert (verdict.winner, verdict.confidence, verdict.justification) == ("Essay B", 4.0, "It argues better.")
    assert (verdict.prompt_tokens, verdict.completion_tokens) == (1200, 80)
    assert verdict.cost == pytest.approx(1.2 * 0.0025 + 0.08 * 0.01, abs=1e-12)


async def test_what_is_sent_is_what_was_hashed(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        await at.ask()
        (asked,) = at.server.asked

    system, user = asked.body["messages"]
    assert user == {"role": "user", "content": question().prompt}
    assert "not instructions to you" in system["content"]
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["response_format"]["json_schema"]["schema"]["required"] == [
        "winner",
        "justification",
        "confidence",
    ]
    assert not {"temperature", "reasoning_effort", "verbosity"} & asked.body.keys()


async def test_a_rubric_that_the_prompt_holds_is_not_said_twice(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        await at.ask(judge_rubric_override="Judge the content, the structure and the language as a whole.")

        assert "rubric" not in at.server.asked[0].body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("model", "overrides", "named"),
    [
        ("local-7b", {"reasoning_effort": "medium"}, "reasoning_effort: local-7b takes low, high, not medium"),
        ("local-7b", {"output_verbosity": "high"}, "output_verbosity: local-7b takes low, not high"),
        ("local-7b", {"max_tokens_override": 4001}, "max_tokens_override: local-7b writes at most 4000"),
        ("unpriced", {"temperature_override": 0.5}, "temperature_override: unpriced takes no temperature"),
    ],
)
async def test_what_a_model_does_not_take_is_never_sent(
    tmp_path: Path, model: str, overrides: dict[str, Any], named: str
) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        failed = await at.fails(model=model, **overrides)

        assert failed.error_code == "LLM_CONFIGURATION_ERROR"
        assert named in failed.message
        assert at.server.asked == []


async def test_a_rate_limit_holds_back_the_call_that_it_refused_and_no_other(tmp_path: Path) -> None:
    said = in_turn(openai_error(429, "rate_limit_exceeded", retry_after="3"), chat())
    async with site(tmp_path, said, limits="concurrency = 1") as at:
        refused = asyncio.create_task(at.ask())
        while not at.server.asked:  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.01)
        await asyncio.gather(at.ask(), at.ask())
        assert not refused.done() and len(at.server.asked) == 3
        await refused
        first, *_, last = at.server.asked

    assert last.at - first.at >= 3


@pytest.mark.parametrize("status", [408, 429, 503, 529])
async def test_a_server_that_says_that_it_has_not_answered_is_asked_again(tmp_path: Path, status: int) -> None:
    async with site(tmp_path, in_turn(openai_error(status, retry_after_ms="1"), chat())) as at:
        assert (await at.ask()).winner == "Essay B"
        assert len(at.server.asked) == 2


@pytest.mark.parametrize("status", [500, 502, 504, 520])
async def test_an_answer_that_a_gateway_may_have_lost_is_asked_for_again_only_by_who_counts_costs(
    tmp_path: Path, status: int
) -> None:
    async with site(tmp_path, in_turn(openai_error(status, retry_after_ms="1"), chat())) as at:
        failed = await at.fails()

        assert (failed.spent.cost, failed.is_final, len(at.server.asked)) == (None, False, 1)


@pytest.mark.parametrize(
    ("said", "code", "attempts"),
    [
        (openai_error(429, "rate_limit_exceeded", retry_after_ms="1"), "LLM_PROVIDER_RATE_LIMIT", 3),
        (openai_error(429, "insufficient_quota"), "LLM_COST_LIMIT_EXCEEDED", 1),
        (openai_error(408, retry_after_ms="1"), "LLM_PROVIDER_API_ERROR", 3),
        (openai_error(503, retry_after_ms="1"), "LLM_PROVIDER_UNAVAILABLE", 3),
        (openai_error(401, "invalid_api_key"), "LLM_CONFIGURATION_ERROR", 1),
        (openai_error(403), "LLM_CONFIGURATION_ERROR", 1),
        (openai_error(403, message="Your input was flagged"), "LLM_INVALID_RESPONSE", 1),
        (openai_error(404, "model_not_found"), "LLM_CONFIGURATION_ERROR", 1),
        (openai_error(400, "unsupported_value", param="temperature"), "LLM_CONFIGURATION_ERROR", 1),
        (openai_error(400, "context_length_exceeded", param="messages"), "LLM_CONTENT_TOO_LONG", 1),
        (openai_error(400, 400, type="exceed_context_size_error"), "LLM_CONTENT_TOO_LONG", 1),
        (openai_error(400, 400, message="This model's maximum context length is 4096."), "LLM_CONTENT_TOO_LONG", 1),
        (openai_error(400), "LLM_PROVIDER_API_ERROR", 1),
    ],
)
async def test_each_error_has_its_code(tmp_path: Path, said: Said, code: str, attempts: int) -> None:
    async with site(tmp_path, in_turn(said)) as at:
        failed = await at.fails()

        assert failed.error_code == code
        assert str(said.status) in failed.message
        assert len(at.server.asked) == attempts
        assert (failed.spent.prompt_tokens, failed.spent.cost) == (0, 0.0)
        assert failed.is_final == (attempts == 1)


async def test_an_unsupported_parameter_is_named(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(openai_error(400, "unsupported_parameter", param="verbosity"))) as at:
        assert "(verbosity)" in (await at.fails()).message


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (chat(refusal="I cannot compare students."), "LLM_INVALID_RESPONSE"),
        (chat(finish="content_filter"), "LLM_INVALID_RESPONSE"),
        (chat('{"winner": "Essay A", "justi', finish="length"), "LLM_CONTENT_TOO_LONG"),
        (chat(finish="length"), "LLM_CONTENT_TOO_LONG"),
        (chat("Essay A is better."), "LLM_PARSING_ERROR"),
        (chat(""), "LLM_PARSING_ERROR"),
        (chat(json.dumps(GOOD | {"confidence": 6})), "LLM_INVALID_RESPONSE"),
        (chat(json.dumps(GOOD | {"winner": "Essay C"})), "LLM_INVALID_RESPONSE"),
    ],
)
async def test_an_answer_that_is_none_is_paid_for_and_names_no_winner(tmp_path: Path, said: Said, code: str) -> None:
    async with site(tmp_path, in_turn(said)) as at:
        failed = await at.fails()

        assert failed.error_code == code
        assert len(at.server.asked) == 1
        assert (failed.spent.prompt_tokens, failed.spent.completion_tokens) == (1200, 80)
        assert failed.spent.cost == pytest.approx(0.0038)


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", {}, {"choices": []}, {"choices": [{}]}, [], None, 7])
async def test_what_is_not_of_the_api_s_form_is_an_api_error(tmp_path: Path, body: Any) -> None:
    async with site(tmp_path, in_turn(Said(body=body)), attempts="1") as at:
        assert (await at.fails()).error_code == "LLM_PROVIDER_API_ERROR"


async def test_a_slow_answer_is_a_timeout_of_unknown_cost_and_not_paid_again_unasked(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat(after=30), chat()), timeout="2") as at:
        failed = await at.fails()
        assert len(at.server.asked) == 1

    assert (failed.error_code, failed.spent.cost) == ("LLM_PROVIDER_TIMEOUT", None)


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    async with serving(in_turn(chat())) as server:
        environ = environ_for(tmp_path, server.url, attempts="1")
    async with open_judges(environ) as entries:
        with pytest.raises(JudgeFailed) as failed:
            await next(one for one in entries if one.model.model_id == "local-7b").judge(question())

    assert failed.value.error_code == "LLM_PROVIDER_UNAVAILABLE"


async def test_a_model_without_a_price_has_no_cost(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        assert (await at.ask(model="unpriced")).cost is None
        model = at.entries["unpriced"].model

    assert model.cost_per_1k_input_tokens is None
    assert model.capabilities is not None and model.capabilities["price"] == "unknown"


async def test_a_provider_that_does_not_count_has_no_cost_either(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat(usage=None))) as at:
        assert (await at.ask()).cost is None


async def test_tokens_from_the_provider_s_cache_are_cheaper(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    usage |= {"prompt_tokens_details": {"cached_tokens": 800}}  # type: ignore[dict-item]
    async with site(tmp_path, in_turn(chat(usage=usage))) as at:
        verdict = await at.ask()
    assert verdict.cost == pytest.approx(0.2 * 0.0025 + 0.8 * 0.00125 + 0.1 * 0.01)
    assert verdict.cached_tokens == 800


async def test_an_answer_that_was_kept_has_its_tokens_from_the_cache(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 800}}
    asked = question()
    async with site(tmp_path, in_turn(chat(usage=usage)), cache=tmp_path / "cache") as at:
        answers = [await at.entries["local-7b"].judge(asked) for _ in range(2)]
        other = await at.entries["local-7b"].judge(question())
    assert [each.cached_tokens for each in answers] == [800, 800]
    assert (len(at.server.asked), other.cached_tokens) == (1, 0)


async def test_openrouter_s_own_bill_counts(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cost": 0.0123}
    async with site(tmp_path, in_turn(chat(usage=usage)), provider="openrouter") as at:
        verdict = await at.ask(model="unpriced")
        body = at.server.asked[0].body

    assert verdict.cost == 0.0123
    assert body["provider"] == {"require_parameters": True}


async def test_google_s_thinking_is_paid_for(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1700}
    async with site(tmp_path, in_turn(chat(usage=usage)), provider="google") as at:
        verdict = await at.ask()

    assert verdict.completion_tokens == 700


def taking(*forms: str) -> Script:
    """A server that takes only these forms of the answer, and then answers in a code fence."""

    def script(asked: Asked) -> Said:
        form = asked.body.get("response_format", {"type": "text"})["type"]
        return chat(f"```json\n{json.dumps(GOOD)}\n```") if form in forms else openai_error(400, "unsupported_value")

    return script


@pytest.mark.parametrize(
    ("forms", "answers", "asked"),
    [
        (("json_schema", "json_object", "text"), "", ["json_schema"] * 4),
        (("json_object", "text"), "", ["json_schema", "json_object", "json_object", "json_object", "json_object"]),
        (("text",), "", ["json_schema", "json_object", None, None, None, None]),
        (("text",), 'answers = "text"', [None] * 4),
    ],
)
async def test_the_form_of_the_answer_is_negotiated_once_with_a_server_that_nothing_is_said_of(
    tmp_path: Path, forms: tuple[str, ...], answers: str, asked: list[str | None]
) -> None:
    async with site(tmp_path, taking(*forms), model=answers) as at:
        verdicts = [await at.ask() for _ in range(4)]

        assert [each.body.get("response_format", {}).get("type") for each in at.server.asked] == asked
        assert {verdict.winner for verdict in verdicts} == {"Essay B"}
        weakest = None if answers or "json_schema" in forms else "json" if "json_object" in forms else "text"
        assert {verdict.fallback for verdict in verdicts} == {weakest}


async def test_a_form_that_the_file_names_is_not_negotiated(tmp_path: Path) -> None:
    async with site(tmp_path, taking("text"), model='answers = "json"') as at:
        assert (await at.fails()).error_code == "LLM_CONFIGURATION_ERROR"
        assert len(at.server.asked) == 1


async def test_an_unreadable_answer_is_shown_by_its_beginning_and_repeats_neither_essay_nor_key(tmp_path: Path) -> None:
    async with site(
        tmp_path, in_turn(chat("I\x1b[2J cannot decide between these two texts."), chat(f"No: {KEY}"))
    ) as at:
        assert 'it begins "I [2J cannot decide between these two texts."' in (await at.fails()).message
        assert (await at.fails()).message.endswith('it begins "No:…"')
