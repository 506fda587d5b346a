"""What holds for every provider, each by its own API on a local server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.judges.driver import PROVIDERS, question, site
from tests.support.judges.servers import Asked, Said, anthropic_error, chat, in_turn, message, openai_error

RUBRIC = "Judge by this rubric:\nSpelling counts twice."


def good(provider: str, **more: Any) -> Said:
    said = message() if provider == "anthropic" else chat()
    return Said(said.status, said.body, **more)


def limited(provider: str, **headers: str) -> Said:
    if provider == "anthropic":
        return anthropic_error(429, "rate_limit_error", **headers)
    return openai_error(429, "rate_limit_exceeded", **headers)


def seen(provider: str, asked: Asked) -> dict[str, object]:
    """The same facts of a request, wherever the API has them."""
    body = asked.body
    told = {"model": body["model"], "max_tokens": body["max_tokens"], "temperature": body.get("temperature")}
    if provider == "anthropic":
        effort, system, prompt = body["output_config"]["effort"], body["system"], body["messages"][0]["content"]
    else:
        effort, system, prompt = body["reasoning_effort"], *(one["content"] for one in body["messages"])
    return told | {"effort": effort, "system": system, "prompt": prompt}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_override_reaches_the_provider(tmp_path: Path, provider: str) -> None:
    async with site(tmp_path, in_turn(good(provider)), provider=provider) as at:
        await at.ask(
            temperature_override=0.0,
            max_tokens_override=321,
            system_prompt_override="Be strict.",
            judge_rubric_override="Spelling counts twice.",
            reasoning_effort="high",
        )
        (asked,) = at.server.asked

    assert seen(provider, asked) == {
        "model": "local-7b",
        "max_tokens": 321,
        "temperature": 0.0,
        "effort": "high",
        "system": f"Be strict.\n\n{RUBRIC}",
        "prompt": question().prompt,
    }


@pytest.mark.parametrize("provider", ["openai", "openrouter", "google"])
async def test_a_verbosity_reaches_whoever_has_one(tmp_path: Path, provider: str) -> None:
    async with site(tmp_path, in_turn(good(provider)), provider=provider) as at:
        await at.ask(output_verbosity="low")

        assert at.server.asked[0].body["verbosity"] == "low"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "overrides",
    [{"temperature_override": 0.5}, {"reasoning_effort": "low"}, {"output_verbosity": "low"}],
    ids=lambda one: next(iter(one)),
)
async def test_what_a_model_does_not_take_is_never_sent(
    tmp_path: Path, provider: str, overrides: dict[str, Any]
) -> None:
    async with site(tmp_path, in_turn(good(provider)), provider=provider) as at:
        failed = await at.fails(model="unpriced", **overrides)

        assert (failed.error_code, at.server.asked) == ("LLM_CONFIGURATION_ERROR", [])
        assert next(iter(overrides)) in failed.message


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_rate_limit_is_waited_out_as_long_as_it_says(tmp_path: Path, provider: str) -> None:
    said = in_turn(limited(provider, retry_after="1"), good(provider))
    async with site(tmp_path, said, provider=provider) as at:
        assert (await at.ask()).winner == "Essay B"
        first, second = at.server.asked

    assert second.at - first.at >= 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_slow_answer_is_given_up_and_not_paid_again_unasked(tmp_path: Path, provider: str) -> None:
    said = in_turn(good(provider, after=60), good(provider))
    async with site(tmp_path, said, provider=provider, timeout="2") as at:
        failed = await at.fails()
        assert (failed.error_code, failed.spent.cost) == ("LLM_PROVIDER_TIMEOUT", None)
        assert len(at.server.asked) == 1
        assert (await at.ask()).winner == "Essay B", "the next question is asked as ever"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_is_not_of_the_api_s_form_may_be_charged_and_is_not_asked_again_unasked(
    tmp_path: Path, provider: str
) -> None:
    said = in_turn(Said(body="<html>Bad gateway</html>"), good(provider))
    async with site(tmp_path, said, provider=provider) as at:
        failed = await at.fails()
        assert (failed.error_code, failed.spent.cost) == ("LLM_PROVIDER_API_ERROR", None)
        assert len(at.server.asked) == 1
