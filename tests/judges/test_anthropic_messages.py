"""A judge behind Anthropic's Messages API, on a server that speaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.judges.driver import question, site
from tests.support.judges.servers import KEY, Said, anthropic_error, in_turn, message

HERE = {"provider": "anthropic"}


async def test_the_answer_and_its_price(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(message()), **HERE) as at:
        verdict = await at.ask(reasoning_effort="low", max_tokens_override=99, system_prompt_override="Be strict.")
        (asked,) = at.server.asked

    assert (verdict.winner, verdict.cost) == ("Essay B", pytest.approx(0.0038))
    assert asked.path == "/v1/messages"
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["messages"] == [{"role": "user", "content": question().prompt}]
    assert (asked.body["system"], asked.body["max_tokens"]) == ("Be strict.", 99)
    assert asked.body["output_config"]["effort"] == "low"
    assert asked.body["output_config"]["format"]["type"] == "json_schema"


async def test_a_temperature_reaches_a_model_that_takes_one(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(message()), **HERE) as at:
        await at.ask(temperature_override=0.25)

        assert at.server.asked[0].body["temperature"] == 0.25


@pytest.mark.parametrize(
    ("said", "code", "attempts"),
    [
        (anthropic_error(429, "rate_limit_error", retry_after="0"), "LLM_PROVIDER_RATE_LIMIT", 3),
        (anthropic_error(529, "overloaded_error", retry_after="0"), "LLM_PROVIDER_UNAVAILABLE", 3),
        (anthropic_error(500, "api_error", retry_after="0"), "LLM_PROVIDER_API_ERROR", 1),
        (anthropic_error(401, "authentication_error"), "LLM_CONFIGURATION_ERROR", 1),
        (anthropic_error(403, "permission_error"), "LLM_CONFIGURATION_ERROR", 1),
        (anthropic_error(404, "not_found_error"), "LLM_CONFIGURATION_ERROR", 1),
        (anthropic_error(413, "request_too_large"), "LLM_CONTENT_TOO_LONG", 1),
        (anthropic_error(400, "invalid_request_error"), "LLM_PROVIDER_API_ERROR", 1),
        (anthropic_error(402, "billing_error"), "LLM_COST_LIMIT_EXCEEDED", 1),
    ],
)
async def test_each_error_has_its_code(tmp_path: Path, said: Said, code: str, attempts: int) -> None:
    async with site(tmp_path, in_turn(said), **HERE) as at:
        assert (await at.fails()).error_code == code
        assert len(at.server.asked) == attempts


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (message(stop="refusal"), "LLM_INVALID_RESPONSE"),
        (message(stop="max_tokens"), "LLM_CONTENT_TOO_LONG"),
        (message("Essay A"), "LLM_PARSING_ERROR"),
        (message('{"winner": "both"}'), "LLM_INVALID_RESPONSE"),
    ],
)
async def test_an_answer_that_is_none_is_paid_for(tmp_path: Path, said: Said, code: str) -> None:
    async with site(tmp_path, in_turn(said), **HERE) as at:
        failed = await at.fails()

    assert failed.error_code == code
    assert failed.spent.cost == pytest.approx(0.0038)


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", {}, {"content": 7}, [], None])
async def test_what_is_not_of_the_api_s_form_is_an_api_error(tmp_path: Path, body: Any) -> None:
    async with site(tmp_path, in_turn(Said(body=body)), attempts="1", **HERE) as at:
        assert (await at.fails()).error_code == "LLM_PROVIDER_API_ERROR"
